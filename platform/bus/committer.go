package bus

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/proto/wire"
)

// Limits of one atomic batch: the server's, and what a slow line still carries
// before a publish times out.
const (
	maxBatchMessages = 1000
	maxBatchBytes    = 4 << 20
	commitTimeout    = 15 * time.Second
	// An answer is lost with the server of a cluster that led the stream: so long a
	// small commit waits for it before it is tried again.
	commitPatience = 2 * time.Second
	slowestLine    = 128 << 10 // bytes a second that a larger one is given more time for
)

// An atomic batch costs the server some milliseconds, of 2 messages as of 100: it
// keeps it in files of its own. So a batch that is not full waits until so much
// time has passed since the last one, and takes along what comes while the server
// makes the files; one message alone never waits. Nobody waits for a receipt as a
// PBX does for its ticket.
const (
	pace         = 5 * time.Millisecond
	paceReceipts = 100 * time.Millisecond
)

// Committer publishes to one stream with an acknowledgement that means disk.
// One committer serves a process and stream: what queued up while the last
// commit was under way is the next atomic batch, so that a sync to disk is
// shared by all who wait for it.
type Committer struct {
	bus     *Bus
	stream  string
	waiting prometheus.Gauge
	queue   chan *commit
	// timeout of one commit.
	timeout time.Duration
	// patience is commitPatience, or more where NATS is slow.
	patience time.Duration
	pace     time.Duration

	near     bool // NATS is
	measured time.Time

	// What a batch is made of, for the next one.
	room   []*commit
	unique unique
}

type commit struct {
	ctx  context.Context // of who waits
	msgs []*nats.Msg
	size int
	done chan error
}

// free are commits that were answered.
var free = sync.Pool{New: func() any { return &commit{done: make(chan error, 1)} }}

// NewCommitter makes the committer of a stream. Run must run while it is used.
func (b *Bus) NewCommitter(stream string) *Committer {
	c := &Committer{
		bus: b, stream: stream, waiting: b.metrics.waiting.WithLabelValues(stream),
		queue: make(chan *commit, 4*maxBatchMessages), timeout: commitTimeout, patience: commitPatience, pace: pace,
	}
	if stream == wire.StreamCdrs {
		c.pace = paceReceipts
	}
	return c
}

// ErrRefused marks a message that the stream will never take: a foreign
// subject, no permission, too large.
var ErrRefused = errors.New("refused by NATS")

