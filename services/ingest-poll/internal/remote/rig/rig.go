// Package rig is what the tests of FTP and SFTP share: a folder that a real server
// serves, a link on a real NATS server, and a password that may appear nowhere.
package rig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Canary is the password of the tests.
const Canary = "canary-p4ssw0rd-of-the-tests"

// Rig is a folder and a link.
type Rig struct {
	testing.TB
	NATS   *kit.NATS
	Clock  *kit.Clock
	Health kit.Health
	// Dir is the folder, Temp that of temporary files.
	Dir, Temp string
	Link      *link.Link
	log       strings.Builder
	registry  *prometheus.Registry
	loaded    link.Collector
}

// New makes a rig with a link of a model. When the test ends it makes sure that
// the password went nowhere and that no temporary file is left.
func New(t testing.TB, model string) *Rig {
	t.Helper()
	r := &Rig{TB: t, NATS: kit.Start(t), Clock: kit.NewClock(), Dir: t.TempDir(), Temp: t.TempDir()}
	r.Restart(model)
	t.Cleanup(func() {
		if left := Names(t, r.Temp); len(left) > 0 {
			t.Errorf("temporary files are left: %v", left)
		}
	})
	return r
}

// Restart makes the link anew, as a new process would.
func (r *Rig) Restart(model string) {
	r.Helper()
	r.registry = prometheus.NewRegistry()
	meters, err := link.NewMeters(r.registry)
	if err != nil {
		r.Fatal(err)
	}
	r.loaded = nil
	r.Link = r.NATS.Link(r, model, r.Clock.Now, func(o *link.Options) {
		o.Health = r.Health.Set
		o.Log = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Metrics = meters.Of("lyon", "pbx")
	})
}

// Secret is the password, in a file.
func (r *Rig) Secret() config.Secret { return r.SecretOf(Canary) }

// SecretOf is another password, in a file.
func (r *Rig) SecretOf(password string) config.Secret {
	r.Helper()
	name := filepath.Join(r.TempDir(), "password")
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		r.Fatal(err)
	}
	return config.Secret{PasswordFile: name}
}

// Look looks once.
func (r *Rig) Look(c link.Collector) error { return r.LookWith(context.Background(), c) }

// LookWith looks once. What it told must not hold the password.
func (r *Rig) LookWith(ctx context.Context, c link.Collector) error {
	r.Helper()
	if r.loaded != c {
		if err := c.Load(ctx); err != nil {
			r.Fatal(err)
		}
		r.loaded = c
	}
	err := kit.Look(ctx, r.Link, c)
	r.silent(err)
	return err
}

func (r *Rig) silent(err error) {
	r.Helper()
	metrics, gatherErr := r.registry.Gather()
	if gatherErr != nil {
		r.Fatal(gatherErr)
	}
	told := fmt.Sprint(err, r.Health.Text(), r.log.String(), metrics, r.Link.State())
	if strings.Contains(told, Canary) {
		r.Fatalf("the password is told: %s", told)
	}
}

// Collect looks until what is there has settled and is collected.
func (r *Rig) Collect(c link.Collector) {
	r.Helper()
	for range 2 {
		if err := r.Look(c); err != nil {
			r.Fatal(err)
		}
		r.Clock.Add(2 * time.Minute)
	}
}

// Refused makes sure that a password that is refused is tried three times, and not
// again in the minute. tried is how often it was.
func (r *Rig) Refused(c link.Collector, tried func() int32, words ...string) {
	r.Helper()
	for range 10 {
		if err := r.Look(c); !Gone(err) {
			r.Fatal(err)
		}
		r.Ill(append(words, "log-in is refused")...)
		r.Clock.Add(5 * time.Second)
	}
	if n := tried(); n != 3 {
		r.Fatalf("%d log-ins in a minute", n)
	}
	r.Ill("once a minute")
}

// Corrected corrects the password's file, and makes sure that it is tried at once
// and collects these tickets.
func (r *Rig) Corrected(c link.Collector, s config.Secret, want ...string) {
	r.Helper()
	if err := os.WriteFile(s.PasswordFile, []byte(Canary+"\n"), 0o600); err != nil {
		r.Fatal(err)
	}
	r.Clock.Add(time.Second)
	r.Collect(c)
	r.Healthy()
	r.Tickets(want...)
}

