package table

import "testing"

func BenchmarkRows(b *testing.B) {
	r := newRig(b)
	run(b, r.db, cdrTable)
	r.insert(0, 20000)
	for b.Loop() {
		r.cfg.Epoch++
		r.restart()
		r.look()
	}
	b.ReportMetric(float64(20000*b.N)/b.Elapsed().Seconds(), "rows/s")
}
