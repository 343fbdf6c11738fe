package files

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// busyPatience is how long a file may be kept by another program before that is
// told: a PBX closes its file when it has written its tickets.
const busyPatience = 15 * time.Minute

// hold is a file that another program does not share.
type hold struct {
	since time.Time
	look  int // the last one that found it so
}

// held takes note of a file that is not shared. It is no failure: it is tried
// again at each look, and never moved aside.
func (f *Folder) held(name string, err error) {
	h := f.holds[name]
	if h == nil || h.look < f.looks-1 {
		h = &hold{since: f.Now()}
		f.holds[name] = h
	}
	h.look = f.looks
	if kept := f.Now().Sub(h.since); kept >= busyPatience {
		f.Alarms.Raise("file "+name, fmt.Errorf("file %s is kept by another program for %s already, and tried again at each look: let that program share it for reading, or close it now and then: %w", name, kept.Round(time.Minute), err))
	}
}

// refresher is a source whose listing may be old news of a file that is open
// elsewhere.
type refresher interface {
	Refresh(ctx context.Context, e Entry) (Entry, error)
}

// refreshed is how many logs, the newest, are examined one by one at a look.
const refreshed = 32

// refresh brings the newest logs up to date.
func (f *Folder) refresh(ctx context.Context, found []candidate) {
	src, ok := f.Source.(refresher)
	if !ok {
		return
	}
	left := refreshed
	for i := len(found) - 1; i >= 0 && left > 0; i-- {
		c := &found[i]
		if c.whole {
			continue
		}
		left--
		now, err := src.Refresh(ctx, c.entry())
		switch {
		case err == nil:
			c.size, c.time = now.Size, now.Written.UnixNano()
		case errors.Is(err, ErrBusy):
			f.held(c.name, err)
		} // whatever else is wrong with it, collecting it tells
	}
}
