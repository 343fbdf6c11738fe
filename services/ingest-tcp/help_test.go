package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
)

// await waits for a condition of another goroutine's making.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: it did not happen within 20 s", what)
}

// rig is a NATS server, a bus and a committer on it.
type rig struct {
	t      testing.TB
	dir    string
	addr   string
	server *natsd.Server
	bus    *bus.Bus
	commit *bus.Committer
	log    *logged
}

// newRig starts a bus; with listening its server has a socket and can be
// restarted, and does not run yet.
func newRig(t testing.TB, listening bool) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &logged{}}
	cfg := bus.Config{Name: "test", Log: slog.New(slog.DiscardHandler)}
	if listening {
		r.addr = "127.0.0.1:0"
		r.start()
		r.addr = strings.TrimPrefix(r.server.URL(), "nats://")
		r.stop()
		cfg.URL = "nats://" + r.addr
	} else {
		r.start()
		cfg.URL, cfg.Options = "nats://embedded", []nats.Option{r.server.Option()}
	}
	t.Cleanup(r.stop)
	var err error
	if r.bus, err = bus.Connect(cfg); err != nil {
		t.Fatal(err)
	}
	r.commit = r.bus.NewCommitter(wire.StreamTickets)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { r.bus.Run(ctx, func() {}) })
	all.Go(func() { r.commit.Run(ctx) })
	t.Cleanup(func() { cancel(); all.Wait(); r.bus.Close() })
	return r
}

func (r *rig) start() {
	r.t.Helper()
	var err error
	if r.server, err = natsd.Start(natsd.Config{Dir: r.dir, Listen: r.addr}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stop() {
	if r.server != nil {
		r.server.Stop()
		r.server = nil
	}
}

// service makes a service that hurries.
func (r *rig) service(links ...config.LinkOf) *Service {
	r.t.Helper()
	s, err := New(links, Deps{
		Bus: r.bus, Tickets: r.commit, Log: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: prometheus.NewRegistry(),
		SetHealth: r.log.health,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.timing.settle = 100 * time.Millisecond
	s.timing.redial = [2]time.Duration{10 * time.Millisecond, 40 * time.Millisecond}
	s.timing.rejected, s.timing.locked = 20*time.Millisecond, 40*time.Millisecond
	s.timing.bind = [2]time.Duration{10 * time.Millisecond, 40 * time.Millisecond}
	s.timing.refused = [2]time.Duration{10 * time.Millisecond, 40 * time.Millisecond}
	s.timing.warnEvery = 0
	return s
}

// run runs a service until stop, or the test's end.
func (r *rig) run(s *Service) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Error(err)
			}
		case <-time.After(20 * time.Second):
			r.t.Error("the service does not end")
		}
	})
	r.t.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		r.t.Fatal("the service is not ready")
	}
	return stop
}

// newLink makes a link of site lyon.
func newLink(id, model string, tcp config.TCP) config.LinkOf {
	return config.LinkOf{
		Link: &config.Link{ID: id, Model: model, TCP: &tcp},
		Site: &config.Site{ID: "lyon", Timezone: "Europe/Paris", Country: "FR"},
	}
}

func listening(id string) config.LinkOf {
	return newLink(id, "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0"})
}

// connect opens a connection to a listening link.
func connect(t testing.TB, s *Service, link string) *net.TCPConn {
	t.Helper()
	await(t, "bound", func() bool { return s.Addr("lyon", link) != nil })
	c, err := net.Dial("tcp", s.Addr("lyon", link).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// messages reads the whole stream.
func (r *rig) messages() []*bus.TicketMessage {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.bus.Ready(ctx); err != nil {
		r.t.Fatal(err)
	}
	stream, err := r.bus.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []*bus.TicketMessage
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		raw, err := stream.GetMsg(ctx, seq)
		if err != nil {
			r.t.Fatal(err)
		}
		m, err := bus.ReadTicketMessage(raw.Subject, raw.Header, raw.Data)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// lines are the whole tickets of the stream, and what is marked incomplete.
func (r *rig) lines() (whole, incomplete []string) {
	r.t.Helper()
	ends := map[string]int64{}
	for _, m := range r.messages() {
		var offset int64
		fmt.Sscan(m.Offset, &offset)
		if offset < ends[m.Origin] {
			r.t.Errorf("offset %d of %s comes behind %d", offset, m.Origin, ends[m.Origin])
		}
		ends[m.Origin] = offset + int64(len(m.Payload))
		if m.Incomplete != "" {
			incomplete = append(incomplete, m.Incomplete+" "+string(m.Payload))
			continue
		}
		if err := cut.Each(cut.Lines, m.Payload, func(_ int, line []byte) bool {
			whole = append(whole, string(line))
			return true
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	return whole, incomplete
}

// awaitLines waits for so many whole tickets.
func (r *rig) awaitLines(n int) []string {
	r.t.Helper()
	var got []string
	await(r.t, fmt.Sprintf("%d tickets", n), func() bool {
		got, _ = r.lines()
		return len(got) >= n
	})
	if len(got) > n {
		r.t.Fatalf("%d tickets, want %d: %q", len(got), n, got[n:])
	}
	return got
}

// numbered are lines that can be told apart.
func numbered(from, n int) (lines []string, text string) {
	var b strings.Builder
	for i := range n {
		line := fmt.Sprintf("2026/03/04 10:00:00,00:00:10,3,0199000012,I,201,%d,%s", from+i, strings.Repeat("x", 60))
		lines = append(lines, line)
		b.WriteString(line + "\r\n")
	}
	return lines, b.String()
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of %d and %d: got %q, want %q", i, len(got), len(want), got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
}

func value(t testing.TB, c prometheus.Collector, labels map[string]string) float64 {
	t.Helper()
	ch := make(chan prometheus.Metric, 1000)
	c.Collect(ch)
	close(ch)
	sum := 0.0
metrics:
	for m := range ch {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		have := map[string]string{}
		for _, l := range d.Label {
			have[l.GetName()] = l.GetValue()
		}
		for k, v := range labels {
			if have[k] != v {
				continue metrics
			}
		}
		sum += d.Counter.GetValue() + d.Gauge.GetValue()
	}
	return sum
}

func (s *Service) results(t testing.TB, result string) int {
	return int(value(t, s.metrics.connected, map[string]string{"result": result}))
}

// logged keeps what was logged, and the health.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
	ill  map[string]error
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) health(part string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ill == nil {
		l.ill = make(map[string]error)
	}
	delete(l.ill, part)
	if err != nil {
		l.ill[part] = err
	}
}

func (l *logged) unhealthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []error
	for _, err := range l.ill {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// settings are what the parser is told of a link.
func (r *rig) settings(site, link string) pbx.Settings {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	var found pbx.Settings
	err := r.bus.Links.Watch(ctx, func(s pbx.Settings) {
		if s.Site == site && s.Link == link {
			found = s
		}
	}, cancel)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}
