package mitela400_test

import (
	"testing"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/mitela400"
)

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, mitela400.New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if (cdr.CallKey == "") != (cdr.CallId == "") {
			t.Fatalf("call key %q of sequence number %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.Sequence == "" {
			t.Fatal("no serial number")
		}
		if cdr.Masked && cdr.ExternalE164 != "" {
			t.Fatalf("a masked number is known: %v", cdr)
		}
		if cdr.TalkSeconds > 0 && cdr.Disposition != trunklinev1.Disposition_DISPOSITION_ANSWERED {
			t.Fatalf("talk in a call of disposition %s", cdr.Disposition)
		}
	})
}
