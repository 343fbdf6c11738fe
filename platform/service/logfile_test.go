package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func contents(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func openLog(t *testing.T, name string) *LogFile {
	t.Helper()
	l, err := OpenLog(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.max, l.next, l.keep = 10, 10, 2
	return l
}

func write(t *testing.T, l *LogFile, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("write %q: %d, %v", line, n, err)
		}
	}
}

func TestLogTurnsOver(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log", "ingest.log")
	l := openLog(t, name)
	write(t, l, "one--\n", "two\n", "three\n", "four--\n", "longer than a file may be\n", "five\n")
	for of, want := range map[string]string{name: "five\n", name + ".1": "longer than a file may be\n", name + ".2": "four--\n", name + ".3": ""} {
		if got := contents(t, of); got != want {
			t.Errorf("%s: %q, want %q", filepath.Base(of), got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// A restart goes on where the log ended.
	write(t, openLog(t, name), "six\n", "seven\n")
	if got := contents(t, name); got != "seven\n" {
		t.Errorf("after a restart: %q", got)
	}
	if got := contents(t, name+".1"); got != "five\nsix\n" {
		t.Errorf("after a restart, the one before: %q", got)
	}
}

// While the old name cannot be given, as on Windows when somebody has the file
// open, no record is lost, and it is turned over later.
func TestLogInTheWay(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ingest.log")
	l := openLog(t, name)
	l.keep = 1
	if err := os.MkdirAll(filepath.Join(name+".1", "in the way"), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, l, "one------\n", "two\n", "x\n")
	if got := contents(t, name); got != "one------\ntwo\nx\n" {
		t.Errorf("in the way: %q", got)
	}
	if err := os.RemoveAll(name + ".1"); err != nil {
		t.Fatal(err)
	}
	write(t, l, "three\n")
	if got := contents(t, name+".1"); got != "one------\ntwo\nx\n" || contents(t, name) != "three\n" {
		t.Errorf("out of the way: %q, %q", got, contents(t, name))
	}
}

func TestLogCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(filepath.Join(file, "ingest.log")); err == nil || !strings.Contains(err.Error(), "log: ") {
		t.Errorf("a log below a file: %v", err)
	}
}

// A process with a log file says there why it could not start.
func TestStartTellsItsLog(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "ingest.log")
	if err := start("test", name, options{file: filepath.Join(dir, "none.yaml")}, nil); err == nil {
		t.Fatal("no configuration, no error")
	}
	if got := contents(t, name); !strings.Contains(got, "none.yaml") || !strings.Contains(got, `"level":"ERROR"`) {
		t.Errorf("the log: %q", got)
	}
}

// A service manager hears of a service that drains until it has drained.
func TestAttend(t *testing.T) {
	stop, heard := make(chan struct{}), make(chan uint32)
	work := func(ctx context.Context) error {
		close(stop)
		<-ctx.Done()
		for range 2 {
			<-heard
		}
		return os.ErrDeadlineExceeded
	}
	last := uint32(0)
	err := attend(work, stop, time.Millisecond, func(n uint32) {
		if n != last+1 {
			t.Errorf("told %d behind %d", n, last)
		}
		if last = n; n > 1 {
			select {
			case heard <- n:
			default: // not listening yet, or drained
			}
		}
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) || last < 3 {
		t.Errorf("told %d times, %v", last, err)
	}
	if err := attend(func(context.Context) error { return os.ErrClosed }, nil, time.Hour, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ended by itself: %v", err)
	}
}
