package wire

import "testing"

func TestSubjects(t *testing.T) {
	a := Address{Model: "avaya-ipoffice", Site: "lyon", Link: "front-desk"}
	if got, want := a.TicketSubject(), "tickets.v1.avaya-ipoffice.lyon.front-desk"; got != want {
		t.Errorf("ticket subject %q, want %q", got, want)
	}
	if got, want := a.CdrSubject(), "cdrs.v1.avaya-ipoffice.lyon.front-desk"; got != want {
		t.Errorf("receipt subject %q, want %q", got, want)
	}
	if got, want := (Address{Site: "lyon"}).TicketSubject(), "tickets.v1.*.lyon.*"; got != want {
		t.Errorf("filter %q, want %q", got, want)
	}
	for _, s := range []string{a.TicketSubject(), a.CdrSubject()} {
		if got, ok := ParseSubject(s); !ok || got != a {
			t.Errorf("ParseSubject(%q) = %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "tickets.v1", "tickets.v1.a.b", "tickets.v1.a.b.c.d", "tickets.v2.a.b.c", "other.v1.a.b.c", "tickets.v1..b.c"} {
		if got, ok := ParseSubject(s); ok {
			t.Errorf("ParseSubject(%q) = %v, want none", s, got)
		}
	}
}
