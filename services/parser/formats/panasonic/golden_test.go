package panasonic_test

import (
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/panasonic"
)

func dmy(s *pbx.Settings) { s.Parse.DateOrder = "dmy" }

func newParser(t testing.TB, change ...func(*pbx.Settings)) formats.Parser {
	return formatstest.New(t, "panasonic-kx", panasonic.New, change...)
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"type-a", "type-b", "type-c", "notices", "dead"} {
		t.Run(name, func(t *testing.T) { formatstest.Golden(t, newParser(t, dmy), name, nil) })
	}
}
