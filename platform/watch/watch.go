// Package watch tells how the links of a process are: to people who ask over
// NATS, to metrics, and, where a link that should speak is silent, on a NATS
// subject.
//
// It learns what is usual on each link by looking at it every ten seconds, the
// moments that package usual counts, and keeps that in NATS, so that another process that takes the link over knows it.
package watch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/telemetry"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

const lookEvery = 10 * time.Second

// MaxHead is how many of a connection's first bytes are shown.
const MaxHead = 256

// Source is a link that tells how it is.
type Source interface {
	// State is how the link is at the moment: its status is standby or not given,
	// its usual and silence are empty. With head, it shows the first bytes.
	State(head bool) *trunklinev1.LinkState
	// Reconnect makes the connection afresh, where there is one.
	Reconnect()
}

// Options of a Watch.
type Options struct {
	// Service names the process, for people.
	Service string
	Log     *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// Now is the clock; nil: the system's.
	Now func() time.Time
}

// Watch watches the links of a process.
type Watch struct {
	log     *slog.Logger
	now     func() time.Time
	process *trunklinev1.Process
	every   time.Duration

	mu    sync.Mutex
	links []*watched
	hub   *bus.Bus   // where it is told; nil until Run
	usual *bus.Usual // nil until NATS answered
	stale string     // why the configuration on disk does not run
	more  func(*trunklinev1.ProcessState)
}

// New makes the watch of a process, without links.
func New(o Options) (*Watch, error) {
	if o.Log == nil {
		return nil, errors.New("watch: no logger")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	w := &Watch{
		log: o.Log, now: o.Now, every: lookEvery,
		process: &trunklinev1.Process{
			Id: rand.Text(), Service: o.Service, Host: host, Pid: uint32(os.Getpid()),
			Version: telemetry.Version, Started: timestamppb.New(o.Now()),
		},
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(collector{w}); err != nil {
			return nil, fmt.Errorf("watch: metrics: %w", err)
		}
	}
	return w, nil
}

// Process tells who we are, and when it is.
func (w *Watch) Process() *trunklinev1.Process {
	p := proto.CloneOf(w.process)
	p.Now = timestamppb.New(w.now())
	return p
}

// Add watches a link, in place of one of its name.
func (w *Watch) Add(of config.LinkOf, source Source) error {
	one, err := newWatched(of, source, w.now())
	if err != nil {
		return fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.index(of.Site.ID, of.ID); i >= 0 {
		if err := one.take(w.links[i]); err != nil {
			w.log.Debug("what is usual on a link is learned anew", "site", one.site, "link", one.link, "error", err)
		}
		w.links[i] = one
		return nil
	}
	w.links = append(w.links, one)
	return nil
}

// Remove forgets a link.
func (w *Watch) Remove(site, link string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.index(site, link); i >= 0 {
		w.links = slices.Delete(w.links, i, i+1)
	}
}

func (w *Watch) index(site, link string) int {
	return slices.IndexFunc(w.links, func(one *watched) bool { return one.site == site && one.link == link })
}

// More lets another part complete what the process tells of itself.
func (w *Watch) More(more func(*trunklinev1.ProcessState)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.more = more
}

// Run watches until ctx is done, from when NATS answers: own, which keeps what is
// learned. It tells and is asked on hub, which may be the same or be away.
func (w *Watch) Run(ctx context.Context, own, hub *bus.Bus, ready func()) error {
	ready()
	if own.Ready(ctx) != nil {
		return nil
	}
	w.mu.Lock()
	w.hub, w.usual = hub, own.Usual
	w.mu.Unlock()
	if err := hub.Answer(ctx, wire.AskLinks, "", w.answer); err != nil {
		return err
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			w.keep(last, true)
			return nil
		}
	}
}

// look looks at every link once.
func (w *Watch) look(ctx context.Context) {
	w.mu.Lock()
	links := slices.Clone(w.links)
	w.mu.Unlock()
	now := w.now()
	for _, one := range links {
		if ctx.Err() != nil {
			return
		}
		if err := one.load(ctx, w.usual); err != nil {
			w.log.Debug("what is usual on a link is not known yet", "site", one.site, "link", one.link, "error", err)
			continue
		}
		w.tell(one, one.look(now))
	}
	w.keep(ctx, false)
}

// keep writes what was learned, now and then or at once.
func (w *Watch) keep(ctx context.Context, all bool) {
	w.mu.Lock()
	links := slices.Clone(w.links)
	w.mu.Unlock()
	now := w.now()
	for _, one := range links {
		if err := one.keep(ctx, w.usual, now, all); err != nil {
			w.log.Debug("what is usual on a link is not kept", "site", one.site, "link", one.link, "error", err)
		}
	}
}

// tell tells of a link whose status changed.
func (w *Watch) tell(one *watched, c change) {
	if c.reconnect {
		one.source.Reconnect()
	}
	if c.before == c.state.Status {
		return
	}
	log := w.log.With("site", one.site, "link", one.link)
	switch {
	case c.state.Status == trunklinev1.LinkStatus_LINK_STATUS_SILENT:
		log.Warn("the link is silent", "error", c.state.Silence, "problem", c.state.Problem)
	case c.before == trunklinev1.LinkStatus_LINK_STATUS_SILENT:
		log.Info("the link speaks again")
	}
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(c.state)
	if err == nil {
		err = w.hub.Conn.Publish(wire.Event(one.site, one.link, StatusName(c.state.Status)), body)
	}
	if err != nil {
		log.Debug("a change is not told", "error", err)
	}
}

// answer answers AskLinks.
func (w *Watch) answer(question []byte) []proto.Message {
	var ask trunklinev1.AskLinks
	if proto.Unmarshal(question, &ask) != nil {
		return nil
	}
	one := ask.Site != "" && ask.Link != ""
	var states []*trunklinev1.LinkState
	for _, s := range w.States(one) {
		if (ask.Site == "" || ask.Site == s.Site) && (ask.Link == "" || ask.Link == s.Link) {
			states = append(states, s)
		}
	}
	const most = 200 // in one answer: far below what NATS carries
	var out []proto.Message
	for part := range slices.Chunk(states, most) {
		out = append(out, &trunklinev1.ProcessState{Process: w.Process(), Links: part, Part: uint32(len(out))})
	}
	if len(out) == 0 {
		out = append(out, &trunklinev1.ProcessState{Process: w.Process()})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range out {
		m := m.(*trunklinev1.ProcessState)
		m.Parts, m.ConfigProblem = uint32(len(out)), w.stale
		if w.more != nil {
			w.more(m)
		}
	}
	return out
}

// Stale tells why the configuration on disk is not the one that runs; empty: it
// is.
func (w *Watch) Stale(problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = problem
}

// States tells how each link is at the moment; with head, also the first bytes of
// its newest connection.
func (w *Watch) States(head bool) []*trunklinev1.LinkState {
	w.mu.Lock()
	links := slices.Clone(w.links)
	w.mu.Unlock()
	now := w.now()
	out := make([]*trunklinev1.LinkState, len(links))
	for i, one := range links {
		out[i] = one.state(now, head)
	}
	return out
}

// StatusName is a status in one word.
func StatusName(s trunklinev1.LinkStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "LINK_STATUS_"))
}
