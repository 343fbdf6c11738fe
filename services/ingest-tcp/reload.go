package ingesttcp

import (
	"reflect"

	"trunkline.internal/platform/config"
)

// Prepare makes other links, and touches nothing. To apply them stops those that
// are gone or differ, in good order, and starts those that are new or differ.
// Whatever else is connected stays so.
func (s *Service) Prepare(links []config.LinkOf) (apply func() config.Changes, err error) {
	made, err := s.make(ours(links))
	if err != nil {
		return nil, err
	}
	return func() config.Changes { return s.apply(made) }, nil
}

func (s *Service) apply(made []*link) (done config.Changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.over { // it is ending: the next one reads the configuration
		return done
	}
	old := make(map[string]*link)
	for _, l := range s.links {
		old[l.String()] = l
	}
	var start []*link
	for _, l := range made {
		have := old[l.String()]
		switch {
		case have == nil:
			done.Added = append(done.Added, l.String())
			start = append(start, l)
		case !have.connectsLike(l):
			done.Restarted = append(done.Restarted, l.String())
			start = append(start, l)
		default:
			if have.tellsLike(l) {
				delete(old, l.String())
				continue
			}
			done.Retold = append(done.Retold, l.String())
			have.told = l.LinkOf
			have.tell(l.Settings())
			s.watch(have)
			delete(old, l.String())
		}
	}
	for _, l := range old {
		s.stop(l)
	}
	for _, l := range start {
		delete(old, l.String())
		s.add(l)
		s.start(l)
	}
	for name, l := range old {
		done.Removed = append(done.Removed, name)
		s.forget(l)
	}
	return done
}

// connectsLike tells whether a link's connections may go on under the
// configuration of another.
func (l *link) connectsLike(o *link) bool {
	return l.Model == o.Model && l.Layout == o.Layout &&
		reflect.DeepEqual(l.TCP, o.TCP) && reflect.DeepEqual(l.OXE, o.OXE) && reflect.DeepEqual(l.AHL, o.AHL)
}

// tellsLike tells whether there is nothing new.
func (l *link) tellsLike(o *link) bool {
	return reflect.DeepEqual(l.told.Settings(), o.Settings()) && l.told.SameQuiet(o.LinkOf)
}

// forget takes what is told of a link out of the metrics, once it has ended.
func (s *Service) forget(l *link) {
	if s.deps.Watch != nil {
		s.deps.Watch.Remove(l.Site.ID, l.ID)
	}
	s.all.Go(func() {
		l.running.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range s.links {
			if one.String() == l.String() {
				return // it came back
			}
		}
		s.metrics.forget(l.Site.ID, l.ID)
	})
}
