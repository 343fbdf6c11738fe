package link

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"trunkline.internal/platform/bus"
)

// saveTimeout bounds the last save, whose context is not the caller's any more.
const saveTimeout = 3 * time.Second

// Run collects for as long as ctx lives: a look, then a pause. A look that failed
// is tried again after a growing pause. It returns early, so that the lease is
// won anew, when somebody else wrote the link's positions.
func (l *Link) Run(ctx context.Context, c Collector, every time.Duration, prepare func(context.Context) error) {
	l.Metrics.Owned.Set(1)
	l.Update(func(s *State) { s.Doing = Collecting })
	defer func() {
		l.Metrics.Owned.Set(0)
		l.Update(func(s *State) { s.Doing = Standby })
		l.Alarms.Clear() // what is wrong is the next owner's to tell
	}()
	back := bus.Backoff{Min: time.Second, Max: time.Minute}
	loaded := false
	for ctx.Err() == nil {
		began := time.Now()
		l.Alarms.Begin()
		var err error
		if !loaded {
			if err = prepare(ctx); err == nil {
				err = c.Load(ctx)
			}
			loaded = err == nil
		}
		if loaded {
			err = l.look(ctx, c)
			// Behind a panic nothing in memory can be trusted.
			loaded = !errors.Is(err, errPanic)
		}
		switch {
		case ctx.Err() != nil:
			continue
		case errors.Is(err, bus.ErrConflict):
			l.Log.Warn("somebody else collects this link, so this process stops and waits for the lease", "error", err)
			back.Wait(ctx)
			return
		case err != nil:
			l.Alarms.Raise("look", err)
			l.Alarms.End()
			back.Wait(ctx)
			continue
		}
		l.Alarms.End()
		back.Reset()
		// A folder that takes long to list is not listed all the time.
		_ = bus.Wait(ctx, max(every, 2*time.Since(began)))
	}
	if loaded {
		l.lastSave(ctx, c)
	}
}

var errPanic = errors.New("a bug in trunkline, please tell us")

func (l *Link) look(ctx context.Context, c Collector) error {
	began := time.Now()
	err := safely(ctx, c)
	if ctx.Err() != nil {
		return err
	}
	l.Metrics.Seconds.Observe(time.Since(began).Seconds())
	if err != nil {
		l.Metrics.Look("error")
		return err
	}
	l.Metrics.Look("ok")
	l.Update(func(s *State) { s.LastLook = l.Now() })
	return nil
}

// safely makes an error of a panic: one link's trouble never stops the others.
func safely(ctx context.Context, c Collector) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return c.Look(ctx)
}

// lastSave keeps what was acknowledged, so that the next owner need not read it
// again. If it fails, the next owner does.
func (l *Link) lastSave(ctx context.Context, c Collector) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := c.Save(ctx); err != nil {
		l.Log.Debug("the last position is not saved", "error", err)
	}
}
