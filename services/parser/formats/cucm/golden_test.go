package cucm_test

import (
	"os"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/cucm"
	"trunkline.internal/services/parser/formats/formatstest"
)

func newParser(t testing.TB, change ...func(*pbx.Settings)) formats.Parser {
	return formatstest.New(t, "cisco-cucm", cucm.New, change...)
}

// variants are the ticket files; the head of each stands beside it.
var variants = []string{"named", "aliases", "positional", "cmr", "damaged"}

func head(t testing.TB, variant string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + variant + ".head")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	p := newParser(t) // one for all: heads are told apart
	for _, v := range variants {
		t.Run(v, func(t *testing.T) { formatstest.Golden(t, p, v, head(t, v)) })
	}
}
