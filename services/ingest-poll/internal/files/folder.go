// Package files collects ticket files from a folder: files that are complete
// when they appear, and logs that grow.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	set     pbx.FileSet
	dir     string
	after   config.After
	settle  time.Duration
	journal *journal.Journal
	// The two that tests make fail.
	open     func(path string) (*os.File, error)
	osRename func(from, to string) error

	seen      map[string]*sight
	failures  map[string]*failure
	resets    map[string]bool // origins
	unsaved   int
	unsavedAt int64
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
}

func (c candidate) written() time.Time { return time.Unix(0, c.time) }

// New makes the collector of a link's folder. An error says what is wrong with
// the configuration.
func New(l *link.Link, c *config.Files) (*Folder, error) {
	f := &Folder{
		Link: l, set: l.PBX.Files, dir: c.Dir, after: c.After, settle: c.Settle.Or(DefaultSettle), open: openRegular, osRename: os.Rename,
		seen: make(map[string]*sight), failures: make(map[string]*failure), resets: make(map[string]bool),
	}
	if c.Dir == "" {
		return nil, errors.New("files: dir is missing: give the folder that the PBX writes to")
	}
	f.dir = filepath.Clean(c.Dir)
	if c.Pattern != "" {
		f.set.Pattern = c.Pattern
	}
	if f.set.Pattern == "" {
		return nil, fmt.Errorf("files: model %s has no usual file names: give a pattern", l.Model)
	}
	if _, err := path.Match(f.set.Pattern, ""); err != nil || strings.ContainsRune(f.set.Pattern, '/') {
		return nil, fmt.Errorf("files: pattern %q: give a pattern of base names such as cdr_* or *.csv", f.set.Pattern)
	}
	if c.Grows != nil {
		f.set.Grows = *c.Grows
	}
	if f.after.Move != "" {
		if !filepath.IsAbs(f.after.Move) {
			f.after.Move = filepath.Join(f.dir, f.after.Move)
		}
		if f.after.Move = filepath.Clean(f.after.Move); f.after.Move == f.dir {
			return nil, fmt.Errorf("files: after: move: %s is the folder itself: give another one", f.after.Move)
		}
	}
	return f, nil
}

// Load reads the journal.
func (f *Folder) Load(ctx context.Context) (err error) {
	f.journal, err = journal.Open(ctx, f.Link, f.Site, f.Link.Link)
	f.unsaved, f.unsavedAt = 0, 0
	return err
}

// Save writes the journal.
func (f *Folder) Save(ctx context.Context) error {
	f.unsaved, f.unsavedAt = 0, 0
	return f.journal.Save(ctx)
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
	found, err := f.list()
	if err != nil {
		return err
	}
	f.journal.Sweep()
	if f.set.Grows {
		err = f.lookTails(ctx, found)
	} else {
		err = f.lookWhole(ctx, found)
	}
	if err != nil {
		return err
	}
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
	f.journal.Forget(f.Now(), after)
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

// list finds the regular files that are to be collected, the oldest first. A
// link, a pipe or a device is never opened: reading it could hang the folder, or
// collect a file twice under two names.
func (f *Folder) list() ([]candidate, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, f.folderError(err)
	}
	found := make([]candidate, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		if ok, _ := path.Match(f.set.Pattern, name); !ok || never(name) || f.set.Grows && packed(name) || e.IsDir() {
			continue
		}
		if !e.Type().IsRegular() {
			f.Alarms.Raise("ignored "+name, fmt.Errorf("%s is no regular file (%s) and is not opened: give the folder where the tickets are, or a pattern without it", name, e.Type()))
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			f.Alarms.Raise("file "+name, fmt.Errorf("file %s cannot be examined: look at the disk or the share: %w", name, err))
			continue
		}
		if info.Size() == 0 {
			continue // somebody is about to write it
		}
		found = append(found, candidate{name, info.Size(), info.ModTime().UnixNano()})
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.name, b.name))
	})
	return found, nil
}

func (f *Folder) folderError(err error) error {
	remedy := "is the disk or the share there?"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "create it, or mount the share"
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the user that runs trunkline read it and its files"
	}
	return fmt.Errorf("folder %s cannot be read: %s: %w", f.dir, remedy, err)
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

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// ours are errors that are not the file's: of NATS, of the lease, of the end.
func ours(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, bus.ErrRefused) || errors.Is(err, bus.ErrConflict) || errors.Is(err, context.Canceled)
}

// waiting tells how much is not collected yet.
func (f *Folder) waiting(n int, oldest time.Time) {
	stamp := 0.0
	if n > 0 {
		stamp = float64(oldest.Unix())
	}
	f.Metrics.Waiting.Set(float64(n))
	f.Metrics.Oldest.Set(stamp)
	f.Update(func(s *link.State) { s.Waiting, s.Oldest = n, oldest })
}
