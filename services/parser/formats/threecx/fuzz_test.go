package threecx

import (
	"testing"
	"unicode/utf8"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(`Call 1,0000019CD6BC4FE8_1,,2026/03/10 07:53:11,,2026/03/10 07:54:39,x,",,",,,,,,,,,,,,`), uint8(0), int64(0))
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if cdr.CallKey != cdr.CallId {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		lasted := cdr.EndTime.AsTime().Sub(cdr.StartTime.AsTime()).Seconds()
		if float64(cdr.RingSeconds)+float64(cdr.TalkSeconds) > lasted+slack {
			t.Fatalf("rang %d s and talked %d s in %v s", cdr.RingSeconds, cdr.TalkSeconds, lasted)
		}
		switch cdr.Disposition {
		case trunklinev1.Disposition_DISPOSITION_ANSWERED, trunklinev1.Disposition_DISPOSITION_VOICEMAIL:
		default:
			if cdr.TalkSeconds > 0 && cdr.RecordRole != trunklinev1.RecordRole_RECORD_ROLE_COPY {
				t.Fatalf("%v talked %d s", cdr.Disposition, cdr.TalkSeconds)
			}
		}
		for name, value := range cdr.Attributes {
			if value == "" || !utf8.ValidString(value) {
				t.Fatalf("attribute %s=%q", name, value)
			}
		}
	})
}
