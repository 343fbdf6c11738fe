package ingestpoll

import (
	"reflect"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Prepare makes other links, and touches nothing. To apply them stops those that
// are gone or differ, and starts those that are new or differ; the others go on.
func (s *Service) Prepare(links []config.LinkOf) (apply func() config.Changes, err error) {
	made, err := s.make(links)
	if err != nil {
		return nil, err
	}
	return func() config.Changes { return s.apply(made) }, nil
}

func (s *Service) apply(made []*poll) (done config.Changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.over { // it is ending: the next one reads the configuration
		return done
	}
	old := make(map[string]*poll)
	for _, p := range s.links {
		old[p.name()] = p
	}
	var start []*poll
	for i, p := range made {
		have := old[p.name()]
		switch {
		case have == nil:
			done.Added = append(done.Added, p.name())
			start = append(start, p)
			continue
		case !reflect.DeepEqual(connects(have.of), connects(p.of)):
			done.Restarted = append(done.Restarted, p.name())
			start = append(start, p)
			continue
		case !reflect.DeepEqual(have.settings().Settings(), p.of.Settings()) || !have.settings().SameQuiet(p.of):
			done.Retold = append(done.Retold, p.name())
			have.retold(p.of)
			s.watch(have)
		}
		made[i] = have
		delete(old, p.name())
	}
	var gone sync.WaitGroup
	for _, p := range old {
		p.cancel()
		gone.Go(func() { within(&p.running, stopTimeout) })
	}
	gone.Wait()
	s.links = made
	var bound sync.WaitGroup
	for _, p := range start {
		delete(old, p.name())
		s.start(p, &bound)
	}
	for name, p := range old {
		done.Removed = append(done.Removed, name)
		s.meters.Forget(p.Site, p.Link.Link)
		if s.deps.SetHealth != nil {
			s.deps.SetHealth(name, nil)
		}
		if s.deps.Watch != nil {
			s.deps.Watch.Remove(p.Site, p.Link.Link)
		}
	}
	return done
}

// connects is what a link's connection depends on: all but what only the parser
// and the watch are told.
func connects(of config.LinkOf) config.Link {
	l := *of.Link
	l.Silence = nil
	l.Parse = config.Link{}.Parse
	return l
}

func (p *poll) name() string { return p.Site + "/" + p.Link.Link }

// settings are the link's as they are now.
func (p *poll) settings() config.LinkOf {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil {
		return *p.now
	}
	return p.of
}

func (p *poll) retold(of config.LinkOf) {
	p.mu.Lock()
	p.now = &of
	p.mu.Unlock()
	select {
	case p.told <- struct{}{}:
	default:
	}
}

// State tells of the link to who watches it.
func (p *poll) State(bool) *trunklinev1.LinkState {
	st := p.Link.State()
	out := &trunklinev1.LinkState{
		Site: p.Site, Link: p.Link.Link, Model: p.Model, Wire: string(p.wire), Place: p.source, Problem: st.Problem,
		Tickets: st.Tickets, Bytes: st.Bytes, Waiting: uint64(max(0, st.Waiting)),
		LastTicketTime: told(st.LastTicket), LastLookTime: told(st.LastLook), OldestWaitingTime: told(st.Oldest),
	}
	if p.addr != nil {
		if a := p.addr(); a != nil {
			out.Place = a.String()
		}
	}
	if st.Doing == link.Standby {
		out.Status = trunklinev1.LinkStatus_LINK_STATUS_STANDBY
	}
	if p.wire == pbx.MySQL {
		out.Waiting = uint64(max(0, st.Newest-st.Position))
	}
	return out
}

// told is a time, where there is one.
func told(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Reconnect does nothing: every look connects where it must.
func (p *poll) Reconnect() {}
