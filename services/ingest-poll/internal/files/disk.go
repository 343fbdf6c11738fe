package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// disk is a folder of this machine or of a mounted share.
type disk struct {
	dir string
	// The two that tests make fail.
	open     func(path string) (*os.File, error)
	osRename func(from, to string) error
}

// NewDisk is a folder of this machine as a source; move is where collected files
// go, if they do.
func NewDisk(dir, move string) (Source, error) { return newDisk(dir, move) }

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error { return syncDir(dir) }

func newDisk(dir, move string) (*disk, error) {
	if dir == "" {
		return nil, errors.New("files: dir is missing: give the folder that the PBX writes to")
	}
	d := &disk{dir: filepath.Clean(dir), open: openRegular, osRename: os.Rename}
	if move != "" && d.folder(move) == d.dir {
		return nil, fmt.Errorf("files: after: move: %s is the folder itself: give another one", d.dir)
	}
	return d, nil
}

// folder is the path of a folder, given in full or below ours.
func (d *disk) folder(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.dir, name)
	}
	return filepath.Clean(name)
}

func (d *disk) Where(name string) string { return filepath.Join(d.dir, name) }

// List names the regular files. A link, a pipe or a device is never opened:
// reading it could hang the folder, or collect a file twice under two names.
func (d *disk) List(context.Context) ([]Entry, error) {
	found, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s cannot be read: %s: %w", d.dir, folderRemedy(runtime.GOOS, d.dir, err), err)
	}
	entries := make([]Entry, 0, len(found))
	for _, e := range found {
		if e.IsDir() {
			continue
		}
		it := Entry{Name: e.Name()}
		if !e.Type().IsRegular() {
			it.Err = fmt.Errorf("%s is no regular file (%s) and is not opened: give the folder where the tickets are, or a pattern without it", it.Name, e.Type())
			entries = append(entries, it)
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			it.Err = fmt.Errorf("file %s cannot be examined: look at the disk or the share: %w", it.Name, err)
		} else {
			it.Size, it.Written = info.Size(), info.ModTime()
		}
		entries = append(entries, it)
	}
	return entries, nil
}

// diskFile is an open file of a disk.
type diskFile struct{ *os.File }

func (f diskFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	return n, busy(err)
}

func (f diskFile) Now() (Entry, error) {
	info, err := f.Stat()
	if err != nil {
		return Entry{}, err
	}
	if !info.Mode().IsRegular() {
		return Entry{}, ErrChanged
	}
	return Entry{Name: info.Name(), Size: info.Size(), Written: info.ModTime()}, nil
}

func (d *disk) Open(_ context.Context, e Entry) (File, error) {
	f, err := d.open(d.Where(e.Name))
	if err != nil {
		return nil, busy(err)
	}
	return diskFile{f}, nil
}

// Refresh tells what a listed file is by now: a folder of Windows lists a file as
// it was when its writer opened it.
func (d *disk) Refresh(ctx context.Context, e Entry) (Entry, error) {
	f, err := d.Open(ctx, e)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	return f.Now()
}

// busy makes ErrBusy of what the system says of a file that is not shared.
func busy(err error) error {
	if slices.ContainsFunc(busyErrors, func(e error) bool { return errors.Is(err, e) }) {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

// unchanged makes sure that a name still stands for the file that was listed.
func (d *disk) unchanged(e Entry) error {
	info, err := os.Lstat(d.Where(e.Name))
	if err != nil {
		return err
	}
	if info.Size() != e.Size || !info.ModTime().Equal(e.Written) {
		return ErrChanged
	}
	return nil
}

func (d *disk) Delete(_ context.Context, e Entry) error {
	if err := d.unchanged(e); err != nil {
		return err
	}
	if err := os.Remove(d.Where(e.Name)); err != nil {
		return busy(err)
	}
	return syncDir(d.dir)
}

func (d *disk) Rename(_ context.Context, e Entry) error {
	if err := d.unchanged(e); err != nil {
		return err
	}
	to, err := freeName(d.dir, e.Name, ".old")
	if err != nil {
		return err
	}
	if err := d.osRename(d.Where(e.Name), to); err != nil {
		return busy(err)
	}
	return syncDir(d.dir)
}

func (d *disk) Move(_ context.Context, e Entry, dir string) error {
	if err := d.unchanged(e); err != nil {
		return err
	}
	dir = d.folder(dir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	to, err := freeName(dir, e.Name, "")
	if err != nil {
		return err
	}
	err = d.osRename(d.Where(e.Name), to)
	if errors.Is(err, errOtherDisk) {
		return d.moveFar(e, to)
	}
	if err != nil {
		return busy(err)
	}
	return errors.Join(syncDir(dir), syncDir(d.dir))
}

// moveFar moves to another file system: the copy is on disk under its name
// before the file is removed.
func (d *disk) moveFar(e Entry, to string) error {
	part := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".part")
	if err := d.copyTo(part, e); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, to); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if err := os.Remove(d.Where(e.Name)); err != nil {
		return err
	}
	return syncDir(d.dir)
}

func (d *disk) copyTo(to string, e Entry) error {
	in, err := d.open(d.Where(e.Name))
	if err != nil {
		return busy(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = same(diskFile{in}, e)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, time.Time{}, e.Written)
}

// asideDir is where files go that cannot be collected. Its name begins with a
// dot, and it is a folder: it is never collected.
const asideDir = ".trunkline-aside"

// noteEnding is of the notes beside them.
const noteEnding = ".error"

// Asides names the files that were moved aside and are still there.
func (d *disk) Asides() (dir string, names []string) {
	dir = filepath.Join(d.dir, asideDir)
	found, _ := os.ReadDir(dir) // mostly there is none
	for _, e := range found {
		if !e.IsDir() && filepath.Ext(e.Name()) != noteEnding {
			names = append(names, e.Name())
		}
	}
	return dir, names
}

func (d *disk) Aside(_ context.Context, e Entry, why string) (string, error) {
	dir := filepath.Join(d.dir, asideDir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	to, err := freeName(dir, e.Name, "")
	if err != nil {
		return "", err
	}
	if err := os.Rename(d.Where(e.Name), to); err != nil {
		return "", err
	}
	// From here on it is aside; what fails now is only the note or its durability.
	return to, errors.Join(os.WriteFile(to+noteEnding, []byte(why), 0o640), syncDir(dir), syncDir(d.dir))
}

// freeName is a path in dir that does not exist: the name, or the name and a
// number, and an ending.
func freeName(dir, name, ending string) (string, error) {
	for n := range 10000 {
		to := filepath.Join(dir, name+ending)
		if n > 0 {
			to = filepath.Join(dir, fmt.Sprintf("%s.%d%s", name, n, ending))
		}
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return to, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%s has no free name for %s", dir, name)
}
