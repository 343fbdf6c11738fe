package receive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Inbox is the folder of one link that its PBX pushes files into. It collects
// them too: it is the link's collector.
//
// A user sees one flat folder. What is not a ticket file yet stands in a folder
// of our own within it, which the user does not see:
//
//	part-RANDOM            an upload that is under way
//	next-NUMBER-NAME       another file under the name of one that is not collected yet
//	old-NUMBER-NAME        a log that another one took the name of
//	append-OFFSET-NAME     bytes that are being appended to a log
//	id                     tells this folder from that of another process
type Inbox struct {
	*files.Folder
	l       *link.Link
	dir     string
	pattern pbx.FileSet
	keep    time.Duration
	space   func(dir string) (space, error)
	grace   time.Duration

	opened chan struct{}

	mu       sync.Mutex
	root     *os.Root
	id       string
	number   uint64
	uploads  int
	troubles map[string]trouble
	aliases  map[string]string // of logs that lost their name, by the name they are listed under
	seen     Seen
}

// Seen is what an inbox knows of its PBX since the start.
type Seen struct {
	// Peer logged in last, At that time.
	Peer string
	At   time.Time
	// Received files, also those that were there already; Broken uploads, the last
	// of them for the reason Why.
	Received, Broken int
	Why              string
}

const (
	// ours is our folder in an inbox.
	ours = ".trunkline"
	// maxName leaves room for what we put before and behind a name.
	maxName = 180
	// keepReceived is how long a collected file stays unless the link says otherwise.
	keepReceived = 30 * 24 * time.Hour
	// maxUploads of one link at a time.
	maxUploads = 32
)

// newInbox makes the inbox of a link below the folder of data; it touches nothing.
func newInbox(data string, l *link.Link, r *config.Receiver) (*Inbox, error) {
	if data == "" {
		return nil, errors.New("data is missing: give the folder that received files are kept in")
	}
	b := &Inbox{
		l: l, dir: filepath.Join(data, "inbox", l.Site, l.Link), keep: keepReceived, space: spaceOf, grace: 20 * time.Millisecond,
		opened: make(chan struct{}), troubles: make(map[string]trouble), aliases: make(map[string]string),
	}
	c := &config.Files{Pattern: r.Pattern, Grows: r.Grows, After: r.After}
	var err error
	if b.pattern, err = files.SetOf(l, c); err != nil {
		return nil, err
	}
	if b.pattern.Grows {
		c.Pattern = "*" // List gives what is ours to collect, logs that lost their name too
	} else {
		// What is in the folder is whole.
		c.Settle = 1
		if c.After == (config.After{}) {
			c.After.Delete = &b.keep
		}
	}
	disk, err := files.NewDisk(b.dir, c.After.Move)
	if err != nil {
		return nil, err
	}
	b.Folder, err = files.Of(l, c, source{disk, b})
	return b, err
}

// Dir is the folder.
func (b *Inbox) Dir() string { return b.dir }

// Seen tells of the PBX.
func (b *Inbox) Seen() Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// Key waits until the folder is open and returns the key of the lease to collect
// it: the folder of another process is another one.
func (b *Inbox) Key(ctx context.Context, linkKey string) (string, error) {
	select {
	case <-b.opened:
		return linkKey + "." + b.id, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (b *Inbox) isOpen() bool {
	select {
	case <-b.opened:
		return true
	default:
		return false
	}
}

// open makes the folder, finishes what a crash left half done, and removes
// uploads that it broke off.
func (b *Inbox) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isOpen() {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(b.dir, ours), 0o750); err != nil {
		return fmt.Errorf("the folder for received files cannot be made: %w", err)
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return fmt.Errorf("the folder for received files cannot be opened: %w", err)
	}
	b.root = root
	if err := errors.Join(b.readID(), b.recover()); err != nil {
		root.Close()
		return fmt.Errorf("folder %s: %w", b.dir, err)
	}
	b.NameJournal("inbox-" + b.id)
	close(b.opened)
	return nil
}

func (b *Inbox) readID() error {
	name := path.Join(ours, "id")
	text, err := b.root.ReadFile(name)
	if id := string(bytes.TrimSpace(text)); err == nil && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == "" {
		b.id = id
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	b.id = fmt.Sprintf("%x", random)
	if err := b.root.WriteFile(name, []byte(b.id+"\n"), 0o640); err != nil {
		return err
	}
	return b.sync()
}

func (b *Inbox) recover() error {
	entries, err := b.readDir(ours)
	if err != nil {
		return err
	}
	for _, e := range entries {
		kind, rest, _ := strings.Cut(e.Name(), "-")
		number, name, _ := strings.Cut(rest, "-")
		switch kind {
		case "part":
			if err := b.root.Remove(path.Join(ours, e.Name())); err != nil {
				return err
			}
			b.l.Metrics.File("broken")
		case "next", "old", "append":
			n, err := strconv.ParseUint(number, 10, 63)
			if err != nil || name == "" {
				return fmt.Errorf("%s/%s is not ours: move it away", ours, e.Name())
			}
			if kind != "append" {
				b.number = max(b.number, n)
			} else if err := b.appendNow(e.Name(), name, int64(n)); err != nil {
				return err
			}
		}
	}
	return b.sync()
}

// sync makes the names in both folders durable.
func (b *Inbox) sync() error {
	return errors.Join(files.SyncDir(filepath.Join(b.dir, ours)), files.SyncDir(b.dir))
}

func (b *Inbox) readDir(name string) ([]fs.DirEntry, error) {
	d, err := b.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	return entries, err
}

// hidden names a file of our folder.
func (b *Inbox) hidden(kind string, number uint64, name string) string {
	return path.Join(ours, fmt.Sprintf("%s-%016d-%s", kind, number, name))
}

// queued are the files that wait for their name, the oldest first.
func (b *Inbox) queued(kind string) ([]held, error) {
	entries, err := b.readDir(ours)
	if err != nil {
		return nil, err
	}
	var out []held
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), kind+"-"); ok && len(rest) > 17 {
			out = append(out, held{rest[17:], path.Join(ours, e.Name())})
		}
	}
	return out, nil
}

