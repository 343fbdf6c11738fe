package files

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// rig is a folder, a clock and a collector on a real NATS server.
type rig struct {
	t      testing.TB
	nats   *kit.NATS
	clock  *kit.Clock
	health kit.Health
	log    strings.Builder
	dir    string
	model  string
	cfg    config.Files
	*Folder
}

func newRig(t testing.TB, model string, change ...func(*config.Files)) *rig {
	t.Helper()
	r := &rig{t: t, nats: kit.Start(t), clock: kit.NewClock(), dir: t.TempDir(), model: model}
	r.cfg = config.Files{Dir: r.dir}
	for _, c := range change {
		c(&r.cfg)
	}
	r.restart()
	return r
}

// restart is a new process on what the old one left.
func (r *rig) restart(change ...func(*link.Options)) {
	r.t.Helper()
	l := r.nats.Link(r.t, r.model, r.clock.Now, append([]func(*link.Options){func(o *link.Options) {
		o.Health = r.health.Set
		o.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	}}, change...)...)
	f, err := New(l, &r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := f.Load(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.Folder = f
}

// look looks once.
func (r *rig) look() {
	r.t.Helper()
	if err := r.try(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) try(ctx context.Context) error { return kit.Look(ctx, r.Folder.Link, r) }

// settle looks, waits until everything has settled, and looks again.
func (r *rig) settleAndLook() {
	r.t.Helper()
	r.look()
	r.clock.Add(DefaultSettle)
	r.look()
}

// write writes a file as of the clock's time.
func (r *rig) write(name, content string) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.touch(name)
}

func (r *rig) touch(name string) {
	r.t.Helper()
	if err := os.Chtimes(filepath.Join(r.dir, name), r.clock.Now(), r.clock.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) append(name, content string) {
	r.t.Helper()
	f, err := os.OpenFile(filepath.Join(r.dir, name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err == nil {
		_, err = f.WriteString(content)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.touch(name)
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	if err := os.Rename(filepath.Join(r.dir, from), filepath.Join(r.dir, to)); err != nil {
		r.t.Fatal(err)
	}
}

// names lists what is in a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// texts makes sure of the tickets that arrived, each of them once.
func (r *rig) texts(want ...string) {
	r.t.Helper()
	got := r.nats.Collected(r.t)
	if texts := kit.Texts(got); !slices.Equal(slices.Sorted(slices.Values(texts)), slices.Sorted(slices.Values(want))) {
		r.t.Fatalf("tickets %.300q, want %.300q", texts, want)
	}
}

func (r *rig) healthy() {
	r.t.Helper()
	if text := r.health.Text(); text != "" {
		r.t.Fatalf("not well: %s", text)
	}
}

func (r *rig) ill(words ...string) {
	r.t.Helper()
	text := r.health.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			r.t.Fatalf("health %q does not say %q", text, w)
		}
	}
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%06d,2026/11/21 09:00:00,00:01:00,201,555-01%02d\r\n", i, i%100)
	}
	return b.String()
}

func split(s string) []string { return strings.Split(strings.TrimSuffix(s, "\r\n"), "\r\n") }

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }
