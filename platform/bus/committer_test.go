package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

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

// Who gives up in the middle takes no answer of somebody else's with it: each message
// that was acknowledged is there.
func TestCommitterAnswersItsOwn(t *testing.T) {
	b := start(t)
	c := committer(t, b, wire.StreamTickets)
	const links, each = 50, 40
	var acknowledged [links * each]bool
	var publishing sync.WaitGroup
	for link := range links {
		publishing.Go(func() {
			for n := range each {
				i := link*each + n
				patience := 10 * time.Second
				if i%3 > 0 {
					patience = time.Duration(i%97) * 100 * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				err := c.Publish(ctx, message(i, "call"))
				cancel()
				if acknowledged[i] = err == nil; i%3 == 0 && err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
			}
		})
	}
	publishing.Wait()
	s, err := b.JS.Stream(t.Context(), wire.StreamTickets)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		msg, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		there[msg.Header.Get(wire.HeaderOffset)] = true
	}
	for i, yes := range acknowledged {
		if yes && !there[fmt.Sprint(i)] {
			t.Errorf("message %d was acknowledged and is not there", i)
		}
	}
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
	srv := serve(t, dir, "127.0.0.1:0")
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
	serve(t, dir, strings.TrimPrefix(url, "nats://"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
	b.Close()
}
