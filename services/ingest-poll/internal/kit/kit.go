// Package kit is what the tests of this module share: a real NATS server, what
// arrived there, and a clock.
package kit

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// NATS is a server of the test's own, a bus on it and a running committer.
type NATS struct {
	*bus.Bus
	Server  *natsd.Server
	Tickets *bus.Committer
}

// Start runs a server until the test ends.
func Start(t testing.TB) *NATS {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return Connect(t, srv)
}

// Connect is another client of a server, as of another process.
func Connect(t testing.TB, srv *natsd.Server) *NATS {
	t.Helper()
	cfg := bus.Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{srv.Option()}, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if srv.URL() != "" {
		cfg.URL, cfg.Options = srv.URL(), nil
	}
	b, err := bus.Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &NATS{Bus: b, Server: srv, Tickets: b.NewCommitter(wire.StreamTickets)}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx, func() { close(ready) }) })
	running.Go(func() { _ = n.Tickets.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		b.Close()
	})
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("nats is not ready")
	}
	return n
}

// Messages are all ticket messages with tickets that arrived, in order.
func (n *NATS) Messages(t testing.TB) []*bus.TicketMessage {
	t.Helper()
	return slices.DeleteFunc(n.all(t), func(m *bus.TicketMessage) bool { return m.Act != nil })
}

// Acts are what the audit was told, in order.
func (n *NATS) Acts(t testing.TB) (out []*trunklinev1.Act) {
	t.Helper()
	for _, m := range n.all(t) {
		if m.Act != nil {
			out = append(out, m.Act)
		}
	}
	return out
}

func (n *NATS) all(t testing.TB) []*bus.TicketMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := n.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		t.Fatal(err)
	}
	want := int(s.CachedInfo().State.Msgs)
	if want == 0 {
		return nil
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	var out []*bus.TicketMessage
	for len(out) < want {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("message %d of %d: %v", len(out)+1, want, err)
		}
		m, err := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// Ticket is one ticket that arrived, as the parser would see it.
type Ticket struct {
	ID, Position, Text, Origin, Name, Preamble, Incomplete string
	Written                                                time.Time
	// Copies is how often it arrived.
	Copies int
}

// Collected are the tickets that arrived, one an id, by origin and position. The
// copies of a ticket must be equal, its time included.
func (n *NATS) Collected(t testing.TB) []Ticket {
	t.Helper()
	byID := make(map[string]*Ticket)
	for _, m := range n.Messages(t) {
		model, ok := pbx.Lookup(m.Model)
		if !ok {
			t.Fatalf("model %q", m.Model)
		}
		if len(m.Payload) > wire.MaxMessage {
			t.Fatalf("a message of %d bytes", len(m.Payload))
		}
		count := 0
		add := func(position, text string) {
			count++
			one := Ticket{
				ID: m.TicketID(position), Position: position, Text: text, Origin: m.Origin, Name: m.Name,
				Preamble: string(m.Preamble), Incomplete: m.Incomplete, Written: m.Written, Copies: 1,
			}
			if len(text) > wire.MaxTicket {
				t.Fatalf("a ticket of %d bytes", len(text))
			}
			have := byID[one.ID]
			if have == nil {
				byID[one.ID] = &one
				return
			}
			have.Copies++
			if have.Text != text || have.Incomplete != one.Incomplete || !have.Written.Equal(one.Written) || have.Preamble != one.Preamble {
				t.Fatalf("two tickets with one id: %.80q and %.80q, %q and %q, %s and %s", have.Text, text, have.Incomplete, one.Incomplete, have.Written, one.Written)
			}
		}
		if m.Incomplete != "" {
			add(m.Offset, string(m.Payload))
			continue
		}
		err := cut.Each(model.Split, m.Payload, func(at int, ticket []byte) bool {
			position, err := m.Position(at, ticket)
			if err != nil {
				t.Fatal(err)
			}
			add(position, string(ticket))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if count == 0 || count > wire.MaxMessageTickets {
			t.Fatalf("a message of %d tickets", count)
		}
	}
	out := make([]Ticket, 0, len(byID))
	for _, one := range byID {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Ticket) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(number(a.Position), number(b.Position)), cmp.Compare(len(a.Position), len(b.Position)), cmp.Compare(a.Position, b.Position))
	})
	return out
}

// number is a position's byte or key.
func number(position string) int {
	if _, key, ok := strings.Cut(position, "="); ok {
		position = key
	}
	position, _, _ = strings.Cut(position, "+")
	n, _ := strconv.Atoi(position)
	return n
}

// Texts are the tickets' texts.
func Texts(tickets []Ticket) []string {
	out := make([]string, len(tickets))
	for i, one := range tickets {
		out[i] = one.Text
	}
	return out
}

// Holds makes sure of the texts of the tickets that arrived, in whatever order.
func (n *NATS) Holds(t testing.TB, h *Health, want ...string) {
	t.Helper()
	got := Texts(n.Collected(t))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%d tickets, want %d:\n%.2000q\n%.2000q\n%s", len(got), len(want), got, want, h.Text())
	}
}

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock begins at some time in November 2026.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Health remembers what a link reported last.
type Health struct {
	mu  sync.Mutex
	err error
}

// Set is the reporter.
func (h *Health) Set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// Text is what is wrong; empty: nothing.
func (h *Health) Text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		return ""
	}
	return h.err.Error()
}

// Link is a link of a model on a server.
func (n *NATS) Link(t testing.TB, model string, now func() time.Time, change ...func(*link.Options)) *link.Link {
	t.Helper()
	meters, err := link.NewMeters(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	o := link.Options{
		Address: wire.Address{Model: model, Site: "lyon", Link: "pbx"}, Publisher: n.Tickets,
		Positions: func() *bus.Positions { return n.Positions },
		Log:       slog.New(slog.DiscardHandler), Now: now, Metrics: meters.Of("lyon", "pbx"),
	}
	for _, c := range change {
		c(&o)
	}
	l, err := link.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Look looks once, as link.Run does.
func Look(ctx context.Context, l *link.Link, c link.Collector) error {
	l.Alarms.Begin()
	defer l.Alarms.End()
	err := c.Look(ctx)
	if err != nil && ctx.Err() == nil {
		l.Alarms.Raise("look", err)
	}
	return err
}

// Await waits for a condition of another goroutine's making.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not happen within 30 s", what)
}
