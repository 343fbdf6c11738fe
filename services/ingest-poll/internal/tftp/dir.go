package tftp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

const (
	// maxFile is what a file may have. A PBX buffers far less.
	maxFile = 64 << 20
	// maxUnderWay is how many files of a link may be under way.
	maxUnderWay = 32
	// reserve is what stays free on the disk, or a twentieth of it where that is
	// less: other parts of Trunkline need the disk too.
	reserve, reservePart = 1 << 30, 20
)

// Dir is the folder that received files of a link go to. Only one process has it.
// What is no ticket file yet has a name that is never collected:
//
//	.NAME.RANDOM.part   a file that is under way
//	.last               which file came last
//	.last.next          the same, of one that is just getting its name
//	.id                 tells this folder from that of another process
type Dir struct {
	path string
	// fetched tells a folder of files that we fetch: they have one name at the PBX,
	// and what came before may come again with the new in front of the new.
	fetched bool
	now     func() time.Time
	count   func(result string)
	space   func(dir string) (free, total uint64, err error)

	mu       sync.Mutex
	root     *os.Root
	id       string
	last     last
	underWay int
}

// last is the file that came last.
type last struct {
	Name string `json:"name"`
	// Size and SHA256 are of all that the peer sent.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Peer sent it.
	Peer string `json:"peer"`
	// Unsure tells that the peer may not know that we have it, and sends its content
	// again, under another name and with more behind it.
	Unsure bool `json:"unsure"`
}

// open makes the folder, finishes what a crash left half done and removes what it
// broke off.
func (d *Dir) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return nil
	}
	if err := os.MkdirAll(d.path, 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return err
	}
	d.root = root
	if err := errors.Join(d.readID(), d.recover()); err != nil {
		d.root = nil
		return errors.Join(err, root.Close())
	}
	return nil
}

func (d *Dir) readID() error {
	text, err := d.root.ReadFile(".id")
	if id := string(bytes.TrimSpace(text)); err == nil && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == "" {
		d.id = id
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	d.id = hex.EncodeToString(random[:])
	if err := d.write(".id", []byte(d.id+"\n")); err != nil {
		return err
	}
	return files.SyncDir(d.path)
}

func (d *Dir) recover() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".part") {
			if err := d.root.Remove(name); err != nil {
				return err
			}
			d.count("broken")
		}
	}
	if next, noted := d.read(".last.next"); noted == nil {
		if _, err := d.root.Lstat(next.Name); err == nil {
			if err := d.root.Rename(".last.next", ".last"); err != nil {
				return err
			}
		} else if err := d.root.Remove(".last.next"); err != nil {
			return err
		}
	}
	d.last, err = d.read(".last")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return files.SyncDir(d.path)
}

// ever tells whether a file ever came.
func (d *Dir) ever() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last.Size > 0
}

// read reads which file came last. A note that cannot be read is none.
func (d *Dir) read(note string) (last, error) {
	var l last
	text, err := d.root.ReadFile(note)
	if err != nil {
		return l, err
	}
	if json.Unmarshal(text, &l) != nil {
		return last{}, fs.ErrNotExist
	}
	return l, nil
}

