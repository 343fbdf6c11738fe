package ingestpoll

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func reload(t *testing.T, s *Service, links ...config.LinkOf) string {
	t.Helper()
	apply, err := s.Prepare(links)
	if err != nil {
		t.Fatal(err)
	}
	c := apply()
	c.Sort()
	return fmt.Sprint("added", c.Added, " removed", c.Removed, " restarted", c.Restarted, " retold", c.Retold)
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

func TestReload(t *testing.T) {
	n := kit.Start(t)
	dirs := map[string]string{"kept": t.TempDir(), "gone": t.TempDir(), "before": t.TempDir(), "behind": t.TempDir(), "added": t.TempDir()}
	link := func(id, dir string) config.LinkOf { return folder(id, "avaya-ipoffice", dirs[dir]) }
	var h healths
	kept := link("kept", "kept")
	s := newService(t, n, h.set, kept, link("moved", "before"), link("gone", "gone"))
	run(t, s)
	write(t, dirs["kept"], "SMDR.csv", body(0, 10))
	write(t, dirs["before"], "SMDR.csv", body(10, 20))
	await(t, "the first tickets", func() bool { return len(kit.Texts(n.Collected(t))) == 20 })

	if got := reload(t, s, kept, link("moved", "before"), link("gone", "gone")); got != "added[] removed[] restarted[] retold[]" {
		t.Errorf("the same configuration: %s", got)
	}
	site := *kept.Site
	site.Timezone = "Europe/London"
	kept = config.LinkOf{Link: kept.Link, Site: &site}
	got := reload(t, s, kept, link("moved", "behind"), link("added", "added"))
	if want := "added[lyon/added] removed[lyon/gone] restarted[lyon/moved] retold[lyon/kept]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	write(t, dirs["before"], "SMDR.csv", body(10, 30)) // nobody looks there any more
	write(t, dirs["gone"], "SMDR.csv", body(30, 40))
	write(t, dirs["kept"], "SMDR.csv", body(0, 15))
	write(t, dirs["behind"], "SMDR.csv", body(50, 60))
	write(t, dirs["added"], "SMDR.csv", body(60, 70))
	await(t, "the next tickets", func() bool { return len(kit.Texts(n.Collected(t))) == 45 })
	names := make([]string, 0, 3)
	for _, l := range s.Links() {
		names = append(names, l.Link)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "added kept moved" {
		t.Errorf("links %s", got)
	}
}

// A path that one link has left is another's.
func TestReloadMovesAPost(t *testing.T) {
	n := kit.Start(t)
	post := func(id, path string) config.LinkOf {
		return config.LinkOf{Link: &config.Link{ID: id, Model: "grandstream-ucm", HTTPServer: &config.HTTPServer{Listen: "127.0.0.1:0", Path: path}}, Site: site()}
	}
	var h healths
	s := newService(t, n, h.set, post("a", "/a"))
	run(t, s)
	if got := reload(t, s, post("b", "/a")); got != "added[lyon/b] removed[lyon/a] restarted[] retold[]" {
		t.Error(got)
	}
	await(t, "b takes a post", func() bool {
		res, err := http.Post("http://"+s.links[0].State(false).Place+"/a", "text/plain", strings.NewReader("2026-11-21 09:00:00,1,2\r\n"))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}
