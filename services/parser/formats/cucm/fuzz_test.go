package cucm_test

import (
	"testing"

	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/cucm"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) { formatstest.Fuzz(f, cucm.New, nil) }

// The head of a file comes from outside, too.
func FuzzHead(f *testing.F) {
	for _, file := range formatstest.Files(f, "testdata") {
		f.Add(file.Tickets[0], file.Preamble)
	}
	f.Add(ticket().Raw, ticket().Preamble)
	f.Add([]byte("1,2"), []byte("\xef\xbb\xbf\"cdrRecordType\"\x80,\xff_pin\n"))
	p := newParser(f)
	f.Fuzz(func(t *testing.T, raw, preamble []byte) {
		formatstest.Check(t, p, &formats.Ticket{Raw: raw, Preamble: preamble})
	})
}
