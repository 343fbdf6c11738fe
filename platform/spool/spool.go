// Package spool keeps tickets at a site until the hub has them: on a NATS server
// of the ingest process's own, on its own disk, from which a forwarder hands them
// over in order whenever the hub can be reached.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/disk"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/natsd"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// Options of a spool.
type Options struct {
	// Dir holds the tickets, and the positions and leases of the links. One process
	// a folder.
	Dir string
	// MaxBytes bounds the tickets; 0: bus.DefaultMaxBytes.
	MaxBytes int64
	// Hub is a guest at the hub; the spool's parts run it.
	Hub *bus.Bus
	Log *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
}

// Spool is a site's own store of tickets, and what empties it.
type Spool struct {
	hub     *bus.Bus
	log     *slog.Logger
	server  *natsd.Server
	local   *bus.Bus
	tickets *bus.Committer // to the hub
	metrics *metrics
	dir     string
	most    int64         // bytes that the configuration allows
	every   time.Duration // looks
	disk    func(dir string) (free, total uint64, err error)
	sending context.Context

	mu       sync.Mutex
	state    state
	alarmed  bool
	settings map[string]known // by wire.LinkKey
	links    map[string]*link // by subject
	all      sync.WaitGroup
}

// known is a link's settings; the edition counts from one.
type known struct {
	pbx.Settings
	edition int
}

// state is how full the spool is.
type state struct {
	bytes, messages, max uint64
	oldest               time.Time
}

// room for whatever else stands in the folder: the streams bound themselves, and
// the server's own guess from the free disk would leave a spool out, silently,
// once the disk is nearly full.
const unbounded = 1 << 50

const lookEvery = 5 * time.Second

// New makes a spool; its parts must run.
func New(o Options) (*Spool, error) {
	if o.Hub == nil || o.Log == nil {
		return nil, errors.New("spool: the bus of the hub and a logger must be given")
	}
	s := &Spool{
		hub: o.Hub, log: o.Log, tickets: o.Hub.NewCommitter(wire.StreamTickets), every: lookEvery,
		dir: o.Dir, most: cmp.Or(o.MaxBytes, bus.DefaultMaxBytes), disk: disk.Space,
		settings: make(map[string]known), links: make(map[string]*link),
	}
	var err error
	if s.server, err = natsd.New(natsd.Config{Dir: o.Dir, MaxBytes: unbounded, Log: o.Log}); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var reg prometheus.Registerer
	if o.Metrics != nil {
		reg = prometheus.WrapRegistererWith(prometheus.Labels{"server": "spool"}, o.Metrics)
	}
	s.local, err = bus.Connect(bus.Config{
		URL: "nats://spool", Name: "spool", Options: []nats.Option{s.server.Option()},
		Role: bus.Spool, Sole: true, SpoolMaxBytes: o.MaxBytes, Log: o.Log, Metrics: reg,
	})
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if s.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, fmt.Errorf("spool: metrics: %w", err)
	}
	return s, nil
}

// Bus is what the services of the process work on, with or without the hub.
func (s *Spool) Bus() *bus.Bus { return s.local }

// Parts are the spool's own server, the bus on it, the bus of the hub and the
// forwarder. None waits for the hub.
func (s *Spool) Parts() []lifecycle.Part {
	return []lifecycle.Part{
		{Name: "spool", Run: s.server.Run},
		{Name: "nats", Run: s.local.Run},
		{Name: "hub", Run: func(ctx context.Context, ready func()) error {
			ready()
			return s.hub.Run(ctx, func() {})
		}},
		{Name: "forwarder", Run: s.run},
	}
}

