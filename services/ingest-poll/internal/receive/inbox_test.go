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
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// inbox is an open one that nobody serves.
func inbox(t testing.TB, r *rig, model string, change ...func(*config.Receiver)) *Receiver {
	t.Helper()
	c := &config.FTPServer{Receiver: config.Receiver{Listen: "127.0.0.1:0", Secret: r.secret}}
	for _, f := range change {
		f(&c.Receiver)
	}
	x, err := r.FTP(r.link(model, "pbx"), c)
	if err != nil {
		t.Fatal(err)
	}
	x.grace = 0
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	return x
}

func collecting(t testing.TB) *rig {
	r := newRig(t)
	r.nats = kit.Start(t)
	return r
}

func TestWholeFiles(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	const name = "cdr_StandAloneCluster_01_202611210900_1"
	mustPut(t, x, name, cdr("a", "b"), replaces)
	r.collect(x)
	r.expect(line("a"), line("b"))

	// The same again is nothing new.
	mustPut(t, x, name, cdr("a", "b"), replaces)
	mustPut(t, x, name, "", replaces)
	r.look(x)
	r.expect(line("a"), line("b"))
	if got := r.count("files_total", "pbx", "received_again"); got != 2 {
		t.Errorf("%v resent", got)
	}
	holds(t, x, name, cdr("a", "b"))

	// Another file of the name, which is collected: it takes its place.
	mustPut(t, x, name, cdr("c"), replaces)
	if got := visible(t, x); !slices.Equal(got, []string{name, "next:" + name}) {
		t.Errorf("%q", got)
	}
	if info, err := x.stat(name); err != nil || info.Size() != int64(len(cdr("c"))) || info.Name() != name {
		t.Errorf("the PBX sees %v, %v", info, err)
	}
	r.look(x)
	r.expect(line("a"), line("b"), line("c"))
	holds(t, x, name, cdr("c"))
	if got := visible(t, x); !slices.Equal(got, []string{name}) {
		t.Errorf("%q", got)
	}
	r.alarm(x)
}

// While nothing is collected, nothing is lost and nothing overwritten.
func TestWholeFilesWait(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	var want []string
	for n := range 5 {
		id := fmt.Sprint("call ", n)
		mustPut(t, x, "cdr_1", cdr(id), replaces)
		mustPut(t, x, "cdr_1", cdr(id), replaces) // resent
		mustPut(t, x, "cdr_2", cdr("other "+id), replaces)
		want = append(want, line(id), line("other "+id))
	}
	holds(t, x, "cdr_1", cdr("call 0"))
	if got, _ := x.queued("next"); len(got) != 8 {
		t.Errorf("%d files wait, want 8", len(got))
	}
	if list, err := x.list(); err != nil || len(list) != 2 {
		t.Errorf("the PBX sees %v, %v", list, err)
	}
	// Another process goes on.
	x = inbox(t, r, "cisco-cucm")
	mustPut(t, x, "cdr_1", cdr("call 5"), replaces)
	want = append(want, line("call 5"))
	r.collect(x)
	for range 6 {
		r.look(x)
	}
	r.expect(want...)
	holds(t, x, "cdr_1", cdr("call 5"))
	if got := visible(t, x); !slices.Equal(got, []string{"cdr_1", "cdr_2"}) {
		t.Errorf("%q", got)
	}
}

func TestCollectedFilesAreDeleted(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	mustPut(t, x, "cdr_1", cdr("a"), replaces)
	r.collect(x)
	x.l.Now = func() time.Time { return time.Now().Add(29 * 24 * time.Hour) }
	r.look(x)
	holds(t, x, "cdr_1", cdr("a"))
	x.l.Now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	r.look(x)
	if got := visible(t, x); len(got) != 0 {
		t.Errorf("%q", got)
	}
	r.expect(line("a"))
}

