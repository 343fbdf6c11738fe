package bus

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"trunkline.internal/proto/wire"
)

// An acknowledgement that is lost, with the server of a cluster that gave it, is
// not waited for as long as a slow line may take.
func TestLostAcknowledgement(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.Shutdown)
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	stream, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	var tries atomic.Int32
	if _, err := stream.Subscribe(wire.TicketSubjects, func(m *nats.Msg) {
		if tries.Add(1) > 1 {
			_ = m.Respond([]byte(`{"stream":"TICKETS","seq":1}`))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := stream.Flush(); err != nil {
		t.Fatal(err)
	}
	b, err := Connect(Config{URL: srv.ClientURL(), Name: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	began := time.Now()
	if err := committer(t, b, wire.StreamTickets).Publish(t.Context(), message(1, "a ticket")); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*commitPatience+time.Second || tries.Load() != 2 {
		t.Errorf("published after %s, in %d tries", took, tries.Load())
	}
}
