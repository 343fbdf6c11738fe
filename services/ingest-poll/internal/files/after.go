package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"trunkline.internal/services/ingest-poll/internal/journal"
)

// maxUncleared is how many files that cannot be cleared away a look tries.
const maxUncleared = 10

// treat does with the files that are done what the configuration says. What is
// done is saved first: a file leaves its folder only when a restart knows that
// all its tickets are acknowledged.
func (f *Folder) treat(ctx context.Context, found []candidate) error {
	if f.after.Delete == nil && f.after.Move == "" && !f.after.Rename {
		return nil
	}
	type one struct {
		candidate
		*journal.Entry
	}
	var due []one
	for _, c := range found {
		e := f.journal.Get(c.name)
		if e == nil || e.Done == 0 || e.Size != c.size || e.Time != c.time {
			continue
		}
		if f.after.Delete != nil && f.Now().Before(time.Unix(e.Done, 0).Add(*f.after.Delete)) {
			continue
		}
		// Also where a process that died announced another: the configuration counts.
		if going := f.removal(); e.Going != going {
			e.Going = going
			f.journal.Put(e)
		}
		due = append(due, one{c, e})
	}
	if len(due) == 0 {
		return nil
	}
	if err := f.Save(ctx); err != nil {
		return err
	}
	failed := 0
	for _, d := range due {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c, e := d.candidate, d.Entry
		begun, err := f.treatOne(ctx, c, e)
		// Where the line dropped, or the file is gone when we ask again, it may be us
		// who removed it: the journal still says so.
		if err != nil && !(begun && (ctx.Err() != nil || errors.Is(err, ErrAway) || errors.Is(err, os.ErrNotExist))) {
			e.Going = ""
			f.journal.Put(e)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrNotExist), errors.Is(err, ErrChanged):
			// Gone already, or to be collected again: the next look sees it.
		case errors.Is(err, ErrAway):
			return err
		case errors.Is(err, ErrBusy):
			f.Metrics.File("kept")
			f.held(c.name, err)
		case err != nil:
			f.Metrics.File("kept")
			f.Alarms.Raise("after", fmt.Errorf("file %s is collected but cannot be cleared away: may the user that runs trunkline do that at %s? %w", c.name, f.Where(""), err))
			if failed++; failed == maxUncleared {
				return nil // it is the folder, not the file
			}
		default:
			f.Metrics.File(e.Going)
			f.tellRemoved(e, f.Now())
			f.journal.Remove(c.name)
		}
	}
	return nil
}

// What becomes of a file, as metrics and the audit call it.
const (
	deleted = "deleted"
	moved   = "moved"
	renamed = "renamed"
)

func (f *Folder) removal() string {
	switch {
	case f.after.Delete != nil:
		return deleted
	case f.after.Rename:
		return renamed
	}
	return moved
}

// treatOne does what was announced. begun tells that the source was asked for it.
func (f *Folder) treatOne(ctx context.Context, c candidate, e *journal.Entry) (begun bool, err error) {
	switch e.Going {
	case deleted:
		// Nothing else can be read again: it must be the bytes that were collected.
		if err := f.verify(ctx, c, e); err != nil {
			return false, err
		}
		if err := f.Delete(ctx, c.entry()); err != nil {
			return true, err
		}
		f.Log.Info("a collected file was deleted", "name", c.name, "size", c.size, "sha256", e.Sum, "tickets", e.Tickets)
		return true, nil
	case renamed:
		return true, f.Rename(ctx, c.entry())
	}
	return true, f.Move(ctx, c.entry(), f.after.Move)
}

func (f *Folder) verify(ctx context.Context, c candidate, e *journal.Entry) error {
	file, err := f.Open(ctx, c.entry())
	if err != nil {
		return err
	}
	defer file.Close()
	if err := same(file, c.entry()); err != nil {
		return err
	}
	s, err := sum(ctx, file, c.size, 0)
	if err != nil {
		return err
	}
	if hex.EncodeToString(s.whole[:]) != e.Sum {
		// Other bytes under the same size and time: collect them.
		e.Time = 0
		f.journal.Put(e)
		return ErrChanged
	}
	return same(file, c.entry())
}
