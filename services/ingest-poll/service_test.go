package ingestpoll

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// healths remembers what each part reported last.
type healths struct {
	mu    sync.Mutex
	parts map[string]string
}

func (h *healths) set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts == nil {
		h.parts = make(map[string]string)
	}
	h.parts[part] = fmt.Sprint(err)
}

func (h *healths) of(part string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.parts[part]
}

func site() *config.Site { return &config.Site{ID: "lyon", Timezone: "Europe/Paris", Country: "FR"} }

func folder(id, model, dir string) config.LinkOf {
	return config.LinkOf{Link: &config.Link{ID: id, Model: model, Files: &config.Files{
		Dir: dir, Every: config.Duration(10 * time.Millisecond), Settle: config.Duration(20 * time.Millisecond),
	}}, Site: site()}
}

func newService(t testing.TB, n *kit.NATS, health func(string, error), links ...config.LinkOf) *Service {
	t.Helper()
	s, err := New(links, Deps{
		Bus: n.Bus, Tickets: n.Tickets, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), SetHealth: health,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a service until stop.
func run(t testing.TB, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("not ready")
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func write(t testing.TB, dir, name, body string) {
	t.Helper()
	tmp := filepath.Join(dir, "."+name)
	if err := os.WriteFile(tmp, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func body(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%07d,2026/11/21 09:00:00,00:01:00,201,555-0100\r\n", i)
	}
	return b.String()
}

func expect(t *testing.T, n *kit.NATS, want string) {
	t.Helper()
	got := kit.Texts(n.Collected(t))
	lines := strings.Split(strings.TrimSuffix(want, "\r\n"), "\r\n")
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(lines))) {
		t.Fatalf("%d tickets, want %d", len(got), len(lines))
	}
}

func TestServiceCollects(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	var h healths
	s := newService(t, n, h.set, folder("smdr", "avaya-ipoffice", dir), folder("away", "cisco-cucm", filepath.Join(dir, "no such folder")),
		config.LinkOf{Link: &config.Link{ID: "tcp", Model: "mitel-3300", TCP: &config.TCP{}}, Site: site()})
	if got := len(s.Links()); got != 2 {
		t.Fatalf("%d links", got)
	}
	run(t, s)
	write(t, dir, "SMDR.csv", body(0, 100))
	// The folder that is not there does not disturb the other.
	kit.Await(t, "collecting", func() bool { return s.Links()[0].Tickets == 100 })
	expect(t, n, body(0, 100))
	kit.Await(t, "health", func() bool {
		return h.of("lyon/smdr") == "<nil>" && strings.Contains(h.of("lyon/away"), "site lyon, link away: folder "+dir)
	})
	state := s.Links()
	if got := state[0]; got.Doing != "collecting" || got.Wire != "files" || got.Source != dir || got.LastTicket.IsZero() || got.LastLook.IsZero() {
		t.Errorf("%+v", got)
	}
	if got := state[1]; got.Doing != "failing" || !strings.Contains(got.Problem, "create it") {
		t.Errorf("%+v", got)
	}
	// The parser hears of the link.
	kv, err := n.JS.KeyValue(t.Context(), wire.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), wire.LinkKey("lyon", "smdr"))
	if err != nil {
		t.Fatal(err)
	}
	var settings pbx.Settings
	if err := json.Unmarshal(e.Value(), &settings); err != nil || settings.Timezone != "Europe/Paris" || settings.Model != "avaya-ipoffice" {
		t.Errorf("%+v %v", settings, err)
	}
}

// Killed again and again at random moments, it collects each ticket once.
func TestServiceThatIsKilled(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	n, dir := kit.Start(t), t.TempDir()
	want := body(0, 200_000)
	write(t, dir, "cdr_big", want)
	for i := range 50 {
		part := body(1_000_000+i*10, 1_000_000+i*10+10)
		write(t, dir, fmt.Sprintf("cdr_%d", i), part)
		want += part
	}
	kills := 0
	for done := false; !done; {
		s := newService(t, n, nil, folder("cucm", "cisco-cucm", dir))
		stop, enough := run(t, s), uint64(1+random.IntN(40_000))
		kit.Await(t, "collecting", func() bool {
			l := s.Links()[0]
			done = l.Waiting == 0 && !l.LastLook.IsZero()
			return done || l.Tickets >= enough
		})
		stop()
		kills++
	}
	if kills < 4 {
		t.Errorf("killed %d times: the test proves nothing", kills)
	}
	expect(t, n, want)
}

func TestLeaseIsHandedOver(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	other := kit.Connect(t, n.Server)
	a := newService(t, n, nil, folder("smdr", "avaya-ipoffice", dir))
	b := newService(t, other, nil, folder("smdr", "avaya-ipoffice", dir))
	write(t, dir, "SMDR.csv", body(0, 10))
	stopA := run(t, a)
	kit.Await(t, "collecting by a", func() bool { return a.Links()[0].Tickets == 10 })
	run(t, b)
	if got := b.Links()[0].Doing; got != "standby" {
		t.Errorf("b is %s while a owns the link", got)
	}
	stopA()
	write(t, dir, "SMDR.csv", body(0, 25))
	kit.Await(t, "collecting by b", func() bool { return b.Links()[0].Tickets == 15 })
	expect(t, n, body(0, 25))
	if got := a.Links()[0].Doing; got != "standby" {
		t.Errorf("a is %s", got)
	}
}

func TestNew(t *testing.T) {
	n := kit.Start(t)
	deps := Deps{Bus: n.Bus, Tickets: n.Tickets, Log: slog.New(slog.DiscardHandler)}
	both := folder("a", "asterisk", "/x")
	both.MySQL = &config.MySQL{}
	for want, links := range map[string][]config.LinkOf{
		"site lyon, link a: unknown model":           {folder("a", "nobody", "/x")},
		"site lyon, link a: files: dir is missing":   {folder("a", "asterisk", "")},
		"site lyon, link a: files and mysql":         {both},
		"site lyon, link a: mysql: database is miss": {{Link: &config.Link{ID: "a", Model: "asterisk", MySQL: &config.MySQL{}}, Site: site()}},
	} {
		if _, err := New(links, deps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(nil, Deps{}); err == nil {
		t.Error("no dependencies: no error")
	}
}