// run forwards until ctx is done.
func (s *Spool) run(ctx context.Context, ready func()) error {
	ready()
	if s.local.Ready(ctx) != nil {
		return nil
	}
	// What is on its way to the hub gets its answer, or it is sent twice.
	sending, end := later(ctx, grace)
	defer end()
	var committer sync.WaitGroup
	committer.Go(func() { _ = s.tickets.Run(sending) })
	defer func() {
		s.all.Wait()
		end()
		committer.Wait()
	}()
	s.sending = sending
	s.all.Go(func() { s.learn(ctx) })
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	var told time.Time
	for {
		if err := s.look(ctx); err != nil && ctx.Err() == nil && time.Since(told) > time.Minute {
			told = time.Now()
			s.log.Warn("the spool cannot be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// grace is how long the hub's answer is waited for at the end.
const grace = 3 * time.Second

// later is a context that ends so long after another.
func later(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(d, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// learn takes in the links' settings, which go to the hub before their tickets.
func (s *Spool) learn(ctx context.Context) {
	var back bus.Backoff
	for ctx.Err() == nil {
		synced := false
		err := s.local.Links.Watch(ctx, func(of pbx.Settings) {
			l := s.know(ctx, of)
			// What is there from before is told when there are tickets of it: the link
			// may have moved to another process.
			if synced {
				s.all.Go(func() { _ = l.tell(ctx) })
			}
		}, func() { synced = true })
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the links' settings cannot be read from the spool", "error", err)
			_ = back.Wait(ctx)
		}
	}
}

// know keeps a link's settings, and forwards its tickets from now on.
func (s *Spool) know(ctx context.Context, of pbx.Settings) *link {
	s.mu.Lock()
	key := wire.LinkKey(of.Site, of.Link)
	s.settings[key] = known{of, s.settings[key].edition + 1}
	s.mu.Unlock()
	return s.forward(ctx, wire.Address{Model: of.Model, Site: of.Site, Link: of.Link}.TicketSubject())
}

// forward forwards the tickets of a subject.
func (s *Spool) forward(ctx context.Context, subject string) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[subject]
	if l == nil {
		address, _ := wire.ParseSubject(subject)
		l = &link{Spool: s, subject: subject, key: wire.LinkKey(address.Site, address.Link), most: maxBytes}
		s.links[subject] = l
		s.all.Go(func() { l.run(ctx) })
	}
	return l
}

// look measures the spool, and finds tickets of links that nobody has any more.
func (s *Spool) look(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := s.local.JS.Stream(ask, wire.StreamSpool)
	if err != nil {
		return err
	}
	info, err := stream.Info(ask, jetstream.WithSubjectFilter(wire.TicketSubjects))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		s.forward(ctx, subject)
	}
	err = s.bound(ask, info)
	s.measure(state{bytes: info.State.Bytes, messages: info.State.Msgs, max: uint64(info.Config.MaxBytes), oldest: info.State.FirstTime})
	return err
}

// maxSpare is what is left free of a disk, or a tenth of a small one.
const maxSpare = 256 << 20

// bound keeps the spool from filling the disk, whoever else does: nothing can be
// taken out of it on a full one either.
func (s *Spool) bound(ctx context.Context, info *jetstream.StreamInfo) error {
	free, total, err := s.disk(s.dir)
	if err != nil {
		return fmt.Errorf("the free disk of %s: %w", s.dir, err)
	}
	spare := int64(min(total/10, maxSpare))
	have, most := info.Config.MaxBytes, max(int64(info.State.Bytes)+int64(min(free, unbounded))-spare, 1)
	most = min(most, s.most)
	// Every look would find a little more or less.
	if have == most || most < s.most && max(have-most, most-have) < max(spare, most)/32 {
		return nil
	}
	next := info.Config
	next.MaxBytes = most
	if _, err := s.local.JS.UpdateStream(ctx, next); err != nil {
		return fmt.Errorf("the spool cannot be bounded to %d bytes: %w", most, err)
	}
	info.Config.MaxBytes = most
	if most < s.most && have == s.most {
		s.log.Warn("the disk has no room for a spool of nats.spool.max_bytes: free some, or ask for less", "max_bytes", s.most, "bounded_to", most, "free", free)
	}
	return nil
}

// An alarm begins above alarmAt of what the spool may hold, and ends below calmAt.
const alarmAt, calmAt = 0.7, 0.6

func (s *Spool) measure(now state) {
	if now.messages == 0 {
		now.oldest = time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = now
	s.metrics.set(now)
	full := float64(now.bytes) / float64(max(now.max, 1))
	log := s.log.With("full_percent", int(100*full), "messages", now.messages, "bytes", now.bytes, "max_bytes", now.max)
	switch {
	case full >= alarmAt && !s.alarmed:
		s.alarmed = true
		log.Warn("the spool fills: when it is full nothing more is read from the PBXs, until the hub takes tickets", "oldest", now.oldest, "hub", s.hubState())
	case full < calmAt && s.alarmed:
		s.alarmed = false
		log.Info("the spool has room again")
	}
}

func (s *Spool) hubState() string {
	if away := s.hub.Away(); !away.IsZero() {
		state := "away since " + away.UTC().Format(time.RFC3339)
		if bus.Refused(s.hub.Conn.LastError()) {
			state += ", it does not take nats.creds_file: they were revoked, have expired or are another hub's"
		}
		return state
	}
	return "connected"
}

// Note tells people how it is with the hub. None of it keeps the process from
// taking tickets.
func (s *Spool) Note() string {
	s.mu.Lock()
	n := s.state.messages
	s.mu.Unlock()
	note := fmt.Sprintf("%s, %d messages in the spool", s.hubState(), n)
	if p := s.problem(); p != "" {
		note += "; " + p
	}
	return note
}

// Tell completes what the process tells of itself.
func (s *Spool) Tell(p *trunklinev1.ProcessState) {
	p.SpoolProblem = s.problem()
	s.mu.Lock()
	defer s.mu.Unlock()
	p.SpoolBytes, p.SpoolMaxBytes, p.SpoolMessages = s.state.bytes, s.state.max, s.state.messages
	if !s.state.oldest.IsZero() {
		p.SpoolOldestTime = timestamppb.New(s.state.oldest)
	}
}

// problem is what keeps links from being forwarded; empty: nothing.
func (s *Spool) problem() string {
	s.mu.Lock()
	var all []string
	for _, l := range s.links {
		if p := l.stopped(); p != "" {
			all = append(all, p)
		}
	}
	s.mu.Unlock()
	slices.Sort(all)
	return strings.Join(all, "; ")
}
