// Package journal remembers how far each file of a link was collected, in the
// key-value bucket positions.
//
// One key a file would leave a deletion mark in the bucket for every file that
// ever was, and one value a link outgrows a NATS message at some ten thousand
// files. So the entries stand in segments of up to 512 entries (some 100 KB),
// which are filled again as files go: a small link has one, a folder of 100,000
// kept files 200, and what a new file costs is one segment written.
package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/platform/bus"
)

// Positions is what the journal needs of bus.Positions. Put waits while NATS is
// away.
type Positions interface {
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Keys(ctx context.Context, site, link string) ([]string, error)
}

// Entry is what is known of one file. Its Key is its name, or for a file that
// grows its origin.
type Entry struct {
	Key string `json:"key"`
	// Name of the file when it was last read, where that is not the key.
	Name string `json:"name,omitempty"`
	// Size in bytes and modification time, in nanoseconds since 1970, of the file
	// that this is about.
	Size int64 `json:"size"`
	Time int64 `json:"time"`
	// Sum is the SHA-256 of a whole file, hex.
	Sum string `json:"sha256,omitempty"`
	// Offset is the first byte whose ticket is not acknowledged.
	Offset int64 `json:"at"`
	// Inside tells that Offset stands in a ticket that is too long.
	Inside bool `json:"inside,omitempty"`
	// Tickets that were acknowledged.
	Tickets int64 `json:"tickets,omitempty"`
	// Done is when the last ticket of a whole file was acknowledged, in seconds
	// since 1970.
	Done int64 `json:"done,omitempty"`
	// To and Written announce what is about to be published of a file that grows:
	// the bytes up to To, as of this modification time. A second reading after a
	// crash must say the same.
	To      int64 `json:"to,omitempty"`
	Written int64 `json:"written,omitempty"`
	// Guard is a hash of the last bytes before Offset.
	Guard string `json:"guard,omitempty"`
	// Origin of the tickets of a whole file among logs.
	Origin string `json:"origin,omitempty"`
	// Going says that the file is about to be deleted, moved or renamed.
	Going string `json:"going,omitempty"`
	// Told is how many tickets of a log the audit was told of, and Day the UTC day
	// on which it was, or on which the log's first ones came.
	Told int64  `json:"told,omitempty"`
	Day  string `json:"day,omitempty"`

	segment int
	missing time.Time
	round   int
}

const segmentSize = 512

type segment struct {
	key      string
	revision uint64
	entries  map[string]*Entry
	dirty    bool
}

// Journal is the entries of one link. It has one owner and is not safe for
// concurrent use.
type Journal struct {
	positions Positions
	prefix    string
	segments  []*segment
	entries   map[string]*Entry
	round     int
}

// Open reads the journal of a link.
func Open(ctx context.Context, positions Positions, site, link string) (*Journal, error) {
	return OpenNamed(ctx, positions, site, link, "files")
}

// OpenNamed reads one of several journals of a link.
func OpenNamed(ctx context.Context, positions Positions, site, link, name string) (*Journal, error) {
	j := &Journal{positions: positions, prefix: bus.PositionKey(site, link, name+"-"), entries: make(map[string]*Entry)}
	keys, err := positions.Keys(ctx, site, link)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, j.prefix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 || n > 1<<20 {
			return nil, fmt.Errorf("position %s: not a key of this version", key)
		}
		for len(j.segments) <= n {
			j.grow()
		}
		if err := j.load(ctx, n); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func (j *Journal) grow() {
	j.segments = append(j.segments, &segment{key: j.prefix + strconv.Itoa(len(j.segments)), entries: make(map[string]*Entry)})
}

type stored struct {
	Files []*Entry `json:"files"`
}

func (j *Journal) load(ctx context.Context, n int) error {
	s := j.segments[n]
	value, revision, err := j.positions.Get(ctx, s.key)
	if err != nil {
		return err
	}
	if s.revision = revision; revision == 0 {
		return nil
	}
	var have stored
	if err := json.Unmarshal(value, &have); err != nil {
		return fmt.Errorf("position %s is unreadable: %w", s.key, err)
	}
	for _, e := range have.Files {
		if old := j.entries[e.Key]; old != nil {
			// A crash between the writes of two segments. Either is good: what is
			// read twice is the same tickets.
			delete(j.segments[old.segment].entries, e.Key)
			j.segments[old.segment].dirty = true
		}
		e.segment = n
		s.entries[e.Key], j.entries[e.Key] = e, e
	}
	return nil
}

// Get is the entry of a key, nil where there is none. Whoever changes it calls
// Put.
func (j *Journal) Get(key string) *Entry { return j.entries[key] }

// Len is the number of entries.
func (j *Journal) Len() int { return len(j.entries) }

// All yields every entry, in no order.
func (j *Journal) All() iter.Seq[*Entry] { return maps.Values(j.entries) }

// Put keeps an entry in place of an older one with its key. Save writes it.
func (j *Journal) Put(e *Entry) {
	if old := j.entries[e.Key]; old != nil {
		e.segment = old.segment
	} else {
		e.segment = slices.IndexFunc(j.segments, func(s *segment) bool { return len(s.entries) < segmentSize })
		if e.segment < 0 {
			e.segment = len(j.segments)
			j.grow()
		}
	}
	e.round, e.missing = j.round, time.Time{}
	s := j.segments[e.segment]
	s.entries[e.Key], s.dirty = e, true
	j.entries[e.Key] = e
}

// Remove forgets an entry.
func (j *Journal) Remove(key string) {
	if e := j.entries[key]; e != nil {
		s := j.segments[e.segment]
		delete(s.entries, key)
		s.dirty = true
		delete(j.entries, key)
	}
}

// Save writes what changed. bus.ErrConflict: the link has another owner.
func (j *Journal) Save(ctx context.Context) error {
	for _, s := range j.segments {
		if !s.dirty {
			continue
		}
		value, err := json.Marshal(stored{slices.SortedFunc(maps.Values(s.entries), func(a, b *Entry) int { return strings.Compare(a.Key, b.Key) })})
		if err != nil {
			return fmt.Errorf("position %s: %w", s.key, err)
		}
		if s.revision, err = j.positions.Put(ctx, s.key, value, s.revision); err != nil {
			return err
		}
		s.dirty = false
	}
	return nil
}

// Sweep begins a look at the folder: what is not marked as seen until the next
// one is missing.
func (j *Journal) Sweep() { j.round++ }

// Seen marks an entry's file as there.
func (j *Journal) Seen(e *Entry) { e.round, e.missing = j.round, time.Time{} }

// Forget removes the entries whose files have been missing for so long. Not at
// once: a share that is away for a moment looks like an empty folder. lost hears
// of each.
func (j *Journal) Forget(now time.Time, after time.Duration, lost func(*Entry)) {
	for key, e := range j.entries {
		switch {
		case e.round == j.round:
		case e.missing.IsZero():
			e.missing = now
		case now.Sub(e.missing) >= after:
			lost(e)
			j.Remove(key)
		}
	}
}
