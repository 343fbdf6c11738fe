package spool

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/bus/bustest"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/proto/wire"
)

// await waits for a condition of another goroutine's making.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	bustest.Await(t, what, ok)
}

// hub is the NATS server of the services, which can be stopped and started.
type hub struct {
	*bustest.Hub
	t testing.TB
}

func newHub(t testing.TB, sites ...string) *hub {
	t.Helper()
	return &hub{bustest.New(t, sites...), t}
}

// stored is what the hub has, in its order.
func (h *hub) stored() []*bus.TicketMessage {
	h.t.Helper()
	stored := bustest.Stored(h.t, h.Bus)
	for _, msg := range stored {
		for name := range msg.Headers() {
			if strings.HasPrefix(name, "Nats-") && name != jetstream.MsgIDHeader && !strings.HasPrefix(name, "Nats-Batch-") {
				h.t.Errorf("header %s came along", name)
			}
		}
	}
	return bustest.Tickets(h.t, stored)
}

// place is a running spool of a site, as an ingest process has it.
type place struct {
	*Spool
	t       testing.TB
	log     *logged
	tickets *bus.Committer
	stop    func()
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// openSpool runs a spool in a folder until the test ends, or stop.
func openSpool(t testing.TB, dir string, guest *bus.Bus, change ...func(*Spool)) *place {
	t.Helper()
	p := &place{t: t, log: &logged{}}
	s, err := New(Options{Dir: dir, MaxBytes: 32 << 20, Hub: guest, Log: slog.New(slog.NewTextHandler(p.log, nil)), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s.every = 20 * time.Millisecond
	for _, c := range change {
		c(s)
	}
	p.Spool, p.tickets = s, s.Bus().NewCommitter(wire.StreamSpool)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- lifecycle.Run(ctx, append(s.Parts(), lifecycle.Part{Name: "committer", Run: func(ctx context.Context, ready func()) error {
			ready()
			return p.tickets.Run(ctx)
		}})...)
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Bus().Close()
		guest.Close()
	})
	t.Cleanup(p.stop)
	if err := s.Bus().Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *hub) guest(site string) *bus.Bus {
	return h.Connect(site, bus.Guest, nats.CustomInboxPrefix("_INBOX_"+site))
}

func settings(site, link string) pbx.Settings {
	return pbx.Settings{Site: site, Link: link, Model: "avaya-ipoffice", Timezone: "Europe/Paris"}
}

func (p *place) announce(site, link string) {
	p.t.Helper()
	if err := p.Bus().Links.Put(p.t.Context(), settings(site, link)); err != nil {
		p.t.Fatal(err)
	}
}

// publish puts tickets of a link into the spool, numbered from first on.
func (p *place) publish(site, link string, first, n int) {
	p.t.Helper()
	var msgs []*nats.Msg
	for i := first; i < first+n; i++ {
		msgs = append(msgs, ticket(site, link, i))
	}
	if err := p.tickets.Publish(p.t.Context(), msgs...); err != nil {
		p.t.Fatal(err)
	}
}

func ticket(site, link string, i int) *nats.Msg {
	return (&bus.TicketMessage{
		Address:  wire.Address{Model: "avaya-ipoffice", Site: site, Link: link},
		Received: time.Unix(1_700_000_000, 0), Origin: "tcp:" + link, Offset: fmt.Sprint(i), Payload: fmt.Appendf(nil, "ticket %d of %s\r\n", i, link),
	}).Msg()
}

// of are the messages of a link.
func (h *hub) of(site, link string) (out []*bus.TicketMessage) {
	h.t.Helper()
	for _, m := range h.stored() {
		if m.Site == site && m.Link == link {
			out = append(out, m)
		}
	}
	return out
}

// compare fails unless the hub has a link's tickets 0 to n-1, once and in order.
func (h *hub) compare(site, link string, n int) {
	h.t.Helper()
	next := 0
	for _, m := range h.of(site, link) {
		if m.Offset != fmt.Sprint(next) || string(m.Payload) != fmt.Sprintf("ticket %d of %s\r\n", next, link) {
			h.t.Fatalf("%s/%s: %s (%q) where %d is expected", site, link, m.Offset, m.Payload, next)
		}
		next++
	}
	if next != n {
		h.t.Errorf("%s/%s: %d tickets, want %d", site, link, next, n)
	}
}
