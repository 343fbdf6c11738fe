package files

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

func TestAfterKeep(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	if got := names(t, r.dir); !slices.Equal(got, []string{"cdr_1"}) {
		t.Errorf("%v", got)
	}
}

func TestAfterDelete(t *testing.T) {
	delay := 30 * 24 * time.Hour
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Delete = &delay })
	r.write("cdr_1", "1,1\n")
	r.write("cdr_2", "1,2\n")
	r.settleAndLook()
	r.restart()
	r.clock.Add(delay - time.Second)
	r.look()
	if got := names(t, r.dir); len(got) != 2 {
		t.Fatalf("deleted too early: %v", got)
	}
	// Other bytes under the same size and time are not what was collected.
	old, err := os.Stat(filepath.Join(r.dir, "cdr_2"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("cdr_2", "1,3\n")
	if err := os.Chtimes(filepath.Join(r.dir, "cdr_2"), old.ModTime(), old.ModTime()); err != nil {
		t.Fatal(err)
	}
	r.clock.Add(time.Second)
	r.look()
	if got := names(t, r.dir); !slices.Equal(got, []string{"cdr_2"}) {
		t.Fatalf("folder: %v", got)
	}
	for _, word := range []string{"level=INFO", "name=cdr_1", "size=4", "tickets=1", "sha256="} {
		if !strings.Contains(r.log.String(), word) {
			t.Errorf("the log does not say %q: %s", word, r.log.String())
		}
	}
	r.settleAndLook()
	r.texts("1,1", "1,2", "1,3")
	r.clock.Add(delay)
	r.look()
	if got := names(t, r.dir); len(got) != 0 {
		t.Fatalf("folder: %v", got)
	}
	r.healthy()
}

func TestAfterMove(t *testing.T) {
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Move = "done" })
	for range 3 { // one name, three files
		r.write("cdr_1", "1,"+r.clock.Now().Format(time.TimeOnly)+"\n")
		r.settleAndLook()
	}
	if got := names(t, r.dir); !slices.Equal(got, []string{"done"}) {
		t.Errorf("folder: %v", got)
	}
	if got := names(t, filepath.Join(r.dir, "done")); !slices.Equal(got, []string{"cdr_1", "cdr_1.1", "cdr_1.2"}) {
		t.Errorf("done: %v", got)
	}
	r.restart()
	r.settleAndLook()
	r.texts("1,09:00:00", "1,09:00:05", "1,09:00:10")
	if r.journal.Len() != 0 {
		t.Errorf("%d entries are kept", r.journal.Len())
	}
}

func TestAfterMoveToAnotherDisk(t *testing.T) {
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Move = filepath.Join(t.TempDir(), "done") })
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	wrote := r.clock.Now().Add(-DefaultSettle)
	// A rename across disks fails with this error and no other.
	r.Source.(*disk).osRename = func(from, to string) error {
		if filepath.Dir(from) == r.dir {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: errOtherDisk}
		}
		return os.Rename(from, to)
	}
	r.look()
	if got := names(t, r.dir); len(got) != 0 {
		t.Errorf("folder: %v", got)
	}
	to := filepath.Join(r.after.Move, "cdr_1")
	if got := names(t, r.after.Move); !slices.Equal(got, []string{"cdr_1"}) {
		t.Fatalf("done: %v", got)
	}
	body, err := os.ReadFile(to)
	if err != nil || string(body) != "1,1\n" {
		t.Errorf("%q %v", body, err)
	}
	if info, err := os.Stat(to); err != nil || !info.ModTime().Equal(wrote) {
		t.Errorf("its time: %v %v", info.ModTime(), err)
	}
	r.healthy()
}

func TestAfterRename(t *testing.T) {
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Rename = true })
	for _, body := range []string{"1,1\n", "1,2\n"} {
		r.write("cdr_1", body)
		r.settleAndLook()
	}
	if got := names(t, r.dir); !slices.Equal(got, []string{"cdr_1.1.old", "cdr_1.old"}) {
		t.Errorf("folder: %v", got)
	}
	r.settleAndLook()
	r.texts("1,1", "1,2")
}

func TestAfterThatFails(t *testing.T) {
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Move = "done" })
	r.write("done", "a file where the folder should be")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	r.ill("cdr_1", "cannot be cleared away")
	n := len(r.nats.Messages(t))
	if err := os.Remove(filepath.Join(r.dir, "done")); err != nil {
		t.Fatal(err)
	}
	r.look()
	if got := names(t, filepath.Join(r.dir, "done")); !slices.Equal(got, []string{"cdr_1"}) {
		t.Errorf("done: %v", got)
	}
	if len(r.nats.Messages(t)) != n {
		t.Error("it was read again")
	}
	r.look()
	r.healthy()
}

func TestAfterIsForWholeFilesOnly(t *testing.T) {
	now := time.Duration(0)
	r := newRig(t, "avaya-ipoffice", func(c *config.Files) { c.After.Delete = &now })
	r.write("SMDR.csv", "a\r\n")
	r.settleAndLook()
	r.texts("a")
	if got := names(t, r.dir); !slices.Equal(got, []string{"SMDR.csv"}) {
		t.Errorf("folder: %v", got)
	}
}