func TestBrokenUploads(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	u, err := x.create("cdr_1", replaces, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(cdr("a"))); err != nil {
		t.Fatal(err)
	}
	u.TransferError(errors.New("connection reset by peer"))
	if err := u.Close(); err == nil {
		t.Error("a broken upload was taken")
	}
	if got := visible(t, x); len(got) != 0 {
		t.Errorf("%q", got)
	}
	r.collect(x)
	r.alarm(x, "cdr_1", "connection reset", "send it again")

	// A hole is broken too.
	if u, err = x.create("cdr_1", replaces, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := u.WriteAt([]byte("x"), 100); err != nil {
		t.Fatal(err)
	}
	if err := u.Close(); err == nil {
		t.Error("a file with a hole was taken")
	}
	if u, err = x.create("cdr_1", replaces, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := u.WriteAt([]byte("x"), 1<<40); err == nil {
		t.Error("a terabyte of nothing was begun")
	}
	_ = u.Close()

	// So is one that the end of the process broke off.
	if u, err = x.create("cdr_2", replaces, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(cdr("b"))); err != nil {
		t.Fatal(err)
	}
	if got := visible(t, x); len(got) != 1 || !strings.HasPrefix(got[0], "part:") {
		t.Errorf("%q", got)
	}
	x = inbox(t, r, "cisco-cucm")
	if got := visible(t, x); len(got) != 0 {
		t.Errorf("%q", got)
	}
	mustPut(t, x, "cdr_1", cdr("a"), replaces)
	r.collect(x)
	r.alarm(x)
	r.expect(line("a"))
	if s := x.Seen(); s.Received != 1 || s.Broken != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPeerThatVanishedBeforeTheAnswer(t *testing.T) {
	x := inbox(t, newRig(t), "cisco-cucm")
	x.grace = time.Hour
	gone := make(chan struct{})
	u, err := x.create("cdr_1", replaces, gone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(cdr("a"))); err != nil {
		t.Fatal(err)
	}
	close(gone)
	if err := u.Close(); err == nil {
		t.Error("it was taken")
	}
	if got := visible(t, x); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestWhatAUserMayDo(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	mustPut(t, x, "test.txt", "is it there?", replaces)
	mustPut(t, x, "test.txt", "again", replaces)
	holds(t, x, "test.txt", "again")
	if err := x.remove("test.txt"); err != nil {
		t.Error(err)
	}
	if err := x.remove("test.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	mustPut(t, x, "cdr_1", cdr("a"), replaces)
	if err := x.remove("cdr_1"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	if err := x.rename("cdr_1", "cdr_2"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	// Uploaded under another name first.
	mustPut(t, x, "cdr_2.tmp", cdr("b"), replaces)
	if err := x.rename("cdr_2.tmp", "cdr_2"); err != nil {
		t.Error(err)
	}
	// The same once more, and another one over one that is not collected.
	mustPut(t, x, "cdr_2.tmp", cdr("b"), replaces)
	if err := x.rename("cdr_2.tmp", "cdr_2"); err != nil {
		t.Error(err)
	}
	mustPut(t, x, "cdr_2.tmp", cdr("c"), replaces)
	if err := x.rename("cdr_2.tmp", "cdr_2"); err != nil {
		t.Error(err)
	}
	if err := x.rename("cdr_2.tmp", "cdr_3"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := x.rename(ours, "cdr_3"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	r.collect(x)
	r.look(x)
	r.expect(line("a"), line("b"), line("c"))
	r.alarm(x, "cdr_1", "renames", "pattern")
}

func TestNames(t *testing.T) {
	x := inbox(t, newRig(t), "mitel-3300")
	for name, want := range map[string]error{
		"/smdr.log": nil, "smdr.log": nil, "./smdr.log": nil, "//smdr.log": nil, "/a/../smdr.log": nil, "../smdr.log": nil, "../../smdr.log": nil,
		"": errName, "/": errName, ".": errName, "..": errName, "a/b": fs.ErrNotExist, "/etc/passwd": fs.ErrNotExist,
		`a\b`: errName, "C:x": errName, "a\nb": errName, "a\x00b": errName, strings.Repeat("x", 181): errName, strings.Repeat("x", 180): nil,
		".trunkline": errName, ".trunkline/id": fs.ErrNotExist, ".Trunkline-aside": errName, "été 2026.log": nil,
	} {
		u, err := x.create(name, replaces, nil)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		if err == nil {
			if err := u.Close(); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	// A link in the folder leads nowhere.
	secret := write(t, filepath.Join(t.TempDir(), "secret"), canary)
	if err := os.Symlink(secret, filepath.Join(x.dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := x.stat("link"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := put(t, x, "link", "overwritten", replaces); err == nil {
		t.Error("a link was followed")
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != canary {
		t.Errorf("%q, %v", got, err)
	}
	if list, err := x.list(); err != nil || slices.ContainsFunc(list, func(i fs.FileInfo) bool { return i.Name() == "link" || i.Name() == ours }) {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "../a", "/a/b", ".", "a\\b", ".trunkline/part-1", "\x00", "a/../../b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		name, err := file(given)
		if err == nil && (name != filepath.Base(name) || strings.ContainsAny(name, "/\\\x00\r\n") || name == "." || name == ".." || strings.HasPrefix(name, ours)) {
			t.Errorf("%q is taken for %q", given, name)
		}
	})
}

func TestFullDisk(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	r.collect(x)
	left := space{free: 2 << 30, total: 100 << 30}
	x.space = func(string) (space, error) { return left, nil }
	u, err := x.create("cdr_1", replaces, nil)
	if err != nil {
		t.Fatal(err)
	}
	left.free = 900 << 20
	_, err = u.Write(make([]byte, checkEvery))
	if !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	if err := u.Close(); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	if _, err := x.create("cdr_1", replaces, nil); !errors.Is(err, errFull) || strings.Contains(err.Error(), x.dir) {
		t.Errorf("%v", err)
	}
	r.alarm(x, "nearly full", x.dir, "make room")
	// What a small disk keeps free is less.
	left = space{free: 900 << 20, total: 10 << 30, files: 5, allFiles: 1000}
	if _, err := x.create("cdr_1", replaces, nil); !errors.Is(err, errFull) {
		t.Errorf("no more files can be made: %v", err)
	}
	left.files = 500
	r.look(x) // there is room again, and nobody has to upload for that to be seen
	mustPut(t, x, "cdr_1", cdr("a"), replaces)
	r.alarm(x)
	r.expect(line("a"))
}

func TestManyUploadsOfOneLink(t *testing.T) {
	x := inbox(t, newRig(t), "cisco-cucm")
	for n := range maxUploads {
		u, err := x.create(fmt.Sprint("cdr_", n), replaces, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
	}
	if _, err := x.create("cdr_x", replaces, nil); err == nil {
		t.Error("uploads have no end")
	}
}

func TestFilesThatAreNotCollectedAreTold(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	r.collect(x)
	mustPut(t, x, "calls.csv", "tickets?", replaces)
	r.alarm(x) // it may be a test, or be renamed yet
	now := time.Now()
	x.l.Now = func() time.Time { return now.Add(time.Hour) }
	r.alarm(x, "calls.csv", "pattern c[dm]r_*", x.dir)
	if err := x.remove("calls.csv"); err != nil {
		t.Fatal(err)
	}
	r.alarm(x)
}

// The journal is the folder's: that of another process is another one, and what
// one forgets the other keeps.
func TestFoldersOfTwoProcesses(t *testing.T) {
	r := collecting(t)
	x := inbox(t, r, "cisco-cucm")
	other := newRig(t)
	other.nats = r.nats
	y := inbox(t, other, "cisco-cucm")
	ctx := t.Context()
	kx, err := x.Key(ctx, "lyon.pbx")
	if err != nil {
		t.Fatal(err)
	}
	ky, err := y.Key(ctx, "lyon.pbx")
	if err != nil || kx == ky || !strings.HasPrefix(ky, "lyon.pbx.") {
		t.Errorf("%q, %q, %v", kx, ky, err)
	}
	mustPut(t, x, "cdr_1", cdr("a"), replaces)
	mustPut(t, y, "cdr_1", cdr("b"), replaces)
	r.collect(x)
	other.collect(y)
	r.look(x)
	other.look(y)
	r.expect(line("a"), line("b"))
	// The same folder again is the same one.
	z := inbox(t, r, "cisco-cucm")
	if kz, err := z.Key(ctx, "lyon.pbx"); err != nil || kz != kx {
		t.Errorf("%q, %v", kz, err)
	}
	r.collect(z)
	if got := len(r.nats.Messages(t)); got != 2 {
		t.Errorf("%d messages", got)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	r := newRig(t)
	r.timing.retry = 5 * time.Millisecond
	blocked := filepath.Join(r.data, "inbox")
	write(t, blocked, "no folder")
	x := r.ftp("cisco-cucm", "cucm")
	if got := r.health["cucm"].Text(); !strings.Contains(got, blocked) {
		t.Errorf("health %q", got)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	kit.Await(t, "the address", func() bool { return x.Addr() != nil })
	dialFTP(t, x).login(canary).upload("STOR cdr_1", cdr("a")).want(226)
}
