package disk

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	free, size, err := Space(dir)
	if err != nil || free == 0 || free > size {
		t.Fatalf("%d of %d bytes are free: %v", free, size, err)
	}
	for folder, want := range map[string]int{dir: 2, filepath.Join(dir, "not-there"): 0} {
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(Folder(folder))
		all, err := reg.Gather()
		if err != nil || len(all) != want {
			t.Errorf("%d metrics of %s, want %d: %v", len(all), folder, want, err)
		}
		for _, m := range all {
			one := m.GetMetric()[0]
			if one.GetLabel()[0].GetValue() != folder || one.GetGauge().GetValue() <= 0 {
				t.Errorf("%s: %v", m.GetName(), one)
			}
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	f, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), dir+" is in use by another process") {
		t.Errorf("taken twice: %v", err)
	}
	f.Close()
	if f, err = Lock(dir); err != nil {
		t.Fatalf("not free again: %v", err)
	}
	f.Close()
	if _, err := Lock(filepath.Join(dir, "none")); err == nil || strings.Contains(err.Error(), "in use") {
		t.Errorf("a folder that is not there: %v", err)
	}
}
