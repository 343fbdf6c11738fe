package receive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// publish makes a file of the inbox, whole and on disk, the one of that name.
// When it returns, that is on disk too. A resent file counts once; another one
// never takes the place of one that is not collected.
func (b *Inbox) publish(from, name string, size int64) error {
	result, err := b.place(from, name, size)
	if err != nil {
		return err
	}
	if err := b.sync(); err != nil {
		return err
	}
	b.l.Metrics.File(result)
	return nil
}

func (b *Inbox) place(from, name string, size int64) (result string, err error) {
	have, at, err := b.newest(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case err != nil, have.Size() == 0 && at == name, !files.Collects(b.pattern, name):
		return "received", b.root.Rename(from, name)
	}
	// same is how much of both files is equal.
	same, err := b.equal(from, at, min(size, have.Size()))
	if err != nil {
		return "", err
	}
	switch {
	case same && (size == have.Size() || size < have.Size() && (b.pattern.Grows || size == 0)):
		return "received_again", b.root.Remove(from)
	case same && b.pattern.Grows:
		return "received", b.root.Rename(from, name)
	case b.pattern.Grows:
		// The log that had the name is read to its end under another one.
		b.number++
		if err := b.root.Rename(name, b.hidden("old", b.number, name)); err != nil {
			return "", err
		}
		return "received", b.root.Rename(from, name)
	}
	b.number++
	return "queued", b.root.Rename(from, b.hidden("next", b.number, name))
}

// equal tells whether the first bytes of two files are.
func (b *Inbox) equal(x, y string, size int64) (bool, error) {
	fx, err := b.root.Open(x)
	if err != nil {
		return false, err
	}
	defer fx.Close()
	fy, err := b.root.Open(y)
	if err != nil {
		return false, err
	}
	defer fy.Close()
	bx, by := make([]byte, 64<<10), make([]byte, 64<<10)
	for size > 0 {
		n := min(size, int64(len(bx)))
		if _, err := io.ReadFull(fx, bx[:n]); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(fy, by[:n]); err != nil {
			return false, err
		}
		if !bytes.Equal(bx[:n], by[:n]) {
			return false, nil
		}
		size -= n
	}
	return true, nil
}

// append adds a file of the inbox, whole and on disk, to the end of a log. What
// is to be added where is on disk first, so that a crash in the middle is
// finished at the next start.
func (b *Inbox) append(from, name string, size int64) error {
	info, err := b.root.Lstat(name)
	if err != nil || info.Size() == 0 {
		return b.publish(from, name, size)
	}
	if size == 0 {
		return b.root.Remove(from)
	}
	intent := path.Join(ours, fmt.Sprintf("append-%016d-%s", info.Size(), name))
	if err := b.root.Rename(from, intent); err != nil {
		return err
	}
	if err := b.sync(); err != nil {
		return err
	}
	if err := b.appendNow(path.Base(intent), name, info.Size()); err != nil {
		return err
	}
	if err := b.sync(); err != nil {
		return err
	}
	b.l.Metrics.File("received")
	return nil
}

// appendNow does what an intent says; done twice, it changes nothing.
func (b *Inbox) appendNow(intent, name string, offset int64) error {
	in, err := b.root.Open(path.Join(ours, intent))
	if err != nil {
		return err
	}
	defer in.Close()
	log, err := b.root.OpenFile(name, appendFlags, 0o640)
	if err != nil {
		return err
	}
	defer log.Close()
	if info, err := log.Stat(); err != nil {
		return err
	} else if info.Size() < offset {
		return fmt.Errorf("%s has %d bytes, but %s/%s continues it at %d: put the log back, or move that file away", name, info.Size(), ours, intent, offset)
	}
	if _, err := io.Copy(io.NewOffsetWriter(log, offset), in); err != nil {
		return err
	}
	if err := log.Sync(); err != nil {
		return err
	}
	in.Close()
	return b.root.Remove(path.Join(ours, intent))
}
