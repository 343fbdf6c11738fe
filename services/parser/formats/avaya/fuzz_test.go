package avaya

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	for _, v := range variants {
		for _, raw := range formatstest.Tickets(f, filepath.Join("testdata", v+".txt")) {
			f.Add(raw, true)
		}
	}
	f.Add([]byte("2026/06/28 09:28:41,00:00:00,9,,I,,,,0,1,0,E1,\",T1,\",0,0"), false)
	p := formatstest.New(f, model, New)
	f.Fuzz(func(t *testing.T, raw []byte, near bool) {
		ticket := &formats.Ticket{Raw: raw}
		if near {
			ticket.Near = formatstest.Near
		}
		cdr, result := formatstest.Check(t, p, ticket)
		if result.Outcome != formats.CDR {
			return
		}
		if cdr.CallKey == "" || cdr.CallId == "" || !strings.HasPrefix(cdr.CallKey, cdr.CallId+"@") {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.HoldSeconds > cdr.TalkSeconds {
			t.Fatalf("held %d s of %d", cdr.HoldSeconds, cdr.TalkSeconds)
		}
		for name, value := range cdr.Attributes {
			if value == "" || !utf8.ValidString(value) || name == "auth_code" {
				t.Fatalf("attribute %s=%q", name, value)
			}
		}
	})
}
