package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/proto/wire"
)

// What waits is one commit: many links share a sync of the disk.
func TestCommitterSharesASync(t *testing.T) {
	b := start(t)
	c := b.NewCommitter(wire.StreamTickets)
	const links = 50
	var publishing sync.WaitGroup
	for n := range links {
		publishing.Go(func() {
			if err := c.Publish(t.Context(), message(n, "a")); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, func() bool { return len(c.queue) == links })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	publishing.Wait()
	cancel()
	running.Wait()
	if got := stored(t, b, wire.StreamTickets); got != links {
		t.Errorf("%d messages, want %d", got, links)
	}
	if got := counter(t, b.metrics.commits.WithLabelValues(wire.StreamTickets)); got != 1 {
		t.Errorf("%v commits of what waited together, want 1", got)
	}
}

// One ticket message that two asked for is sent once: a batch with an id twice is
// refused whole.
func TestCommitterSendsAnIDOnce(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a"), message(2, "b"), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 2 {
		t.Errorf("%d messages, want 2", got)
	}
	if got := counter(t, b.metrics.commits.WithLabelValues(wire.StreamTickets)); got != 1 {
		t.Errorf("%v commits, want 1", got)
	}
}

// A message that another stream takes makes the batch incomplete: the others are
// published all the same, and it is refused.
func TestCommitterWithAForeignSubject(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	foreign := message(2, "b")
	foreign.Subject = wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "a"}.CdrSubject()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Publish(ctx, message(1, "a"), foreign, message(3, "c")); !errors.Is(err, ErrRefused) {
		t.Errorf("a foreign subject: %v", err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 2 {
		t.Errorf("%d messages, want 2", got)
	}
}

// A batch that is not full keeps the pace; one message alone and a full batch go at
// once.
func TestCommitterKeepsAPace(t *testing.T) {
	for _, c := range []struct {
		queued int
		waits  bool
	}{{0, false}, {1, true}, {maxBatchMessages - 1, false}} {
		synctest.Test(t, func(t *testing.T) {
			one := func() *commit { return &commit{msgs: []*nats.Msg{message(1, "a")}, size: 1} }
			committer := &Committer{queue: make(chan *commit, maxBatchMessages), pace: pace}
			for range c.queued {
				committer.queue <- one()
			}
			g, began := gathered{}, time.Now()
			g.add(one())
			committer.gather(t.Context(), &g, began)
			if waited := time.Since(began) == pace; waited != c.waits || g.count != 1+c.queued {
				t.Errorf("%d queued: %d are gathered after %s", c.queued, g.count, time.Since(began))
			}
		})
	}
}

// What is queued when the server has begun a batch goes with it, unless nobody waits
// for it any more. Where NATS is far away a batch is sent in one go.
func TestCommitterTakesAlong(t *testing.T) {
	for _, near := range []bool{true, false} {
		t.Run(fmt.Sprintf("near=%v", near), func(t *testing.T) {
			b := start(t)
			c := b.NewCommitter(wire.StreamTickets)
			c.near, c.measured = near, time.Now()
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			one := func(ctx context.Context, i int) *commit {
				return &commit{ctx: ctx, msgs: []*nats.Msg{message(i, "call")}, done: make(chan error, 1)}
			}
			first, second := one(t.Context(), 1), one(t.Context(), 2)
			late, again, left := one(t.Context(), 3), one(t.Context(), 2), one(gone, 4)
			for _, x := range []*commit{late, again, left} {
				c.queue <- x
			}
			c.commit(t.Context(), &gathered{batch: []*commit{first, second}, count: 2})
			for _, x := range []*commit{first, second} {
				if err := <-x.done; err != nil {
					t.Error(err)
				}
			}
			if !near {
				if n := len(c.queue); n != 3 {
					t.Errorf("%d are queued, want 3", n)
				}
				return
			}
			for _, x := range []*commit{late, again} {
				if err := <-x.done; err != nil {
					t.Error(err)
				}
			}
			if err := <-left.done; !errors.Is(err, context.Canceled) {
				t.Errorf("nobody waits for it: %v", err)
			}
			if got := stored(t, b, wire.StreamTickets); got != 3 {
				t.Errorf("%d messages, want 3", got)
			}
			if got := counter(t, b.metrics.commits.WithLabelValues(wire.StreamTickets)); got != 1 {
				t.Errorf("%v commits, want 1", got)
			}
			// A message of a batch can be published again, alone.
			c.commit(t.Context(), &gathered{batch: []*commit{late}, closed: true})
			if err := <-late.done; err != nil {
				t.Error(err)
			}
			if got := counter(t, b.metrics.duplicates.WithLabelValues(wire.StreamTickets)); got != 1 {
				t.Errorf("%v duplicates, want 1", got)
			}
		})
	}
}

// What is queued and does not fit begins the next batch; what is published apart takes
// nothing along.
func TestCommitterTakesAlongWhatFits(t *testing.T) {
	b := start(t)
	c := b.NewCommitter(wire.StreamTickets)
	c.near, c.measured = true, time.Now()
	of := func(from, n int) *commit {
		one := &commit{ctx: t.Context(), done: make(chan error, 1)}
		for i := range n {
			one.msgs = append(one.msgs, message(from+i, "call"))
		}
		return one
	}
	large := of(10, maxBatchMessages-1)
	c.queue <- large
	g := &gathered{batch: []*commit{of(0, 2)}, count: 2}
	c.commit(t.Context(), g)
	if g.next != large {
		t.Error("what did not fit is not kept")
	}
	c.queue <- large
	c.apart(t.Context(), []*commit{of(2, 2), of(4, 2)})
	if len(c.queue) != 1 {
		t.Error("what is published apart took another along")
	}
	if got := stored(t, b, wire.StreamTickets); got != 6 {
		t.Errorf("%d messages, want 6", got)
	}
}
