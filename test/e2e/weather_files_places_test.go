package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// aFolder is a link that collects a folder of this machine.
func aFolder(model, dir string, more ...string) string {
	return fmt.Sprintf("model: %s, files: {%s}", model, strings.Join(append([]string{fmt.Sprintf("dir: %q, every: 100ms, settle: 300ms", dir)}, more...), ", "))
}

// put writes a file at once, as a PBX renames it.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	at := time.Now()
	temp := filepath.Join(dir, "_"+name)
	writeFile(t, temp, text, 0o644)
	if err := errors.Join(os.Chtimes(temp, at, at), os.Rename(temp, filepath.Join(dir, name))); err != nil {
		t.Fatal(err)
	}
}

// pieces cuts a text at places of chance.
func pieces(seed uint64, text string, most int) (out []string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for text != "" {
		n := min(1+rng.IntN(most), len(text))
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// chance is the place of the n-th fault, 1 to most.
func chance(seed uint64, n, most int) int64 {
	return 1 + rand.New(rand.NewPCG(seed, uint64(n))).Int64N(int64(most))
}

// grow appends the pieces to a file.
func grow(t *testing.T, path string, pause time.Duration, pieces []string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range pieces {
		if _, err := f.WriteString(p); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pause) // the writer's own pace
	}
}

// cdrs are tickets of a CUCM with the head of their file.
func cdrs(first, n int) (head, text string) {
	for i := first; i < first+n; i++ {
		parts := strings.SplitAfter(cdrFile(longAgo, i), "\n")
		head, text = parts[0]+parts[1], text+parts[2]
	}
	return head, text
}

// A whole file is written slowly, and goes on when it had been taken for whole.
func growsWhole(t *testing.T) *storm {
	dir := t.TempDir()
	head, text := cdrs(0, 40)
	_, more := cdrs(40, 5)
	// A busy machine may let the writer wait for longer than the others settle.
	wire := strings.Replace(aFolder("cisco-cucm", dir), "settle: 300ms", "settle: 2s", 1)
	return &storm{wire, func(t *testing.T, s *sky) {
		path := filepath.Join(dir, "cdr_A_01_1")
		grow(t, path, 60*time.Millisecond, pieces(1, head+text, 500))
		s.await(t, "files-grows-whole", 40)
		grow(t, path, 0, []string{more})
	}, ticketsOf(text + more)}
}

// A log grows while it is read, by pieces of tickets.
func growsLog(t *testing.T) *storm {
	dir := t.TempDir()
	text := smdr(longAgo, 0, 400)
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, _ *sky) {
		grow(t, filepath.Join(dir, "SMDR.csv"), 10*time.Millisecond, pieces(2, text, 300))
	}, ticketsOf(text)}
}

// A log gets another name, and two others its own: one of them has as many bytes.
func logReplaced(t *testing.T) *storm {
	dir := t.TempDir()
	logs := []string{smdr(longAgo, 0, 50), smdr(longAgo, 100, 50), smdr(longAgo, 200, 50)}
	put(t, dir, "SMDR.csv", logs[0])
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, s *sky) {
		const link = "files-log-replaced"
		s.await(t, link, 50)
		if err := os.Rename(filepath.Join(dir, "SMDR.csv"), filepath.Join(dir, "SMDR_1.csv")); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "SMDR.csv", logs[1])
		s.await(t, link, 100)
		put(t, dir, "SMDR.csv", logs[2])
	}, ticketsOf(strings.Join(logs, ""))}
}

// A log is replaced by an older copy of it, and goes on one day.
func logShorter(t *testing.T) *storm {
	dir := t.TempDir()
	put(t, dir, "SMDR.csv", smdr(longAgo, 0, 50))
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, s *sky) {
		const link = "files-log-shorter"
		s.await(t, link, 50)
		put(t, dir, "SMDR.csv", smdr(longAgo, 0, 30))
		s.told(t, link, "log SMDR.csv has", "it was cut or replaced by an older copy", "trunkline import")
		put(t, dir, "SMDR.csv", smdr(longAgo, 0, 70))
		s.over(t, link, "it was cut")
	}, ticketsOf(smdr(longAgo, 0, 70))}
}

// A whole file is replaced by others of its name: one has as many bytes, one the
// same.
func wholeReplaced(t *testing.T) *storm {
	dir := t.TempDir()
	put(t, dir, "SMDR_1.csv", smdr(longAgo, 0, 3))
	return &storm{aFolder("avaya-ipoffice", dir, "grows: false"), func(t *testing.T, s *sky) {
		const link = "files-whole-replaced"
		s.await(t, link, 3)
		put(t, dir, "SMDR_1.csv", smdr(longAgo, 3, 3))
		s.await(t, link, 6)
		put(t, dir, "SMDR_1.csv", smdr(longAgo, 3, 3))
		put(t, dir, "SMDR_2.csv", smdr(longAgo, 6, 1)) // which is collected behind it
	}, ticketsOf(smdr(longAgo, 0, 7))}
}

