package panasonic_test

import (
	"testing"

	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/panasonic"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("05/11/26 17:18    401 01 0199002002           00:00'40"), uint8(0), int64(0))
	formatstest.Fuzz(f, panasonic.New, nil)
}
