package bus

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

type delivery struct {
	jetstream.Msg
	told atomic.Int64
}

func (d *delivery) InProgress() error { d.told.Add(1); return nil }

// What is held is told to be in progress, also while nobody takes it over, until
// it is done.
func TestIntakeKeepsWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &Intake{Bus: new(Bus)}
		ctx, cancel := context.WithCancel(t.Context())
		go in.Keep(ctx)
		from, into := make(chan jetstream.Msg, 3), make(chan jetstream.Msg)
		first, second, quick := new(delivery), new(delivery), new(delivery)
		from <- quick
		from <- first
		from <- second
		close(from)
		go in.handOver(from, into)
		const gathers = 1250 * time.Millisecond // a sink, and writes
		<-into
		time.Sleep(gathers)
		in.Done(quick)
		<-into
		time.Sleep(10*alive + alive/4 - gathers)
		for _, d := range []*delivery{first, second} {
			if n := d.told.Load(); n != 10 {
				t.Errorf("told to be in progress %d times, want 10", n)
			}
		}
		if n := quick.told.Load(); n != 0 {
			t.Errorf("told %d times of what was done soon", n)
		}
		<-into
		in.Done(first, second)
		time.Sleep(10 * alive)
		if n := first.told.Load(); n != 10 {
			t.Errorf("told to be in progress %d times after it was done", n)
		}
		cancel()
	})
}

// What a process took and did not live to answer comes to another one soon; what
// it holds does not.
func TestIntakeOfTheDead(t *testing.T) {
	b := start(t)
	for i := range 2 {
		if err := committer(t, b, wire.StreamTickets).Publish(t.Context(), message(i, "call")); err != nil {
			t.Fatal(err)
		}
	}
	intake := func() (*Intake, <-chan jetstream.Msg) {
		in := &Intake{Bus: b, Stream: wire.StreamTickets, Consumer: "c", Pull: 1, MaxAckPending: 10}
		into := make(chan jetstream.Msg)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- in.Run(ctx, into, func(jetstream.Consumer) {}) }()
		t.Cleanup(func() {
			cancel()
			for {
				select {
				case <-into:
				case <-ended:
					return
				}
			}
		})
		return in, into
	}
	living, into := intake()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go living.Keep(ctx)
	held, dead := <-into, <-into
	living.Done(dead)
	began := time.Now()
	again := <-into
	if took := time.Since(began); took < ackWait/2 {
		t.Errorf("came again after %s", took)
	}
	if h, d, a := sequence(t, held), sequence(t, dead), sequence(t, again); d != a || h == a {
		t.Errorf("%d came again; %d is held, and %d was left", a, h, d)
	}
}

func sequence(t *testing.T, msg jetstream.Msg) uint64 {
	t.Helper()
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}
