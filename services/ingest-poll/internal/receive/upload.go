package receive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

const appendFlags = os.O_WRONLY

// mode is what an upload is to the file that has its name.
type mode int

const (
	replaces mode = iota // it is the file
	appends              // it goes behind it
	patches              // it goes behind it, and says at which byte
)

// upload is a file that is under way. Only when its peer has said that it is
// whole does it get its name.
type upload struct {
	b    *Inbox
	name string
	mode mode
	// gone is closed when the peer is; nil: that does not matter.
	gone <-chan struct{}
	part string

	mu         sync.Mutex
	f          *os.File
	base       int64
	sum, end   int64 // bytes that were written, and up to where
	checked    int64
	err        error
	stall      *time.Timer
	stallAfter time.Duration
}

// errBroken tells of an upload that its peer broke off.
var errBroken = errors.New("the upload broke off")

// create begins an upload.
func (b *Inbox) create(given string, m mode, gone <-chan struct{}) (*upload, error) {
	name, err := file(given)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uploads >= maxUploads {
		return nil, refuse(nil, fmt.Sprintf("%d uploads are under way already", maxUploads))
	}
	if err := b.roomy(); err != nil {
		return nil, err
	}
	u := &upload{b: b, name: name, mode: m, gone: gone, part: path.Join(ours, "part-"+rand.Text())}
	info, err := b.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.mode = replaces
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, refuse(errName, "that is no file")
	case m != replaces && info.Size() > 0:
		if !b.pattern.Grows || !files.Collects(b.pattern, name) {
			b.raise("append", fmt.Errorf("the PBX appends to %s, but the link takes its files as whole ones, and it was refused: say grows: true if tickets are appended to a file", name), longTrouble)
			return nil, refuse(fs.ErrPermission, "files are taken whole here and not appended to")
		}
		u.base = info.Size()
	}
	if u.f, err = b.root.OpenFile(u.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640); err != nil {
		return nil, err
	}
	b.uploads++
	return u, nil
}

// watch calls stuck when nothing comes for so long.
func (u *upload) watch(after time.Duration, stuck func()) {
	u.stallAfter = after
	u.stall = time.AfterFunc(after, stuck)
}

// Write goes on at the end.
func (u *upload) Write(p []byte) (int, error) {
	u.mu.Lock()
	at := u.end
	u.mu.Unlock()
	return u.write(p, at)
}

// WriteAt writes at a place of the file that the peer has in mind.
func (u *upload) WriteAt(p []byte, at int64) (int, error) {
	if u.mode == patches {
		if at -= u.base; at < 0 {
			err := refuse(fs.ErrPermission, "what was delivered is not written over, only appended to")
			u.TransferError(err)
			return 0, err
		}
	}
	return u.write(p, at)
}

func (u *upload) write(p []byte, at int64) (int, error) {
	if u.stall != nil {
		u.stall.Reset(u.stallAfter)
	}
	if err := u.wrote(int64(len(p)), at); err != nil {
		return 0, err
	}
	n, err := u.f.WriteAt(p, at)
	if err != nil {
		err = u.b.told(err)
		u.TransferError(err)
	}
	return n, err
}

// checkEvery is after how many bytes the disk is looked at again.
const checkEvery = 4 << 20

func (u *upload) wrote(n, at int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	// A hole may be filled yet, but it takes no more room than was looked for.
	if at < 0 || at > u.end+checkEvery {
		u.err = refuse(fs.ErrPermission, "files are written from their begin on")
		return u.err
	}
	u.sum, u.end = u.sum+n, max(u.end, at+n)
	if u.sum-u.checked < checkEvery {
		return nil
	}
	u.checked = u.sum
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	u.err = u.b.toldLocked(u.b.roomy())
	return u.err
}

// TransferError tells that the upload broke off.
func (u *upload) TransferError(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var refused *refusal
	switch {
	case u.err != nil:
	case errors.As(err, &refused):
		u.err = err
	default:
		u.err = fmt.Errorf("%w: %w", errBroken, err)
	}
}

// Close ends the upload. When it returns nil, the file is on disk under its name.
func (u *upload) Close() error {
	if u.stall != nil {
		u.stall.Stop()
	}
	grace := time.NewTimer(u.b.grace)
	defer grace.Stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.f == nil {
		return fs.ErrClosed
	}
	err := u.err
	if err == nil && u.sum < u.end {
		err = fmt.Errorf("%w: %d of %d bytes came", errBroken, u.sum, u.end)
	}
	if err == nil {
		err = u.f.Sync()
	}
	err = errors.Join(err, u.f.Close())
	u.f = nil
	if err == nil && u.gone != nil {
		// The end of a data connection is the same for a file that is whole and for
		// a peer that died: the control connection tells.
		select {
		case <-u.gone:
			err = fmt.Errorf("%w: the peer closed its connection before the answer", errBroken)
		case <-grace.C:
		}
	}
	b := u.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uploads--
	if err == nil {
		err = u.finish()
	}
	if err != nil {
		_ = b.root.Remove(u.part)
		b.l.Metrics.File("broken")
		b.seen.Broken++
		b.seen.Why = err.Error()
		b.raise("broken", fmt.Errorf("an upload of %s was not taken: %w; the PBX has to send it again", u.name, err), dayTrouble)
		return b.toldLocked(err)
	}
	b.seen.Received++
	b.settle("broken")
	return nil
}

func (u *upload) finish() error {
	b := u.b
	if u.mode == replaces {
		return b.publish(u.part, u.name, u.end)
	}
	info, err := b.root.Lstat(u.name)
	if u.mode == patches && (err != nil || info.Size() != u.base) {
		return fmt.Errorf("%w: something else was appended meanwhile", errBroken)
	}
	return b.append(u.part, u.name, u.end)
}
