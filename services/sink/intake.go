package sink

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/metrics"
)

// Bounds of what is asked for at once, and of what all sinks may hold.
const (
	pullMessages  = 5000
	maxAckPending = 100_000
)

// laterDelay is when a receipt of a newer schema is looked at again.
const laterDelay = 30 * time.Second

// intake reads the stream of receipts into batches.
type intake struct {
	*bus.Intake
	log     *slog.Logger
	metrics *metrics.Metrics
	health  func(error)
	// later is when a receipt of a newer schema last came, Unix nanoseconds.
	later atomic.Int64
}

// run reads until ctx is done and everything read is handed on.
func (in *intake) run(ctx context.Context, ready func(), free <-chan *batch.Batch, out chan<- *batch.Batch) {
	msgs := make(chan jetstream.Msg, 256) // wakes the gatherer less often
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		g := batch.Gatherer{Limits: batch.DefaultLimits, Later: in.leave}
		g.Run(msgs, free, out)
	}()
	back := bus.Backoff{Max: 5 * time.Second}
	for told := false; ctx.Err() == nil; {
		err := in.Intake.Run(ctx, msgs, func(jetstream.Consumer) {
			back.Reset()
			told = false
			if ready != nil {
				ready()
				ready = nil
			}
		})
		if ctx.Err() != nil {
			break
		}
		if !told {
			told = true
			in.log.Warn("receipts cannot be read from nats", "error", err)
		}
		if in.Bus.Wait(ctx, &back) != nil {
			break
		}
	}
	close(msgs)
	<-gathered
}

// leave keeps a receipt for a newer sink.
func (in *intake) leave(m jetstream.Msg) {
	if in.later.Swap(time.Now().UnixNano()) == 0 {
		in.health(errNewer)
		in.log.Warn("receipts wait", "error", errNewer)
	}
	in.metrics.Later.Inc()
	m.NakWithDelay(laterDelay) //nolint:errcheck // without it the message comes again sooner
	in.Done(m)
}

var errNewer = errors.New("receipts of a newer schema wait for a newer sink: upgrade the sink")

// settle is well again when receipts of a newer schema no longer come.
func (in *intake) settle() {
	at := in.later.Load()
	if at != 0 && time.Since(time.Unix(0, at)) > 3*laterDelay && in.later.CompareAndSwap(at, 0) {
		in.health(nil)
	}
}
