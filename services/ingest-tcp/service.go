// Package ingesttcp collects tickets that come as a stream of bytes on a TCP
// socket: PBXs that connect to us, and PBXs that we dial. Some of these want to be
// talked to: see oxe.go and ahl.go.
//
// What a PBX sends on such a socket it forgets. So every read is published, and
// nothing else is done with it before the acknowledgement; what is read ahead
// meanwhile is bounded, and while NATS is away nobody reads: the PBX waits.
package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/watch"
)

// Deps is what the service needs of its process. Bus and Tickets must outlive
// Run: its last act is to publish.
type Deps struct {
	Bus     *bus.Bus
	Tickets *bus.Committer
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// SetHealth is told what is not ready and why, and nil once it is; may be
	// nil. A PBX that is away does not make us unready: others may be there.
	SetHealth func(part string, err error)
	// Watch is told of the links; may be nil.
	Watch *watch.Watch
}

// timing is what tests shorten.
type timing struct {
	grace      time.Duration // to publish what was read, at the end
	drain      time.Duration // to read what is on its way, at the end
	quiet      time.Duration // nothing more is on its way: more than TCP takes to send a lost segment again, twice
	dialTime   time.Duration // to connect
	settle     time.Duration // a PBX asks again after a wrong password
	hangUp     time.Duration // a PBX hangs up after a wrong password
	hello      time.Duration // a call server tells its role
	alive      time.Duration // a call server asks whether we are there
	switchOver time.Duration // at least, after call servers changed roles
	rest       time.Duration // of a hotel link's frame to come
	slow       time.Duration // a PBX may have sent its frame again meanwhile
	repeat     time.Duration // a frame may be one that was acknowledged
	redial     [2]time.Duration
	rejected   time.Duration // at least, after a failed log-in
	locked     time.Duration // at least, after a few of them
	bind       [2]time.Duration
	refused    [2]time.Duration // publishing again what NATS refused
	warnEvery  time.Duration
	putTimeout time.Duration
}

var usual = timing{
	grace: 10 * time.Second, drain: 3 * time.Second, quiet: time.Second,
	dialTime: 10 * time.Second, settle: 2 * time.Second, hangUp: 10 * time.Second,
	hello: 10 * time.Second, alive: 45 * time.Second, switchOver: 10 * time.Second,
	rest: 5 * time.Second, slow: 500 * time.Millisecond, repeat: time.Minute,
	redial: [2]time.Duration{time.Second, time.Minute}, rejected: 30 * time.Second, locked: time.Minute,
	bind:    [2]time.Duration{time.Second, 30 * time.Second},
	refused: [2]time.Duration{5 * time.Second, time.Minute},

	warnEvery: 5 * time.Minute, putTimeout: 10 * time.Second,
}

// Service collects the tickets of all TCP links of a configuration.
type Service struct {
	deps    Deps
	timing  timing
	metrics *metrics
	warn    *warner
	owner   string

	mu        sync.Mutex
	links     []*link
	listeners []*listener
	life      context.Context // of Run; nil before it
	over      bool
	all       sync.WaitGroup
}

// New makes the service of those links that have a TCP, OXE or AHL wire; others
// are not its own.
func New(links []config.LinkOf, deps Deps) (*Service, error) {
	if deps.Bus == nil || deps.Tickets == nil || deps.Log == nil {
		return nil, errors.New("ingest-tcp: bus, committer and logger must be given")
	}
	if deps.SetHealth == nil {
		deps.SetHealth = func(string, error) {}
	}
	host, _ := os.Hostname()
	s := &Service{
		deps: deps, timing: usual, metrics: newMetrics(),
		owner: fmt.Sprintf("%s ingest-tcp pid %d", host, os.Getpid()),
	}
	s.warn = newWarner(deps.Log, func() time.Duration { return s.timing.warnEvery })
	made, err := s.make(ours(links))
	if err != nil {
		return nil, err
	}
	for _, l := range made {
		s.add(l)
	}
	if deps.Metrics != nil {
		if err := s.metrics.register(deps.Metrics); err != nil {
			return nil, fmt.Errorf("ingest-tcp: metrics: %w", err)
		}
	}
	return s, nil
}

