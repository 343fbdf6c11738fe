// Package truth compares what the formats make of simulated tickets with what
// the simulated PBXs know of the calls. The simulators share no code with the
// formats: each is a witness of the other.
package truth

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
	"trunkline.internal/test/kit"
)

// Settings of a link to a simulated PBX.
func settings(model string) pbx.Settings {
	s := pbx.Settings{
		Site: "demo-lyon", Link: "sim", Model: model, Timezone: "Europe/Paris",
		Country: pbxsim.Country, OutsidePrefix: pbxsim.OutsidePrefix,
	}
	switch model {
	case "alcatel-oxe-ahl":
		s.Layout = pbxsim.AHLLayout("lrc")
	case "panasonic-kx":
		s.Parse.DateOrder = "dmy"
	case "asterisk":
		s.Parse.Inside.Lengths = []int{pbxsim.ExtensionLength}
		s.Parse.Trunks.Names = pbxsim.AsteriskTrunks
	case "cisco-cucm":
		s.Parse.Trunks.Devices = pbxsim.CUCMGateways
		s.Parse.Inside.Devices = []string{pbxsim.CUCMVoicemail}
	}
	return s
}

func TestFormatsTellTheTruth(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range pbxsim.Models() {
		for _, variant := range pbxsim.Variants(model) {
			t.Run(model+"/"+variant, func(t *testing.T) {
				reader, err := parser.NewReader(settings(model))
				if err != nil {
					t.Fatal(err)
				}
				// A period over the end of summer time and the new year.
				from := time.Date(2026, 10, 23, 8, 0, 0, 0, time.UTC)
				seq, err := pbxsim.Tickets(model, pbxsim.Options{
					Seed: 7, Zone: zone, Variant: variant, Burst: true, Count: 3000, Odd: 0.05,
					From: from, To: time.Date(2027, 1, 3, 18, 0, 0, 0, time.UTC),
				})
				if err != nil {
					t.Fatal(err)
				}
				shown, wrong, n := 0, 0, 0
				for ticket := range seq {
					n++
					if len(ticket.Bytes) == 0 {
						continue // an empty line is no ticket: the cutter passes it over
					}
					if bad := judge(reader, model, ticket); len(bad) > 0 {
						wrong++
						if shown++; shown <= 12 {
							t.Errorf("%s\n %v", ticket.Bytes, bad)
						}
					}
				}
				if n < 2500 { // some print no internal calls
					t.Errorf("%d tickets only", n)
				}
				if wrong > 0 {
					t.Errorf("%d of %d tickets wrong", wrong, n)
				}
			})
		}
	}
}

func judge(r *parser.Reader, model string, ticket pbxsim.Ticket) []string {
	end := ticket.Call.End()
	if ticket.Call.Start.IsZero() {
		end = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	}
	m := &bus.TicketMessage{
		Address: wire.Address{Model: model, Site: "demo-lyon", Link: "sim"}, Origin: "tcp:0", Offset: "0",
		Received: end.Add(2 * time.Second), Payload: ticket.Bytes,
	}
	if ticket.Row > 0 {
		m.Origin, m.Offset = "table:db/cdr#0", "id="+strconv.FormatInt(ticket.Row, 10)
	}
	b := r.Read(m)
	got := map[bool]string{true: "cdr"}[len(b.Cdrs) == 1]
	if len(b.Others) == 1 {
		got = map[bool]string{true: "ignored", false: "dead"}[b.IgnoredCount == 1]
	}
	if got != string(ticket.Want) {
		return []string{fmt.Sprintf("outcome %q, want %q: %v", got, ticket.Want, b.Others)}
	}
	if got != "cdr" {
		return nil
	}
	record := kit.OfCdr(b.Cdrs[0])
	return kit.Compare(ticket, record)
}
