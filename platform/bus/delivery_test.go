package bus

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/proto/wire"
)

// The messages of one Publish stay together also where a neighbour's message is
// there already: the parts of a receipt are all there, or none is.
func TestCommitterKeepsAPublishTogether(t *testing.T) {
	b := start(t)
	c := b.NewCommitter(wire.StreamTickets)
	var batch []*commit
	for _, msgs := range [][]*nats.Msg{{message(1, "a")}, {message(2, "b"), message(3, "c"), message(4, "d")}} {
		batch = append(batch, &commit{ctx: t.Context(), msgs: msgs, done: make(chan error, 1)})
	}
	if err := c.publish(t.Context(), []*nats.Msg{message(1, "a")}, c.timeout, nil); err != nil {
		t.Fatal(err)
	}
	c.commit(t.Context(), &gathered{batch: batch})
	for _, one := range batch {
		if err := <-one.done; err != nil {
			t.Fatal(err)
		}
	}
	// One for the message that was there, one for the three others.
	if got := counter(t, b.metrics.commits.WithLabelValues(wire.StreamTickets)); got != 2 {
		t.Errorf("%v commits, want 2", got)
	}
	if got := stored(t, b, wire.StreamTickets); got != 4 {
		t.Errorf("%d messages, want 4", got)
	}
}

// A line that does not carry a full batch before a commit times out carries the
// messages.
func TestCommitterOnASlowLine(t *testing.T) {
	srv := serve(t, t.TempDir(), "127.0.0.1:0")
	b := connect(t, srv, func(c *Config) {
		c.URL, c.Options = srv.URL(), []nats.Option{nats.SetCustomDialer(slowLine{})}
	})
	c := committer(t, b, wire.StreamTickets)
	c.timeout = 250 * time.Millisecond
	var msgs []*nats.Msg
	for i := range 12 {
		msgs = append(msgs, message(i, strings.Repeat("x", 64<<10)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Publish(ctx, msgs...); err != nil {
		t.Error(err)
	}
}

// slowLine carries 1 MiB/s.
type slowLine struct{}

func (slowLine) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	return slowConn{c}, err
}

type slowConn struct{ net.Conn }

func (c slowConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		part := p[n:min(n+8<<10, len(p))]
		time.Sleep(time.Duration(len(part)) * time.Second >> 20)
		var m int
		m, err = c.Conn.Write(part)
		n += m
	}
	return n, err
}

// However long NATS takes to say that a lease was renewed or not, the work has
// ended before somebody else may hold it.
func TestLeaseThatCannotBeRenewed(t *testing.T) {
	b := start(t)
	const ttl = 1500 * time.Millisecond
	leases := &Leases{kv: &stalling{KeyValue: b.Leases.kv}, log: b.log, ttl: ttl}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	err := leases.Hold(ctx, "lyon.a", "one", func(ctx context.Context) error {
		<-ctx.Done()
		return io.EOF
	})
	if held := time.Since(began); !errors.Is(err, io.EOF) || held > ttl*5/6 {
		t.Errorf("held for %s of %s, %v", held, ttl, err)
	}
}

// stalling refuses a renewal, and does not answer the next.
type stalling struct {
	jetstream.KeyValue
	asked int
}

func (s *stalling) Update(ctx context.Context, _ string, _ []byte, _ uint64) (uint64, error) {
	if s.asked++; s.asked == 1 {
		return 0, errors.New("no leader")
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// What its caller has given up is not published when the server is back: a PBX
// that had no answer gives it anew.
func TestCommitterDropsWhatNobodyWaitsFor(t *testing.T) {
	dir := t.TempDir()
	srv := serve(t, dir, "127.0.0.1:0")
	url := srv.URL()
	b := connect(t, srv, func(c *Config) { c.URL, c.Options = url, nil })
	c := committer(t, b, wire.StreamTickets)
	srv.Stop()
	await(t, func() bool { return !b.Conn.IsConnected() })
	waiting, giveUp := context.WithCancel(t.Context())
	gone, kept := make(chan error, 1), make(chan error, 1)
	go func() { gone <- c.Publish(waiting, message(1, "given up")) }()
	await(t, func() bool { return tried(t, b) > 0 })
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up hears %v", err)
	}
	go func() { kept <- c.Publish(t.Context(), message(2, "kept")) }()
	serve(t, dir, strings.TrimPrefix(url, "nats://"))
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
	if got := stored(t, b, wire.StreamTickets); got != 1 {
		t.Errorf("%d messages, want the one that somebody waits for", got)
	}
}

// tried counts the commits that failed and are tried again.
func tried(t *testing.T, b *Bus) (n float64) {
	t.Helper()
	all := make(chan prometheus.Metric, 16)
	b.metrics.retries.Collect(all)
	close(all)
	for one := range all {
		n += counter(t, one.(prometheus.Counter))
	}
	return n
}