// ours are the links with a wire of this service.
func ours(links []config.LinkOf) []config.LinkOf {
	return slices.DeleteFunc(slices.Clone(links), func(l config.LinkOf) bool { return l.TCP == nil && l.OXE == nil && l.AHL == nil })
}

// make makes links and touches nothing. The error tells all that is wrong.
func (s *Service) make(links []config.LinkOf) ([]*link, error) {
	var made []*link
	var wrong []error
	for _, of := range links {
		one, err := s.newLink(of)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("link %s/%s: %w", of.Site.ID, of.ID, err))
			continue
		}
		made = append(made, one)
	}
	return made, errors.Join(append(wrong, apart(made)...)...)
}

// Run binds the listening sockets at once, calls ready, and collects from when
// NATS answers until ctx is done. Then it publishes what was read, and returns
// nil.
func (s *Service) Run(ctx context.Context, ready func()) error {
	s.mu.Lock()
	s.life = ctx
	for _, l := range s.links {
		s.start(l)
	}
	s.mu.Unlock()
	s.deps.SetHealth("ingest-tcp", errors.New("waiting for NATS"))
	ready()
	if s.deps.Bus.Ready(ctx) == nil {
		s.deps.SetHealth("ingest-tcp", nil)
	}
	<-ctx.Done() // also where no link is ours
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.all.Wait()
	return nil
}

// add takes a link in; a listening one has its socket, and others perhaps the
// same. It is called by New, or with mu held.
func (s *Service) add(l *link) {
	s.links = append(s.links, l)
	if l.way == nil {
		s.join(l)
	}
}

// start begins to collect a link. mu is held.
func (s *Service) start(l *link) {
	l.ctx, l.cancel = context.WithCancel(s.life)
	l.running.Add(1)
	s.all.Add(1)
	context.AfterFunc(l.ctx, func() {
		defer s.all.Done()
		l.mu.Lock() // nobody is on the way in
		l.running.Done()
		l.mu.Unlock()
		l.running.Wait()
	})
	s.watch(l)
	l.tell(l.Settings())
	if l.way != nil {
		l.running.Go(func() { (&dialer{Service: s, link: l}).run(l.ctx) })
	} else {
		s.listen(l.listener)
	}
}

// watch lets others see how a link is.
func (s *Service) watch(l *link) {
	if s.deps.Watch == nil {
		return
	}
	if err := s.deps.Watch.Add(l.told, l); err != nil {
		s.warn.warn(l, "the link is not watched", "error", err)
	}
}

// stop ends the collecting of a link in good order: what was read is published.
// mu is held.
func (s *Service) stop(l *link) {
	s.links = slices.DeleteFunc(s.links, func(one *link) bool { return one == l })
	if l.listener != nil {
		s.part(l)
	}
	l.end()
	s.deps.SetHealth("ingest-tcp link "+l.String(), nil)
}

// Addr is the bound address of a listening link; nil when it is not bound.
func (s *Service) Addr(site, link string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l.Site.ID == site && l.ID == link && l.listener != nil {
			return l.listener.addr()
		}
	}
	return nil
}

// LinkState is how a link is, for people.
type LinkState struct {
	Site, Link, Model string
	Wire              pbx.Wire
	// Addr is where we listen or dial.
	Addr string
	// Peers are the addresses of the connected PBXs.
	Peers []string
	// LastTicket is when the last acknowledged ticket came; zero: none yet.
	LastTicket time.Time
	// Tickets, Bytes and Incomplete count what was acknowledged since the start.
	Tickets, Bytes, Incomplete uint64
	// Err is what keeps the link from collecting; nil: nothing known.
	Err error
}

// Links tells how each link is, in the order of the configuration.
func (s *Service) Links() []LinkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]LinkState, len(s.links))
	for i, l := range s.links {
		out[i] = l.state()
	}
	return out
}
