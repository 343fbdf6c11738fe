package web

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// The folder of a PBX: files packed in each way, one that grows, and what is no
// ticket file; asked with the model's own path, Basic and a pinned certificate.
func TestFolder(t *testing.T) {
	n := startNginx(t, true, basic)
	r := newRig(t, "https://"+n.addr, func(r *rig) { r.cfg.Pin = strings.ToUpper(n.pin) })
	n.write("T0001.gz", gz(lines("gz", 0, 900)))
	n.write("T0002", gz(lines("unnamed", 0, 30))) // packed, and not named so
	n.write("ticket é%41#1?.txt", lines("name", 0, 3))
	n.write("T0003", lines("log", 0, 2000))
	n.write(".hidden", lines("hidden", 0, 3))
	n.write("T9.tmp", lines("tmp", 0, 3))
	n.write("empty", "")
	if err := os.Mkdir(filepath.Join(n.dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.look()
	want := slices.Concat(texts("gz", 0, 900), texts("unnamed", 0, 30), texts("name", 0, 3), texts("log", 0, 2000))
	r.texts(want...)
	if h := r.health.Text(); h != "" {
		t.Errorf("health: %s", h)
	}

	// It grows, and nothing else is fetched again, after a restart too.
	r.restart()
	r.look()
	n.append("T0003", lines("log", 2000, 2100))
	before := len(n.requests("GET"))
	r.look()
	want = append(want, texts("log", 2000, 2100)...)
	r.texts(want...)
	for _, line := range n.requests("GET")[before:] {
		if !strings.Contains(line, `tickets/ HTTP`) && !strings.Contains(line, `/T0003 HTTP/1.1" 206 `) && !strings.Contains(line, `/empty`) {
			t.Errorf("fetched: %s", line)
		}
	}

	// Packed again with more in it; the log is packed when the next begins.
	n.write("T0001.gz", gz(lines("gz", 0, 1000)))
	if err := os.Remove(filepath.Join(n.dir, "T0003")); err != nil {
		t.Fatal(err)
	}
	n.write("T0003.gz", gz(lines("log", 0, 2150)))
	n.write("T0004", lines("next", 0, 1))
	r.look()
	want = slices.Concat(want, texts("gz", 900, 1000), texts("log", 2100, 2150), texts("next", 0, 1))
	r.texts(want...)
	if got := n.requests("DELETE"); len(got) > 0 {
		t.Errorf("%q", got)
	}
	for _, r := range r.nats.Collected(t) {
		if r.Written.Before(time.Now().Add(-time.Hour)) || r.Written.After(time.Now().Add(time.Second)) {
			t.Fatalf("written %s", r.Written)
		}
	}
}

// A file that is replaced under its name is another one.
func TestReplaced(t *testing.T) {
	n := startNginx(t, false, basic)
	grows := false
	r := newRig(t, "http://"+n.addr+folder, func(r *rig) { r.cfg.Grows = &grows })
	n.write("a", lines("one", 0, 10))
	r.look()
	n.write("a", lines("two", 0, 10))
	if err := os.Chtimes(filepath.Join(n.dir, "a"), time.Time{}, time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	r.look()
	n.write("a", lines("six", 0, 99))
	r.look()
	r.texts(slices.Concat(texts("one", 0, 10), texts("two", 0, 10), texts("six", 0, 99))...)
}

func TestCertificates(t *testing.T) {
	n := startNginx(t, true, basic)
	n.write("a", lines("a", 0, 2))
	for name, tc := range map[string]struct {
		change func(*config.HTTP)
		want   string
	}{
		"ca":        {func(c *config.HTTP) { c.TLS.CA = n.root + "/cert.pem" }, ""},
		"pin":       {func(c *config.HTTP) { c.Pin = n.pin }, ""},
		"insecure":  {func(c *config.HTTP) { c.TLS.Insecure = true }, ""},
		"unknown":   {func(*config.HTTP) {}, "pin: " + n.pin},
		"other pin": {func(c *config.HTTP) { c.Pin = strings.Repeat("0", 64) }, "not the pinned one but " + n.pin},
		"plain":     {func(c *config.HTTP) { c.URL = "http://" + n.addr }, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "https://"+n.addr, func(r *rig) { tc.change(&r.cfg) })
			err := r.try(context.Background())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	plain := startNginx(t, false, "")
	r := newRig(t, "https://"+plain.addr)
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "http://") {
		t.Errorf("TLS to a plain server: %v", err)
	}
}

// Three refused log-ins, and then one a minute; a changed password at once.
func TestRefusedLogin(t *testing.T) {
	n := startNginx(t, false, basic)
	n.write("a", lines("a", 0, 2))
	r := newRig(t, "http://"+n.addr)
	t.Setenv("PBX_PASSWORD", "wrong-"+canary)
	for range 30 {
		err := r.try(context.Background())
		if err == nil || !strings.Contains(err.Error(), "user collector") {
			t.Fatal(err)
		}
		r.ahead += time.Second
	}
	// The first request of a look says nothing of us, the second does.
	refusals := func() int { return len(n.requests(" 401 ")) }
	kit.Await(t, "three log-ins", func() bool { return refusals() >= 6 })
	r.ahead += time.Minute
	r.try(context.Background())
	kit.Await(t, "another a minute later", func() bool { return refusals() >= 8 })
	t.Setenv("PBX_PASSWORD", canary)
	r.look()
	r.texts(texts("a", 0, 2)...)
	if got := refusals(); got != 9 { // that of the last one's question
		t.Errorf("%d answers 401, want those of 4 log-ins and a question", got)
	}
	if h := r.health.Text(); h != "" {
		t.Error(h)
	}
	r = newRig(t, "http://"+n.addr, func(r *rig) { r.cfg.User, r.cfg.Secret = "", config.Secret{} })
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "give user") {
		t.Error(err)
	}
}

func TestFolderErrors(t *testing.T) {
	n := startNginx(t, false, "")
	r := newRig(t, "http://"+n.addr+"/nothing/here")
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "/nothing/here/: it is not there") {
		t.Error(err)
	}
	off := startNginx(t, false, "autoindex off;")
	r = newRig(t, "http://"+off.addr)
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "500") && !strings.Contains(err.Error(), "directory index") {
		t.Error(err)
	}
	// A file that the server may not read is told, and does not stop the others.
	n.write("a", lines("a", 0, 2))
	n.write("b", lines("b", 0, 2))
	denied := startNginx(t, false, "location ~ /b$ { return 403; }")
	denied.write("a", lines("a", 0, 2))
	denied.write("b", lines("b", 0, 2))
	r = newRig(t, "http://"+denied.addr)
	r.look()
	r.texts(texts("a", 0, 2)...)
	if h := r.health.Text(); !strings.Contains(h, "file b: forbidden") {
		t.Errorf("health: %s", h)
	}
}
