package receive

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/fclairamb/ftpserverlib"
)

// refusal is an error that may be told to a peer: it names nothing of this
// machine.
type refusal struct {
	is   error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

func refuse(is error, text string) error { return &refusal{is, text} }

// Kinds of refusals: a name that cannot be, and a full disk.
var (
	errName = ftpserver.ErrFileNameNotAllowed
	errFull = ftpserver.ErrStorageExceeded
)

// trouble is something that is wrong with a link, until it is settled or old.
type trouble struct {
	err   error
	until time.Time
}

const (
	longTrouble = time.Hour
	dayTrouble  = 24 * time.Hour
)

// raise remembers what is wrong: the next look tells. b.mu is held.
func (b *Inbox) raise(key string, err error, lasts time.Duration) {
	b.troubles[key] = trouble{err, b.l.Now().Add(lasts)}
}

func (b *Inbox) settle(key string) { delete(b.troubles, key) }

// raiseNow and settleNow are for those who do not hold b.mu.
func (b *Inbox) raiseNow(key string, err error, lasts time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raise(key, err, lasts)
}

func (b *Inbox) settleNow(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(key)
}

// tell makes alarms of what is wrong. b.mu is held, by the goroutine that looks.
func (b *Inbox) tell() {
	now := b.l.Now()
	maps.DeleteFunc(b.troubles, func(_ string, t trouble) bool { return now.After(t.until) })
	for key, t := range b.troubles {
		b.l.Alarms.Raise(key, t.err)
	}
}

// told is what a peer hears of an error. What it must not know is the link's
// trouble.
func (b *Inbox) told(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.toldLocked(err)
}

func (b *Inbox) toldLocked(err error) error {
	var told *refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told):
		return told
	case errors.Is(err, fs.ErrNotExist):
		return refuse(fs.ErrNotExist, "there is no such file")
	case errors.Is(err, errBroken):
		return refuse(nil, errBroken.Error())
	}
	b.raise("disk", fmt.Errorf("folder %s cannot be used, files are refused: look at the disk and at the rights of the user that runs trunkline: %w", b.dir, err), longTrouble)
	return refuse(nil, "the file cannot be taken now: send it again later")
}

// space is what a disk has left.
type space struct {
	free, total     uint64 // bytes
	files, allFiles uint64 // how many more files; 0, 0: it does not say
}

const (
	reserve       = 1 << 30
	reservePart   = 20 // a twentieth
	reserveInodes = 100
)

// roomy tells whether there is room for uploads: other parts of Trunkline need
// the disk too, and must not fail because a PBX sends much. b.mu is held.
func (b *Inbox) roomy() error {
	s, err := b.space(b.dir)
	if err != nil {
		return err
	}
	if s.free < min(reserve, s.total/reservePart) || s.allFiles > 0 && s.files < s.allFiles/reserveInodes {
		b.raise("full", fmt.Errorf("the disk of %s is nearly full (%d MB left): files are refused and stay at the PBX, make room", b.dir, s.free/1e6), longTrouble)
		return refuse(errFull, "the disk is nearly full: send it again later")
	}
	b.settle("full")
	return nil
}
