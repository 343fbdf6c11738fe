package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"trunkline.internal/pbx"
)

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
