package e2e

import (
	"encoding/hex"
	"testing"

	"trunkline.internal/test/kit"
)

func freePort(t *testing.T) string { t.Helper(); return kit.FreePort(t) }

func freeUDP(t *testing.T) string { t.Helper(); return kit.FreeUDP(t) }

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}
