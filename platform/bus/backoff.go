package bus

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff waits longer each time, with jitter, so that many clients do not come
// back at once. The zero value begins at 100 ms and ends at a minute.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Next is the next wait: between half and all of a doubling time.
func (b *Backoff) Next() time.Duration {
	low, high := b.Min, b.Max
	if low == 0 {
		low = 100 * time.Millisecond
	}
	if high == 0 {
		high = time.Minute
	}
	b.next = min(max(b.next*2, low), high)
	return b.next/2 + rand.N(b.next/2+1)
}

// Wait sleeps for Next, or until ctx is done.
func (b *Backoff) Wait(ctx context.Context) error { return Wait(ctx, b.Next()) }

// Reset begins anew after a success.
func (b *Backoff) Reset() { b.next = 0 }

// Wait sleeps, or until ctx is done.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
