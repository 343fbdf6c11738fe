package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	saved, failed := false, 0
	for _, c := range found {
		e := f.journal.Get(c.name)
		if e == nil || e.Done == 0 || e.Size != c.size || e.Time != c.time {
			continue
		}
		if f.after.Delete != nil && f.Now().Before(time.Unix(e.Done, 0).Add(*f.after.Delete)) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !saved {
			if err := f.Save(ctx); err != nil {
				return err
			}
			saved = true
		}
		result, err := f.treatOne(ctx, c, e)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, errChanged):
			// Gone already, or to be collected again: the next look sees it.
		case err != nil:
			f.Metrics.File("kept")
			f.Alarms.Raise("after", fmt.Errorf("file %s is collected but cannot be cleared away: may the user that runs trunkline write in %s? %w", c.name, f.dir, err))
			if failed++; failed == maxUncleared {
				return nil // it is the folder, not the file
			}
		default:
			f.Metrics.File(result)
			f.journal.Remove(c.name)
		}
	}
	return nil
}

func (f *Folder) treatOne(ctx context.Context, c candidate, e *journal.Entry) (result string, err error) {
	from := f.path(c.name)
	info, err := os.Lstat(from)
	if err != nil {
		return "", err
	}
	if info.Size() != c.size || info.ModTime().UnixNano() != c.time {
		return "", errChanged
	}
	switch {
	case f.after.Delete != nil:
		return "deleted", f.remove(ctx, from, c, e)
	case f.after.Rename:
		to, err := freeName(f.dir, c.name, ".old")
		if err != nil {
			return "", err
		}
		if err := os.Rename(from, to); err != nil {
			return "", err
		}
		return "renamed", syncDir(f.dir)
	}
	return "moved", f.move(from, c)
}

// remove deletes a file, after making sure that it is the bytes that were
// collected: nothing else can be read again.
func (f *Folder) remove(ctx context.Context, from string, c candidate, e *journal.Entry) error {
	if err := f.verify(ctx, from, c, e); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	f.Log.Info("a collected file was deleted", "name", c.name, "size", c.size, "sha256", e.Sum, "tickets", e.Tickets)
	return syncDir(f.dir)
}

func (f *Folder) verify(ctx context.Context, from string, c candidate, e *journal.Entry) error {
	file, err := f.open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := same(file, c); err != nil {
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
		return errChanged
	}
	return same(file, c)
}

func (f *Folder) move(from string, c candidate) error {
	if err := os.MkdirAll(f.after.Move, 0o750); err != nil {
		return err
	}
	to, err := freeName(f.after.Move, c.name, "")
	if err != nil {
		return err
	}
	err = f.osRename(from, to)
	if errors.Is(err, errOtherDisk) {
		return f.moveFar(from, to, c)
	}
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f.after.Move), syncDir(f.dir))
}

// moveFar moves to another file system: the copy is on disk under its name
// before the file is removed.
func (f *Folder) moveFar(from, to string, c candidate) error {
	part := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".part")
	if err := f.copyFile(from, part, c); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, to); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := syncDir(f.after.Move); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	return syncDir(f.dir)
}

func (f *Folder) copyFile(from, to string, c candidate) error {
	in, err := f.open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = same(in, c)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, time.Time{}, c.written())
}
