package oxe

import (
	"fmt"
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
	head := fmt.Sprintf("%s %s ring %d talk %d line %d %s>%s ext %s", formatstest.Words(c.RecordRole, c.Direction, c.Network, c.Disposition),
		c.StartTime.AsTime().Format(time.RFC3339), c.RingSeconds, c.TalkSeconds, c.LineSeconds, c.CallingNumber, c.CalledNumber, c.Extension)
	return formatstest.Condensed(c, r, head,
		"did", c.Did,
		"dialed", c.DialedNumber,
		"group", c.GroupNumber,
		"outside", c.ExternalNumber,
		"e164", c.ExternalE164,
		"trunk", c.Trunk,
		"of", c.TrunkGroup,
		"out", c.TrunkOut,
		"transferred", c.TransferredFrom,
		"redirected", c.RedirectedFrom,
		"pays", c.ChargedTo,
		"account", c.AccountCode,
		"amount", c.ChargeAmount,
		"units", formatstest.Count(c.ChargeUnits),
	)
}

func parse(t testing.TB, p formats.Parser, raw string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(raw), Near: formatstest.Near})
}
