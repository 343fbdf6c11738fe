package pbxsim

import (
	"context"
	"sync"
)

// ring is the memory of a PBX for records that nobody has fetched yet.
type ring struct {
	size  int
	waits bool // full: hold the traffic back instead of overwriting the oldest
	lost  func(Ticket)

	mu      sync.Mutex
	items   []Ticket
	ended   bool
	changed chan struct{} // closed and replaced at every change
}

func newRing(size int, o Options) *ring {
	return &ring{size: size, waits: o.waits(), lost: o.Lost, changed: make(chan struct{})}
}

func (r *ring) signal() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *ring) push(ctx context.Context, ts ...Ticket) error {
	for _, t := range ts {
		r.mu.Lock()
		for r.waits && len(r.items) >= r.size {
			changed := r.changed
			r.mu.Unlock()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-changed:
			}
			r.mu.Lock()
		}
		r.items = append(r.items, t)
		r.overwrite()
		r.signal()
		r.mu.Unlock()
	}
	return nil
}

// end says that no record will follow.
func (r *ring) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.signal()
}

// take removes the oldest records for sending; none are left over for overwriting meanwhile. With nothing there it
// tells whether more can follow, and gives a channel that is closed at the next change.
func (r *ring) take() (ts []Ticket, ended bool, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.items), 512)
	ts, r.items = r.items[:n:n], r.items[n:]
	if n > 0 {
		r.signal()
	}
	return ts, r.ended && len(r.items) == 0, r.changed
}

// giveBack returns taken records that were not sent.
func (r *ring) giveBack(ts []Ticket) {
	if len(ts) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(ts[:len(ts):len(ts)], r.items...)
	r.overwrite()
	r.signal()
}

// overwrite forgets the oldest records of a full memory, unless the traffic waits.
func (r *ring) overwrite() {
	for !r.waits && len(r.items) > r.size {
		r.lost(r.items[0])
		r.items = r.items[1:]
	}
}
