package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// hub is the NATS server of the services, as a site reaches it.
type hub struct {
	t    *testing.T
	opts server.Options
	srv  *server.Server
	bus  *bus.Bus

	last uint64 // the last message that was read
	had  []*bus.TicketMessage
}

// site is the user of a site, with the rights that docs/spool.md gives it.
func site(id string) *server.User {
	return &server.User{Username: id, Password: "secret-" + id, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"tickets.v1.*." + id + ".*", "$KV.links." + id + ".*", "events.v1." + id + ".>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"ask.v1.links", "ask.v1.reload", "_INBOX_" + id + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 100, Expires: time.Minute},
	}}
}

// newHub makes a hub whose streams exist, and stops it.
func newHub(t *testing.T, sites ...string) *hub {
	t.Helper()
	h := &hub{t: t, opts: server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "services", Password: "services"}},
	}}
	for _, id := range sites {
		h.opts.Users = append(h.opts.Users, site(id))
	}
	h.start()
	h.opts.Port = h.srv.Addr().(*net.TCPAddr).Port
	t.Cleanup(func() { h.stop() })
	var err error
	h.bus, err = bus.Connect(bus.Config{
		URL: fmt.Sprintf("nats://services:services@127.0.0.1:%d", h.opts.Port), Name: "test", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.bus.Run(ctx, func() {}) }()
	t.Cleanup(func() { cancel(); <-done })
	if err := h.bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.stop()
	return h
}

func (h *hub) start() {
	h.t.Helper()
	opts := h.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		h.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		h.t.Fatal("the hub does not start")
	}
	h.srv = srv
	if h.bus != nil {
		kit.Await(h.t, "the services are back", h.bus.Conn.IsConnected, func() string { return h.bus.Conn.Status().String() })
	}
}

func (h *hub) stop() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
	if h.bus != nil {
		kit.Await(h.t, "the services notice", func() bool { return !h.bus.Conn.IsConnected() }, func() string { return "they do not" })
	}
}

// url is how a site's user reaches the hub.
func (h *hub) url(site string) string {
	return fmt.Sprintf("nats://%s:secret-%s@127.0.0.1:%d", site, site, h.opts.Port)
}

// messages are those of the stream TICKETS, in order.
func (h *hub) messages() []*bus.TicketMessage {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := h.bus.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		h.t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	if last == h.last {
		return h.had
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		h.t.Fatal(err)
	}
	it, err := c.Messages()
	if err != nil {
		h.t.Fatal(err)
	}
	defer it.Stop()
	defer func() { _ = s.DeleteConsumer(ctx, c.CachedInfo().Name) }()
	var out []*bus.TicketMessage
	for range s.CachedInfo().State.Msgs {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			h.t.Fatal(err)
		}
		m, err := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data())
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, m)
	}
	h.last, h.had = last, out
	return out
}

// lines are the tickets of a link, in the order in which they came; a message
// that came twice is an error.
func (h *hub) lines(site, link string) (out []string) {
	h.t.Helper()
	ids := make(map[string]bool)
	for _, m := range h.messages() {
		if m.Site != site || m.Link != link {
			continue
		}
		if ids[m.ID] {
			h.t.Errorf("%s/%s: the message at %s %s came twice", site, link, m.Origin, m.Offset)
		}
		ids[m.ID] = true
		for line := range strings.Lines(string(m.Payload)) {
			out = append(out, line)
		}
	}
	return out
}

// process is a running service.
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	metrics string
	mu      sync.Mutex
	log     bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start runs a service until the test ends. sites is the rest of the
// configuration.
func start(t testing.TB, name, data, nats, sites string) *process {
	t.Helper()
	return startUnder(t, nil, name, data, nats, sites)
}