// Two calls in the same second look the same, each in a file of its own. A file
// that comes again does not.
func equalBytes(t *testing.T) *storm {
	dir := t.TempDir()
	one, again := smdr(longAgo, 0, 1), smdr(longAgo, 1, 1)
	put(t, dir, "SMDR_1.csv", one)
	put(t, dir, "SMDR_2.csv", one)
	put(t, dir, "SMDR_3.csv", again)
	return &storm{aFolder("avaya-ipoffice", dir, "grows: false"), func(t *testing.T, s *sky) {
		s.await(t, "files-equal-bytes", 3)
		if err := os.Remove(filepath.Join(dir, "SMDR_3.csv")); err != nil {
			t.Fatal(err)
		}
		in := s.in.For(t)
		before := in.Metric("trunkline_poll_looks_total", `link="files-equal-bytes"`)
		kit.Await(t, "it is seen to be gone", func() bool { return in.Metric("trunkline_poll_looks_total", `link="files-equal-bytes"`) > before+1 }, in.Log)
		put(t, dir, "SMDR_3.csv", again)
		put(t, dir, "SMDR_4.csv", smdr(longAgo, 2, 1))
	}, ticketsOf(one + one + again + smdr(longAgo, 2, 1))}
}

// A name that leads nowhere becomes a file.
func brokenLink(t *testing.T) *storm {
	dir := t.TempDir()
	path := filepath.Join(dir, "SMDR.csv")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), path); err != nil {
		t.Fatal(err)
	}
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, s *sky) {
		s.told(t, "files-broken-link", "SMDR.csv is no regular file", "is not opened")
		put(t, dir, "SMDR.csv", smdr(longAgo, 0, 5))
		s.over(t, "files-broken-link", "is no regular file")
	}, ticketsOf(smdr(longAgo, 0, 5))}
}

// The folder is a file at first: nobody, not even root, can list it.
func noFolder(t *testing.T) *storm {
	dir := filepath.Join(t.TempDir(), "share")
	writeFile(t, dir, "", 0o644)
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, s *sky) {
		s.told(t, "files-no-folder", "folder "+dir+" cannot be read")
		if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "SMDR.csv", smdr(longAgo, 0, 5))
		s.over(t, "files-no-folder", "cannot be read")
	}, ticketsOf(smdr(longAgo, 0, 5))}
}

// huge is more than fits into the memory that the program may take.
const huge = 4 << 30

// stretch makes a file larger without using the disk.
func stretch(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// inMemory is a folder where holes are read at no cost: a disk's fill the page cache.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "trunkline-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A whole file of 4 GiB holds no line end.
func hugeWhole(t *testing.T) *storm {
	dir := inMemory(t)
	put(t, dir, "cdr_A_01_1", "a head without end")
	stretch(t, filepath.Join(dir, "cdr_A_01_1"), huge)
	head, text := cdrs(0, 5)
	put(t, dir, "cdr_A_01_2", head+text)
	return &storm{aFolder("cisco-cucm", dir), func(t *testing.T, s *sky) {
		note := filepath.Join(dir, ".trunkline-aside", "cdr_A_01_1.error")
		kit.Await(t, "it is set aside with its reason", func() bool {
			text, err := os.ReadFile(note)
			return err == nil && strings.Contains(string(text), "is it a ticket file of the model that the link names?")
		}, s.in.Log)
		s.told(t, "files-4gb-whole", "moved aside, and not collected: cdr_A_01_1 in "+filepath.Dir(note))
	}, ticketsOf(text)}
}

// A log has room for 4 GiB of tickets in advance, which are NULs until they are
// written.
func hugeLog(t *testing.T) *storm {
	dir := inMemory(t)
	path := filepath.Join(dir, "SMDR.csv")
	begin, all := smdr(longAgo, 0, 3), smdr(longAgo, 0, 6)
	put(t, dir, "SMDR.csv", begin)
	stretch(t, path, huge)
	return &storm{aFolder("avaya-ipoffice", dir), func(t *testing.T, s *sky) {
		s.await(t, "files-4gb-log", 3)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte(all[len(begin):]), int64(len(begin))); err != nil {
			t.Fatal(err)
		}
	}, ticketsOf(all)}
}

// The clock of the machine that writes is an hour ahead, or behind.
func clockAhead(t *testing.T) *storm {
	dir := t.TempDir()
	put(t, dir, "SMDR_1.csv", smdr(longAgo, 0, 3))
	put(t, dir, "SMDR_2.csv", smdr(longAgo, 3, 3))
	for name, off := range map[string]time.Duration{"SMDR_1.csv": time.Hour, "SMDR_2.csv": -time.Hour} {
		at := time.Now().Add(off)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return &storm{aFolder("avaya-ipoffice", dir, "grows: false"), nil, ticketsOf(smdr(longAgo, 0, 6))}
}
