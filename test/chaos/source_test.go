package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
)

// source is a PBX whose tickets can be read again, or that sends again what was
// not acknowledged: of it nothing may be lost.
type source struct {
	site, link, model string
	sim               pbxsim.Simulator
	table             bool // its tickets are rows, as JSON
	// repeats says that a frame may be there twice for each time that its reader
	// ended or changed.
	repeats bool
	fed     bool // it ends when it has given what it was fed
	made    bool // it has its tickets in its ledger when they are made
	by      []string
	readers []*process
	over    atomic.Bool

	mu      sync.Mutex
	tickets []sent
}

func newSource(t *testing.T, site, link, model string, o pbxsim.Options) *source {
	t.Helper()
	s := &source{site: site, link: link, model: model}
	o.Zone = paris
	o.Sent = func(x pbxsim.Ticket, at time.Time) {
		if len(x.Bytes) > 0 && !s.made {
			s.add(x.Bytes, at)
		}
	}
	s.table, s.fed = o.DSN != "", o.Feed != nil
	var err error
	if s.sim, err = pbxsim.New(model, o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *source) add(raw []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets = append(s.tickets, sent{raw: s.key(string(raw)), at: at})
}

// key is a ticket's bytes; of a row what they say, since who writes it as JSON is
// free in the order of columns and in quoting numbers.
func (s *source) key(raw string) string {
	if !s.table {
		return raw
	}
	var row map[string]any
	in := json.NewDecoder(strings.NewReader(raw))
	in.UseNumber()
	if in.Decode(&row) != nil {
		return raw
	}
	for name, value := range row {
		if value != nil {
			row[name] = fmt.Sprint(value)
		}
	}
	out, err := json.Marshal(row)
	if err != nil {
		return raw
	}
	return string(out)
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tickets)
}

func (s *source) run(ctx context.Context, t *testing.T) {
	defer s.over.Store(true)
	if err := s.sim.Run(ctx); err != nil && ctx.Err() == nil {
		t.Errorf("%s: %v", s.link, err)
	}
}