// startUnder is start with a command in front, that runs the service.
func startUnder(t testing.TB, tool []string, name, data, nats, sites string) *process {
	t.Helper()
	metrics := kit.FreePort(t)
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	text := fmt.Sprintf("data: %q\nnats: %s\nmetrics: {listen: %q}\n%s", data, nats, metrics, sites)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(tool[:len(tool):len(tool)], filepath.Join(binaries, name), "-c", file)
	return spawn(t, metrics, exec.Command(args[0], args[1:]...))
}

// spawn runs a command until the test ends.
func spawn(t testing.TB, metrics string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, metrics: metrics, cmd: cmd}
	cmd.Stdout, cmd.Stderr = p, p
	// A group of its own: what runs under a tracer ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text := p.Log()
			t.Logf("%s: the end of the log:\n%s", cmd.Args, text[max(0, len(text)-4<<10):])
		}
	})
	return p
}

// kill ends it as a power cut would.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop asks it to drain.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("it stopped with %v", err)
	}
}

// metric is the sum of a metric's values whose labels hold a text.
func (p *process) metric(name, labels string) (sum float64) {
	_, body := p.get("/metrics")
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(line, labels) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err == nil {
			sum += v
		}
	}
	return sum
}

func (p *process) get(path string) (code int, body string) {
	res, err := http.Get("http://" + p.metrics + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// await waits until a metric has a value.
func (p *process) await(name, labels string, want float64) {
	p.t.Helper()
	kit.Await(p.t, fmt.Sprintf("%s{%s} is %v", name, labels, want), func() bool { return p.metric(name, labels) == want },
		func() string { return fmt.Sprintf("it is %v", p.metric(name, labels)) })
}

// pbx is a PBX that connects to us and sends numbered tickets.
type pbx struct {
	t    *testing.T
	addr string
	conn net.Conn
	sent []string
	size int // of a ticket; 0: small
}

func (p *pbx) connect() {
	p.t.Helper()
	if p.conn != nil {
		p.conn.Close()
	}
	kit.Await(p.t, p.addr+" is bound", func() bool {
		c, err := net.Dial("tcp", p.addr)
		p.conn = c
		return err == nil
	}, func() string { return "it is not" })
	p.t.Cleanup(func() { p.conn.Close() })
}

// send sends n tickets, and waits for as long as nobody reads them.
func (p *pbx) send(n int) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, p.tickets(n)); err != nil {
		p.t.Fatal(err)
	}
}

// tickets makes the next n.
func (p *pbx) tickets(n int) string {
	var text strings.Builder
	for range n {
		line := fmt.Sprintf("2026/11/20 10:00:00,00:00:05,3,0199000123,I,201,0199000199,,0,%d,0,E201,Reception,T9001,Line 1.0,0,0,,,,,,,,,,,%s\r\n", 1000000+len(p.sent), strings.Repeat("x", p.size))
		p.sent = append(p.sent, line)
		text.WriteString(line)
	}
	return text.String()
}

// compare fails unless the hub has what was sent, each once and in order.
func (p *pbx) compare(h *hub, site, link string) {
	p.t.Helper()
	got := h.lines(site, link)
	for i, line := range got {
		if i >= len(p.sent) || line != p.sent[i] {
			p.t.Fatalf("%s/%s: ticket %d of %d is %.60q", site, link, i, len(got), line)
		}
	}
	if len(got) != len(p.sent) {
		p.t.Errorf("%s/%s: %d tickets, want %d", site, link, len(got), len(p.sent))
	}
}

// ask asks the processes how their links are, as trunkline status does.
func (h *hub) ask(subject string, question []byte) (answers [][]byte) {
	h.t.Helper()
	inbox := nats.NewInbox()
	sub, err := h.bus.Conn.SubscribeSync(inbox)
	if err != nil {
		h.t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := h.bus.Conn.PublishRequest(subject, inbox, question); err != nil {
		h.t.Fatal(err)
	}
	for {
		msg, err := sub.NextMsg(500 * time.Millisecond)
		if err != nil {
			return answers
		}
		answers = append(answers, msg.Data)
	}
}
