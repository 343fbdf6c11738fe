// Package ingestpoll collects tickets that we fetch, files that appear in a
// folder and rows of a table, and files that are pushed to us. A position advances
// only behind the tickets' acknowledgement, so whatever a crash left open is read
// again and gets the same ids.
package ingestpoll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/watch"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/post"
	"trunkline.internal/services/ingest-poll/internal/receive"
	"trunkline.internal/services/ingest-poll/internal/tftp"
)

// Deps is what the service works with.
type Deps struct {
	Bus *bus.Bus
	// Tickets is the running committer of the stream TICKETS.
	Tickets *bus.Committer
	Log     *slog.Logger
	// Data is the folder of everything that the process keeps: files that are
	// pushed to us are received below it.
	Data string
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// SetHealth hears how each link is, named `site/link`; nil is well. It may be
	// nil.
	SetHealth func(part string, err error)
	// Watch is told of the links; may be nil.
	Watch *watch.Watch
}

// Service collects the links of one process. Of several processes with the same
// links, one collects each link, by a lease.
type Service struct {
	deps    Deps
	owner   string
	servers servers
	meters  *link.Meters

	mu    sync.Mutex
	links []*poll
	life  context.Context // of Run; nil before it
	over  bool
	all   sync.WaitGroup
}

// stopTimeout bounds the wait for links that hang, in a share that does not
// answer for example.
const stopTimeout = 10 * time.Second

// New makes the service of those links that are files or tables, fetched or
// pushed; it touches nothing. An error names the link and what would be right.
func New(links []config.LinkOf, deps Deps) (*Service, error) {
	if deps.Bus == nil || deps.Tickets == nil || deps.Log == nil {
		return nil, errors.New("ingest-poll: the bus, the committer of tickets and the logger are needed")
	}
	meters, err := link.NewMeters(deps.Metrics)
	if err != nil {
		return nil, fmt.Errorf("ingest-poll: metrics: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := &Service{deps: deps, owner: host + "/" + rand.Text(), servers: servers{
		receive.NewServers(deps.Data, deps.Log), post.NewServers(deps.Log), tftp.NewServers(deps.Log),
	}}
	s.meters = meters
	s.links, err = s.make(links)
	return s, err
}

// make makes the links that are ours and touches nothing.
func (s *Service) make(links []config.LinkOf) ([]*poll, error) {
	var made []*poll
	for _, of := range links {
		if !ours(of) {
			continue
		}
		p, err := s.poll(of, s.meters)
		if err != nil {
			return nil, fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, err)
		}
		made = append(made, p)
	}
	return made, nil
}

func (s *Service) poll(of config.LinkOf, meters *link.Meters) (*poll, error) {
	l, err := link.New(link.Options{
		Address:   wire.Address{Model: of.Model, Site: of.Site.ID, Link: of.ID},
		Layout:    of.Layout,
		Publisher: s.deps.Tickets,
		Positions: func() *bus.Positions { return s.deps.Bus.Positions },
		Log:       s.deps.Log, Now: time.Now, Metrics: meters.Of(of.Site.ID, of.ID),
		Hide: hider(of),
		Health: func(err error) {
			if s.deps.SetHealth != nil {
				s.deps.SetHealth(of.Site.ID+"/"+of.ID, err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	p := &poll{Link: l, of: of, told: make(chan struct{}, 1)}
	return p, s.wires(p)
}

// Run collects until ctx is done. It calls ready once every address of ours is
// bound, or could not be, and collects from when NATS answers.
func (s *Service) Run(ctx context.Context, ready func()) error {
	if s.deps.Data != "" { // what is fetched or received is kept there for a while
		if err := os.MkdirAll(s.deps.Data, 0o750); err != nil {
			return fmt.Errorf("ingest-poll: data: %w", err)
		}
	}
	var bound sync.WaitGroup
	s.mu.Lock()
	s.life = ctx
	for _, p := range s.links {
		s.start(p, &bound)
	}
	s.mu.Unlock()
	bound.Wait()
	ready()
	<-ctx.Done()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	if !within(&s.all, stopTimeout) {
		s.deps.Log.Warn("a link hangs and is left behind: what it has not saved is read again", "after", stopTimeout)
	}
	return nil
}

// within waits so long at most.
func within(all *sync.WaitGroup, d time.Duration) bool {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// start begins to collect a link. bound is done when its address is bound. mu is
// held.
func (s *Service) start(p *poll, bound *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(s.life)
	p.cancel = cancel
	s.watch(p)
	if p.serve != nil {
		bound.Add(1)
		p.running.Go(func() { p.serve(ctx, sync.OnceFunc(bound.Done)) })
	}
	p.running.Go(func() {
		if s.deps.Bus.Ready(ctx) != nil {
			return
		}
		p.running.Go(func() { s.retell(ctx, p) })
		if p.collect != nil {
			s.run(ctx, p)
		}
	})
	s.all.Go(p.running.Wait)
}

// watch lets others see how a link is.
func (s *Service) watch(p *poll) {
	if s.deps.Watch == nil {
		return
	}
	if err := s.deps.Watch.Add(p.settings(), p); err != nil {
		p.Log.Warn("the link is not watched", "error", err)
	}
}

// retell publishes a link's settings whenever they change.
func (s *Service) retell(ctx context.Context, p *poll) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.told:
		}
		var back bus.Backoff
		for err := s.announce(p)(ctx); err != nil; err = s.announce(p)(ctx) {
			if back.Wait(ctx) != nil {
				return
			}
		}
	}
}

// run collects one link whenever this process owns it.
func (s *Service) run(ctx context.Context, p *poll) {
	if c, ok := p.collect.(interface{ Close() error }); ok {
		defer c.Close()
	}
	lease := wire.LinkKey(p.Site, p.Link.Link)
	if p.lease != nil {
		var err error
		if lease, err = p.lease(ctx, lease); err != nil {
			return
		}
	}
	err := s.deps.Bus.Leases.Hold(ctx, lease, s.owner, func(ctx context.Context) error {
		p.Run(ctx, p.collect, p.every, s.announce(p))
		return nil
	})
	if err != nil {
		p.Log.Error("the lease cannot be held", "error", err)
	}
}

// LinkState is how one link is.
type LinkState struct {
	Site, Link, Model string
	// Wire is the link's as the configuration names it, Source the folder, address
	// or table.
	Wire, Source string
	link.State
}

// Links tells how each link is.
func (s *Service) Links() []LinkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]LinkState, len(s.links))
	for i, p := range s.links {
		out[i] = LinkState{Site: p.Site, Link: p.Link.Link, Model: p.Model, Wire: string(p.wire), Source: p.source, State: p.Link.State()}
	}
	return out
}
