package tftp

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/kit"

	"trunkline.internal/platform/config"
)

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func testDir(t testing.TB, path string, fetched bool) (*Dir, map[string]int, *kit.Clock) {
	t.Helper()
	counts, clock := make(map[string]int), kit.NewClock()
	d := &Dir{path: path, fetched: fetched, now: clock.Now, count: func(result string) { counts[result]++ }, space: spaceOf}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.root.Close() })
	return d, counts, clock
}

// take takes a file as one transfer does.
func take(t testing.TB, d *Dir, name, text string, heard bool) error {
	t.Helper()
	f, err := d.Create(name, -1, "10.1.0.9")
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		f.Abort()
		return err
	}
	if heard {
		f.Heard()
	}
	return nil
}

func inDir(t testing.TB, d *Dir) map[string]string {
	return (&rig{t: t, Inbox: &Inbox{dir: d}}).files()
}

const (
	lineA = "21.11.26|09:00:01|1|101||00:00:11|0199000001||2||||||\r\n"
	lineB = "21.11.26|09:00:02|2|102||00:00:12|0199000002||2||||||\r\n"
	lineC = "21.11.26|09:00:03|3|103||00:00:13|0199000003||2||||||\r\n"
)

func TestOneName(t *testing.T) {
	d, counts, _ := testDir(t, t.TempDir(), false)
	for _, text := range []string{lineA, lineB, lineB, lineA, lineC, "", lineC} {
		if err := take(t, d, "cdr.txt", text, true); err != nil {
			t.Fatal(err)
		}
	}
	got := inDir(t, d)
	if texts := slices.Sorted(maps.Values(got)); got["cdr.txt"] != lineA || !slices.Equal(texts, []string{lineA, lineB, lineC}) {
		t.Errorf("%q", got)
	}
	if counts["received"] != 3 || counts["received_again"] != 3 || counts["empty"] != 1 {
		t.Error(counts)
	}
}

// A PBX that did not hear us sends its buffer again under a new name, with more
// behind it; one that heard us sends equal calls only if there were two.
func TestComesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		heard bool
		want  []string
	}{"not heard": {false, []string{lineA, lineB}}, "heard": {true, []string{lineA, lineA, lineA + lineB}}} {
		t.Run(name, func(t *testing.T) {
			d, _, _ := testDir(t, t.TempDir(), false)
			for file, text := range []string{lineA, lineA, lineA + lineB} {
				if err := take(t, d, "cdr"+string(rune('0'+file)), text, c.heard); err != nil {
					t.Fatal(err)
				}
				// A restart forgets nothing of it.
				d.root.Close()
				d, _, _ = testDir(t, d.path, false)
			}
			if got := slices.Sorted(maps.Values(inDir(t, d))); !slices.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// Two PBXs that print the same are two.
func TestOtherPeer(t *testing.T) {
	d, _, _ := testDir(t, t.TempDir(), false)
	for i, peer := range []string{"10.1.0.9", "10.1.0.10"} {
		f, err := d.Create(string(rune('a'+i)), -1, peer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(lineA)); err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := inDir(t, d); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestFetchedAgain(t *testing.T) {
	d, counts, clock := testDir(t, t.TempDir(), true)
	for _, text := range []string{lineA, lineA, lineA + lineB, lineC, lineC + "unfinis", lineC + "unfinished\r\n"} {
		if err := take(t, d, "gez.txt", text, true); err != nil {
			t.Fatal(err)
		}
		clock.Add(time.Minute)
	}
	got := inDir(t, d)
	if texts := slices.Sorted(maps.Values(got)); !slices.Equal(texts, []string{lineA, lineB, lineC, lineC + "unfinished\r\n", "unfinis"}) {
		t.Errorf("%q", texts)
	}
	if got["gez-20261121T090000.txt"] != lineA || counts["received_again"] != 1 {
		t.Errorf("%q %v", got, counts)
	}
}

func TestCrash(t *testing.T) {
	path := t.TempDir()
	d, _, _ := testDir(t, path, false)
	if err := take(t, d, "a", lineA, true); err != nil {
		t.Fatal(err)
	}
	id := d.id
	// Killed in the middle of one file, and behind the name of another.
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".c.XYZ.part", "half")
	f, err := d.Create("b", -1, "10.1.0.9")
	if err != nil {
		t.Fatal(err)
	}
	w := f.(*writer)
	if _, err := w.Write([]byte(lineB)); err != nil {
		t.Fatal(err)
	}
	sum, err := sumOf(w.f, 0, int64(len(lineB)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.note(".last.next", last{Name: "b", Size: int64(len(lineB)), SHA256: sum, Peer: "10.1.0.9", Unsure: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(path, w.part), filepath.Join(path, "b")); err != nil {
		t.Fatal(err)
	}
	d.root.Close()
	d, counts, _ := testDir(t, path, false)
	if d.id != id || counts["broken"] != 1 {
		t.Error(d.id, id, counts)
	}
	// It was not acknowledged: the PBX sends it again.
	if err := take(t, d, "d", lineB+lineC, false); err != nil {
		t.Fatal(err)
	}
	if got := inDir(t, d); !maps.Equal(got, map[string]string{"a": lineA, "b": lineB, "d": lineC}) {
		t.Errorf("%q", got)
	}
	// A note of a file that never got its name is void.
	if err := d.note(".last.next", last{Name: "never", Size: 3, SHA256: "x"}); err != nil {
		t.Fatal(err)
	}
	d.root.Close()
	if d, _, _ = testDir(t, path, false); d.last.Name != "d" || isFile(filepath.Join(path, ".last.next")) {
		t.Errorf("%+v", d.last)
	}
}

func TestLimits(t *testing.T) {
	d, counts, _ := testDir(t, t.TempDir(), false)
	var told *Refusal
	if _, err := d.Create("a", maxFile+1, "10.1.0.9"); !errors.As(err, &told) || told.Code != codeFull {
		t.Error(err)
	}
	var open []File
	for range maxUnderWay {
		f, err := d.Create("a", -1, "10.1.0.9")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	if _, err := d.Create("a", -1, "10.1.0.9"); !errors.As(err, &told) || !strings.Contains(told.Text, "under way") {
		t.Error(err)
	}
	for _, f := range open {
		f.Abort()
		f.Abort()
	}
	if got := inDir(t, d); len(got) != 0 || counts["broken"] != maxUnderWay || d.underWay != 0 {
		t.Error(got, counts, d.underWay)
	}
	d.space = func(string) (uint64, uint64, error) { return 10 << 20, 1 << 40, nil }
	if _, err := d.Create("a", -1, "10.1.0.9"); !errors.As(err, &told) || told.Code != codeFull || strings.Contains(told.Text, d.path) || !strings.Contains(err.Error(), d.path) {
		t.Error(err)
	}
	d.space = func(string) (uint64, uint64, error) { return 0, 0, errors.New("gone") }
	if _, err := d.Create("a", -1, "10.1.0.9"); err == nil {
		t.Error("no space is told, and it is taken")
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		data string
		cfg  config.TFTP
		want string
	}{
		{"", config.TFTP{Listen: ":69"}, "data is missing"},
		{"x", config.TFTP{}, "listen or fetch"},
		{"x", config.TFTP{Listen: ":69", Fetch: "x:69"}, "listen or fetch"},
		{"x", config.TFTP{Fetch: "x:69", File: "a/"}, "name of a file"},
	} {
		l := (&kit.NATS{}).Link(t, "unify-hipath", time.Now)
		if _, err := New(c.data, l, &c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
