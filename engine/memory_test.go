package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMeminfo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(file, []byte("MemFree:  7 kB\nMemTotal:       24683136 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := meminfo(file); got != 24683136<<10 {
		t.Errorf("%d bytes", got)
	}
	if got := meminfo(file + "x"); got != 0 {
		t.Errorf("%d bytes of no file", got)
	}
	if available() <= 0 {
		t.Error("this machine has no memory")
	}
}
