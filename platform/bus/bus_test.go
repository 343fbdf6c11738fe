package bus

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
)

// serve runs a server on a folder until the test ends; listen may be empty.
func serve(t testing.TB, dir, listen string) *natsd.Server {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{Dir: dir, Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return srv
}

// start runs a server and a bus on it until the test ends.
func start(t testing.TB, change ...func(*Config)) *Bus {
	t.Helper()
	return connect(t, serve(t, t.TempDir(), ""), change...)
}

func connect(t testing.TB, srv *natsd.Server, change ...func(*Config)) *Bus {
	t.Helper()
	cfg := Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{srv.Option()},
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	for _, c := range change {
		c(&cfg)
	}
	b, err := Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.Close()
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("the bus is not ready")
	}
	return b
}

func TestExistingStreams(t *testing.T) {
	srv := serve(t, t.TempDir(), "")
	b := connect(t, srv)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	s, _ := b.JS.Stream(t.Context(), wire.StreamTickets)
	cfg := s.CachedInfo().Config
	cfg.MaxAge, cfg.MaxBytes, cfg.Discard, cfg.Duplicates = 365*24*time.Hour, 1<<20, jetstream.DiscardOld, time.Hour
	if _, err := b.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	connect(t, srv) // again, as every start of every service does
	s, _ = b.JS.Stream(t.Context(), wire.StreamTickets)
	got := s.CachedInfo()
	if got.Config.Discard != jetstream.DiscardNew || got.Config.MaxBytes != DefaultMaxBytes || got.Config.Duplicates != duplicateWindow {
		t.Errorf("not mended: discard %v, %d bytes, ids for %s", got.Config.Discard, got.Config.MaxBytes, got.Config.Duplicates)
	}
	if got.Config.MaxAge != 365*24*time.Hour || got.State.Msgs != 1 {
		t.Errorf("lost something: age %v, %d messages", got.Config.MaxAge, got.State.Msgs)
	}
	if err := mayUse(jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, b.streams()[0]); err == nil {
		t.Error("took a work queue")
	}
}

// What a dead process had taken comes again: at once to a sole one.
func TestConsumerOfADeadProcess(t *testing.T) {
	srv := serve(t, t.TempDir(), "")
	cfg := jetstream.ConsumerConfig{Durable: "c", AckWait: time.Hour}
	b := connect(t, srv)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a"), message(2, "b"), message(3, "c")); err != nil {
		t.Fatal(err)
	}
	next := func(c jetstream.Consumer) string {
		t.Helper()
		m, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data()) == "a" {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return string(m.Data())
	}
	first, err := b.Consumer(t.Context(), wire.StreamTickets, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := next(first) + next(first); got != "ab" {
		t.Fatal(got)
	}
	again, err := b.Consumer(t.Context(), wire.StreamTickets, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := next(again); got != "c" {
		t.Errorf("beside others it took %s, want c", got)
	}
	sole := connect(t, srv, func(c *Config) { c.Sole = true })
	for range 2 { // also where it was made anew before
		alone, err := sole.Consumer(t.Context(), wire.StreamTickets, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := next(alone) + next(alone); got != "bc" {
			t.Errorf("alone it took %s, want bc", got)
		}
	}
}

func TestTicketMessage(t *testing.T) {
	want := &TicketMessage{
		Address:  wire.Address{Model: "cisco-cucm", Site: "lyon", Link: "cucm"},
		Received: time.Date(2026, 11, 22, 19, 0, 0, 123456789, time.UTC),
		Written:  time.Date(2026, 11, 22, 18, 59, 0, 0, time.UTC),
		Origin:   "file:00:cdr_A_1", Offset: "120", Name: "cdr Zoé\r\n%1", Preamble: []byte("\"a\"\nINTEGER\n"),
		Incomplete: wire.IncompleteCutOff, Payload: []byte("1,2\n3,4"),
	}
	msg := want.Msg()
	for k, v := range msg.Header {
		if strings.ContainsAny(v[0], "\r\n") {
			t.Errorf("header %s: %q", k, v[0])
		}
	}
	got, err := ReadTicketMessage(msg.Subject, msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if p, err := got.Position(4, []byte("3,4")); err != nil || p != "124" {
		t.Errorf("position %q, %v", p, err)
	}
	got.Offset = "id=42"
	if p, err := got.Position(0, []byte(`{"calldate":"x","id":"43"}`)); err != nil || p != "id=43" {
		t.Errorf("row position %q, %v", p, err)
	}
	if _, err := got.Position(0, []byte(`{"calldate":"x"}`)); err == nil {
		t.Error("a row without its key has a position")
	}
	msg.Header.Del(wire.HeaderReceived)
	if m, err := ReadTicketMessage(msg.Subject, msg.Header, msg.Data); err == nil || !bytes.Equal(m.Payload, want.Payload) {
		t.Errorf("without header: %v, %v", m, err)
	}
}

func TestNear(t *testing.T) {
	received, written := time.Unix(2, 0), time.Unix(1, 0)
	for _, tc := range []struct {
		m    TicketMessage
		want time.Time
	}{
		{TicketMessage{Origin: "tcp:0", Received: received}, received},
		{TicketMessage{Origin: "file:0:a", Received: received, Written: written}, written},
		{TicketMessage{Origin: "table:a/b#0", Received: received}, time.Time{}},
	} {
		if got := tc.m.Near(); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", tc.m.Origin, got, tc.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Min: 100 * time.Millisecond, Max: time.Second}
	for i, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		want *= time.Millisecond
		if got := b.Next(); got < want/2 || got > want {
			t.Errorf("wait %d: %v, want %v to %v", i, got, want/2, want)
		}
	}
}

func TestConnectTellsNoPassword(t *testing.T) {
	for _, url := range []string{
		"nats://u:secret@hub:port", "nats://u:sec%ret@hub", "u:secret@hub:x", "nats://a:1,nats://u:secret@hub:port", "nats://secret token@hub:4222",
	} {
		b, err := Connect(Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			b.Close()
			t.Errorf("%s is taken", url)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A server that may store less than the streams' bounds says so: what is missing, in
// whose words of the configuration, and what to do.
func TestServerWithoutRoom(t *testing.T) {
	srv := within(t, &server.Options{JetStreamMaxStore: 1 << 30})
	b, err := Connect(Config{URL: "nats://x", Name: "test", Log: slog.New(slog.DiscardHandler), Options: []nats.Option{nats.InProcessServer(srv)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx, func() { t.Error("ready") }) }()
	await(t, func() bool {
		err := b.Check()
		return err != nil && strings.Contains(err.Error(), "give nats.tickets.max_bytes less") && strings.Contains(err.Error(), "8589934592")
	})
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
