package formatstest

import (
	"path/filepath"
	"testing"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
)

// Run holds every file in testdata against its golden outcomes, and against
// damage.
func Run(t *testing.T, make Maker) {
	t.Helper()
	for _, f := range Files(t, "testdata") {
		t.Run(filepath.Base(f.Name), func(t *testing.T) {
			Golden(t, f, f.Parser(t, make))
			Damage(t, f, f.Parser(t, make))
		})
	}
}

// Fuzz feeds the format with bytes like those of its golden tickets, for each
// link and preamble among them. What holds for this format alone is checked by
// also, which may be nil.
func Fuzz(f *testing.F, make Maker, also func(testing.TB, *trunklinev1.Cdr)) {
	f.Helper()
	files := Files(f, "testdata")
	parsers := []formats.Parser{}
	for i, file := range files {
		parsers = append(parsers, file.Parser(f, make))
		for _, raw := range file.Tickets {
			f.Add(raw, uint8(i), file.Near.Unix())
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, i uint8, near int64) {
		n := int(i) % len(files)
		file := files[n]
		ticket := file.Ticket(raw)
		if ticket.Near = (time.Time{}); near > 0 && near < 1<<33 {
			ticket.Near = time.Unix(near, 0)
		}
		cdr, result := Check(t, parsers[n], ticket)
		if result.Outcome == formats.CDR && also != nil {
			also(t, cdr)
		}
	})
}
