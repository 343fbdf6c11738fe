package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/test/kit"
)

// canary is a secret that must be nowhere.
type canary struct{ of, user, text string }

// realms of the servers that ask for Digest.
var realms = []string{"tickets", "PBX"}

// forms are what would give it away.
func (c canary) forms() []string {
	sum := func(s string) string { x := md5.Sum([]byte(s)); return hex.EncodeToString(x[:]) }
	back := []byte(c.text)
	slices.Reverse(back)
	half := len(c.text) / 2
	out := []string{
		c.text, string(back), c.text[:half], c.text[half:], string(back[:half]), string(back[half:]),
		url.QueryEscape(c.text), url.PathEscape(c.text), hex.EncodeToString([]byte(c.text)), sum(c.text),
	}
	for _, r := range realms {
		out = append(out, sum(c.user+":"+r+":"+c.text))
	}
	for _, s := range []string{c.text, c.user + ":" + c.text} {
		out = append(out, base64.StdEncoding.EncodeToString([]byte(s)), base64.URLEncoding.EncodeToString([]byte(s)), base64.RawStdEncoding.EncodeToString([]byte(s)))
	}
	return out
}

// birds are all canaries of a test.
type birds struct{ all []canary }

// hatch makes a canary. It has a slash and signs that are escaped in a URL.
func (b *birds) hatch(of, user string) string {
	text := fmt.Sprintf("Kz+%s/7=%dQx~Vw", strings.ToUpper(strings.ReplaceAll(of, "-", "")), len(b.all)+10)
	b.all = append(b.all, canary{of, user, text})
	return text
}

// search fails for each canary that a text holds.
func (b *birds) search(t *testing.T, where, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, c := range b.all {
		for _, f := range c.forms() {
			if at := strings.Index(text, strings.ToLower(f)); at >= 0 {
				t.Errorf("%s tells the secret of %s: …%s…", where, c.of, text[max(0, at-150):min(len(text), at+len(f)+60)])
				break
			}
		}
	}
}

// number is somebody's, in tickets; no log tells all of it.
const number = "0199005678912"

func noNumber(t *testing.T, where, text string) {
	t.Helper()
	if at := strings.Index(text, number); at >= 0 {
		t.Errorf("%s tells a telephone number: …%s…", where, text[max(0, at-200):min(len(text), at+60)])
	}
}

// Passwords and tokens go over every wire that has them, right and wrong, to PBXs
// that repeat them wherever they can. Nothing that people read or that is kept
// holds one.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := &wiretap{t: t, dir: t.TempDir()}
	links := w.links()
	o := newOperator(t, site(links...))
	in := kit.Start(t, binary, "", "-c", o.file, "--debug")
	w.visit(in)
	kit.Await(t, "every PBX was asked", func() bool { return len(w.quiet()) == 0 }, func() string { return fmt.Sprint(w.quiet()) })
	w.awaitProblems(o)
	in.Await(fmt.Sprintf("SELECT count() >= 3 FROM (SELECT raw FROM calls UNION ALL SELECT raw FROM other_tickets FINAL) WHERE raw LIKE '%%%s%%'", number), 1)

	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"check"}, {"check", "--json"}, {"models"}, {"reload"}, {"status", "lyon/nobody"}} {
		run := o.try
		if args[0] == "models" {
			run = plain
		}
		out, err := run(args...)
		what := "trunkline " + strings.Join(args, " ")
		if len(out) < 20 {
			t.Errorf("%s tells nothing: %q, %v", what, out, err)
		}
		w.search(t, what, out)
		if args[0] != "check" { // it shows the newest ticket
			noNumber(t, what, out)
		}
		if args[0] == "check" && len(args) == 1 {
			contains(t, out, "lyon/ftp-wrong", "530", "lyon/wazo-away", "sends us elsewhere")
		}
	}
	w.broken(o)
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		text := fetch(t, "http://"+in.Metrics+path)
		w.search(t, path, text)
		noNumber(t, path, text)
	}
	for _, table := range []string{"calls", "cdrs", "other_tickets", "receipts"} {
		w.search(t, "table "+table, in.MustQuery("SELECT * FROM "+table+" FORMAT TSVRaw"))
	}
	w.streams(o)
	if err := in.Stop(); err != nil {
		t.Error(err)
	}
	w.search(t, "the log", in.Log())
	noNumber(t, "the log", in.Log())
	w.search(t, "the data folder", tree(t, o.data))
	contains(t, in.Log(), "collecting is in trouble", "the PBX is not reached")
}

