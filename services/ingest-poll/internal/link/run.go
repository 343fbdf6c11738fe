package link

import (
	"context"
	"errors"
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
	for loaded := false; ctx.Err() == nil; {
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
		}
		switch {
		case ctx.Err() != nil:
			l.lastSave(ctx, c)
			return
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
		pause(ctx, max(every, 2*time.Since(began)))
	}
	l.lastSave(ctx, c)
}

func (l *Link) look(ctx context.Context, c Collector) error {
	began := time.Now()
	err := c.Look(ctx)
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

// lastSave keeps what was acknowledged, so that the next owner need not read it
// again. If it fails, the next owner does.
func (l *Link) lastSave(ctx context.Context, c Collector) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := c.Save(ctx); err != nil {
		l.Log.Debug("the last position is not saved", "error", err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
