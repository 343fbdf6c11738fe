package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const cucmHead = "\"cdrRecordType\",\"globalCallID_callManagerId\"\nINTEGER,INTEGER\n"

func TestWholeFile(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	body := cucmHead + "1,100\n1,101\n1,100"
	r.write("cdr_A_01_202611210900_7", body)
	r.write("cmr_A_01_202611210900_8", "\"x\"\n2,7\n")
	wrote := r.clock.Now()
	r.look()
	r.texts() // it has not settled
	r.clock.Add(DefaultSettle - time.Millisecond)
	r.look()
	r.texts()
	r.clock.Add(time.Millisecond)
	r.look()
	r.texts("1,100", "1,101", "1,100", "2,7")
	origin := identity.WholeFile("cdr_A_01_202611210900_7", sha256.Sum256([]byte(body)))
	got := r.nats.Collected(t)
	got = slices.DeleteFunc(got, func(k kit.Ticket) bool { return k.Origin != origin })
	if len(got) != 3 {
		t.Fatalf("%d tickets of origin %s", len(got), origin)
	}
	for i, k := range got {
		if k.Preamble != cucmHead || k.Name != "cdr_A_01_202611210900_7" || !k.Written.Equal(wrote) || k.Incomplete != "" ||
			k.Position != identity.Position(int64(len(cucmHead)+6*i)) {
			t.Errorf("%+v", k)
		}
	}
	r.healthy()
	// Nothing more happens to it, also not after a restart.
	n := len(r.nats.Messages(t))
	r.settleAndLook()
	r.restart()
	r.settleAndLook()
	if len(r.nats.Messages(t)) != n {
		t.Error("a collected file was read again")
	}
}

func TestUnsettledFileWaits(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settle = 5 * time.Second
	for i := range 5 {
		r.look()
		r.clock.Add(4 * time.Second)
		r.append("cdr_1", fmt.Sprintf("1,%d\n", i+2))
	}
	r.texts()
	// Unchanged between looks, but its time is new: somebody wrote and took back.
	r.settleAndLook()
	r.texts("1,1", "1,2", "1,3", "1,4", "1,5", "1,6")
}

func TestFileFromTheFuture(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	later := r.clock.Now().Add(hours(1000))
	if err := os.Chtimes(filepath.Join(r.dir, "cdr_1"), later, later); err != nil {
		t.Fatal(err)
	}
	r.settleAndLook()
	r.texts("1,1")
}

