package disk

import (
	"path/filepath"
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