// held is a file in our folder and the name it came under.
type held struct{ name, path string }

// clean makes a base name of what a peer calls a file; the folder itself is ".".
func clean(given string) (string, error) {
	name := strings.TrimPrefix(path.Clean("/"+given), "/")
	switch {
	case name == "":
		return ".", nil
	case strings.ContainsRune(name, '/'):
		return "", refuse(fs.ErrNotExist, "there is one folder here and none within it: leave the folder empty, or give /")
	case len(name) > maxName:
		return "", refuse(errName, fmt.Sprintf("a name has at most %d bytes", maxName))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' }):
		return "", refuse(errName, `a name holds no control characters, no \ and no :`)
	case strings.HasPrefix(strings.ToLower(name), ours):
		return "", refuse(errName, "that name is ours")
	}
	return name, nil
}

// file is the base name of a file; the folder is none.
func file(given string) (string, error) {
	name, err := clean(given)
	if name == "." {
		return "", refuse(errName, "that is the folder: give the name of a file")
	}
	return name, err
}

// stat is the file that a name stands for, the last one that came under it.
func (b *Inbox) stat(name string) (fs.FileInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	info, _, err := b.newest(name)
	return info, err
}

// newest finds the last file that came under a name.
func (b *Inbox) newest(name string) (fs.FileInfo, string, error) {
	at := name
	if !b.pattern.Grows {
		waiting, err := b.queued("next")
		if err != nil {
			return nil, "", err
		}
		for _, w := range waiting {
			if w.name == name {
				at = w.path
			}
		}
	}
	info, err := b.root.Lstat(at)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	return named{info, name}, at, err
}

// named is a file under another name.
type named struct {
	fs.FileInfo
	name string
}

func (n named) Name() string { return n.name }

// list names the files that a user sees.
func (b *Inbox) list() ([]fs.FileInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries, err := b.readDir(".")
	if err != nil {
		return nil, err
	}
	out := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil {
			out = append(out, info)
		}
	}
	return out, nil
}

// remove removes a file that is no ticket file. A ticket file that was delivered
// is ours: it may not be collected yet.
func (b *Inbox) remove(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.root.Lstat(name); err != nil {
		return err
	}
	if files.Collects(b.pattern, name) {
		return refuse(fs.ErrPermission, "it was delivered and is not taken back")
	}
	if err := b.root.Remove(name); err != nil {
		return err
	}
	return b.sync()
}

// rename gives an uploaded file its final name.
func (b *Inbox) rename(from, to string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := b.root.Lstat(from)
	if err != nil || !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	if from == to {
		return nil
	}
	if files.Collects(b.pattern, from) {
		b.raise("rename", fmt.Errorf("the PBX renames %s after the upload, but pattern %s has taken it for a ticket file by then, and the renaming was refused: let it upload under the final name, or under one that ends in .tmp, or give a pattern that only final names match", from, b.pattern.Pattern), longTrouble)
		return refuse(fs.ErrPermission, "it was delivered and keeps its name: upload under the final name, or under one that ends in .tmp")
	}
	return b.publish(from, to, info.Size())
}

// removeGiven and renameGiven take names, and tell errors, as a peer does.
func (b *Inbox) removeGiven(given string) error {
	name, err := file(given)
	if err == nil {
		err = b.remove(name)
	}
	return b.told(err)
}

func (b *Inbox) renameGiven(given, to string) error {
	from, err := file(given)
	if err != nil {
		return err
	}
	if to, err = file(to); err != nil {
		return err
	}
	return b.told(b.rename(from, to))
}