func TestNamesThatAreNeverCollected(t *testing.T) {
	r := newRig(t, "custom", func(c *config.Files) { c.Grows = new(bool); c.Pattern = "*" })
	for i, name := range []string{"_cdr", ".cdr", "cdr.old", "cdr.tmp", "cdr.TMP", "cdr.part", "cdr.filepart", "cdr.crdownload"} {
		r.write(name, fmt.Sprintf("never %d\n", i))
	}
	if err := os.Mkdir(filepath.Join(r.dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("folder/cdr", "never\n")
	r.write("cdr.old.csv", "yes\n")
	r.settleAndLook()
	r.texts("yes")
	r.healthy()
}

func TestOrderIsByTime(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	for _, name := range []string{"cdr_3", "cdr_1", "cdr_2b", "cdr_2a"} {
		r.write(name, name+"\n")
		if name != "cdr_2b" {
			r.clock.Add(time.Second)
		}
	}
	r.set.Head = nil
	r.settleAndLook()
	var got []string
	for _, m := range r.nats.Messages(t) {
		got = append(got, m.Name)
	}
	if want := []string{"cdr_3", "cdr_1", "cdr_2a", "cdr_2b"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSameNameOtherBytes(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	r.write("cdr_1", "1,2\n")
	r.settleAndLook()
	// The first again: another time, but the same bytes and so the same tickets.
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	got := r.nats.Collected(t)
	if len(got) != 2 {
		t.Fatalf("%d tickets, want 2", len(got))
	}
}

func TestTouchedFileIsNotReadAgain(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	n := len(r.nats.Messages(t))
	r.clock.Add(time.Hour)
	r.touch("cdr_1")
	r.settleAndLook()
	if len(r.nats.Messages(t)) != n {
		t.Error("it was")
	}
}

func TestFileThatGrewAfterIsTold(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	r.append("cdr_1", "1,2\n")
	r.settleAndLook()
	if !strings.Contains(r.log.String(), "raise settle") {
		t.Errorf("log: %s", r.log.String())
	}
	r.texts("1,1", "1,1", "1,2") // under two origins: said above
}

func TestTicketThatIsTooLong(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	long := "1," + strings.Repeat("9", 2*wire.MaxTicket)
	r.write("cdr_1", "1,1\n"+long+"\n1,2\n")
	r.settleAndLook()
	var pieces, whole []string
	for _, k := range r.nats.Collected(t) {
		if k.Incomplete == wire.IncompleteTooLong {
			pieces = append(pieces, k.Text)
		} else {
			whole = append(whole, k.Text)
		}
	}
	if strings.Join(pieces, "") != long || len(pieces) != 3 || !slices.Equal(whole, []string{"1,1", "1,2"}) {
		t.Errorf("%d pieces, %q", len(pieces), whole)
	}
}

// bigFile is of some blocks, with lines of all lengths, repeats among them.
func bigFile(r *rand.Rand, size int) string {
	var b strings.Builder
	b.WriteString(cucmHead)
	for b.Len() < size {
		n := 1 + r.IntN(300)
		if r.IntN(2000) == 0 {
			n = wire.MaxTicket - 2 + r.IntN(wire.MaxTicket)
		}
		b.WriteString("1,")
		b.WriteString(strings.Repeat(string(rune('0'+r.IntN(10))), n))
		b.WriteString([]string{"\n", "\r\n", "\n\n"}[r.IntN(3)])
	}
	return b.String()
}

// killer ends the context at a publish, whose acknowledgement is lost or not.
type killer struct {
	link.Publisher
	after int
	kill  context.CancelFunc
	lost  bool // the acknowledgement too
	sent  *int
}

func (k *killer) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	k.after--
	*k.sent += len(msgs)
	if k.after == 0 {
		if !k.lost {
			defer k.kill()
			return k.Publisher.Publish(ctx, msgs...)
		}
		err := k.Publisher.Publish(ctx, msgs...)
		k.kill()
		return errors.Join(err, context.Canceled)
	}
	return k.Publisher.Publish(ctx, msgs...)
}

func TestKilledInABigFile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	body := bigFile(random, 9<<20)
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", body)
	r.look()
	r.clock.Add(DefaultSettle)
	kills, sent := 0, 0
	for done := false; !done; {
		ctx, cancel := context.WithCancel(context.Background())
		k := &killer{Publisher: r.nats.Tickets, after: 2 + random.IntN(5), kill: cancel, lost: kills%2 == 0, sent: &sent}
		r.restart(func(o *link.Options) { o.Publisher = k })
		if err := r.try(ctx); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		r.clock.Add(DefaultSettle)
		err := r.try(ctx)
		if done = err == nil; !done {
			kills++
		}
		cancel()
		if kills > 100 {
			t.Fatal("it never ends")
		}
	}
	if kills == 0 {
		t.Fatal("nothing was killed")
	}
	var text strings.Builder
	for _, k := range r.nats.Collected(t) {
		text.WriteString(k.Text)
	}
	strip := strings.NewReplacer("\r", "", "\n", "")
	if text.String() != strip.Replace(body[len(cucmHead):]) {
		t.Error("the tickets are not the file")
	}
	if stored := len(r.nats.Messages(t)); stored >= sent {
		t.Errorf("%d messages of %d sent in %d kills: nothing was read twice, the test proves nothing", stored, sent, kills)
	}
}

func TestFileThatChangesWhileRead(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	body := bigFile(rand.New(rand.NewPCG(3, 4)), 3<<20)
	r.write("cdr_1", body)
	r.look()
	r.clock.Add(DefaultSettle)
	// The last byte changes behind our back, size and time stay: between the
	// hashing and the reading.
	published := 0
	r.Folder.Publisher = publisher(func(ctx context.Context, msgs ...*nats.Msg) error {
		if published++; published == 1 {
			f, err := os.OpenFile(filepath.Join(r.dir, "cdr_1"), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			if _, err := f.WriteAt([]byte("77\n"), int64(len(body)-3)); err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			if err := os.Chtimes(filepath.Join(r.dir, "cdr_1"), time.Time{}, kit.NewClock().Now()); err != nil {
				return err
			}
		}
		return r.nats.Tickets.Publish(ctx, msgs...)
	})
	r.look()
	if e := r.journal.Get("cdr_1"); e == nil || e.Done != 0 {
		t.Fatal("a file that changed counts as collected")
	}
	r.settleAndLook()
	if e := r.journal.Get("cdr_1"); e == nil || e.Done == 0 {
		t.Fatal("it was not collected later")
	}
	r.healthy()
}

type publisher func(context.Context, ...*nats.Msg) error

func (p publisher) Publish(ctx context.Context, msgs ...*nats.Msg) error { return p(ctx, msgs...) }

func TestVanishedFile(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.write("cdr_2", "1,2\n")
	r.look()
	r.clock.Add(DefaultSettle)
	r.open = func(path string) (*os.File, error) {
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
	r.open = func(path string) (*os.File, error) {
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
	r.healthy()
	if got := names(t, filepath.Join(r.dir, asideDir)); len(got) != 2 {
		t.Fatalf("aside: %v", got)
	}
}

func TestSpecialFilesAreNotOpened(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	if err := syscall.Mkfifo(filepath.Join(r.dir, "cdr_fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(r.dir, "cdr_socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, target := range map[string]string{"cdr_link": "cdr_1", "cdr_loop": "cdr_loop", "cdr_up": ".."} {
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	r.texts("1,1")
	r.ill("cdr_fifo", "cdr_link", "no regular file")
}

func TestFifoThatTakesAName(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	r.open = func(path string) (*os.File, error) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		return openRegular(path)
	}
	r.look() // returns
	r.texts()
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
		"give a pattern":    {"unify-hipath", config.Files{Dir: "/x"}},
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
