// Package ingestpoll collects tickets that we fetch: files that appear in a
// folder, and rows of a table. A position advances only behind the tickets'
// acknowledgement, so whatever a crash left open is read again and gets the same
// ids.
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
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/table"
)

// Deps is what the service works with.
type Deps struct {
	Bus *bus.Bus
	// Tickets is the running committer of the stream TICKETS.
	Tickets *bus.Committer
	Log     *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// SetHealth hears how each link is, named `site/link`; nil is well. It may be
	// nil.
	SetHealth func(part string, err error)
}

// Service collects the links of one process. Of several processes with the same
// links, one collects each link, by a lease.
type Service struct {
	deps  Deps
	owner string
	links []*poll
}

type poll struct {
	*link.Link
	of      config.LinkOf
	collect link.Collector
	every   time.Duration
}

// Usual pauses between two looks.
const (
	everyFiles = 5 * time.Second
	everyTable = 10 * time.Second
)

// stopTimeout bounds the wait for links that hang, in a share that does not
// answer for example.
const stopTimeout = 10 * time.Second

// New makes the service of those links that are files or tables; it touches
// nothing. An error names the link and what would be right.
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
	s := &Service{deps: deps, owner: host + "/" + rand.Text()}
	for _, of := range links {
		if of.Files == nil && of.MySQL == nil {
			continue
		}
		p, err := s.poll(of, meters)
		if err != nil {
			return nil, fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, err)
		}
		s.links = append(s.links, p)
	}
	return s, nil
}

func (s *Service) poll(of config.LinkOf, meters *link.Meters) (*poll, error) {
	l, err := link.New(link.Options{
		Address:   wire.Address{Model: of.Model, Site: of.Site.ID, Link: of.ID},
		Publisher: s.deps.Tickets,
		Positions: func() *bus.Positions { return s.deps.Bus.Positions },
		Log:       s.deps.Log, Now: time.Now, Metrics: meters.Of(of.Site.ID, of.ID),
		Health: func(err error) {
			if s.deps.SetHealth != nil {
				s.deps.SetHealth(of.Site.ID+"/"+of.ID, err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	p := &poll{Link: l, of: of}
	switch {
	case of.Files != nil && of.MySQL != nil:
		return nil, errors.New("files and mysql: a link has one wire, give one of them")
	case of.Files != nil:
		p.every = of.Files.Every.Or(everyFiles)
		p.collect, err = files.New(l, of.Files)
	default:
		p.every = of.MySQL.Every.Or(everyTable)
		p.collect, err = table.New(l, of.MySQL)
	}
	return p, err
}

// Run collects until ctx is done. It calls ready once NATS answered and every
// link is being collected or waits for its lease.
func (s *Service) Run(ctx context.Context, ready func()) error {
	if err := s.deps.Bus.Ready(ctx); err != nil {
		return nil // ctx is done before NATS ever answered
	}
	var running sync.WaitGroup
	for _, p := range s.links {
		running.Go(func() { s.run(ctx, p) })
	}
	ready()
	<-ctx.Done()
	stopped := make(chan struct{})
	go func() {
		running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		s.deps.Log.Warn("a link hangs and is left behind: what it has not saved is read again", "after", stopTimeout)
	}
	return nil
}

// run collects one link whenever this process owns it.
func (s *Service) run(ctx context.Context, p *poll) {
	if c, ok := p.collect.(interface{ Close() error }); ok {
		defer c.Close()
	}
	settings := func(ctx context.Context) error { return s.deps.Bus.Links.Put(ctx, p.of.Settings()) }
	err := s.deps.Bus.Leases.Hold(ctx, wire.LinkKey(p.Site, p.Link.Link), s.owner, func(ctx context.Context) error {
		p.Run(ctx, p.collect, p.every, settings)
		return nil
	})
	if err != nil {
		p.Log.Error("the lease cannot be held", "error", err)
	}
}

// LinkState is how one link is.
type LinkState struct {
	Site, Link, Model string
	// Wire is `files` or `mysql`, Source the folder or table.
	Wire, Source string
	link.State
}

// Links tells how each link is.
func (s *Service) Links() []LinkState {
	out := make([]LinkState, len(s.links))
	for i, p := range s.links {
		out[i] = LinkState{Site: p.Site, Link: p.Link.Link, Model: p.Model, State: p.State()}
		if f := p.of.Files; f != nil {
			out[i].Wire, out[i].Source = "files", f.Dir
		} else {
			out[i].Wire, out[i].Source = "mysql", p.of.MySQL.Addr+"/"+p.of.MySQL.Database
		}
	}
	return out
}
