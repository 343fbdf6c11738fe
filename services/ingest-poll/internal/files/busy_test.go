package files

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

// kept makes a file one that another program does not share, until free.
func (r *rig) kept(name string) (free func()) {
	d := r.Source.(*disk)
	d.open = func(path string) (*os.File, error) {
		if strings.HasSuffix(path, name) {
			return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EBUSY}
		}
		return openRegular(path)
	}
	return func() { d.open = openRegular }
}

// lookFor looks once a minute.
func (r *rig) lookFor(d time.Duration) {
	r.t.Helper()
	for range int(d / time.Minute) {
		r.clock.Add(time.Minute)
		r.look()
	}
}

func TestBusyFile(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.write("cdr_2", "1,2\n")
	free := r.kept("cdr_1")
	r.settleAndLook()
	r.texts("1,2")
	r.lookFor(busyPatience - time.Minute)
	r.healthy() // it is in use, which is no trouble yet
	r.lookFor(time.Minute)
	r.ill("cdr_1", "kept by another program for 15m", "share")
	r.lookFor(2 * time.Hour)
	if got := names(t, r.dir); !slices.Equal(got, []string{"cdr_1", "cdr_2"}) {
		t.Errorf("folder: %v", got) // never moved aside
	}
	free()
	r.look()
	r.texts("1,1", "1,2")
	r.healthy()

	// Kept again, its patience begins anew.
	r.write("cdr_3", "1,3\n")
	free = r.kept("cdr_3")
	r.lookFor(busyPatience - time.Minute)
	r.healthy()
	free()
	r.look()
	r.texts("1,1", "1,2", "1,3")
}

func TestBusyLog(t *testing.T) {
	r := newRig(t, "avaya-ipoffice", func(c *config.Files) { c.Pattern = "*.csv" })
	first := lines(0, 2)
	r.write("SMDR.csv", first)
	r.look()
	r.texts(split(first)...)
	r.append("SMDR.csv", lines(2, 3))
	free := r.kept("SMDR.csv")
	r.lookFor(busyPatience)
	r.healthy()
	r.lookFor(time.Minute)
	r.ill("SMDR.csv", "kept by another program")
	free()
	r.look()
	r.texts(split(lines(0, 3))...)
	r.healthy()
}

func TestBusyWhenClearedAway(t *testing.T) {
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Move = "done" })
	r.write("cdr_1", "1,1\n")
	d := r.Source.(*disk)
	d.osRename = func(from, to string) error {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.ETXTBSY}
	}
	r.settleAndLook()
	r.lookFor(busyPatience - time.Minute)
	r.texts("1,1")
	r.healthy()
	r.lookFor(time.Minute)
	r.ill("cdr_1", "kept by another program")
	d.osRename = os.Rename
	r.look()
	r.healthy()
	if got := names(t, filepath.Join(r.dir, "done")); !slices.Equal(got, []string{"cdr_1"}) {
		t.Errorf("moved: %v", got)
	}
	r.texts("1,1")
}

// stale lists files as they were when their writer opened them, as a folder of
// Windows does.
type stale struct {
	*disk
	opened time.Time
}

func (s stale) List(ctx context.Context) ([]Entry, error) {
	entries, err := s.disk.List(ctx)
	for i := range entries {
		entries[i].Size, entries[i].Written = 0, s.opened
	}
	return entries, err
}

func TestLogWhoseListingIsOld(t *testing.T) {
	r := newRig(t, "avaya-ipoffice", func(c *config.Files) { c.Pattern = "*.csv" })
	r.Source = stale{r.Source.(*disk), r.clock.Now()}
	for n := 1; n < 4; n++ {
		r.append("SMDR.csv", lines(n-1, n))
		r.clock.Add(time.Second)
		r.look()
		r.texts(split(lines(0, n))...)
	}
	r.healthy()
}
