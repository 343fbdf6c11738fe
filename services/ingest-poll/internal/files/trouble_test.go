package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func TestVanishedFile(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.write("cdr_2", "1,2\n")
	r.look()
	r.clock.Add(DefaultSettle)
	r.Source.(*disk).open = func(path string) (*os.File, error) {
		if strings.HasSuffix(path, "cdr_1") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		return openRegular(path)
	}
	r.look()
	r.texts("1,2")
	r.healthy()
}

func TestUnreadableFileIsMovedAside(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.write("cdr_2", "1,2\n")
	r.Source.(*disk).open = func(path string) (*os.File, error) {
		if strings.HasSuffix(path, "cdr_1") {
			return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EIO}
		}
		return openRegular(path)
	}
	r.settleAndLook()
	r.texts("1,2") // the folder goes on
	r.ill("cdr_1", "attempt 1 of 5", "input/output")
	for range 3 {
		r.clock.Add(time.Second)
		r.look()
	}
	r.ill("attempt 1 of 5") // not a look is an attempt
	for _, p := range pauses {
		if !slices.Contains(names(t, r.dir), "cdr_1") {
			t.Fatal("moved aside too early")
		}
		r.clock.Add(p)
		r.look()
	}
	if got := names(t, r.dir); !slices.Equal(got, []string{asideDir, "cdr_2"}) {
		t.Fatalf("folder: %v", got)
	}
	aside := filepath.Join(r.dir, asideDir)
	if got := names(t, aside); !slices.Equal(got, []string{"cdr_1", "cdr_1.error"}) {
		t.Fatalf("aside: %v", got)
	}
	note, err := os.ReadFile(filepath.Join(aside, "cdr_1.error"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"cdr_1", "site lyon, link pbx", "input/output error", "5 attempts", "2026-11-21T09:", "remedy", r.dir} {
		if !strings.Contains(string(note), word) {
			t.Errorf("the note does not say %q:\n%s", word, note)
		}
	}
	// Told for as long as it lies there.
	r.look()
	r.ill("moved aside, and not collected: cdr_1 in "+aside+":", "the note beside tells why", "as long as a file is there")
	if err := os.RemoveAll(aside); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.healthy()
}

func TestHeadThatIsTooLong(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "no ticket, "+strings.Repeat("x", wire.MaxPreamble))
	r.settleAndLook()
	if got := names(t, filepath.Join(r.dir, asideDir)); !slices.Equal(got, []string{"cdr_1", "cdr_1.error"}) {
		t.Fatalf("aside: %v", got)
	}
	// Once more under its name: nothing is overwritten.
	r.write("cdr_1", "no ticket, "+strings.Repeat("y", wire.MaxPreamble))
	r.settleAndLook()
	if got := names(t, filepath.Join(r.dir, asideDir)); len(got) != 4 {
		t.Fatalf("aside: %v", got)
	}
	r.texts()
}

func TestAsideThatCannotBeMoved(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write(asideDir, "a file where the folder should be")
	r.write("cdr_1", "no ticket, "+strings.Repeat("x", wire.MaxPreamble))
	r.write("cdr_2", "1,2\n")
	r.settleAndLook()
	r.texts("1,2")
	r.ill("cdr_1", "not be moved aside")
	r.look()
	r.ill("cdr_1")
	// Mended.
	if err := os.Remove(filepath.Join(r.dir, asideDir)); err != nil {
		t.Fatal(err)
	}
	r.clock.Add(stuckPause)
	r.look()
	r.look()
	r.ill("moved aside")
	if got := names(t, filepath.Join(r.dir, asideDir)); len(got) != 2 {
		t.Fatalf("aside: %v", got)
	}
}

func TestFolderThatIsAway(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	n := len(r.nats.Messages(t))
	if err := os.Rename(r.dir, r.dir+".away"); err != nil {
		t.Fatal(err)
	}
	err := r.try(context.Background())
	if err == nil || !strings.Contains(err.Error(), r.dir) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("error: %v", err)
	}
	if err := os.Rename(r.dir+".away", r.dir); err != nil {
		t.Fatal(err)
	}
	r.settleAndLook()
	if len(r.nats.Messages(t)) != n {
		t.Error("it was read again")
	}
}

func TestGoneFilesAreForgotten(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	for i := range 600 {
		r.write(fmt.Sprintf("cdr_%03d", i), fmt.Sprintf("1,%d\n", i))
	}
	r.settleAndLook()
	if r.journal.Len() != 600 {
		t.Fatalf("%d entries", r.journal.Len())
	}
	for i := range 599 {
		if err := os.Remove(filepath.Join(r.dir, fmt.Sprintf("cdr_%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	r.look()
	if r.journal.Len() != 600 {
		t.Fatal("forgotten at once: a share that is away for a moment would be read again")
	}
	r.clock.Add(forgetWhole)
	r.look()
	r.restart()
	if r.journal.Len() != 1 {
		t.Fatalf("%d entries are kept", r.journal.Len())
	}
}

func TestRefusedTicketsAreNotTheFilesFault(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.Folder.Publisher = publisher(func(context.Context, ...*nats.Msg) error { return fmt.Errorf("%w: no permission", bus.ErrRefused) })
	r.look()
	r.clock.Add(DefaultSettle)
	for range 10 {
		if err := r.try(context.Background()); !errors.Is(err, bus.ErrRefused) {
			t.Fatalf("error: %v", err)
		}
		r.clock.Add(time.Hour)
	}
	r.Folder.Publisher = r.nats.Tickets
	r.look()
	r.texts("1,1")
}

func TestAnotherOwner(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	old := r.Folder
	r.restart()
	r.settleAndLook()
	if err := old.Look(context.Background()); err != nil {
		t.Fatal(err) // it has seen nothing yet
	}
	r.clock.Add(DefaultSettle)
	if err := old.Look(context.Background()); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("the old owner: %v", err)
	}
	r.texts("1,1")
}

func TestConfiguration(t *testing.T) {
	n := kit.Start(t)
	yes := true
	for want, c := range map[string]struct {
		model string
		cfg   config.Files
	}{
		"dir is missing":    {"cisco-cucm", config.Files{}},
		"give a pattern":    {"itneo", config.Files{Dir: "/x"}},
		"pattern of base":   {"cisco-cucm", config.Files{Dir: "/x", Pattern: "cdr["}},
		"pattern of base n": {"cisco-cucm", config.Files{Dir: "/x", Pattern: "a/*"}},
		"the folder itself": {"cisco-cucm", config.Files{Dir: "/x/", After: config.After{Move: "/x"}}},
		"":                  {"cisco-cucm", config.Files{Dir: "/x", Grows: &yes}},
	} {
		_, err := New(n.Link(t, c.model, time.Now), &c.cfg)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