// write writes a small file and makes its content durable.
func (d *Dir) write(name string, text []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Create begins a file that its peer, an address, calls so; size is what it is
// told to have, or -1.
func (d *Dir) Create(given string, size int64, peer string) (File, error) {
	name, err := cleanName(given)
	if err != nil {
		return nil, err
	}
	if size > maxFile {
		return nil, refuse(codeFull, "a file has at most %d MB", maxFile>>20)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil, errors.New("the folder is not open")
	}
	if d.underWay >= maxUnderWay {
		return nil, refuse(codeOther, "%d files are under way already: send it again later", maxUnderWay)
	}
	free, total, err := d.space(d.path)
	if err != nil {
		return nil, err
	}
	if free < min(reserve, total/reservePart)+maxFile*uint64(d.underWay+1) {
		return nil, fmt.Errorf("the disk of %s is nearly full (%d MB left): make room; %w", d.path, free>>20, refuse(codeFull, "the disk is nearly full: send it again later"))
	}
	if d.fetched {
		name = with(name, d.now().UTC().Format("-20060102T150405"))
	}
	w := &writer{d: d, peer: peer, name: name, part: "." + name + "." + rand.Text() + ".part"}
	if w.f, err = d.root.OpenFile(w.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640); err != nil {
		return nil, err
	}
	d.underWay++
	return w, nil
}

// writer is a file that is under way.
type writer struct {
	d          *Dir
	peer       string
	name, part string
	f          *os.File
	kept       last
}

func (w *writer) Write(p []byte) (int, error) { return w.f.Write(p) }

func (w *writer) Commit() error {
	if err := w.f.Sync(); err != nil {
		return err
	}
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	result, err := w.place()
	if err != nil {
		return err
	}
	w.end()
	w.d.count(result)
	return nil
}

func (w *writer) Abort() {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.f != nil {
		w.end()
		w.d.count("broken")
	}
}

// end forgets the file under way; d.mu is held. What cannot be removed is at the
// next start.
func (w *writer) end() {
	_ = w.f.Close()
	w.f = nil
	_ = w.d.root.Remove(w.part)
	w.d.underWay--
}

// Heard implements File.
func (w *writer) Heard() {
	d := w.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fetched || w.kept.Name == "" || d.last != w.kept {
		return
	}
	// Lost in a crash, this only means to look more closely than is needed.
	sure := w.kept
	sure.Unsure = false
	if d.note(".last.next", sure) == nil && d.root.Rename(".last.next", ".last") == nil {
		d.last = sure
	}
}

func (d *Dir) note(name string, l last) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return d.write(name, text)
}

// place gives a file that is whole and on disk its name; d.mu is held.
func (w *writer) place() (result string, err error) {
	d := w.d
	size, err := w.f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if size == 0 {
		return "empty", nil
	}
	whole, err := sumOf(w.f, 0, size)
	if err != nil {
		return "", err
	}
	it := last{Name: w.name, Size: size, SHA256: whole, Peer: w.peer, Unsure: true}
	from, err := w.repeated(size)
	if err != nil {
		return "", err
	}
	if from == size {
		w.kept = d.last
		return "received_again", nil
	}
	part, sum := w.part, whole
	if from > 0 {
		part = "." + w.name + "." + rand.Text() + ".part"
		defer func() { _ = d.root.Remove(part) }()
		if err := w.copyTo(part, from, size); err != nil {
			return "", err
		}
		if sum, err = sumOf(w.f, from, size); err != nil {
			return "", err
		}
	}
	_ = w.f.Close() // some systems rename no open file; it is on disk
	// Another file never takes the place of one that may not be collected yet; the
	// same one counts once, since a file is known by its name and its content.
	for _, name := range []string{w.name, with(w.name, "-"+sum[:16])} {
		have, err := d.sumOfName(name)
		if err == nil && have == sum {
			it.Name = name
			w.kept, d.last = it, it
			return "received_again", errors.Join(d.note(".last", it), files.SyncDir(d.path))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return "", err
			}
			continue
		}
		it.Name = name
		if err := d.note(".last.next", it); err != nil {
			return "", err
		}
		if err := d.root.Rename(part, name); err != nil {
			return "", err
		}
		if err := files.SyncDir(d.path); err != nil {
			return "", err
		}
		if err := d.root.Rename(".last.next", ".last"); err != nil {
			return "", err
		}
		w.kept, d.last = it, it
		return "received", files.SyncDir(d.path)
	}
	return "", refuse(codeExists, "another file of that name is here")
}

// repeated is how much of the file's begin is what came last.
func (w *writer) repeated(size int64) (int64, error) {
	l := w.d.last
	if l.Size == 0 || l.Size > size || !w.d.fetched && (!l.Unsure || l.Peer != w.peer) {
		return 0, nil
	}
	var end [1]byte
	if _, err := w.f.ReadAt(end[:], l.Size-1); err != nil {
		return 0, err
	}
	if end[0] != '\n' && end[0] != '\r' && l.Size != size {
		return 0, nil // its last line is another one now
	}
	sum, err := sumOf(w.f, 0, l.Size)
	if err != nil || sum != l.SHA256 {
		return 0, err
	}
	return l.Size, nil
}

func (w *writer) copyTo(part string, from, to int64) error {
	out, err := w.d.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(w.f, from, to-from))
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func sumOf(f io.ReaderAt, from, to int64) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, io.NewSectionReader(f, from, to-from))
	return hex.EncodeToString(h.Sum(nil)), err
}

func (d *Dir) sumOfName(name string) (string, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", nil // it is in the way
	}
	f, err := d.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return sumOf(f, 0, info.Size())
}
