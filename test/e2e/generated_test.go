package e2e

import (
	"slices"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
	"trunkline.internal/test/kit"
)

// What a PBX that is simulated without a wire of TestModels prints, in every
// variant, the catalogue's cutter cuts as it was, and the parser reads as it was
// meant: the simulator knows nothing of either.
func TestGenerated(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for model, ends := range map[string]string{
		"3cx": "\r\n", "alcatel-oxe": "", "alcatel-oxe-ahl": "", "alcatel-oxo": "\n", "asterisk": "\n", "grandstream-ucm": "\n",
		"mitel-a400-pc5": "\r\n", "shoretel": "\r\n", "unify-hipath": "\r\n", "wazo": "\n",
	} {
		for _, variant := range pbxsim.Variants(model) {
			if variant == "ED5.2-file" {
				ends = "\n"
			}
			t.Run(model+"/"+variant, func(t *testing.T) {
				tickets, err := pbxsim.Tickets(model, pbxsim.Options{
					Seed: 7, Count: 1500, Odd: 0.05, From: now.Add(-300 * 24 * time.Hour), To: now, Zone: paris, Variant: variant,
				})
				if err != nil {
					t.Fatal(err)
				}
				settings := catalogue.Settings{
					Site: "lyon", Link: "x", Model: model, Timezone: "Europe/Paris", Country: pbxsim.Country, OutsidePrefix: pbxsim.OutsidePrefix,
				}
				switch model {
				case "alcatel-oxe-ahl":
					settings.Layout = pbxsim.AHLLayout("lrc")
				case "asterisk":
					settings.Parse.Trunks.Names = pbxsim.AsteriskTrunks
					settings.Parse.Inside.Lengths = []int{pbxsim.ExtensionLength}
				}
				reader, err := parser.NewReader(settings)
				if err != nil {
					t.Fatal(err)
				}
				// Nothing between two line ends is no ticket.
				whole := slices.DeleteFunc(slices.Collect(tickets), func(x pbxsim.Ticket) bool { return len(x.Bytes) == 0 })
				if model != "alcatel-oxe-ahl" { // whose frames the link cuts, see package ahl
					compareCut(t, model, whole, ends)
				}
				wrong := 0
				for i, x := range whole {
					if diffs := read(reader, settings, x, i); len(diffs) > 0 {
						if wrong++; wrong <= 5 {
							t.Errorf("%q\n%v", x.Bytes, diffs)
						}
					}
				}
				if wrong > 0 || len(whole) < 1200 { // most print no internal calls
					t.Errorf("%d of %d tickets wrong", wrong, len(whole))
				}
			})
		}
	}
}

func compareCut(t *testing.T, model string, whole []pbxsim.Ticket, ends string) {
	t.Helper()
	m, _ := catalogue.Lookup(model)
	var all []byte
	for _, x := range whole {
		all = append(append(all, x.Bytes...), ends...)
	}
	n := 0
	if err := cut.Each(m.Split, all, func(_ int, ticket []byte) bool {
		if n < len(whole) && string(ticket) != string(whole[n].Bytes) {
			t.Errorf("ticket %d is cut as %q, want %q", n, ticket, whole[n].Bytes)
			return false
		}
		n++
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if n != len(whole) {
		t.Errorf("%d tickets are cut, want %d", n, len(whole))
	}
}

// read lists where what the parser makes of a ticket is not what it tells.
func read(reader *parser.Reader, s catalogue.Settings, x pbxsim.Ticket, n int) []string {
	batch := reader.Read(&bus.TicketMessage{
		Address: wire.Address{Model: s.Model, Site: s.Site, Link: s.Link}, Received: x.Call.End(), Payload: x.Bytes,
		Origin: "tcp:generated", Offset: identity.Position(int64(n)),
	})
	switch {
	case x.Want == pbxsim.WantCDR && len(batch.Cdrs) == 1:
		return kit.Compare(x, kit.OfCdr(batch.Cdrs[0]))
	case x.Want != pbxsim.WantCDR && len(batch.Others) == 1:
		o := batch.Others[0]
		if got := o.Outcome.String(); got != map[pbxsim.Want]string{pbxsim.WantDead: "OUTCOME_DEAD", pbxsim.WantIgnored: "OUTCOME_IGNORED"}[x.Want] {
			return []string{"it is " + got + " " + o.Reason + ", want " + string(x.Want)}
		}
		return nil
	}
	diffs := []string{"it is no ticket of its own"}
	for _, o := range batch.Others {
		diffs = append(diffs, o.Outcome.String()+" "+o.Reason+" "+o.Error)
	}
	return diffs
}
