package oxo

import (
	"strings"
	"testing"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("<a b='&#x41;' c=\"1\"><![CDATA[x]]><!-- y --><d/></a>"), uint8(9), int64(0))
	f.Add([]byte(native(f, nil)), uint8(0), int64(1_800_000_000))
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if cdr.TalkSeconds > 0 && cdr.LineSeconds > 0 {
			t.Fatalf("talk %d and line %d", cdr.TalkSeconds, cdr.LineSeconds)
		}
		if cdr.Masked && !strings.Contains(cdr.CallingNumber+cdr.CalledNumber, "?") {
			t.Fatalf("masked %v: %q to %q", cdr.Masked, cdr.CallingNumber, cdr.CalledNumber)
		}
		if cdr.ChargeAmount == "" && cdr.ChargeCurrency != "" {
			t.Fatalf("a currency of nothing: %s", cdr.ChargeCurrency)
		}
	})
}
