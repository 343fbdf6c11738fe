// Package lifecycle runs the parts of a process: started in order, stopped in
// reverse, and one that fails stops them all.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Part of a process.
type Part struct {
	Name string
	// Run works until ctx is done, then drains and returns nil. It calls ready
	// once when it serves: the next part starts then. An error says that it
	// cannot go on.
	Run func(ctx context.Context, ready func()) error
	// Early starts the part before those that are not, though it stops in its
	// place: a socket is bound at once, and closed before what it feeds.
	Early bool
	// Grace bounds the draining; 0: 30 s.
	Grace time.Duration
}

// ErrStuck says that a part did not drain in time.
var ErrStuck = errors.New("did not stop in time")

// ErrDone is returned by a part whose end is the process's: its work is done.
var ErrDone = errors.New("done")

// Run runs the parts until ctx is done, one of them is done or one fails, and
// returns what failed.
func Run(ctx context.Context, parts ...Part) error {
	failed := make(chan error, len(parts))
	started := make([]*running, len(parts))
	err := startAll(ctx, parts, started, failed)
	if err == nil {
		select {
		case err = <-failed:
		case <-ctx.Done():
		}
	}
	if errors.Is(err, ErrDone) {
		err = nil
	}
	errs := []error{err}
	for _, r := range slices.Backward(started) {
		if r != nil {
			errs = append(errs, r.stop())
		}
	}
	// What fails while it drains is told too; what failed first is told once.
	for {
		select {
		case e := <-failed:
			errs = append(errs, e)
		default:
			return errors.Join(errs...)
		}
	}
}

// startAll starts each part when the one before it serves.
func startAll(ctx context.Context, parts []Part, started []*running, failed chan error) error {
	for _, early := range []bool{true, false} {
		for i, p := range parts {
			if p.Early != early {
				continue
			}
			started[i] = start(ctx, p, failed)
			select {
			case <-started[i].ready:
			case err := <-failed:
				return err
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

type running struct {
	Part
	cancel context.CancelFunc
	ready  chan struct{}
	done   chan struct{}
}

// start runs a part in a context of its own: what stops the process must not
// stop a part before its turn.
func start(ctx context.Context, p Part, failed chan<- error) *running {
	r := &running{Part: p, ready: make(chan struct{}), done: make(chan struct{})}
	if r.Grace == 0 {
		r.Grace = 30 * time.Second
	}
	var own context.Context
	own, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.done)
		once := false
		err := p.Run(own, func() {
			if !once {
				once = true
				close(r.ready)
			}
		})
		switch {
		case err != nil:
			failed <- fmt.Errorf("%s: %w", p.Name, err)
		case own.Err() == nil:
			failed <- fmt.Errorf("%s: ended by itself", p.Name)
		}
	}()
	return r
}

func (r *running) stop() error {
	r.cancel()
	t := time.NewTimer(r.Grace)
	defer t.Stop()
	select {
	case <-r.done:
		return nil
	case <-t.C:
		return fmt.Errorf("%s: %w (%s)", r.Name, ErrStuck, r.Grace)
	}
}
