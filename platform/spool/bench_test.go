package spool

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
)

// BenchmarkForward drains a spool of one-ticket messages, over TCP to a hub that
// syncs each commit, spool and hub on the same machine.
func BenchmarkForward(b *testing.B) {
	for _, links := range []int{1, 8} {
		b.Run(fmt.Sprintf("links=%d", links), func(b *testing.B) {
			h := newHub(b, "lyon")
			h.Stop()
			p := openSpool(b, b.TempDir(), h.guest("lyon"))
			n := 0
			for n < b.N {
				for l := range links {
					msgs := make([]*nats.Msg, 1000/links)
					for i := range msgs {
						msgs[i] = ticket("lyon", fmt.Sprint("l", l), n+i)
					}
					if err := p.tickets.Publish(b.Context(), msgs...); err != nil {
						b.Fatal(err)
					}
					n += len(msgs)
				}
			}
			h.Start()
			await(b, "the hub is found", func() bool { return h.Count() > 0 }) // the backoff is over
			had := h.Count()
			b.ResetTimer()
			await(b, "all is handed over", p.empty)
			b.ReportMetric(float64(n-had)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}
