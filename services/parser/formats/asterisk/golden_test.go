package asterisk

import (
	"testing"

	"trunkline.internal/services/parser/formats/formatstest"
)

var goldens = []string{"rows", "master", "custom", "clock", "others"}

func TestGolden(t *testing.T) {
	for _, name := range goldens {
		t.Run(name, func(t *testing.T) {
			formatstest.Golden(t, formatstest.New(t, "asterisk", New), name, nil)
		})
	}
}
