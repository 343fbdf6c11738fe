package files

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/link"
)

func TestLogThatGrows(t *testing.T) {
	r := newRig(t, "avaya-ipoffice")
	r.write("SMDR.csv", "first")
	r.look()
	r.texts() // its first ticket is not whole
	r.append("SMDR.csv", " ticket\r\nsecond\r\nthi")
	r.look()
	r.texts("first ticket", "second") // at once: a log need not settle
	r.append("SMDR.csv", "rd\r")
	r.look()
	r.append("SMDR.csv", "\nfourth\r\n")
	r.look()
	r.restart()
	r.look()
	r.texts("first ticket", "second", "third", "fourth")
	for _, k := range r.nats.Collected(t) {
		if k.Origin != identity.GrowingFile([]byte("first ticket")) || k.Name != "SMDR.csv" || k.Copies != 1 {
			t.Errorf("%+v", k)
		}
	}
	r.healthy()
}

func TestRenameAtMidnight(t *testing.T) {
	for _, c := range []struct{ model, name, backup string }{
		{"avaya-ipoffice", "SMDR.csv", "SMDR(backup2026-11-21).csv"},
		{"asterisk", "Master.csv", "Master.csv.1"},
	} {
		t.Run(c.model, func(t *testing.T) {
			r := newRig(t, c.model)
			r.write(c.name, "a1\r\na2\r\n")
			r.look()
			// Between two looks: more tickets, the rename, a new log, tickets in it.
			r.append(c.name, "a3\r\n")
			r.rename(c.name, c.backup)
			r.clock.Add(time.Second)
			r.append(c.name, "b1\r\n")
			r.look()
			r.append(c.name, "b2\r\n")
			r.restart()
			r.look()
			r.texts("a1", "a2", "a3", "b1", "b2")
			for _, k := range r.nats.Collected(t) {
				if k.Copies != 1 {
					t.Errorf("%+v", k)
				}
			}
			r.healthy()
		})
	}
}

func TestRenameBetweenListAndOpen(t *testing.T) {
	r := newRig(t, "asterisk")
	r.write("Master.csv", "a1\na2\n")
	r.look()
	r.clock.Add(time.Second)
	r.append("Master.csv", "a3\n")
	opened := 0
	r.Source.(*disk).open = func(path string) (*os.File, error) {
		if opened++; opened == 2 { // it is known by its first ticket already
			r.rename("Master.csv", "Master.csv.1")
			r.write("Master.csv", "b1 is longer than all of the old one\n")
		}
		return openRegular(path)
	}
	r.look()
	r.look()
	r.texts("a1", "a2", "a3", "b1 is longer than all of the old one")
	r.healthy()
}

func TestCopyAndTruncate(t *testing.T) {
	r := newRig(t, "asterisk")
	r.write("Master.csv", "a1\na2\n")
	r.look()
	r.write("Master.csv.1", "a1\na2\na3\n")
	r.look() // both are there: one log, the longer counts
	r.write("Master.csv", "")
	r.look()
	r.clock.Add(time.Second)
	r.append("Master.csv", "b1\n")
	r.look()
	r.texts("a1", "a2", "a3", "b1")
	r.healthy()
}

func TestTruncatedLog(t *testing.T) {
	r := newRig(t, "avaya-ipoffice")
	r.write("SMDR.csv", "a1\r\na2\r\na3\r\n")
	r.look()
	n := len(r.nats.Messages(t))
	r.write("SMDR.csv", "a1\r\n")
	r.look()
	r.ill("SMDR.csv", "4 bytes", "12 of it were collected", "trunkline import")
	r.append("SMDR.csv", "b2\r\nb3\r\nb4\r\n")
	r.look()
	r.ill("SMDR.csv", "goes on differently")
	r.restart()
	r.look()
	r.ill("SMDR.csv", "goes on differently")
	if len(r.nats.Messages(t)) != n {
		t.Error("something of it was read")
	}
	// The right one is back.
	r.write("SMDR.csv", "a1\r\na2\r\na3\r\na4\r\n")
	r.look()
	r.healthy()
	r.texts("a1", "a2", "a3", "a4")
}

