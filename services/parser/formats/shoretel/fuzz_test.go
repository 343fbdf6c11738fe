package shoretel_test

import (
	"testing"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/shoretel"
)

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, shoretel.New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if (cdr.CallKey == "") != (cdr.CallId == "") {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.TalkSeconds > 0 && cdr.Disposition == trunklinev1.Disposition_DISPOSITION_NO_ANSWER {
			t.Fatalf("talk in a call that nobody answered: %v", cdr)
		}
	})
}
