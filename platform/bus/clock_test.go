package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

// lateJS is a NATS server whose clock is behind.
type lateJS struct {
	jetstream.JetStream
	by time.Duration
}

type lateStream struct {
	jetstream.Stream
	by time.Duration
}

func (l lateJS) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := l.JetStream.Stream(ctx, name)
	return lateStream{s, l.by}, err
}

func (l lateStream) CachedInfo() *jetstream.StreamInfo {
	info := *l.Stream.CachedInfo()
	info.TimeStamp = info.TimeStamp.Add(-l.by)
	return &info
}

func TestClockOffset(t *testing.T) {
	b := start(t)
	real := b.JS
	for _, by := range []time.Duration{0, time.Hour, -time.Hour} {
		b.JS = lateJS{JetStream: real, by: by}
		ahead, told, err := b.ClockOffset(t.Context())
		if err != nil || !told || (ahead-by).Abs() > maxAsking {
			t.Errorf("a server %s behind: ahead %s, told %v, %v", by, ahead, told, err)
		}
	}
}

// The server's clock jumps, and every lease runs out under its holder: the next
// one begins, the first one's work ends, and what it writes meanwhile is refused.
// Nobody asks a clock who is right, but the revisions.
func TestLeaseRunsOutUnderItsHolder(t *testing.T) {
	b := start(t)
	leases := &Leases{kv: b.Leases.kv, log: b.log, ttl: 600 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	key := PositionKey("lyon", "a", "folder")
	type owner struct {
		revision uint64
		ended    <-chan struct{}
	}
	hold := func(name string) (owners chan owner, done chan error) {
		owners, done = make(chan owner, 1), make(chan error, 1)
		go func() {
			done <- leases.Hold(ctx, "lyon.a", name, func(ctx context.Context) error {
				_, revision, err := b.Positions.Get(ctx, key)
				if err == nil {
					revision, err = b.Positions.Put(ctx, key, []byte(name), revision)
				}
				if err != nil {
					t.Error(err)
				}
				owners <- owner{revision, ctx.Done()}
				<-ctx.Done()
				return errors.New("ended")
			})
		}()
		return owners, done
	}
	one, oneDone := hold("one")
	first := <-one
	// What the server does with what is too old in its eyes.
	if err := b.Leases.kv.Purge(ctx, "lyon.a"); err != nil {
		t.Fatal(err)
	}
	two, twoDone := hold("two")
	second := <-two
	if _, err := b.Positions.Put(ctx, key, []byte("one"), first.revision); !errors.Is(err, ErrConflict) {
		t.Errorf("who had the link before turned its position back: %v", err)
	}
	select {
	case <-first.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("both have the link")
	}
	<-oneDone
	if _, err := b.Positions.Put(ctx, key, []byte("two"), second.revision); err != nil {
		t.Error(err)
	}
	select {
	case <-second.ended:
		t.Error("who has the link lost it")
	default:
	}
	cancel()
	<-twoDone
}

// A message that is not answered comes again for ever.
func TestRedeliveredForEver(t *testing.T) {
	srv := serve(t, t.TempDir(), "")
	b := connect(t, srv)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	consumer, err := b.Consumer(t.Context(), wire.StreamTickets, jetstream.ConsumerConfig{Durable: "c", MaxDeliver: 3, AckWait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatalf("after %d deliveries: %v", n, err)
		}
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
}
