package parser

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Tickets that print when a call ended, and one that prints no year, over a year
// in zones of every kind: the call began when it did, or the ticket says that it
// cannot tell.
func TestTimesOverAYear(t *testing.T) {
	const zoneWords = "Europe/Paris America/New_York Asia/Kolkata UTC"
	for _, tc := range []struct {
		model     string
		set       string
		ticket    func(start, end time.Time) string
		rang      time.Duration
		talk      time.Duration
		precision time.Duration
	}{
		{"unify-hipath", "date_order=dmy", func(_, end time.Time) string {
			return end.Format("02.01.0615:04:05") + "201 3338800:0200:20:070199001234                           1                                    "
		}, 2 * time.Second, 20*time.Minute + 7*time.Second, time.Second},
		{"panasonic-kx", "date_order=dmy", func(_, end time.Time) string {
			return end.Format("02/01/06 15:04") + "    1230 0001 <I>ABC COMPANY0199003002                           0'05 00:20'05             9876543210 TR  "
		}, 5 * time.Second, 20*time.Minute + 5*time.Second, time.Minute},
		{"mitel-3300", "clock=24", func(start, _ time.Time) string {
			return " " + start.Format("01/02 15:04") + "  00:20:05 T015  004 201                         201                     000  "
		}, 4 * time.Second, 20*time.Minute + 5*time.Second, time.Minute},
	} {
		for _, name := range strings.Fields(zoneWords) {
			t.Run(tc.model+"/"+name, func(t *testing.T) {
				s := pbx.Settings{Site: "a", Link: "b", Model: tc.model, Timezone: name, Country: "FR", OutsidePrefix: "0"}
				if err := s.Set(tc.set); err != nil {
					t.Fatal(err)
				}
				link, err := kit.NewLink(s)
				if err != nil {
					t.Fatal(err)
				}
				p, err := registry[tc.model](link)
				if err != nil {
					t.Fatal(err)
				}
				for start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); start.Year() < 2027; start = start.Add(11 * time.Minute) {
					end := start.Add(tc.rang + tc.talk)
					line := tc.ticket(start.In(link.Zone), end.In(link.Zone))
					for _, late := range []time.Duration{2 * time.Second, 200 * 24 * time.Hour} {
						var cdr trunklinev1.Cdr
						if r := p.Parse(&formats.Ticket{Raw: []byte(line), Near: end.Add(late)}, &cdr); r.Outcome != formats.CDR {
							t.Fatalf("%q: %+v", line, r)
						}
						off := cdr.StartTime.AsTime().Sub(start)
						told := slices.Contains(cdr.Warnings, trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS)
						if (off < -tc.precision || off > tc.precision) && (!told || late < time.Hour) {
							t.Fatalf("%q, told %s later: starts %s, want %s, %v", line, late, cdr.StartTime.AsTime(), start, cdr.Warnings)
						}
					}
				}
			})
		}
	}
}
