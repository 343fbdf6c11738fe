package asterisk

import (
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	for _, name := range goldens {
		for _, raw := range formatstest.Tickets(f, "testdata/"+name+".txt") {
			f.Add(raw)
		}
	}
	f.Add([]byte("{\"start\":\"2026-03-10 09:12:00\",\"src\":\"\xff\",\"\\udcff\":\"\\uDC80\"}"))
	parsers := []formats.Parser{
		formatstest.New(f, "asterisk", New),
		formatstest.New(f, "asterisk", New, with(pbx.Parse{
			TimeIs: "end", Timezone: "America/New_York", Charset: "iso-8859-1", AMAFlags: map[int]string{2: "outbound"},
			Fields: []string{"start", "src", "dst", "channel", "dstchannel", "disposition", "duration", "lastapp", "lastdata", "uniqueid"},
			Inside: pbx.Inside{Lengths: []int{3}}, Trunks: pbx.Trunks{Names: []string{"carrier"}},
		})),
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, p := range parsers {
			cdr, result := formatstest.Check(t, p, &formats.Ticket{Raw: raw, Near: formatstest.Near})
			if result.Outcome != formats.CDR {
				continue
			}
			if year := cdr.StartTime.AsTime().Year(); year < 1970 || year > 10000 {
				t.Fatalf("%q: starts %v", raw, cdr.StartTime.AsTime())
			}
			if length := cdr.EndTime.AsTime().Sub(cdr.StartTime.AsTime()); cdr.EndTime != nil && length > (longest+2)*time.Second {
				t.Fatalf("%q: lasts %v", raw, length)
			}
			for name := range cdr.Attributes {
				if secret(name) || name != strings.ToLower(name) {
					t.Fatalf("%q: attribute %q", raw, name)
				}
			}
		}
	})
}

func benchmark(b *testing.B, names ...string) {
	p := formatstest.New(b, "asterisk", New)
	var tickets []formats.Ticket
	for _, name := range names {
		for _, raw := range formatstest.Tickets(b, "testdata/"+name+".txt") {
			t := formats.Ticket{Raw: raw, Near: formatstest.Near}
			if _, r := formatstest.Check(b, p, &t); r.Outcome == formats.CDR {
				tickets = append(tickets, t)
			}
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var cdr trunklinev1.Cdr
		p.Parse(&tickets[i%len(tickets)], &cdr)
	}
}

func BenchmarkParseRow(b *testing.B) { benchmark(b, "rows") }
func BenchmarkParseCSV(b *testing.B) { benchmark(b, "master") }
