package service

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// taker is a service of links that takes everything over but what it refuses.
type taker struct {
	links   []string
	refuses string
}

func (s *taker) Prepare(links []config.LinkOf) (func() config.Changes, error) {
	var names []string
	for _, l := range links {
		names = append(names, l.Site.ID+"/"+l.ID)
		if l.ID == s.refuses {
			return nil, errors.New("no such link, please: " + l.ID)
		}
	}
	return func() config.Changes {
		var c config.Changes
		for _, n := range names {
			if !slices.Contains(s.links, n) {
				c.Added = append(c.Added, n)
			}
		}
		for _, n := range s.links {
			if !slices.Contains(names, n) {
				c.Removed = append(c.Removed, n)
			}
		}
		s.links = names
		return c
	}, nil
}

const base = "data: /tmp/trunkline\nsites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n"

func desk(id, port string) string {
	return "      - {id: " + id + ", model: avaya-ipoffice, tcp: {listen: \":" + port + "\"}}\n"
}

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(base + desk("a", "1001"))
	load := func() (*config.Config, error) { return config.Load(file) }
	running, err := load()
	if err != nil {
		t.Fatal(err)
	}
	first, second := &taker{links: []string{"lyon/a"}}, &taker{links: []string{"lyon/a"}, refuses: "never"}
	told := ""
	r, err := NewReloader(ReloadOptions{
		Load: load, Running: running, Services: []Reloadable{first, second}, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Process: func() *trunklinev1.Process { return &trunklinev1.Process{Service: "test"} },
		Tell:    func(p string) { told = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Reload("me@here"); a.Error != "" || len(a.Added)+len(a.Removed)+len(a.NeedsRestart) != 0 || told != "" {
		t.Errorf("the same again: %v, %q", a, told)
	}
	write(base + desk("a", "1001") + desk("b", "1002"))
	if a := r.Reload("me@here"); a.Error != "" || !slices.Equal(a.Added, []string{"lyon/b", "lyon/b"}) {
		t.Errorf("a link more: %v", a)
	}
	// An error anywhere changes nothing anywhere.
	for _, bad := range []string{base + desk("a", "1001") + desk("c", "1001"), base + desk("never", "1003"), "sites: ["} {
		write(bad)
		a := r.Reload("me@here")
		if a.Error == "" || told == "" || !slices.Equal(first.links, []string{"lyon/a", "lyon/b"}) || !slices.Equal(second.links, first.links) {
			t.Errorf("%q: %v, told %q, links %v and %v", bad, a, told, first.links, second.links)
		}
	}
	write("metrics: {listen: \":1\"}\n" + base + desk("a", "1001"))
	if a := r.Reload("me@here"); a.Error != "" || !slices.Equal(a.NeedsRestart, []string{"metrics"}) || !strings.Contains(told, "restart") || !slices.Equal(first.links, []string{"lyon/a"}) {
		t.Errorf("another port of the metrics: %v, %q", a, told)
	}
}

// What the files are is seen without reading them.
func TestReloadSees(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "trunkline.yaml")
	if err := os.WriteFile(file, []byte(base+desk("a", "1001")), 0o600); err != nil {
		t.Fatal(err)
	}
	running, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReloader(ReloadOptions{
		Load: func() (*config.Config, error) { return config.Load(file) }, Running: running, Log: slog.New(slog.DiscardHandler),
		Process: func() *trunklinev1.Process { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	before := r.print()
	if r.print() != before {
		t.Error("the same files differ")
	}
	for _, c := range []struct {
		what   string
		change func() error
	}{
		{"a new file of sites", func() error {
			if err := os.Mkdir(filepath.Join(dir, "sites.d"), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "sites.d", "new.yaml"), []byte("sites: []\n"), 0o600)
		}},
		{"a later time", func() error { return os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)) }},
		{"a lost file", func() error { return os.Rename(file, file+".old") }},
	} {
		before := r.print()
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if r.print() == before {
			t.Errorf("%s is not seen", c.what)
		}
	}
}
