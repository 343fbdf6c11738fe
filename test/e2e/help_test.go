package e2e

import (
	"encoding/hex"
	"os"
	"testing"

	"trunkline.internal/test/kit"
)

func freePort(t *testing.T) string { t.Helper(); return kit.FreePort(t) }

func freeUDP(t *testing.T) string { t.Helper(); return kit.FreeUDP(t) }

// setenv is t.Setenv for a name that no other test has: they run at the same time.
func setenv(t *testing.T, name, value string) {
	t.Helper()
	if err := os.Setenv(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Unsetenv(name) })
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}
