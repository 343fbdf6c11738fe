package cucm_test

import (
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	for _, v := range variants {
		for _, raw := range formatstest.Tickets(f, "testdata/"+v+".txt") {
			f.Add(raw, head(f, v))
		}
	}
	f.Add(ticket().Raw, ticket().Preamble)
	f.Add([]byte("1,2"), []byte("\xef\xbb\xbf\"cdrRecordType\"\x80,\xff_pin\n"))
	parsers := []formats.Parser{
		newParser(f),
		newParser(f, func(s *pbx.Settings) {
			s.Country, s.OutsidePrefix, s.Parse.Charset = "US", "9", "windows-1252"
			s.Parse.Inside.Lengths, s.Parse.Trunks.Devices = []int{4}, []string{"SEP"}
		}),
	}
	f.Fuzz(func(t *testing.T, raw, preamble []byte) {
		for _, p := range parsers {
			formatstest.Check(t, p, &formats.Ticket{Raw: raw, Preamble: preamble})
		}
	})
}
