package avaya

import (
	"strings"
	"testing"
	"unicode/utf8"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("2026/06/28 09:28:41,00:00:00,9,,I,,,,0,1,0,E1,\",T1,\",0,0"), uint8(0), int64(0))
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
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