// Publish returns when all messages are on disk; their Nats-Msg-Id makes one of
// two. It waits for as long as NATS is away or the stream is full. The error is
// ctx's, or wraps ErrRefused: then others of them may be there. Messages are the
// committer's until then; what was on its way when ctx ended may still be
// published, and is not tried again.
func (c *Committer) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	if len(msgs) == 0 {
		return nil
	}
	c.waiting.Add(float64(len(msgs)))
	defer c.waiting.Sub(float64(len(msgs)))
	var room [1]*commit
	queued := room[:0]
	for len(msgs) > 0 {
		n, size := cutBatch(msgs)
		one := free.Get().(*commit)
		one.ctx, one.msgs, one.size = ctx, msgs[:n:n], size
		msgs = msgs[n:]
		select {
		case c.queue <- one:
			queued = append(queued, one)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var first error
	for _, one := range queued {
		select {
		case err := <-one.done:
			if first == nil {
				first = err
			}
			one.ctx, one.msgs = nil, nil
			free.Put(one)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return first
}

// cutBatch is how many of the messages fit one atomic batch, and their bytes.
func cutBatch(msgs []*nats.Msg) (n, size int) {
	for n < len(msgs) && n < maxBatchMessages {
		s := msgs[n].Size()
		if n > 0 && size+s > maxBatchBytes {
			break
		}
		size += s
		n++
	}
	return n, size
}

// Run commits until ctx is done. Requests that are queued then get ctx's error.
func (c *Committer) Run(ctx context.Context) error {
	var next *commit
	var began time.Time // of the last commit
	for {
		first := next
		next = nil
		if first == nil {
			select {
			case first = <-c.queue:
			case <-ctx.Done():
				c.drain(ctx.Err())
				return nil
			}
		}
		g := gathered{batch: append(c.room[:0], first), count: len(first.msgs), size: first.size}
		c.gather(ctx, &g, began)
		began = time.Now()
		c.commit(ctx, &g)
		next, c.room = g.next, g.batch
		clear(c.room)
		clear(c.unique.msgs[:cap(c.unique.msgs)])
		if ctx.Err() != nil {
			if next != nil {
				next.done <- ctx.Err()
			}
			c.drain(ctx.Err())
			return nil
		}
	}
}

// gathered becomes one batch.
type gathered struct {
	batch       []*commit
	count, size int
	next        *commit // does not fit, and begins the next one
	closed      bool    // to others
}

func (g *gathered) full() bool {
	return g.closed || g.next != nil || g.count >= maxBatchMessages || g.size >= maxBatchBytes
}

func (g *gathered) add(one *commit) {
	if g.count+len(one.msgs) > maxBatchMessages || g.size+one.size > maxBatchBytes {
		g.next = one
		return
	}
	g.batch, g.count, g.size = append(g.batch, one), g.count+len(one.msgs), g.size+one.size
}

// gather takes along what is queued, and what comes until the pace allows a batch.
func (c *Committer) gather(ctx context.Context, g *gathered, began time.Time) {
	var due <-chan time.Time
	for !g.full() {
		c.takeQueued(g)
		left := c.pace - time.Since(began)
		if g.count == 1 || g.full() || left <= 0 {
			return
		}
		if due == nil {
			due = time.After(left)
		}
		select {
		case one := <-c.queue:
			g.add(one)
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}

// takeQueued takes along what is queued.
func (c *Committer) takeQueued(g *gathered) {
	for seen := 0; !g.full(); {
		select {
		case one := <-c.queue:
			g.add(one)
			continue
		default:
		}
		if seen == g.count {
			return
		}
		// Those who were answered just now have their next ready, if we let them
		// run: a larger batch shares the same sync.
		seen = g.count
		runtime.Gosched()
	}
}

// farAway is the round trip from which on one more of them costs more than it wins.
const farAway = 5 * time.Millisecond

// isNear measures the way to NATS now and then.
func (c *Committer) isNear() bool {
	if time.Since(c.measured) > time.Minute {
		rtt, err := c.bus.Conn.RTT()
		c.near, c.measured = err == nil && rtt < farAway, time.Now()
	}
	return c.near
}

func (c *Committer) drain(err error) {
	for {
		select {
		case one := <-c.queue:
			one.done <- err
		default:
			return
		}
	}
}

// commit publishes what was gathered, again and again while the reason to fail
// is not the messages' own.
func (c *Committer) commit(ctx context.Context, g *gathered) {
	back := Backoff{Min: 50 * time.Millisecond, Max: 5 * time.Second}
	var told time.Time
	for grown := false; ; grown = true {
		if g.batch = wanted(g.batch); len(g.batch) == 0 {
			return
		}
		u := c.unique.of(g.batch)
		var more func() []*nats.Msg // what came while the batch was begun
		if !grown && len(u.msgs) > 1 && !g.full() && c.isNear() {
			more = func() []*nats.Msg {
				had := len(g.batch)
				c.takeQueued(g)
				g.batch = append(g.batch[:had], wanted(g.batch[had:])...)
				return u.add(g.batch[had:])
			}
		}
		limit := min(c.patience+time.Duration(sizeOf(g.batch))*time.Second/slowestLine, c.timeout)
		err := c.publish(ctx, u.msgs, limit, more)
		batch, msgs := g.batch, u.msgs
		switch {
		case err == nil:
			c.patience = max(c.patience/2, min(commitPatience, c.timeout))
			m := c.bus.metrics
			m.commits.WithLabelValues(c.stream).Inc()
			m.committed.WithLabelValues(c.stream).Add(float64(len(msgs)))
			answer(batch, nil)
			return
		case ctx.Err() != nil:
			answer(batch, ctx.Err())
			return
		case limit < c.timeout && errors.Is(err, context.DeadlineExceeded):
			// If it came through all the same, the next one is told to be a duplicate.
			c.patience = min(2*c.patience, c.timeout)
			c.bus.metrics.retries.WithLabelValues(c.stream, retryReason(err)).Inc()
			continue
		case len(msgs) > 1 && mayFitApart(err):
			c.apart(ctx, batch)
			return
		case errors.Is(err, ErrRefused):
			c.bus.metrics.refused.WithLabelValues(c.stream, refusal(err)).Add(float64(len(msgs)))
			answer(batch, err)
			return
		}
		c.bus.metrics.retries.WithLabelValues(c.stream, retryReason(err)).Inc()
		if time.Since(told) > time.Minute {
			told = time.Now()
			c.bus.log.Warn("publish is waiting", "stream", c.stream, "messages", len(msgs), "error", err)
		}
		if c.bus.Wait(ctx, &back) != nil {
			answer(batch, ctx.Err())
			return
		}
	}
}

// wanted leaves out those that nobody waits for any more: a PBX that had no
// answer gives its tickets again.
func wanted(batch []*commit) []*commit {
	return slices.DeleteFunc(batch, func(one *commit) bool {
		err := one.ctx.Err()
		if err != nil {
			one.done <- err
		}
		return err != nil
	})
}

// mayFitApart tells errors of a batch that its messages need not share: the
// stream has some of them already, or refuses some of them, or the line is too
// slow for so many.
func mayFitApart(err error) bool {
	return errors.Is(err, errDuplicateInBatch) || errors.Is(err, errIncompleteBatch) || errors.Is(err, ErrRefused) ||
		errors.Is(err, context.DeadlineExceeded)
}

// apart publishes what no batch takes: each request by itself, so that its
// messages stay together, and one that is by itself message by message.
func (c *Committer) apart(ctx context.Context, batch []*commit) {
	if len(batch) > 1 {
		for _, one := range batch {
			c.commit(ctx, &gathered{batch: []*commit{one}, closed: true})
		}
		return
	}
	var first error
	for _, msg := range batch[0].msgs {
		single := &commit{ctx: batch[0].ctx, msgs: []*nats.Msg{msg}, done: make(chan error, 1)}
		c.commit(ctx, &gathered{batch: []*commit{single}, closed: true})
		err := <-single.done
		if err != nil && first == nil {
			first = err
		}
		// What follows is mostly the same link's, and NATS logs each try.
		if errors.Is(err, ErrForbidden) || ctx.Err() != nil {
			break
		}
	}
	batch[0].done <- first
}

func answer(batch []*commit, err error) {
	for _, one := range batch {
		one.done <- err
	}
}

// unique are messages, each id once: a batch with a doubled id is refused whole.
type unique struct {
	msgs []*nats.Msg
	seen map[string]struct{}
}

// of begins anew.
func (u *unique) of(batch []*commit) *unique {
	u.msgs = u.msgs[:0]
	if len(batch) == 1 && len(batch[0].msgs) == 1 {
		u.msgs = append(u.msgs, batch[0].msgs[0])
		return u
	}
	if u.seen == nil {
		u.seen = make(map[string]struct{}, maxBatchMessages)
	}
	clear(u.seen)
	u.add(batch)
	return u
}

// add returns those that are new.
func (u *unique) add(batch []*commit) []*nats.Msg {
	had := len(u.msgs)
	for _, one := range batch {
		for _, msg := range one.msgs {
			if id := msg.Header.Get(jetstream.MsgIDHeader); id != "" {
				if _, ok := u.seen[id]; ok {
					continue
				}
				u.seen[id] = struct{}{}
			}
			u.msgs = append(u.msgs, msg)
		}
	}
	return u.msgs[had:]
}

func sizeOf(batch []*commit) (n int) {
	for _, one := range batch {
		n += one.size
	}
	return n
}
