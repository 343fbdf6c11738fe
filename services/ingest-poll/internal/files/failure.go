package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"trunkline.internal/services/ingest-poll/internal/pack"
)

// failure counts the attempts at a file that cannot be collected.
type failure struct {
	size, time int64
	attempts   int
	next       time.Time
	err        error
}

// maxAttempts at a file. They are spread over a quarter of an hour, so that a
// share that is away for a moment moves nothing aside.
const maxAttempts = 5

var pauses = [maxAttempts - 1]time.Duration{10 * time.Second, time.Minute, 4 * time.Minute, 10 * time.Minute}

// stuckPause is how often a file that stays where it is is tried again then.
const stuckPause = 15 * time.Minute

// resting tells whether a file that failed is to be left alone for now.
func (f *Folder) resting(c candidate) bool {
	it := f.failures[c.name]
	if it == nil {
		return false
	}
	if it.size != c.size || it.time != c.time {
		delete(f.failures, c.name) // it was written again
		return false
	}
	if f.Now().Before(it.next) {
		f.Alarms.Raise("file "+c.name, it.err)
		return true
	}
	return false
}

// failed takes note that a file could not be collected. It returns an error only
// where that is not the file's fault.
func (f *Folder) failed(ctx context.Context, c candidate, err error) error {
	switch {
	case ours(ctx, err):
		return err
	case errors.Is(err, fs.ErrNotExist):
		f.Metrics.File("vanished")
		delete(f.seen, c.name)
		return nil
	case errors.Is(err, ErrChanged):
		f.Metrics.File("changed")
		delete(f.seen, c.name) // it has to settle again
		return nil
	case errors.Is(err, ErrBusy):
		f.held(c.name, err)
		return nil
	}
	f.Metrics.File("failed")
	it := f.failures[c.name]
	if it == nil {
		it = &failure{size: c.size, time: c.time}
		f.failures[c.name] = it
	}
	it.attempts++
	hopeless := it.attempts >= maxAttempts || errors.Is(err, pack.ErrHeadTooLong)
	switch {
	case !hopeless:
		it.err = fmt.Errorf("file %s cannot be collected, attempt %d of %d: %w", c.name, it.attempts, maxAttempts, err)
		it.next = f.Now().Add(pauses[it.attempts-1])
	case !c.whole:
		// Never moved: the PBX may be writing it.
		it.err = fmt.Errorf("file %s cannot be collected: %s: %w", c.name, remedy(err), err)
		it.next = f.Now().Add(stuckPause)
	default:
		asideErr := f.aside(ctx, c, it.attempts, err)
		if asideErr == nil {
			delete(f.failures, c.name)
			delete(f.seen, c.name)
			f.journal.Remove(c.name)
			return nil
		}
		if errors.Is(asideErr, ErrStays) {
			it.err = fmt.Errorf("file %s cannot be collected: %s: %w", c.name, remedy(err), err)
		} else {
			it.err = fmt.Errorf("file %s cannot be collected and not be moved aside either: %s: %w", c.name, remedy(err), errors.Join(err, asideErr))
		}
		it.next = f.Now().Add(stuckPause)
	}
	f.Alarms.Raise("file "+c.name, it.err)
	return nil
}

func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs trunkline read it"
	case errors.Is(err, pack.ErrHeadTooLong):
		return "is it a ticket file of the model that the link names?"
	}
	return "look at the disk, the share or the server"
}

// aside moves a file away whole, and writes beside it why.
func (f *Folder) aside(ctx context.Context, c candidate, attempts int, why error) error {
	text := fmt.Sprintf("file:     %s, %d bytes, written %s\nlink:     site %s, link %s\nwhen:     %s, after %d attempts\nwhat:     %s\nremedy:   %s; then move it back to\n          %s\n",
		c.name, c.size, c.written().UTC().Format(time.RFC3339), f.Site, f.Link.Link, f.Now().UTC().Format(time.RFC3339), attempts, why, remedy(why), f.Where(c.name))
	to, err := f.Aside(ctx, c.entry(), text)
	if to == "" {
		return err
	}
	f.Metrics.File("aside")
	f.Log.Error("a file was moved aside: none of its tickets is lost, but they are not collected", "name", c.name, "to", to, "error", why, "remedy", remedy(why))
	if err != nil {
		f.Log.Error("a file was moved aside, but that or the note beside it may not be on disk", "name", to, "error", err)
	}
	return nil
}

// asides is a source that keeps the files that were moved aside.
type asides interface {
	Asides() (dir string, names []string)
}

// tellAside tells of tickets that wait beside the folder for a person.
func (f *Folder) tellAside() {
	src, ok := f.Source.(asides)
	if !ok {
		return
	}
	if dir, names := src.Asides(); len(names) > 0 {
		which := names[0]
		if more := len(names) - 1; more > 0 {
			which += fmt.Sprintf(" and %d more", more)
		}
		f.Alarms.Raise("aside", fmt.Errorf("moved aside, and not collected: %s in %s: the link goes on without, and the note beside tells why; mend that and move it back, or take it out of there: this is said as long as a file is there", which, dir))
	}
}
