package files

import (
	"context"
	"errors"
	"io"
	"time"
)

// Source is where ticket files are: a folder of this machine, or of a server.
// Its methods are called by one goroutine.
type Source interface {
	// List names what is there and could be a ticket file.
	List(ctx context.Context) ([]Entry, error)
	// Open opens what the listing named; ErrChanged where that is something else
	// by now.
	Open(ctx context.Context, e Entry) (File, error)
	// Delete, Rename (to `.old`) and Move clear a collected file away, for good:
	// when they return it is on disk.
	Delete(ctx context.Context, e Entry) error
	Rename(ctx context.Context, e Entry) error
	Move(ctx context.Context, e Entry, dir string) error
	// Aside moves a file away that cannot be collected, and writes beside it why.
	// to is where it went. ErrStays: files of this source stay where they are.
	Aside(ctx context.Context, e Entry, why string) (to string, err error)
	// Where names the place of a file for people.
	Where(name string) string
}

// Entry is one file of a listing.
type Entry struct {
	Name string
	// Size in bytes.
	Size    int64
	Written time.Time
	// Order is the place among its like, where the source knows it better than by
	// the time; 0: by the time.
	Order int
	// Whole tells a file that is complete when it appears, packed for example,
	// also where the others grow.
	Whole bool
	// Err tells why it cannot be collected, and what would help; nil: it can.
	Err error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.Closer
	// Now is what the file is at this moment.
	Now() (Entry, error)
}

var (
	// ErrChanged tells that a file is not what the look saw.
	ErrChanged = errors.New("the file changed while it was read")
	// ErrAway tells that the source cannot be reached: it ends a look and is no
	// file's fault.
	ErrAway = errors.New("it cannot be reached")
	// ErrBusy tells of a file that another program has open and does not share: it
	// is tried again at the next look.
	ErrBusy = errors.New("another program has it open and does not share it")
	// ErrStays tells that a file is not moved aside.
	ErrStays = errors.New("it stays where it is")
)
