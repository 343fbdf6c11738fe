package ingestpoll

import (
	"testing"

	"trunkline.internal/services/ingest-poll/internal/kit"
)

// BenchmarkImport is an import alone, into an embedded NATS server that syncs
// every commit.
func BenchmarkImport(b *testing.B) {
	const tickets = 500_000
	dir := b.TempDir()
	write(b, dir, "SMDR.csv", body(0, tickets))
	of := folder("smdr", "avaya-ipoffice", "/nowhere")
	for b.Loop() {
		b.StopTimer()
		n := kit.Start(b)
		b.StartTimer()
		imports(b, n, of, ImportOptions{Paths: []string{dir}})
	}
	b.ReportMetric(tickets*float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
}