func TestUnterminatedLastLine(t *testing.T) {
	r := newRig(t, "asterisk")
	r.write("Master.csv", "a1\na2")
	r.look()
	r.clock.Add(hours(30))
	r.look()
	r.texts("a1") // the newest log's rest waits for ever
	r.rename("Master.csv", "Master.csv.1")
	r.append("Master.csv", "b1\n")
	r.look()
	r.texts("a1", "b1")
	r.clock.Add(cutOffAfter*DefaultSettle - time.Second)
	r.look()
	r.texts("a1", "b1")
	r.clock.Add(time.Second)
	r.look()
	r.texts("a1", "a2", "b1")
	for _, k := range r.nats.Collected(t) {
		if want := map[string]string{"a2": wire.IncompleteCutOff}[k.Text]; k.Incomplete != want {
			t.Errorf("%q is incomplete %q", k.Text, k.Incomplete)
		}
	}
	r.restart()
	r.look()
	r.clock.Add(hours(2))
	r.look()
	if n := len(r.nats.Messages(t)); n != 3 {
		t.Errorf("%d messages", n)
	}
}

func TestNULsAtTheEndAreNotThereYet(t *testing.T) {
	r := newRig(t, "asterisk")
	r.write("Master.csv", "a1\na2\x00\x00\x00\x00")
	r.look()
	r.texts("a1")
	f, err := os.OpenFile(filepath.Join(r.dir, "Master.csv"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("22\n3"), 5); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.clock.Add(time.Second)
	r.append("Master.csv", "\n")
	r.look()
	r.texts("a1", "a222", "3")
}

// A log has room for much more than a block in advance.
func TestNULsOfManyBlocksAreNotThereYet(t *testing.T) {
	r := newRig(t, "asterisk")
	r.write("Master.csv", "a1\na2\n")
	path := filepath.Join(r.dir, "Master.csv")
	if err := os.Truncate(path, 5*blockSize+7); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.texts("a1", "a2")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, more := range []struct {
		at   int64
		text string
	}{{6, "a3\n"}, {9, "a4\n"}} {
		if _, err := f.WriteAt([]byte(more.text), more.at); err != nil {
			t.Fatal(err)
		}
		r.clock.Add(time.Second)
		r.touch("Master.csv")
		r.look()
	}
	r.texts("a1", "a2", "a3", "a4")
}

func TestBigLogWithKills(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	r := newRig(t, "avaya-ipoffice")
	var want []string
	at, kills, sent := 0, 0, 0
	for range 14 {
		more := random.IntN(40_000)
		r.append("SMDR.csv", lines(at, at+more))
		want = append(want, split(lines(at, at+more))...)
		at += more
		r.clock.Add(time.Minute)
		ctx, cancel := context.WithCancel(context.Background())
		k := &killer{Publisher: r.nats.Tickets, after: 1 + random.IntN(3), kill: cancel, lost: random.IntN(2) == 0, sent: &sent}
		r.restart(func(o *link.Options) { o.Publisher = k })
		if err := r.try(ctx); err != nil {
			kills++
		}
		cancel()
	}
	r.restart()
	r.look()
	if kills < 3 {
		t.Fatalf("%d kills: the test proves nothing", kills)
	}
	got := r.nats.Collected(t) // copies are equal, their time included
	if len(got) != len(want) {
		t.Fatalf("%d tickets, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Text != want[i] {
			t.Fatalf("ticket %d is %q, want %q", i, got[i].Text, want[i])
		}
	}
}

func TestLogWithHead(t *testing.T) {
	yes := true
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.Grows = &yes })
	r.write("cdr_1", cucmHead)
	r.look()
	r.append("cdr_1", "1,1\n")
	r.look()
	r.append("cdr_1", "1,2\n")
	r.look()
	r.texts("1,1", "1,2")
	for _, k := range r.nats.Collected(t) {
		if k.Preamble != cucmHead || k.Origin != identity.GrowingFile([]byte("1,1")) {
			t.Errorf("%+v", k)
		}
	}
}

func TestLogThatIsNoLog(t *testing.T) {
	yes := true
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.Grows = &yes })
	r.write("cdr_1", strings.Repeat("no ticket ", 5000))
	r.write("cdr_2", "1,1\n")
	r.look()
	r.texts("1,1")
	r.ill("cdr_1", "longer than 16 KiB")
	if got := names(t, r.dir); len(got) != 2 {
		t.Errorf("a log was moved: %v", got)
	}
}
