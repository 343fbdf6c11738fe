package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx/identity"
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
	r.Cutting.Head = nil
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
		k := &killer{Publisher: r.nats.Tickets, after: 2 + random.IntN(6), kill: cancel, lost: kills%2 == 0, sent: &sent}
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
