// Package files collects ticket files from a folder: files that are complete
// when they appear, and logs that grow.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/journal"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// DefaultSettle is how long a whole file must not have changed.
const DefaultSettle = 5 * time.Second

// Folder is one folder of ticket files. It is used by one goroutine.
type Folder struct {
	*link.Link
	Source
	set     pbx.FileSet
	after   config.After
	settle  time.Duration
	journal *journal.Journal
	// journalName tells it from other journals of the link.
	journalName string

	seen      map[string]*sight
	failures  map[string]*failure
	resets    map[string]bool // origins
	holds     map[string]*hold
	looks     int
	unsaved   int
	unsavedAt int64
	acts      []*nats.Msg // to be told before the journal is saved
	day       string      // on which the logs were last told
	left      int         // files that wait, as far as this look saw
	oldest    time.Time   // of them
}

// sight is what the looks saw of a file that is not done.
type sight struct {
	size, time int64
	since      time.Time
	// origin of a file that grows, once its first ticket is there.
	origin string
	// idle tells that all of it is collected that can be.
	idle bool
}

// candidate is a file that the look found.
type candidate struct {
	name       string
	size, time int64 // bytes, nanoseconds since 1970
	order      int
	whole      bool
}

func (c candidate) written() time.Time { return time.Unix(0, c.time) }

func (c candidate) entry() Entry { return Entry{Name: c.name, Size: c.size, Written: c.written()} }

// New makes the collector of a folder of this machine. An error says what is wrong
// with the configuration.
func New(l *link.Link, c *config.Files) (*Folder, error) {
	src, err := newDisk(c.Dir, c.After.Move)
	if err != nil {
		return nil, err
	}
	return Of(l, c, src)
}

// Of makes the collector of the files of a source. Of the configuration it takes
// pattern, grows, after and settle.
func Of(l *link.Link, c *config.Files, src Source) (*Folder, error) {
	set, err := SetOf(l, c)
	if err != nil {
		return nil, err
	}
	return &Folder{
		Link: l, Source: src, set: set, after: c.After, settle: c.Settle.Or(DefaultSettle), journalName: "files",
		seen: make(map[string]*sight), failures: make(map[string]*failure), resets: make(map[string]bool),
		holds: make(map[string]*hold),
	}, nil
}

// SetOf is which files a link collects: those of its model, as the configuration
// changes them.
func SetOf(l *link.Link, c *config.Files) (pbx.FileSet, error) {
	set := l.PBX.Files
	if c.Pattern != "" {
		set.Pattern = c.Pattern
	}
	if set.Pattern == "" {
		return set, fmt.Errorf("files: model %s has no usual file names: give a pattern", l.Model)
	}
	if _, err := path.Match(set.Pattern, ""); err != nil || strings.ContainsRune(set.Pattern, '/') {
		return set, fmt.Errorf("files: pattern %q: give a pattern of base names such as cdr_* or *.csv", set.Pattern)
	}
	if c.Grows != nil {
		set.Grows = *c.Grows
	}
	return set, nil
}

// NameJournal gives the folder a journal of its own among those of its link: for
// a folder that only one process has. Call it before Load.
func (f *Folder) NameJournal(name string) { f.journalName = name }

// Load reads the journal.
func (f *Folder) Load(ctx context.Context) (err error) {
	f.journal, err = journal.OpenNamed(ctx, f.Link, f.Site, f.Link.Link, f.journalName)
	f.unsaved, f.unsavedAt, f.acts, f.day = 0, 0, nil, ""
	return err
}

// Save writes the journal. What the audit is to know of it goes before, all of it
// in one commit: what is told twice after a crash has the same ids.
func (f *Folder) Save(ctx context.Context) error {
	if err := f.tellActs(ctx); err != nil {
		return err
	}
	f.unsaved, f.unsavedAt = 0, 0
	return f.journal.Save(ctx)
}

// Newest is when the newest file was written of which something is collected;
// zero: none is.
func (f *Folder) Newest() time.Time {
	newest := time.Time{}
	for e := range f.journal.All() {
		if at := time.Unix(0, e.Time); e.Offset > 0 && at.After(newest) {
			newest = at
		}
	}
	return newest
}

// A restart reads again what was collected behind the last save: so it is
// bounded in bytes and in files.
const (
	saveBytes = 4 << 20
	saveFiles = 256
)

func (f *Folder) saveSometimes(ctx context.Context) error {
	if f.unsaved < saveFiles && f.unsavedAt < saveBytes {
		return nil
	}
	return f.Save(ctx)
}

// Look collects what is there.
func (f *Folder) Look(ctx context.Context) error {
	f.looks++
	found, err := f.list(ctx)
	if err != nil {
		return err
	}
	f.journal.Sweep()
	f.left, f.oldest = 0, time.Time{}
	var whole, tails []candidate
	for _, c := range found {
		if c.whole {
			whole = append(whole, c)
		} else {
			tails = append(tails, c)
		}
	}
	if err := f.lookTails(ctx, tails); err != nil {
		return err
	}
	if err := f.lookWhole(ctx, whole); err != nil {
		return err
	}
	f.tellLogs()
	f.tellWaiting()
	f.tellAside()
	f.forget(found)
	return f.Save(ctx)
}

