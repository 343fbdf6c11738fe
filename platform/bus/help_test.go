package bus

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// await waits for a condition of another goroutine's making.
func await(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("it did not happen within 30 s")
}

// within runs a server of these options inside of this process, until the test ends.
func within(t testing.TB, opts *server.Options) *server.Server {
	t.Helper()
	opts.DontListen, opts.JetStream, opts.StoreDir, opts.NoSigs, opts.NoLog = true, true, t.TempDir(), true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv
}

func counter(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Counter.GetValue()
}

func BenchmarkCommit(b *testing.B) {
	for _, each := range []int{1, 100, 1000} {
		b.Run(map[int]string{1: "one", 100: "hundred", 1000: "thousand"}[each], func(b *testing.B) {
			c := committer(b, start(b), "TICKETS")
			ticket, n := strings.Repeat("x", 140), 0
			for b.Loop() {
				msgs := make([]*nats.Msg, each)
				for i := range msgs {
					n++
					msgs[i] = message(n, ticket)
				}
				if err := c.Publish(b.Context(), msgs...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}
