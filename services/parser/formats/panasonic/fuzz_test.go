package panasonic_test

import (
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	for _, file := range []string{"type-a", "type-b", "type-c", "notices", "dead"} {
		for _, raw := range formatstest.Tickets(f, "testdata/"+file+".txt") {
			f.Add(raw, int64(formatstest.Near.Unix()))
		}
	}
	f.Add([]byte("05/11/26 17:18    401 01 0199002002           00:00'40"), int64(0))
	parsers := []formats.Parser{
		newParser(f, dmy),
		newParser(f),
		newParser(f, func(s *pbx.Settings) { s.Parse.TimeIs, s.Parse.Charset = "start", "shift_jis" }),
	}
	f.Fuzz(func(t *testing.T, raw []byte, near int64) {
		ticket := formats.Ticket{Raw: raw}
		if near > 0 && near < 1<<33 {
			ticket.Near = time.Unix(near, 0)
		}
		for _, p := range parsers {
			formatstest.Check(t, p, &ticket)
		}
	})
}