// Healthy makes sure that nothing is wrong.
func (r *Rig) Healthy() {
	r.Helper()
	if text := r.Health.Text(); text != "" {
		r.Fatalf("not well: %s", text)
	}
}

// Ill makes sure of what is wrong.
func (r *Rig) Ill(words ...string) {
	r.Helper()
	text := r.Health.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			r.Fatalf("health %q does not say %q", text, w)
		}
	}
}

// Tickets makes sure of the tickets that arrived, each once.
func (r *Rig) Tickets(want ...string) {
	r.Helper()
	got := kit.Texts(r.NATS.Collected(r))
	for i := range got {
		got[i] = strings.TrimRight(got[i], "\r\n")
	}
	slices.Sort(got)
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		r.Fatalf("%d tickets, want %d: %.40q, want %.40q", len(got), len(want), got[:min(3, len(got))], want[:min(3, len(want))])
	}
}

// Lines are tickets with the numbers from one to before another: the file of them,
// and each.
func Lines(from, to int) (text string, each []string) {
	for i := from; i < to; i++ {
		each = append(each, fmt.Sprintf("%06d|21.11.26|09:00:00|201|01632960%03d", i, i%1000))
	}
	return strings.Join(each, "\r\n") + "\r\n", each
}

// Write writes a file of the folder as of the clock's time.
func (r *Rig) Write(name, content string) { r.WriteAt(name, content, r.Clock.Now()) }

// WriteAt writes a file as of a time.
func (r *Rig) WriteAt(name, content string, at time.Time) {
	r.Helper()
	p := filepath.Join(r.Dir, name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
	if err := os.Chtimes(p, at, at); err != nil {
		r.Fatal(err)
	}
}

// Names lists a folder.
func Names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// Gone tells that a server could not be reached.
func Gone(err error) bool { return errors.Is(err, files.ErrAway) }

// Program finds a real server.
func Program(t testing.TB, name string) string {
	t.Helper()
	for _, p := range []string{"/usr/sbin/" + name, name, "/usr/local/sbin/" + name} {
		if p, err := exec.LookPath(p); err == nil {
			return p
		}
	}
	t.Fatalf("this test needs a real server and there is no %s: run `make servers`", name)
	return ""
}

// Serve starts a private server on a free port until the test ends. start makes
// its command for a port; another one is tried where somebody was faster.
func Serve(t testing.TB, start func(port int) *exec.Cmd) (addr string) {
	t.Helper()
	var said strings.Builder
	for range 5 {
		port := freePort(t)
		cmd := start(port)
		said.Reset()
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		stop := func() {
			_ = cmd.Process.Kill()
			<-ended
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if answers(addr, ended) {
			t.Cleanup(stop)
			return addr
		}
		stop()
	}
	t.Fatalf("the server does not start: %s", said.String())
	return ""
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func answers(addr string, ended <-chan struct{}) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			return false
		default:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

// Cutter is a proxy before a server that breaks connections on command.
type Cutter struct {
	Addr string
	to   string
	// Cut breaks a connection to the server once so many bytes came from it; 0:
	// never. It is asked for each connection, the first being 1.
	Cut func(n int) int64
}

// NewCutter starts a proxy until the test ends.
func NewCutter(t testing.TB, to string, cut func(n int) int64) *Cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := &Cutter{Addr: l.Addr().String(), to: to, Cut: cut}
	go func() {
		for n := 1; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(in.(*net.TCPConn), cut(n))
		}
	}()
	return c
}

func (c *Cutter) carry(in *net.TCPConn, most int64) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = out.(*net.TCPConn).ReadFrom(in)
		_ = out.Close()
	}()
	buf := make([]byte, 4096)
	for sent := int64(0); ; {
		n, err := out.Read(buf)
		if most > 0 && sent+int64(n) > most {
			_ = in.SetLinger(0) // a reset
			return
		}
		if sent += int64(n); n > 0 {
			if _, err := in.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
