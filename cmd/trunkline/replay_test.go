package main

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink"
)

func TestReplaySelection(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		flags    replayFlags
		from, to time.Time
	}{
		"days":    {replayFlags{site: "lyon", from: "2026-03-01", to: "2026-03-02"}, day(1), day(3)},
		"one day": {replayFlags{site: "lyon", from: "2026-03-01", to: "2026-03-01"}, day(1), day(2)},
		"moments": {replayFlags{site: "lyon", link: "desk", from: "2026-03-01T02:00:00+02:00", to: "2026-03-01T12:00:00Z"}, day(1), day(1).Add(12 * time.Hour)},
		"aside":   {replayFlags{aside: true}, time.Time{}, time.Time{}},
		"since":   {replayFlags{aside: true, reason: "bad_date", from: "2026-03-01"}, day(1), time.Time{}},
	} {
		s, err := c.flags.selection()
		if err != nil || !s.From.Equal(c.from) || !s.To.Equal(c.to) || s.Aside != c.flags.aside || s.Reason != c.flags.reason {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for name, f := range map[string]replayFlags{
		"nothing":     {},
		"no end":      {site: "lyon", from: "2026-03-01"},
		"no site":     {from: "2026-03-01", to: "2026-03-02"},
		"a bad site":  {site: "Lyon 1", from: "2026-03-01", to: "2026-03-02"},
		"a bad day":   {site: "lyon", from: "1.3.2026", to: "2026-03-02"},
		"backwards":   {site: "lyon", from: "2026-03-03", to: "2026-03-02"},
		"not a span":  {site: "lyon", from: "2026-03-03T00:00:00Z", to: "2026-03-03T00:00:00Z"},
		"reason only": {site: "lyon", from: "2026-03-01", to: "2026-03-02", reason: "bad_date"},
	} {
		if s, err := f.selection(); err == nil {
			t.Errorf("%s is taken: %+v", name, s)
		}
	}
}

// The head of a file whose model had none at first is found in its first message,
// and serves the ones behind it.
func TestReplayHeads(t *testing.T) {
	l, err := newReplayLink(pbx.Settings{Site: "lyon", Link: "cucm", Model: "cisco-cucm", Timezone: "Europe/Paris"})
	if err != nil {
		t.Fatal(err)
	}
	const head = "\"cdrRecordType\",\"globalCallID_callManagerId\"\nINTEGER,INTEGER\n"
	first := &bus.TicketMessage{Origin: "file:1", Offset: "0", Payload: []byte(head + "1,1\n")}
	l.heads.find(first)
	if string(first.Preamble) != head || string(first.Payload) != "1,1\n" || first.Offset != "61" {
		t.Errorf("the first message: %q %q at %s", first.Preamble, first.Payload, first.Offset)
	}
	for _, c := range []struct{ origin, offset, incomplete, want string }{
		{"file:1", "65", "", head},
		{"file:2", "65", "", ""},
		{"file:1", "65", "cut-off", ""},
	} {
		m := &bus.TicketMessage{Origin: c.origin, Offset: c.offset, Incomplete: c.incomplete, Payload: []byte("1,2\n")}
		l.heads.find(m)
		if string(m.Preamble) != c.want || m.Offset != c.offset {
			t.Errorf("%+v: %q at %s", c, m.Preamble, m.Offset)
		}
	}
}

func TestReplayChanges(t *testing.T) {
	at := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	was := &sink.KeptMessage{Tickets: []*sink.KeptTicket{
		{Position: "0", Call: true, Start: at},
		{Position: "10", Call: true, Start: at},
		{Position: "20", Dead: true, Reason: "bad_date"},
		{Position: "30", Call: true, Start: at},
		{Position: "40", Dead: true, Reason: "bad_date"},
		{Position: "50", Dead: true, Reason: "bad_date"},
		{Position: "60", Reason: "page_header"},
		{Position: "70", Dead: true, Reason: "page_header"},
	}}
	call := func(position string, at time.Time) *trunklinev1.Cdr {
		return &trunklinev1.Cdr{Position: position, StartTime: timestamppb.New(at)}
	}
	other := func(position, reason string, outcome trunklinev1.Outcome) *trunklinev1.OtherTicket {
		return &trunklinev1.OtherTicket{Position: position, Reason: reason, Outcome: outcome}
	}
	now := &trunklinev1.CdrBatch{
		Cdrs: []*trunklinev1.Cdr{call("0", at), call("10", at.Add(time.Hour)), call("20", at), call("45", at)},
		Others: []*trunklinev1.OtherTicket{
			other("30", "bad_date", trunklinev1.Outcome_OUTCOME_DEAD),
			other("50", "bad_time", trunklinev1.Outcome_OUTCOME_DEAD),
			other("60", "page_header", trunklinev1.Outcome_OUTCOME_IGNORED),
			other("70", "page_header", trunklinev1.Outcome_OUTCOME_IGNORED),
		},
	}
	var c changes
	c.compare(was, now)
	if want := (changes{same: 2, moved: 1, made: 1, unmade: 1, other: 2, fresh: 1, gone: 1}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\r\n":         `a\tb\r\n`,
		`say "hi" \ there`: `say "hi" \\ there`,
		"caf\xe9":          `caf\xe9`,
		"café\x1b[2J":      `café\x1b[2J`,
	} {
		if got := oneLine([]byte(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
