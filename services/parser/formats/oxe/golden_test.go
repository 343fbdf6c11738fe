package oxe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

const model = "alcatel-oxe"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if partyOf(cdr.Extension) == line || partyOf(cdr.Extension) == hidden {
			t.Fatalf("extension %q", cdr.Extension)
		}
		if cdr.Direction == internal && (cdr.ExternalNumber != "" || cdr.Network != 0) {
			t.Fatalf("an internal call with %q on %s", cdr.ExternalNumber, cdr.Network)
		}
		if cdr.TalkSeconds > 0 && cdr.Disposition != answered && cdr.Disposition != voicemail {
			t.Fatalf("%s with %d seconds of talk", cdr.Disposition, cdr.TalkSeconds)
		}
		for name, value := range cdr.Attributes {
			if name == "" || value == "" || name == snakes[accessCode] {
				t.Fatalf("attribute %q is %q", name, value)
			}
		}
	})
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
		{"dialed", c.DialedNumber},
		{"group", c.GroupNumber},
		{"outside", c.ExternalNumber},
		{"e164", c.ExternalE164},
		{"trunk", c.Trunk},
		{"of", c.TrunkGroup},
		{"out", c.TrunkOut},
		{"transferred", c.TransferredFrom},
		{"redirected", c.RedirectedFrom},
		{"pays", c.ChargedTo},
		{"account", c.AccountCode},
		{"amount", c.ChargeAmount},
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

func parse(t testing.TB, p formats.Parser, raw string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(raw), Near: formatstest.Near})
}
