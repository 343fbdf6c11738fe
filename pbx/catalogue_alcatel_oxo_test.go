package pbx

import "testing"

func TestOXOHead(t *testing.T) {
	m, _ := Lookup("alcatel-oxo")
	for line, want := range map[string]bool{
		"PabxRelease=3EH30300FJAA ALZFR200/032.013": true,
		"#TicketSize=122":                 true,
		"#DataBegin":                      true,
		"#DataBegin\x00     226\x00\x03":  false,
		"\x00     226\x00\x03 0 \x15\x01": false,
		"\x00     226=":                   false,
		"A226  --> N01 20/11/26 09:30":    false,
		"<?xml version=\"1.0\"?>":         false,
		"=":                               false,
		"# a b=1":                         false,
		"":                                false,
	} {
		if got := m.Files.Head([]byte(line)); got != want {
			t.Errorf("Head(%q) = %v", line, got)
		}
	}
}
