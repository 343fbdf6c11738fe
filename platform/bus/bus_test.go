package bus

import (
	"bytes"
	"context"
	"errors"
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
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
)

// start runs a server and a bus on it until the test ends.
func start(t testing.TB, change ...func(*Config)) *Bus {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return connect(t, srv, change...)
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

func committer(t testing.TB, b *Bus, stream string) *Committer {
	t.Helper()
	c := b.NewCommitter(stream)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func message(offset int, payload string) *nats.Msg {
	m := &TicketMessage{
		Address:  wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "a"},
		Received: time.Unix(1, 0), Origin: "tcp:0", Offset: fmt.Sprint(offset), Payload: []byte(payload),
	}
	return m.Msg()
}

func stored(t testing.TB, b *Bus, stream string) uint64 {
	t.Helper()
	s, err := b.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestCommitterGathersAndKeepsOrder(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	var wg sync.WaitGroup
	const publishers, each = 8, 300
	for p := range publishers {
		wg.Go(func() {
			for i := range each / 3 {
				n := p*each + 3*i
				if err := c.Publish(t.Context(), message(n, "a"), message(n+1, "b"), message(n+2, "c")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := stored(t, b, wire.StreamTickets); got != publishers*each {
		t.Errorf("%d messages, want %d", got, publishers*each)
	}
	s, _ := b.JS.Stream(t.Context(), wire.StreamTickets)
	last := make(map[int]int)
	for seq := uint64(1); seq <= publishers*each; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		fmt.Sscan(m.Header.Get(wire.HeaderOffset), &n)
		if p := n / each; n < last[p] {
			t.Fatalf("publisher %d: %d behind %d", p, n, last[p])
		} else {
			last[p] = n
		}
	}
}

func TestCommitterDuplicates(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	// One that is stored, one twice in the batch, one new.
	if err := c.Publish(t.Context(), message(1, "a"), message(2, "b"), message(2, "b"), message(3, "c")); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
}

func TestCommitterRefused(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	large := message(2, strings.Repeat("x", 3<<20))
	err := c.Publish(t.Context(), message(1, "a"), large, message(3, "c"))
	if !errors.Is(err, ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 2 {
		t.Errorf("%d messages, want the 2 neighbours", got)
	}
}

func TestCommitterWaitsForAFullStream(t *testing.T) {
	b := start(t, func(c *Config) { c.TicketsMaxBytes = 64 << 10 })
	c := committer(t, b, wire.StreamTickets)
	payload := strings.Repeat("x", 20<<10)
	for i := range 3 {
		if err := c.Publish(t.Context(), message(i, payload)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- c.Publish(t.Context(), message(3, payload), message(4, "y")) }()
	retries := b.metrics.retries.WithLabelValues(wire.StreamTickets, "stream_full")
	await(t, func() bool { return counter(t, retries) > 0 })
	if got := stored(t, b, wire.StreamTickets); got != 3 {
		t.Errorf("%d messages in a full stream, want the oldest 3", got)
	}
	s, _ := b.JS.Stream(t.Context(), wire.StreamTickets)
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 3 {
		t.Errorf("%d messages after room was made, want 3", got)
	}
}

func TestCommitterSurvivesARestartOfTheServer(t *testing.T) {
	dir := t.TempDir()
	srv, err := natsd.Start(natsd.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	url := srv.URL()
	b := connect(t, srv, func(c *Config) { c.URL, c.Options = url, nil })
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	done := make(chan error, 1)
	go func() { done <- c.Publish(t.Context(), message(2, "b"), message(3, "c")) }()
	await(t, func() bool { return !b.Conn.IsConnected() && b.Check() != nil })
	srv, err = natsd.Start(natsd.Config{Dir: dir, Listen: strings.TrimPrefix(url, "nats://")})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
	b.Close()
}

func TestExistingStreams(t *testing.T) {
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	b := connect(t, srv)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	s, _ := b.JS.Stream(t.Context(), wire.StreamTickets)
	cfg := s.CachedInfo().Config
	cfg.MaxAge, cfg.MaxBytes, cfg.Discard = 365*24*time.Hour, 1<<20, jetstream.DiscardOld
	if _, err := b.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	connect(t, srv) // again, as every start of every service does
	s, _ = b.JS.Stream(t.Context(), wire.StreamTickets)
	got := s.CachedInfo()
	if got.Config.Discard != jetstream.DiscardNew || got.Config.MaxBytes != DefaultMaxBytes {
		t.Errorf("not mended: discard %v, %d bytes", got.Config.Discard, got.Config.MaxBytes)
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
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
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

func TestLinks(t *testing.T) {
	b := start(t)
	one := pbx.Settings{Site: "lyon", Link: "a", Model: "asterisk", Timezone: "Europe/Paris", Parse: pbx.Parse{AMAFlags: map[int]string{2: "outbound"}}}
	if err := b.Links.Put(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, synced := make(chan pbx.Settings, 8), make(chan struct{})
	go b.Links.Watch(ctx, func(s pbx.Settings) { got <- s }, func() { close(synced) })
	<-synced
	if s := <-got; fmt.Sprint(s) != fmt.Sprint(one) {
		t.Errorf("got %v, want %v", s, one)
	}
	if err := b.Links.Put(t.Context(), one); err != nil { // unchanged: not told again
		t.Fatal(err)
	}
	one.Country = "FR"
	if err := b.Links.Put(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s.Country != "FR" {
		t.Errorf("got %v, want the change", s)
	}
}

func TestPositions(t *testing.T) {
	b := start(t)
	key := PositionKey("lyon", "a", SourceKey("db:3306/x.cdr"))
	if v, rev, err := b.Positions.Get(t.Context(), key); v != nil || rev != 0 || err != nil {
		t.Fatalf("empty: %q %d %v", v, rev, err)
	}
	rev, err := b.Positions.Put(t.Context(), key, []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Positions.Put(t.Context(), key, []byte("9"), 0); !errors.Is(err, ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := b.Positions.Put(t.Context(), key, []byte("2"), rev); err != nil {
		t.Error(err)
	}
	if _, err := b.Positions.Put(t.Context(), key, []byte("9"), rev); !errors.Is(err, ErrConflict) {
		t.Errorf("an old revision wrote: %v", err)
	}
	if v, _, _ := b.Positions.Get(t.Context(), key); string(v) != "2" {
		t.Errorf("position %q", v)
	}
	if keys, err := b.Positions.Keys(t.Context(), "lyon", "a"); err != nil || len(keys) != 1 || keys[0] != key {
		t.Errorf("keys %v, %v", keys, err)
	}
	if err := b.Positions.Delete(t.Context(), key); err != nil {
		t.Error(err)
	}
	if _, err := b.Positions.Put(t.Context(), key, []byte("1"), 0); err != nil {
		t.Errorf("not writable after it was deleted: %v", err)
	}
}

func TestAttempts(t *testing.T) {
	b := start(t)
	for want := 1; want <= 3; want++ {
		if got, err := b.Attempts.Begin(t.Context(), "TICKETS.7"); got != want || err != nil {
			t.Fatalf("attempt %d, %v, want %d", got, err, want)
		}
	}
	if err := b.Attempts.Done(t.Context(), "TICKETS.7"); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Attempts.Begin(t.Context(), "TICKETS.7"); got != 1 || err != nil {
		t.Errorf("after an answer: attempt %d, %v", got, err)
	}
}

func TestLease(t *testing.T) {
	b := start(t)
	holding := make(chan string, 4)
	ctx, cancel := context.WithCancel(t.Context())
	hold := func(ctx context.Context, owner string, done chan<- error) {
		done <- b.Leases.Hold(ctx, "lyon.a", owner, func(ctx context.Context) error {
			holding <- owner
			<-ctx.Done()
			return nil
		})
	}
	first, second := make(chan error, 1), make(chan error, 1)
	go hold(ctx, "one", first)
	if got := <-holding; got != "one" {
		t.Fatal(got)
	}
	ctx2, cancel2 := context.WithCancel(t.Context())
	defer cancel2()
	go hold(ctx2, "two", second)
	// Somebody takes the lease away: its work must end, and someone gets it again.
	e, err := b.Leases.kv.Get(t.Context(), "lyon.a")
	if err != nil || string(e.Value()) != "one" {
		t.Fatal(e, err)
	}
	select {
	case got := <-holding:
		t.Fatalf("%s holds it too", got)
	default:
	}
	cancel() // given back
	if err := <-first; err != nil {
		t.Error(err)
	}
	select {
	case got := <-holding:
		if got != "two" {
			t.Error(got)
		}
	case <-time.After(3 * leaseTTL):
		t.Fatal("nobody took the lease that was given back")
	}
	cancel2()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// A sole process takes a dead one's lease at once.
func TestLeaseOfADeadProcess(t *testing.T) {
	b := start(t, func(c *Config) { c.Sole = true })
	if _, err := b.Leases.kv.Create(t.Context(), "lyon.a", []byte("dead")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := b.Leases.Hold(t.Context(), "lyon.a", "alive", func(context.Context) error { return ErrConflict })
	if !errors.Is(err, ErrConflict) || time.Since(began) > leaseTTL/2 {
		t.Errorf("%v after %s", err, time.Since(began))
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
