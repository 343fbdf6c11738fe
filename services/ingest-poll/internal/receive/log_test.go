package receive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

func TestLogs(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "mitel-3300")
	mustPut(t, x, "smdr.log", log(0, 3), replaces)
	r.collect(x)
	r.expect(smdrs(0, 3)...)
	// Sent again, longer.
	mustPut(t, x, "smdr.log", log(0, 5), replaces)
	r.look(x)
	r.expect(smdrs(0, 5)...)
	// An older, shorter copy, and the same once more.
	mustPut(t, x, "smdr.log", log(0, 2), replaces)
	mustPut(t, x, "smdr.log", log(0, 5), replaces)
	holds(t, x, "smdr.log", log(0, 5))
	// Appended to.
	mustPut(t, x, "smdr.log", log(5, 7), appends)
	r.look(x)
	r.expect(smdrs(0, 7)...)
	// Appended and, before anybody looked, begun anew: nothing of the old one is lost.
	mustPut(t, x, "smdr.log", log(7, 9), appends)
	mustPut(t, x, "smdr.log", log(20, 22), replaces)
	mustPut(t, x, "smdr.log", log(30, 32), replaces)
	holds(t, x, "smdr.log", log(30, 32))
	for range 2 {
		r.look(x)
	}
	r.expect(slices.Concat(smdrs(0, 9), smdrs(20, 22), smdrs(30, 32))...)
	if list, err := x.list(); err != nil || len(list) != 1 {
		t.Errorf("the PBX sees %v, %v", list, err)
	}
	if got := visible(t, x); !slices.Equal(got, []string{"smdr.log", "old:smdr.log", "old:smdr.log"}) {
		t.Errorf("%q", got)
	}
	// Those that lost their name go when they are collected and old.
	x.l.Now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	r.look(x)
	if got := visible(t, x); !slices.Equal(got, []string{"smdr.log"}) {
		t.Errorf("%q", got)
	}
	r.alarm(x)
}

// A crash at any point of appending leaves the log whole once it is open again.
func TestAppendIsFinishedAfterACrash(t *testing.T) {
	r := newRig(t)
	for cut := range 3 {
		x := inbox(t, r, "mitel-3300")
		if err := os.RemoveAll(x.dir); err != nil {
			t.Fatal(err)
		}
		x = inbox(t, r, "mitel-3300")
		mustPut(t, x, "smdr.log", log(0, 2), replaces)
		// As far as the crash let it come.
		intent := filepath.Join(x.dir, ours, fmt.Sprintf("append-%016d-smdr.log", len(log(0, 2))))
		write(t, intent, log(2, 5))
		more := log(2, 5)[:cut*len(log(2, 5))/2]
		write(t, filepath.Join(x.dir, "smdr.log"), log(0, 2)+more)
		for range 2 { // and again
			x = inbox(t, r, "mitel-3300")
			holds(t, x, "smdr.log", log(0, 5))
			if got := visible(t, x); !slices.Equal(got, []string{"smdr.log"}) {
				t.Errorf("%q", got)
			}
		}
	}
	x := inbox(t, r, "mitel-3300")
	write(t, filepath.Join(x.dir, ours, "append-0000000000099999-smdr.log"), "x")
	y, err := r.FTP(r.link("mitel-3300", "pbx"), &config.FTPServer{Receiver: config.Receiver{Listen: "127.0.0.1:0", Secret: r.secret}})
	if err != nil {
		t.Fatal(err)
	}
	if err := y.open(); err == nil || !strings.Contains(err.Error(), "put the log back") {
		t.Errorf("%v", err)
	}
}

func TestAppendToWholeFilesIsRefused(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	mustPut(t, x, "cdr_1", cdr("a"), appends) // there is none yet
	if err := put(t, x, "cdr_1", line("b"), appends); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	holds(t, x, "cdr_1", cdr("a"))
	r.collect(x)
	r.alarm(x, "grows: true", "cdr_1")
}

func TestSimultaneousAppends(t *testing.T) {
	x := inbox(t, newRig(t), "mitel-3300")
	mustPut(t, x, "smdr.log", log(0, 1), replaces)
	a, err := x.create("smdr.log", patches, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, x, "smdr.log", log(1, 2), appends)
	if _, err := a.WriteAt([]byte(log(1, 3)), int64(len(log(0, 1)))); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err == nil {
		t.Error("two wrote to the same place")
	}
	holds(t, x, "smdr.log", log(0, 2))
	if a, err = x.create("smdr.log", patches, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.WriteAt([]byte("x"), 3); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	if err := a.Close(); err == nil {
		t.Error("a log was written over")
	}
}