// plain runs a command that takes no configuration.
func plain(args ...string) (string, error) {
	out, err := exec.Command(binary, args...).CombinedOutput()
	return string(out), err
}

// awaitProblems waits until the state of each link that has trouble says so.
func (w *wiretap) awaitProblems(o *operator) {
	w.t.Helper()
	var missing []string
	kit.Await(w.t, "the links tell their trouble", func() bool {
		var all struct {
			Links []struct {
				Name    string
				State   struct{ Problem string }
				Problem string
			}
		}
		out, err := o.try("status", "--json")
		if err != nil || json.Unmarshal([]byte(out), &all) != nil {
			return false
		}
		missing = slices.Clone(w.troubled)
		for _, l := range all.Links {
			if l.Problem != "" || l.State.Problem != "" {
				missing = slices.DeleteFunc(missing, func(s string) bool { return "lyon/"+s == l.Name })
			}
		}
		return len(missing) == 0
	}, func() string { return fmt.Sprintf("nothing is said of %v", missing) })
}

// broken drops in a configuration with secrets where they do not belong.
func (w *wiretap) broken(o *operator) {
	w.t.Helper()
	pw := w.hatch("broken", "reader")
	for i, wire := range []string{
		fmt.Sprintf("http: {url: \"http://reader:%s@10.1.0.9/x/\"}", pw),
		fmt.Sprintf("http: {url: \"http://10.1.0.9/x/?password=%s\"}", pw),
		fmt.Sprintf("http: {url: \"http://10.1.0.9/x/\", user: reader, password: %q}", pw),
		fmt.Sprintf("http: {url: \"http://10.1.0.9/x/\", user: reader, password_env: {%q: 1}, password_file: [%q]}", "a", pw),
	} {
		o.sites("broken.yaml", fmt.Sprintf("sites:\n  - id: broken-%d\n    timezone: Europe/Paris\n    country: FR\n    links:\n      - {id: x, model: mitel-a5000-v2, %s}\n", i, wire))
		for _, args := range [][]string{{"reload"}, {"check"}, {"status"}} {
			out, err := o.try(args...)
			if err == nil || !strings.Contains(out, "broken.yaml:6") {
				w.t.Errorf("%s takes a broken configuration: %v\n%s", args, err, out)
			}
			w.search(w.t, "trunkline "+args[0]+" of a broken configuration", out)
		}
	}
	if err := os.Remove(filepath.Join(filepath.Dir(o.file), "sites.d", "broken.yaml")); err != nil {
		w.t.Fatal(err)
	}
}

// streams searches everything that NATS keeps, buckets too.
func (w *wiretap) streams(o *operator) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	nc, err := nats.Connect(o.nats())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	names := js.StreamNames(ctx)
	seen := 0
	for name := range names.Name() {
		s, err := js.Stream(ctx, name)
		if err != nil {
			w.t.Fatal(err)
		}
		state := s.CachedInfo().State
		for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
			m, err := s.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				w.t.Fatal(err)
			}
			seen++
			w.search(w.t, "stream "+name, fmt.Sprintf("%s %v %s", m.Subject, m.Header, m.Data))
		}
	}
	if err := names.Err(); err != nil || seen < 10 {
		w.t.Errorf("%d messages, %v", seen, err)
	}
}

// nats is where the program's NATS listens.
func (o *operator) nats() string {
	o.t.Helper()
	text, err := os.ReadFile(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	m := regexp.MustCompile(`nats://[^"]+`).Find(text)
	if m == nil {
		o.t.Fatalf("no address of NATS in %s", text)
	}
	return string(m)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// tree is all that a folder holds.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(path + "\n")
		all.Write(b)
		return err
	})
	if err != nil || all.Len() == 0 {
		t.Fatalf("%d bytes: %v", all.Len(), err)
	}
	return all.String()
}
