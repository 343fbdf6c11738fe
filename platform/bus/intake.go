package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a NATS server sent when it died, or when its client did, comes again after
// ackWait: soon, since somebody waits for the call. So of what was held for alive
// without a word it is told that it is in progress. That is longer than a sink
// gathers: of each ticket it would cost what its publishing costs.
const (
	ackWait = 3 * time.Second
	alive   = ackWait / 2
)

// Bounds of a pull; at the end the last one is waited for.
const (
	pullBytes = 4 << 20
	pullWait  = 500 * time.Millisecond
)

// Intake pulls the messages of a durable consumer, and keeps those that are not
// done from being delivered to somebody else.
type Intake struct {
	Bus                           *Bus
	Stream, Consumer, Description string
	// Pull is how many messages are asked for at once.
	Pull int
	// MaxAckPending bounds what all processes together may hold or have put off.
	MaxAckPending int

	mu   sync.Mutex
	held map[jetstream.Msg]time.Time // since when nothing was said of it
}

// Run hands over messages until ctx is done or the consumer is lost; then what was
// pulled has been handed over. Each must be Done. It calls started when it has the
// consumer.
func (in *Intake) Run(ctx context.Context, into chan<- jetstream.Msg, started func(jetstream.Consumer)) error {
	consumer, err := in.Bus.Consumer(ctx, in.Stream, jetstream.ConsumerConfig{
		Durable: in.Consumer, Description: in.Description, AckWait: ackWait, MaxAckPending: in.MaxAckPending,
	})
	if err != nil {
		return err
	}
	started(consumer)
	for ctx.Err() == nil {
		// A pull is never cut short: what the server has sent for it would come
		// again, and late.
		pulled, err := consumer.Fetch(in.Pull, jetstream.FetchMaxBytes(pullBytes), jetstream.FetchMaxWait(pullWait))
		if err != nil {
			return err
		}
		in.handOver(pulled.Messages(), into)
		if err := pulled.Error(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// handOver takes messages as they come, so that they are held also while nobody
// has room for them.
func (in *Intake) handOver(from <-chan jetstream.Msg, into chan<- jetstream.Msg) {
	var waiting []jetstream.Msg
	for from != nil || len(waiting) > 0 {
		var first jetstream.Msg
		give := into
		if len(waiting) == 0 {
			give = nil
		} else {
			first = waiting[0]
		}
		select {
		case msg, ok := <-from:
			if !ok {
				from = nil
				continue
			}
			in.hold(msg)
			waiting = append(waiting, msg)
		case give <- first:
			waiting = waiting[1:]
		}
	}
}

func (in *Intake) hold(msg jetstream.Msg) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.held == nil {
		in.held = make(map[jetstream.Msg]time.Time)
	}
	in.held[msg] = time.Now()
}

// Done says that the messages are answered, or will not be.
func (in *Intake) Done(msgs ...jetstream.Msg) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, msg := range msgs {
		delete(in.held, msg)
	}
}

// Keep tells NATS of what is held until ctx is done, which must come after the
// last Done.
func (in *Intake) Keep(ctx context.Context) {
	tick := time.NewTicker(alive / 3)
	defer tick.Stop()
	var due []jetstream.Msg
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !in.Bus.Away().IsZero() {
			continue // it would pile up in the client
		}
		due = in.due(due[:0])
		for _, msg := range due {
			msg.InProgress() //nolint:errcheck // without it the message comes again, which does no harm
		}
		clear(due)
	}
}

func (in *Intake) due(due []jetstream.Msg) []jetstream.Msg {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	for msg, since := range in.held {
		if now.Sub(since) >= alive {
			in.held[msg] = now
			due = append(due, msg)
		}
	}
	return due
}
