package asterisk

import (
	"strings"
	"testing"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"start\":\"2026-03-10 09:12:00\",\"src\":\"\xff\",\"\\udcff\":\"\\uDC80\"}"), uint8(0), int64(0))
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if year := cdr.StartTime.AsTime().Year(); year < 1970 || year > 10000 {
			t.Fatalf("starts %v", cdr.StartTime.AsTime())
		}
		if length := cdr.EndTime.AsTime().Sub(cdr.StartTime.AsTime()); cdr.EndTime != nil && length > (longest+2)*time.Second {
			t.Fatalf("lasts %v", length)
		}
		for name := range cdr.Attributes {
			if secret(name) || name != strings.ToLower(name) {
				t.Fatalf("attribute %q", name)
			}
		}
	})
}
