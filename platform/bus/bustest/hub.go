// Package bustest is the NATS server of a hub, for the tests of what sites do with
// it: their users may do what docs/spool.md gives them, and it goes away and comes
// back.
package bustest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// Await waits for a condition of another goroutine's making.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: it did not happen within 30 s", what)
}

// Hub is a server that can be stopped and started, with the streams of the services.
type Hub struct {
	// Opts are of its next start. Its first user is Services, the others are sites.
	Opts server.Options
	// Bus is the services'.
	Bus *bus.Bus

	t   testing.TB
	srv *server.Server
}

// Services is the user that may do everything.
const Services = "services"

func password(user string) string { return "secret-" + user }

// site is the user of a site.
func site(id string) *server.User {
	return &server.User{Username: id, Password: password(id), Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"tickets.v1.*." + id + ".*", "$KV.links." + id + ".*", "events.v1." + id + ".>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"ask.v1.links", "ask.v1.reload", "_INBOX_" + id + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 100, Expires: time.Minute},
	}}
}

// New runs a hub until the test ends.
func New(t testing.TB, sites ...string) *Hub {
	t.Helper()
	h := &Hub{t: t, Opts: server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
		JetStreamMaxStore: 1 << 50, // whatever the disk has free
		Users:             []*server.User{{Username: Services, Password: password(Services)}},
	}}
	for _, id := range sites {
		h.Opts.Users = append(h.Opts.Users, site(id))
	}
	h.Start()
	h.Opts.Port = h.srv.Addr().(*net.TCPAddr).Port
	t.Cleanup(h.Stop)
	h.Bus = h.Connect(Services, bus.Hub)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Bus.Run(ctx, func() {}) }()
	t.Cleanup(func() { cancel(); <-done })
	waiting, enough := context.WithTimeout(t.Context(), 30*time.Second)
	defer enough()
	if h.Bus.Ready(waiting) != nil {
		t.Fatalf("the hub is not ready: %v", h.Bus.Check())
	}
	return h
}

// Start starts it again, and waits until the services are back.
func (h *Hub) Start() {
	h.t.Helper()
	opts := h.Opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		h.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		h.t.Fatal("the hub does not start")
	}
	h.srv = srv
	if h.Bus != nil {
		Await(h.t, "the services are back", h.Bus.Conn.IsConnected)
	}
}

// Stop stops it, and waits until the services have noticed.
func (h *Hub) Stop() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
	if h.Bus != nil {
		Await(h.t, "the services notice", func() bool { return !h.Bus.Conn.IsConnected() })
	}
}

// URL is how a user reaches it, with its password.
func (h *Hub) URL(user string) string {
	return fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", user, password(user), h.Opts.Port)
}

// Connect connects as a user.
func (h *Hub) Connect(user string, role bus.Role, more ...nats.Option) *bus.Bus {
	h.t.Helper()
	b, err := bus.Connect(bus.Config{
		URL: fmt.Sprintf("nats://127.0.0.1:%d", h.Opts.Port), Name: user, Role: role, Log: slog.New(slog.DiscardHandler),
		Options: append([]nats.Option{nats.UserInfo(user, password(user))}, more...),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// Count is how many messages the stream TICKETS has; -1 where nobody tells.
func (h *Hub) Count() int {
	s, err := h.Bus.JS.Stream(context.Background(), wire.StreamTickets)
	if err != nil {
		return -1
	}
	return int(s.CachedInfo().State.Msgs)
}

// Stored reads the stream TICKETS, in its order.
func Stored(t testing.TB, b *bus.Bus) []jetstream.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := b.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.DeleteConsumer(ctx, c.CachedInfo().Name) }()
	it, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	out := make([]jetstream.Msg, 0, s.CachedInfo().State.Msgs)
	for range s.CachedInfo().State.Msgs {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, msg)
	}
	return out
}

// Tickets reads messages of that stream.
func Tickets(t testing.TB, stored []jetstream.Msg) []*bus.TicketMessage {
	t.Helper()
	out := make([]*bus.TicketMessage, len(stored))
	for i, msg := range stored {
		var err error
		if out[i], err = bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
