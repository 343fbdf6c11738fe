package post

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const canary = "Canary-77f0"

// door is a publisher that can be shut, as when NATS is away.
type door struct {
	link.Publisher
	mu    sync.Mutex
	shut  chan struct{} // nil: it is open
	err   error
	calls int
}

func (d *door) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	d.mu.Lock()
	shut, err := d.shut, d.err
	d.calls++
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return d.Publisher.Publish(ctx, msgs...)
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = make(chan struct{})
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.shut)
	d.shut = nil
}

func (d *door) refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *door) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// rig is a process with one link on a real NATS server.
type rig struct {
	t      testing.TB
	nats   *kit.NATS
	door   *door
	health kit.Health
	log    kit.Log
	cfg    config.HTTPServer
	model  string
	timing timing

	*Servers
	end  *Endpoint
	stop func()
	url  string
}

func newRig(t testing.TB, change ...func(*rig)) *rig {
	t.Helper()
	t.Setenv("POST_PASSWORD", canary)
	r := &rig{t: t, nats: kit.Start(t), model: "mitel-3300", timing: usual}
	r.timing.alarms, r.timing.bind = 5*time.Millisecond, 10*time.Millisecond
	r.door = &door{Publisher: r.nats.Tickets}
	r.cfg = config.HTTPServer{Listen: "127.0.0.1:0"}
	for _, c := range change {
		c(r)
	}
	r.restart()
	t.Cleanup(func() {
		r.stop()
		if all := r.log.String() + r.health.Text(); strings.Contains(all, canary) {
			t.Error("the password is in the log or the state")
		}
	})
	return r
}

func (r *rig) endpoint(id string, cfg *config.HTTPServer) *Endpoint {
	r.t.Helper()
	l := r.nats.Link(r.t, r.model, time.Now, func(o *link.Options) {
		o.Health, o.Publisher = r.health.Set, r.door
		o.Address.Link = id
		o.Log = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	e, err := New(l, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// run runs an endpoint; the result stops it.
func (r *rig) run(e *Endpoint) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	prepared := make(chan struct{})
	running.Go(func() {
		r.Run(ctx, e, func(context.Context) error { close(prepared); return nil }, func() {})
	})
	<-prepared
	kit.Await(r.t, "the link is open", func() bool {
		for _, a := range r.all() {
			if p := a.place(e.cfg.Path); p != nil && p.Endpoint == e && p.open {
				return true
			}
		}
		return false
	})
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

func (s *Servers) all() (out []*address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.addresses {
		out = append(out, a)
	}
	return out
}

// restart is a new process.
func (r *rig) restart() {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
	}
	r.Servers = NewServers(slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r.Servers.timing = r.timing
	r.end = r.endpoint("pbx", &r.cfg)
	r.stop = r.run(r.end)
	scheme := "http"
	if r.cfg.TLS != nil {
		scheme = "https"
	}
	r.url = scheme + "://" + r.Addr(r.end).String() + r.end.cfg.Path
}

// curl is the PBX. It gives the status and what was answered.
func (r *rig) curl(body string, args ...string) (status, text string) {
	r.t.Helper()
	status, text, err := r.tryCurl(body, args...)
	if err != nil {
		r.t.Fatalf("curl %q: %v: %s", args, err, text)
	}
	return status, text
}

func (r *rig) tryCurl(body string, args ...string) (status, text string, err error) {
	program, err := exec.LookPath("curl")
	if err != nil {
		r.t.Fatal("this test needs curl: make servers installs it")
	}
	all := append([]string{"-sS", "--max-time", "20", "-D", "-", "-w", "\n%{http_code}"}, args...)
	if !slices.ContainsFunc(all, func(a string) bool { return strings.HasPrefix(a, "http") }) {
		all = append(all, r.url)
	}
	cmd := exec.Command(program, all...)
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	text = string(out)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		status, text = text[i+1:], text[:i]
	}
	return status, text, err
}

func (r *rig) post(body string, args ...string) {
	r.t.Helper()
	if status, text := r.curl(body, append([]string{"--data-binary", "@-"}, args...)...); status != "200" {
		r.t.Fatalf("%s: %s", status, text)
	}
}

func (r *rig) texts(want ...string) {
	r.t.Helper()
	r.nats.Holds(r.t, &r.health, want...)
}

func some(of string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s 01632960123 %d\r\n", of, i)
	}
	return b.String()
}

func texts(of string, n int) []string {
	return strings.Split(strings.TrimSuffix(some(of, n), "\r\n"), "\r\n")
}

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}
