package receive

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// canary is the password of every user: it must show up nowhere.
const canary = "c4n4ry-5ecret"

// rig is servers, and the NATS that collected tickets go to.
type rig struct {
	*Servers
	t      testing.TB
	nats   *kit.NATS
	log    kit.Log
	reg    *prometheus.Registry
	meters *link.Meters
	secret config.Secret
	health map[string]*kit.Health
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, reg: prometheus.NewRegistry(), health: make(map[string]*kit.Health)}
	log := slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.meters, err = link.NewMeters(r.reg); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.secret = config.Secret{PasswordFile: file}
	r.Servers = NewServers(t.TempDir(), log)
	t.Cleanup(func() {
		if strings.Contains(r.log.String(), canary) {
			t.Error("the password is in the log")
		}
		for name, h := range r.health {
			if strings.Contains(h.Text(), canary) {
				t.Error("the password is in the health of", name)
			}
		}
		families, err := r.reg.Gather()
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(fmt.Sprint(families), canary) {
			t.Error("the password is in a metric")
		}
	})
	return r
}

// link is a link of the site lyon.
func (r *rig) link(model, id string) *link.Link {
	r.t.Helper()
	if r.nats == nil {
		r.nats = &kit.NATS{}
	}
	h := &kit.Health{}
	r.health[id] = h
	return r.nats.Link(r.t, model, time.Now, func(o *link.Options) {
		o.Address = wire.Address{Model: model, Site: "lyon", Link: id}
		o.Log = r.Servers.log
		o.Metrics = r.meters.Of("lyon", id)
		o.Health = h.Set
	})
}

// ftp serves a link over FTP until the test ends.
func (r *rig) ftp(model, id string, change ...func(*config.FTPServer)) *Receiver {
	r.t.Helper()
	c := &config.FTPServer{Receiver: config.Receiver{Listen: "127.0.0.1:0", Secret: r.secret}}
	for _, f := range change {
		f(c)
	}
	x, err := r.FTP(r.link(model, id), c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(x)
	return x
}

func (r *rig) sftp(model, id string, change ...func(*config.SFTPServer)) *Receiver {
	r.t.Helper()
	c := &config.SFTPServer{Receiver: config.Receiver{Listen: "127.0.0.1:0", Secret: r.secret}}
	for _, f := range change {
		f(c)
	}
	x, err := r.SFTP(r.link(model, id), c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(x)
	return x
}

// serve serves until stop.
func (r *rig) serve(x *Receiver) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		x.Serve(ctx, func() { close(ready) })
	}()
	<-ready
	stop = func() {
		cancel()
		<-done
	}
	r.t.Cleanup(stop)
	return stop
}

// collect collects what is there, and its tickets arrive at NATS.
func (r *rig) collect(x *Receiver) {
	r.t.Helper()
	if err := x.Load(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.look(x)
}

// look looks once more.
func (r *rig) look(x *Receiver) {
	r.t.Helper()
	if err := kit.Look(r.t.Context(), x.l, x); err != nil {
		r.t.Fatal(err)
	}
}

// alarm looks and wants to hear of something.
func (r *rig) alarm(x *Receiver, words ...string) {
	r.t.Helper()
	r.look(x)
	text := r.health[x.l.Link].Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			r.t.Errorf("the alarm says %q, nothing of %q", text, w)
		}
	}
	if len(words) == 0 && text != "" {
		r.t.Errorf("there is an alarm: %q", text)
	}
}

// count reads a counter of a link.
func (r *rig) count(name, id, result string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "trunkline_poll_"+name && labels["link"] == id && labels["result"] == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// texts are the tickets that arrived, in the order of their origins.
func (r *rig) texts() []string {
	r.t.Helper()
	return kit.Texts(r.nats.Collected(r.t))
}

func (r *rig) expect(want ...string) {
	r.t.Helper()
	got := r.texts()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("tickets\n%q, want\n%q", got, want)
	}
}

// visible are the names in the folder, ours without what tells them apart.
func visible(t testing.TB, x *Receiver) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{x.dir, filepath.Join(x.dir, ours)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := e.Name()
			if name == ours || name == "id" {
				continue
			}
			if kind, rest, ok := strings.Cut(name, "-"); dir != x.dir && ok {
				_, rest, _ = strings.Cut(rest, "-")
				name = kind + ":" + rest
			}
			out = append(out, name)
		}
	}
	return out
}

func holds(t testing.TB, x *Receiver, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(x.dir, name))
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
	}
}

// put uploads as a server does.
func put(t testing.TB, x *Receiver, name, text string, m mode) error {
	t.Helper()
	u, err := x.create(name, m, nil)
	if err != nil {
		return err
	}
	if _, err := u.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return u.Close()
}

func mustPut(t testing.TB, x *Receiver, name, text string, m mode) {
	t.Helper()
	if err := put(t, x, name, text, m); err != nil {
		t.Fatal(err)
	}
}

// program finds a client of the distribution.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: run `make servers`: %v", name, err)
	}
	return path
}

// client runs one, and returns what it said.
func client(t testing.TB, cmd *exec.Cmd) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// cdr is a file of a CUCM.
func cdr(ids ...string) string {
	var b strings.Builder
	b.WriteString("\"cdrRecordType\",\"pkid\"\nINTEGER,UNIQUEIDENTIFIER\n")
	for _, id := range ids {
		fmt.Fprintf(&b, "1,\"%s\"\n", id)
	}
	return b.String()
}

func line(id string) string { return fmt.Sprintf("1,\"%s\"", id) }

// smdr is a line of a 3300.
func smdr(n int) string {
	return fmt.Sprintf("-10/05 09:%02d   00:01:00 %04d    006 01632960%03d", n%60, 1000+n, n)
}

func log(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(smdr(n) + "\r\n")
	}
	return b.String()
}

func smdrs(from, to int) []string {
	var out []string
	for n := from; n < to; n++ {
		out = append(out, smdr(n))
	}
	return out
}
