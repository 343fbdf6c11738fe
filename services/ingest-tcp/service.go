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
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
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
}

// timing is what tests shorten.
type timing struct {
	grace      time.Duration // to publish what was read, at the end
	drain      time.Duration // to read what is on its way, at the end
	quiet      time.Duration // nothing more is on its way: more than the 200 ms that TCP pauses at a full buffer
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
	bind       [2]time.Duration
	refused    [2]time.Duration // publishing again what NATS refused
	warnEvery  time.Duration
	putTimeout time.Duration
}

var usual = timing{
	grace: 10 * time.Second, drain: time.Second, quiet: 300 * time.Millisecond,
	dialTime: 10 * time.Second, settle: 2 * time.Second, hangUp: 10 * time.Second,
	hello: 10 * time.Second, alive: 45 * time.Second, switchOver: 10 * time.Second,
	rest: 5 * time.Second, slow: 500 * time.Millisecond, repeat: time.Minute,
	redial: [2]time.Duration{time.Second, time.Minute}, rejected: 30 * time.Second,
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

	links     []*link
	listeners []*listener
	dialers   []*dialer
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
	var wrong []error
	for _, l := range links {
		if l.TCP == nil && l.OXE == nil && l.AHL == nil {
			continue
		}
		one, err := s.newLink(l)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("link %s/%s: %w", l.Site.ID, l.ID, err))
			continue
		}
		s.links = append(s.links, one)
		if one.way != nil {
			s.dialers = append(s.dialers, &dialer{Service: s, link: one})
		}
	}
	var err error
	if s.listeners, err = s.group(s.links); err != nil {
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if deps.Metrics != nil {
		if err := s.metrics.register(deps.Metrics); err != nil {
			return nil, fmt.Errorf("ingest-tcp: metrics: %w", err)
		}
	}
	return s, nil
}

// Run binds the listening sockets at once, calls ready, and collects from when
// NATS answers until ctx is done. Then it publishes what was read, and returns
// nil.
func (s *Service) Run(ctx context.Context, ready func()) error {
	var all sync.WaitGroup
	for _, l := range s.listeners {
		bound := l.bind(ctx)
		all.Go(func() { l.run(ctx, bound) })
	}
	s.deps.SetHealth("ingest-tcp", errors.New("waiting for NATS"))
	ready()
	if s.deps.Bus.Ready(ctx) == nil {
		s.deps.SetHealth("ingest-tcp", nil)
		for _, l := range s.links {
			all.Go(func() { l.announce(ctx) })
		}
		for _, d := range s.dialers {
			all.Go(func() { d.run(ctx) })
		}
	}
	<-ctx.Done() // also where no link is ours
	all.Wait()
	return nil
}

// Addr is the bound address of a listening link; nil when it is not bound.
func (s *Service) Addr(site, link string) net.Addr {
	for _, l := range s.listeners {
		for _, one := range l.links {
			if one.Site.ID == site && one.ID == link {
				return l.addr()
			}
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
	out := make([]LinkState, len(s.links))
	for i, l := range s.links {
		out[i] = l.state()
	}
	return out
}
