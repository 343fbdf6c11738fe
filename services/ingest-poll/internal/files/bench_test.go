package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"trunkline.internal/platform/config"
)

// A look at a folder of 100,000 collected files, of which none is new.
func BenchmarkLookAt100k(b *testing.B) {
	r := newRig(b, "cisco-cucm")
	const n = 100_000
	for i := range n {
		if err := os.WriteFile(filepath.Join(r.dir, fmt.Sprintf("cdr_StandAloneCluster_01_202611210900_%06d", i)), []byte("1,1\n"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	r.settle = 1
	r.look()
	r.clock.Add(hours(100000))
	r.look()
	if r.journal.Len() != n {
		b.Fatalf("%d entries", r.journal.Len())
	}
	b.ResetTimer()
	for b.Loop() {
		r.look()
	}
}

// A big file from the disk to the acknowledgement.
func BenchmarkBigFile(b *testing.B) {
	body := lines(0, 400_000)
	b.SetBytes(int64(len(body)))
	r := newRig(b, "panasonic-kx", func(c *config.Files) { no := false; c.Grows = &no })
	n := 0
	for b.Loop() {
		b.StopTimer()
		r.write(fmt.Sprintf("smdr-%d", n), fmt.Sprintf("%d\r\n%s", n, body))
		n++
		r.look()
		r.clock.Add(DefaultSettle)
		b.StartTimer()
		if err := r.try(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*400_001)/b.Elapsed().Seconds(), "tickets/s")
}
