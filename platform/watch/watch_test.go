package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// pbx is a link whose tickets the test counts.
type pbx struct {
	mu        sync.Mutex
	tickets   uint64
	last      time.Time
	problem   string
	standby   bool
	reconnect int
}

func (p *pbx) State(head bool) *trunklinev1.LinkState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &trunklinev1.LinkState{Site: "lyon", Link: "desk", Model: "mitel-3300", Tickets: p.tickets, Problem: p.problem}
	if !p.last.IsZero() {
		s.LastTicketTime = timestamppb.New(p.last)
	}
	if p.standby {
		s.Status = trunklinev1.LinkStatus_LINK_STATUS_STANDBY
	}
	if head {
		s.Head = []byte("first bytes")
	}
	return s
}

func (p *pbx) Reconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reconnect++
}

func (p *pbx) deliver(n uint64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tickets += n
	p.last = at
}

func link(silence *config.Silence) config.LinkOf {
	site := &config.Site{
		ID: "lyon", Timezone: "Europe/Paris", Country: "FR", Hours: map[string]string{"mon-fri": "08:00-18:00"},
		Links: []config.Link{{ID: "desk", Model: "mitel-3300", Silence: silence}},
	}
	return config.LinkOf{Link: &site.Links[0], Site: site}
}

func start(t *testing.T) *bus.Bus {
	t.Helper()
	server, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	b, err := bus.Connect(bus.Config{URL: "nats://embedded", Options: natsOption(server), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, func() {}) }()
	t.Cleanup(func() { cancel(); <-done })
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A link waits, collects, falls silent within opening hours, and speaks again; each
// change is told once, and what is known outlives the process.
func TestLinkLife(t *testing.T) {
	b := start(t)
	events, err := b.Conn.SubscribeSync(wire.Event("", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	at := &clock{now: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)} // a Monday, 8 in Paris
	reg := prometheus.NewRegistry()
	p := &pbx{}
	w := newWatch(t, at, reg, b)
	if err := w.Add(link(&config.Silence{After: "2h", Reconnect: true}), p); err != nil {
		t.Fatal(err)
	}
	var told []string
	event := func() string {
		t.Helper()
		m, err := events.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Status, Silence string }
		if err := json.Unmarshal(m.Data, &body); err != nil {
			t.Fatal(err)
		}
		told = append(told, m.Subject)
		return m.Subject + " " + body.Silence
	}
	pass := func(d time.Duration) {
		for ; d > 0; d -= time.Minute {
			at.add(time.Minute)
			w.look(t.Context())
		}
	}
	w.look(t.Context())
	if got := event(); got != "events.v1.lyon.desk.waiting " {
		t.Errorf("event %s", got)
	}
	p.deliver(3, at.Now())
	pass(time.Minute)
	if got := event(); got != "events.v1.lyon.desk.collecting " {
		t.Errorf("event %s", got)
	}
	// Somebody else collects it meanwhile: that is no silence.
	p.mu.Lock()
	p.standby = true
	p.mu.Unlock()
	pass(time.Minute)
	event()
	p.mu.Lock()
	p.standby = false
	p.mu.Unlock()
	pass(time.Minute)
	event()
	pass(2*time.Hour - 5*time.Minute)
	if s := w.States(false)[0]; s.Status != trunklinev1.LinkStatus_LINK_STATUS_COLLECTING {
		t.Errorf("it is %s before its time", s.Status)
	}
	pass(10 * time.Minute)
	if got := event(); !strings.HasPrefix(got, "events.v1.lyon.desk.silent ") || !strings.Contains(got, "2h") {
		t.Errorf("event %s", got)
	}
	if got := gathered(t, reg, "silent"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	if p.reconnect != 1 {
		t.Errorf("connected afresh %d times", p.reconnect)
	}
	pass(30 * time.Minute)
	if p.reconnect != 1 {
		t.Errorf("connected afresh %d times within the hour", p.reconnect)
	}
	// The next process knows.
	w.keep(t.Context(), true)
	next := newWatch(t, at, prometheus.NewRegistry(), b)
	fresh := &pbx{}
	if err := next.Add(link(&config.Silence{After: "2h"}), fresh); err != nil {
		t.Fatal(err)
	}
	next.look(t.Context())
	if s := next.States(false)[0]; s.LastTicketTime == nil || s.Status == trunklinev1.LinkStatus_LINK_STATUS_WAITING {
		t.Errorf("the next process knows nothing of the link: %v", s)
	}
	p.deliver(1, at.Now())
	pass(time.Minute)
	for told[len(told)-1] != "events.v1.lyon.desk.collecting" {
		event()
	}
}

func TestFailingAndOff(t *testing.T) {
	b := start(t)
	at := &clock{now: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)}
	w := newWatch(t, at, nil, b)
	p := &pbx{tickets: 1, last: at.Now()}
	if err := w.Add(link(&config.Silence{After: "off"}), p); err != nil {
		t.Fatal(err)
	}
	for range 600 {
		w.look(t.Context())
		at.add(time.Minute)
	}
	if s := w.States(false)[0]; s.Status != trunklinev1.LinkStatus_LINK_STATUS_COLLECTING {
		t.Errorf("%v though silence is off", s.Status)
	}
	p.mu.Lock()
	p.problem = "the PBX is away"
	p.mu.Unlock()
	if s := w.States(false)[0]; s.Status != trunklinev1.LinkStatus_LINK_STATUS_FAILING {
		t.Errorf("%v with a problem", s.Status)
	}
	w.Remove("lyon", "desk")
	if n := len(w.States(false)); n != 0 {
		t.Errorf("%d links", n)
	}
}

// Who asks gets every link, however many answers that takes, and the first bytes
// only of the one asked for.
func TestAnswers(t *testing.T) {
	b := start(t)
	w := newWatch(t, &clock{now: time.Now()}, nil, b)
	const n = 450
	for i := range n {
		of := link(nil)
		of.Link.ID = fmt.Sprintf("desk-%d", i)
		if err := w.Add(of, named{&pbx{}, of.ID}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, b, b, func() {}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	ask := func(site, link string) (links []*trunklinev1.LinkState, answers int) {
		err := bus.Ask(t.Context(), b.Conn, wire.AskLinks, &trunklinev1.AskLinks{Site: site, Link: link}, 5*time.Second, func(a []byte) (bool, error) {
			var one trunklinev1.ProcessState
			if err := proto.Unmarshal(a, &one); err != nil {
				return false, err
			}
			links = append(links, one.Links...)
			answers++
			return uint32(answers) == one.Parts, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return links, answers
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		links, answers := ask("", "")
		if len(links) == n && answers == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d links in %d answers", len(links), answers)
		}
	}
	if links, _ := ask("lyon", "desk-7"); len(links) != 1 || links[0].Link != "desk-7" || string(links[0].Head) != "first bytes" {
		t.Errorf("one link: %v", links)
	}
	if links, _ := ask("paris", ""); len(links) != 0 {
		t.Errorf("links of a site that is elsewhere: %v", links)
	}
	w.Stale("line 3 is wrong")
	if got := w.answer(nil)[0].(*trunklinev1.ProcessState).ConfigProblem; got != "line 3 is wrong" {
		t.Errorf("configuration: %q", got)
	}
}

// Nobody who answers is told at once.
func TestNobodyAnswers(t *testing.T) {
	b := start(t)
	began := time.Now()
	err := bus.Ask(t.Context(), b.Conn, wire.AskLinks, &trunklinev1.AskLinks{}, time.Minute, func([]byte) (bool, error) {
		t.Error("an answer")
		return true, nil
	})
	if err != nil || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// named is a link of another name.
type named struct {
	*pbx
	id string
}

func (n named) State(head bool) *trunklinev1.LinkState {
	s := n.pbx.State(head)
	s.Link = n.id
	return s
}