// Whole files that are gone are forgotten after an hour: what comes back is read
// again and is the same tickets. Logs are kept longer, since they are longer.
const (
	forgetWhole = time.Hour
	forgetTail  = 24 * time.Hour
)

func (f *Folder) forget(found []candidate) {
	after := forgetWhole
	if f.set.Grows {
		after = forgetTail
	}
	f.journal.Forget(f.Now(), after, f.lost)
	maps.DeleteFunc(f.holds, func(_ string, h *hold) bool { return h.look < f.looks })
	if len(f.seen)+len(f.failures) == 0 {
		return
	}
	there := make(map[string]bool, len(found))
	for _, c := range found {
		there[c.name] = true
	}
	for name := range f.seen {
		if !there[name] {
			delete(f.seen, name)
		}
	}
	for name := range f.failures {
		if !there[name] {
			delete(f.failures, name)
		}
	}
}

// neverEndings are of files that somebody is still writing, or that were put
// aside.
var neverEndings = []string{".old", ".tmp", ".part", ".filepart", ".crdownload"}

// never tells names that are not collected, whatever the pattern.
func never(name string) bool {
	if name == "" || name[0] == '_' || name[0] == '.' {
		return true
	}
	ending := strings.ToLower(path.Ext(name))
	return slices.Contains(neverEndings, ending)
}

// packedEndings are of logs that were packed when they were turned over: what is
// in them was read before.
var packedEndings = []string{".gz", ".bz2", ".xz", ".zst", ".zip", ".z"}

func packed(name string) bool {
	return slices.Contains(packedEndings, strings.ToLower(path.Ext(name)))
}

// Collects tells whether a file of that name is collected.
func Collects(set pbx.FileSet, name string) bool {
	return collects(set, name) && !(set.Grows && packed(name))
}

func collects(set pbx.FileSet, name string) bool {
	ok, _ := path.Match(set.Pattern, name)
	return ok && !never(name)
}

// Collected tells whether all is collected of what was listed, the whole tickets
// of a log. Source.List may ask: they are called by one goroutine.
func (f *Folder) Collected(e Entry) bool {
	if f.journal == nil {
		return false
	}
	if !f.set.Grows || e.Whole {
		it := f.journal.Get(e.Name)
		return it != nil && it.Done != 0 && it.Size == e.Size && it.Time == e.Written.UnixNano()
	}
	s := f.seen[e.Name]
	if s == nil || s.origin == "" {
		return false
	}
	it := f.journal.Get(s.origin)
	return it != nil && it.Offset >= e.Size
}

// list finds the files that are to be collected, the oldest first.
func (f *Folder) list(ctx context.Context) ([]candidate, error) {
	entries, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]candidate, 0, len(entries))
	for _, e := range entries {
		if !collects(f.set, e.Name) || f.set.Grows && !e.Whole && packed(e.Name) {
			continue
		}
		if e.Err != nil {
			f.Alarms.Raise("file "+e.Name, e.Err)
			continue
		}
		found = append(found, candidate{e.Name, e.Size, e.Written.UnixNano(), e.Order, e.Whole || !f.set.Grows})
	}
	byAge := func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.time, b.time), cmp.Compare(a.name, b.name))
	}
	slices.SortFunc(found, byAge)
	f.refresh(ctx, found)
	// An empty one, somebody is about to write.
	found = slices.DeleteFunc(found, func(c candidate) bool { return c.size == 0 })
	slices.SortFunc(found, byAge)
	return found, nil
}

// sighted is what was seen of a file, up to this look.
func (f *Folder) sighted(c candidate) *sight {
	s := f.seen[c.name]
	if s == nil || s.size != c.size || s.time != c.time {
		s = &sight{size: c.size, time: c.time, since: f.Now()}
		f.seen[c.name] = s
	}
	return s
}

// ours are errors that are not the file's: of NATS, of the lease, of the whole
// source, of the end.
func ours(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrAway) || errors.Is(err, bus.ErrRefused) || errors.Is(err, bus.ErrConflict) || errors.Is(err, context.Canceled)
}

// waits takes note of a file that is not collected yet.
func (f *Folder) waits(c candidate) {
	if f.left++; f.oldest.IsZero() || c.written().Before(f.oldest) {
		f.oldest = c.written()
	}
}

func (f *Folder) tellWaiting() {
	stamp := 0.0
	if f.left > 0 {
		stamp = float64(f.oldest.Unix())
	}
	f.Metrics.Waiting.Set(float64(f.left))
	f.Metrics.Oldest.Set(stamp)
	f.Update(func(s *link.State) { s.Waiting, s.Oldest = f.left, f.oldest })
}
