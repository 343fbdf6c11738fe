package mitel3300

import (
	"testing"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("@99999999@99/99 99:99:99  9999:99:99 T1"), uint8(0), int64(0))
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if (cdr.CallKey == "") != (cdr.CallId == "") {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.TalkSeconds > 0 && cdr.LineSeconds > 0 {
			t.Fatalf("talk %d and line %d", cdr.TalkSeconds, cdr.LineSeconds)
		}
		if isTrunk(cdr.Extension) {
			t.Fatalf("trunk %q as extension", cdr.Extension)
		}
	})
}
