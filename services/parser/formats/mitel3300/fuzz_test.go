package mitel3300

import (
	"path/filepath"
	"testing"

	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	for _, v := range variants {
		for _, raw := range formatstest.Tickets(f, filepath.Join("testdata", v+".txt")) {
			f.Add(raw, true)
		}
	}
	f.Add([]byte("@99999999@99/99 99:99:99  9999:99:99 T1"), false)
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
		if (cdr.CallKey == "") != (cdr.CallId == "") {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.TalkSeconds > 0 && cdr.LineSeconds > 0 {
			t.Fatalf("talk %d and line %d", cdr.TalkSeconds, cdr.LineSeconds)
		}
		if isTrunk(cdr.Extension) {
			t.Fatalf("trunk %q as extension", cdr.Extension)
		}
		for name, value := range cdr.Attributes {
			if value == "" {
				t.Fatalf("attribute %s is empty", name)
			}
		}
	})
}
