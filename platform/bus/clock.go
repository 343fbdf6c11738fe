package bus

import (
	"context"
	"time"

	"trunkline.internal/proto/wire"
)

// maxAsking is how long a question about the time may take for its answer to
// tell it.
const maxAsking = 2 * time.Second

// ClockOffset is how far our clock is ahead of the NATS server's, to half the time
// that the question takes; told is false where that was too long.
func (b *Bus) ClockOffset(ctx context.Context) (ahead time.Duration, told bool, err error) {
	if b.cfg.Role != Hub {
		return 0, false, nil // the spool has our clock, and a guest may not ask
	}
	began := time.Now()
	stream, err := b.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		return 0, false, err
	}
	took := time.Since(began)
	return began.Add(took / 2).Sub(stream.CachedInfo().TimeStamp), took <= maxAsking, nil
}
