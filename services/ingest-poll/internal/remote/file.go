package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

const (
	chunk = 256 << 10
	// maxCuts is how often a transfer is taken up again that brought less than a
	// chunk.
	maxCuts = 3
)

// file is a file of the server. What is read of it is fetched once, a stretch
// that grows as it is read; reading elsewhere begins another stretch. So a whole
// file goes over the wire once, and of a log only its head and what is new.
type file struct {
	ctx   context.Context
	src   *source
	entry files.Entry

	temp *os.File
	// The stretch: the bytes of the server's file from base to end.
	base, end int64
	stream    io.ReadCloser
	of        Session
	eof       bool
	buf       []byte
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < f.base || off > f.end {
		if err := f.restart(off); err != nil {
			return 0, err
		}
	}
	for f.end < off+int64(len(p)) && !f.eof {
		if err := f.fetch(off + int64(len(p))); err != nil {
			return 0, fmt.Errorf("%s: %w", f.src.Where(f.entry.Name), err)
		}
	}
	have := min(int64(len(p)), f.end-off)
	if have > 0 {
		if n, err := f.temp.ReadAt(p[:have], off-f.base); err != nil {
			return n, fmt.Errorf("temporary file: %w", err)
		}
	}
	if have < int64(len(p)) {
		return int(have), io.EOF
	}
	return int(have), nil
}

// restart begins another stretch.
func (f *file) restart(off int64) error {
	if err := f.stop(); err != nil && f.of.Alive() {
		return err
	}
	f.base, f.end, f.eof = off, off, false
	if f.temp != nil {
		return f.temp.Truncate(0)
	}
	return nil
}

// fetch brings the stretch up to a byte, or to the end of the server's file.
func (f *file) fetch(to int64) error {
	if f.temp == nil {
		if err := f.create(); err != nil {
			return err
		}
	}
	for cuts := 0; ; {
		before := f.end
		err := f.fetchOnce(to)
		if err == nil || f.ctx.Err() != nil {
			return err
		}
		if errors.Is(err, files.ErrAway) || errors.Is(err, files.ErrChanged) || isGone(err) {
			return err
		}
		if cuts++; f.end >= before+chunk {
			cuts = 0
		}
		if f.of != nil && f.of.Alive() || cuts == maxCuts {
			return err // the server says no, or it is this file that breaks it
		}
		f.src.link.Metrics.File("cut")
		f.stream = nil
	}
}

func (f *file) fetchOnce(to int64) error {
	if f.stream == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	for f.end < to {
		n, err := f.stream.Read(f.buf[:min(int64(len(f.buf)), to-f.end)])
		if n > 0 {
			if _, err := f.temp.WriteAt(f.buf[:n], f.end-f.base); err != nil {
				return &tempError{err}
			}
			f.end += int64(n)
		}
		if err == io.EOF {
			f.eof = true
			return f.stop()
		}
		if err != nil {
			return err
		}
	}
	if f.end >= f.entry.Size {
		return f.stop()
	}
	return nil
}

// open begins a transfer where the stretch ends. Behind a cut it must be the file
// that it was.
func (f *file) open() error {
	f.of = nil
	return f.src.with(f.ctx, func(session Session) (err error) {
		if f.of = session; f.end > f.base {
			if err := f.still(session); err != nil {
				return err
			}
		}
		f.stream, err = session.Read(f.ctx, f.entry.Name, f.end)
		return err
	})
}

func (f *file) still(session Session) error {
	now, err := session.Stat(f.ctx, f.entry)
	if err != nil {
		return err
	}
	if now.Size < f.entry.Size || now.Size == f.entry.Size && !now.Written.Equal(f.entry.Written) {
		return files.ErrChanged
	}
	return nil
}

// stop ends the transfer. An error is the server's word that it did not go well.
func (f *file) stop() error {
	if f.stream == nil {
		return nil
	}
	err := f.stream.Close()
	f.stream = nil
	return err
}

func (f *file) Now() (now files.Entry, err error) {
	if err := f.stop(); err != nil && f.of.Alive() {
		return now, err
	}
	err = f.src.with(f.ctx, func(session Session) (err error) {
		now, err = session.Stat(f.ctx, f.entry)
		return err
	})
	return now, err
}

func (f *file) Close() error {
	_ = f.stop()
	if f.temp == nil {
		return nil
	}
	name := f.temp.Name()
	err := f.temp.Close()
	f.temp = nil
	_ = os.Remove(name) // where it could not be removed while it was open
	return err
}

// create makes the temporary file; it has no name any more where the system lets
// an open file be removed, so that nothing is left behind by a crash.
func (f *file) create() error {
	temp, err := os.CreateTemp(f.src.temp, "trunkline-*.tmp")
	if err != nil {
		return &tempError{err}
	}
	_ = os.Remove(temp.Name())
	f.temp, f.buf = temp, make([]byte, chunk)
	return nil
}

// tempError is trouble with the temporary file.
type tempError struct{ err error }

func (e *tempError) Error() string {
	return fmt.Sprintf("the temporary file cannot be written: is there room, and may the user that runs trunkline write there? %v", e.err)
}

func (e *tempError) Unwrap() error { return e.err }

// Is makes it end the look: it is no file's fault.
func (e *tempError) Is(target error) bool { return target == files.ErrAway }

// Pace bounds a transfer: each piece of it must come within Idle, and the whole
// of it must keep up Rate, in bytes a second, behind Grace.
type Pace struct {
	Idle, Grace time.Duration
	Rate        int64
}

// DefaultPace is slow enough for a modem and too fast for a byte a second.
var DefaultPace = Pace{Idle: time.Minute, Grace: time.Minute, Rate: 512}

// Deadline of the next piece of a transfer that began at a time and has so many
// bytes.
func (p Pace) Deadline(began time.Time, bytes int64) time.Time {
	idle := time.Now().Add(p.Idle)
	whole := began.Add(p.Grace + time.Duration(bytes/p.Rate)*time.Second)
	if whole.Before(idle) {
		return whole
	}
	return idle
}
