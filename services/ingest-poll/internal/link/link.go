// Package link is what the collectors of files and tables share: the link whose
// tickets they publish, its positions, its alarms and its metrics.
package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// Publisher publishes with an acknowledgement that means disk: bus.Committer.
type Publisher interface {
	Publish(ctx context.Context, msgs ...*nats.Msg) error
}

// Collector collects the tickets of one link.
type Collector interface {
	// Load reads the positions; it is called each time the lease was won.
	Load(ctx context.Context) error
	// Look collects everything that is there. What is wrong with a single file is
	// an alarm; an error means that nothing more can be collected now.
	Look(ctx context.Context) error
	// Save keeps what is acknowledged; it is called when the lease is given back.
	Save(ctx context.Context) error
}

// Link is one link that is polled.
type Link struct {
	wire.Address
	PBX *pbx.Model
	// Cutting is how the link's tickets are cut.
	Cutting pbx.Cutting
	Log     *slog.Logger
	// Now is the clock.
	Now     func() time.Time
	Metrics *Metrics
	Alarms  *Alarms
	Publisher

	positions func() *bus.Positions

	mu    sync.Mutex
	state State
}

// State is what a link tells of itself.
type State struct {
	// Doing is `standby`, `collecting` or `failing`.
	Doing string
	// Problem says what is wrong, in words for people; empty: nothing.
	Problem string
	// LastLook and LastTicket are when the source was last looked at and when
	// tickets of it were last acknowledged; zero: not since the start.
	LastLook, LastTicket time.Time
	// Tickets and Bytes that were acknowledged since the start.
	Tickets, Bytes uint64
	// Waiting is how many files wait to be collected, Oldest the modification time
	// of the oldest of them.
	Waiting int
	Oldest  time.Time
	// Position is the cursor of a table, and Newest the largest key in it.
	Position, Newest int64
}

// States of a link.
const (
	Standby    = "standby"
	Collecting = "collecting"
	Failing    = "failing"
)

// Options of a link. Positions is called when they are needed: the bus has them
// only once NATS answered.
type Options struct {
	Address wire.Address
	// Layout is the text of the link's layout, if it has one.
	Layout    string
	Publisher Publisher
	Positions func() *bus.Positions
	Log       *slog.Logger
	Now       func() time.Time
	Metrics   *Metrics
	// Hide takes the link's secrets out of a text: servers repeat what they were
	// given. It may be nil.
	Hide func(string) string
	// Health hears of each change; nil is well. It may be nil.
	Health func(error)
}

// New makes a link.
func New(o Options) (*Link, error) {
	model, ok := pbx.Lookup(o.Address.Model)
	if !ok {
		return nil, fmt.Errorf("site %s, link %s: unknown model %q", o.Address.Site, o.Address.Link, o.Address.Model)
	}
	cutting, err := pbx.Settings{Model: o.Address.Model, Layout: o.Layout}.Cutting()
	if err != nil {
		return nil, fmt.Errorf("site %s, link %s: %w", o.Address.Site, o.Address.Link, err)
	}
	l := &Link{
		Address: o.Address, PBX: model, Cutting: cutting, Publisher: o.Publisher, positions: o.Positions, Now: o.Now, Metrics: o.Metrics,
		Log: o.Log.With("site", o.Address.Site, "link", o.Address.Link),
	}
	l.state.Doing = Standby
	if o.Hide == nil {
		o.Hide = func(text string) string { return text }
	}
	l.Alarms = &Alarms{log: l.Log, now: o.Now, hide: o.Hide, report: func(err error) {
		l.Update(func(s *State) {
			if s.Problem = ""; err != nil {
				s.Problem = err.Error()
			}
		})
		if err != nil {
			err = fmt.Errorf("site %s, link %s: %w", l.Site, l.Link, err)
		}
		if o.Health != nil {
			o.Health(err)
		}
	}}
	return l, nil
}

// Update changes the state.
func (l *Link) Update(change func(*State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
}

// State is a copy of the state.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	if s.Problem != "" && s.Doing == Collecting {
		s.Doing = Failing
	}
	return s
}

// Batch is messages that are published together.
type Batch struct {
	msgs    []*nats.Msg
	Tickets int
	bytes   int
	cut     map[string]int
}

// Add encodes a message that holds so many tickets.
func (b *Batch) Add(m *bus.TicketMessage, tickets int) {
	b.msgs = append(b.msgs, m.Msg())
	b.Tickets += tickets
	b.bytes += len(m.Payload)
	if m.Incomplete != "" {
		if b.cut == nil {
			b.cut = make(map[string]int)
		}
		b.cut[m.Incomplete]++
	}
}

// Send publishes a batch and returns when all of it is on disk.
func (l *Link) Send(ctx context.Context, b *Batch) error {
	if len(b.msgs) == 0 {
		return nil
	}
	if err := l.Publish(ctx, b.msgs...); err != nil {
		if errors.Is(err, bus.ErrRefused) {
			return fmt.Errorf("tickets are refused, nothing is lost but nothing goes on: look at the permissions of our NATS user and at max_payload, which must be 1 MB: %w", err)
		}
		return err
	}
	l.Metrics.Tickets.Add(float64(b.Tickets))
	l.Metrics.Bytes.Add(float64(b.bytes))
	for reason, n := range b.cut {
		l.Metrics.incomplete(reason).Add(float64(n))
	}
	now := l.Now()
	l.Metrics.LastTicket.Set(float64(now.Unix()))
	l.Update(func(s *State) {
		s.LastTicket = now
		s.Tickets += uint64(b.Tickets)
		s.Bytes += uint64(b.bytes)
	})
	return nil
}

// Get reads a position.
func (l *Link) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	return l.positions().Get(ctx, key)
}

// Keys lists the link's positions.
func (l *Link) Keys(ctx context.Context, site, link string) ([]string, error) {
	return l.positions().Keys(ctx, site, link)
}

// Put writes a position and waits while NATS is away. An answer that was lost on
// the way looks like bus.ErrConflict, and ends like it: the positions are read
// again.
func (l *Link) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	back := bus.Backoff{Max: 5 * time.Second}
	for {
		next, err := l.positions().Put(ctx, key, value, revision)
		if err == nil || ctx.Err() != nil || errors.Is(err, bus.ErrConflict) {
			return next, err
		}
		if back.Wait(ctx) != nil {
			return 0, err
		}
	}
}
