package mitel3300

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

const model = "mitel-3300"

var variants = []string{"standard", "network", "extended", "others"}

func TestGolden(t *testing.T) {
	for _, v := range variants {
		t.Run(v, func(t *testing.T) { formatstest.Golden(t, formatstest.New(t, model, New), v, nil) })
	}
}

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	switch r.Outcome {
	case formats.Ignored:
		return "ignored " + r.Reason
	case formats.Dead:
		return "dead " + r.Reason
	}
	word := func(s fmt.Stringer) string {
		_, w, _ := strings.Cut(strings.TrimPrefix(s.String(), "RECORD_"), "_")
		return w
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s", word(c.RecordRole), word(c.Direction), word(c.Network), word(c.Disposition))
	fmt.Fprintf(&b, " %s ring %d talk %d line %d", c.StartTime.AsTime().Format(time.RFC3339), c.RingSeconds, c.TalkSeconds, c.LineSeconds)
	fmt.Fprintf(&b, " %s>%s ext %s", c.CallingNumber, c.CalledNumber, c.Extension)
	for _, f := range []struct{ name, value string }{
		{"did", c.Did},
		{"outside", c.ExternalNumber},
		{"e164", c.ExternalE164},
		{"trunk", c.Trunk},
		{"out", c.TrunkOut},
		{"from", c.TransferredFrom},
		{"to", c.TransferredTo},
		{"account", c.AccountCode},
		{"key", c.CallKey},
		{"leg", c.LegId},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s %s", f.name, f.value)
		}
	}
	if c.ChargeUnits > 0 {
		fmt.Fprintf(&b, " units %d", c.ChargeUnits)
	}
	for _, w := range c.Warnings {
		b.WriteString(" " + strings.TrimPrefix(w.String(), "WARNING_"))
	}
	return b.String()
}

func parse(t testing.TB, p formats.Parser, line string, near time.Time) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(line), Near: near})
}

func BenchmarkParse(b *testing.B) {
	p := formatstest.New(b, model, New)
	var tickets []*formats.Ticket
	for _, v := range []string{"standard", "network", "extended"} {
		for _, raw := range formatstest.Tickets(b, filepath.Join("testdata", v+".txt")) {
			tickets = append(tickets, &formats.Ticket{Raw: raw, Near: formatstest.Near})
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var cdr trunklinev1.Cdr
		if r := p.Parse(tickets[i%len(tickets)], &cdr); r.Outcome != formats.CDR {
			b.Fatal(r)
		}
	}
}
