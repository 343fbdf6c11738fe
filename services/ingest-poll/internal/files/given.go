package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/unpack"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/journal"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// Given is a ticket file that somebody names, wherever it stands.
type Given struct {
	Path string
	// Size in bytes, and when it was modified last.
	Size     int64
	Modified time.Time
}

// Name is the base name, which is part of a whole file's origin.
func (g *Given) Name() string { return filepath.Base(g.Path) }

// NeverCollected tells names that are not collected, whatever the pattern.
func NeverCollected(name string) bool { return never(name) }

// Matches tells whether a file of that name is like those that a link collects,
// also where somebody packed it.
func Matches(set pbx.FileSet, name string) bool {
	if set.Pattern == "" || collects(set, name) {
		return true
	}
	return packed(name) && collects(set, name[:len(name)-len(filepath.Ext(name))])
}

// Open opens a given file. Up to blockSize bytes it is read at once, and so
// cannot change any more.
func Open(g *Given) (*Opened, error) {
	f, err := openRegular(g.Path)
	if err != nil {
		return nil, err
	}
	o := &Opened{Given: g, file: f}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("it is no regular file")
	case info.Size() < g.Size:
		err = ErrChanged
	case g.Size <= blockSize:
		data := make([]byte, g.Size)
		err = readAt(f, data, 0)
		o.at = bytes.NewReader(data)
	default:
		o.at = f
	}
	if err == nil {
		begin := make([]byte, min(4, g.Size))
		err = readAt(o.at, begin, 0)
		o.Packed = unpack.Packed(begin)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return o, nil
}

// Opened is an open given file.
type Opened struct {
	*Given
	// Packed tells that its bytes are compressed.
	Packed bool

	file *os.File
	at   io.ReaderAt
	sums *sums
}

// Close closes it.
func (o *Opened) Close() error { return o.file.Close() }

// Sum is the SHA-256 of the file's bytes. What is read afterwards is made sure to
// be the same bytes.
func (o *Opened) Sum(ctx context.Context) ([32]byte, error) {
	if o.sums == nil {
		s, err := sum(ctx, o.at, o.Size, 0)
		if err != nil {
			return [32]byte{}, err
		}
		o.sums = s
	}
	return o.sums.whole, nil
}

// Unpacked reads the file from its begin.
func (o *Opened) Unpacked() (io.Reader, error) {
	if o.sums != nil {
		return unpack.Reader(&summed{sums: o.sums, file: o.at, size: o.Size})
	}
	return unpack.Reader(io.NewSectionReader(o.at, 0, o.Size))
}

// begin is the first bytes, unpacked, with the reader of all of them.
func (o *Opened) begin(size int) (in *bufio.Reader, first []byte, end bool, err error) {
	r, err := o.Unpacked()
	if err != nil {
		return nil, nil, false, err
	}
	in = bufio.NewReaderSize(r, size)
	first, err = in.Peek(size)
	if end = err == io.EOF; err != nil && !end {
		return nil, nil, false, err
	}
	return in, first, end, nil
}

// bufferSize holds a small file whole; packed tickets grow about eightfold.
func (o *Opened) bufferSize() int {
	if o.Packed {
		return int(min(8*o.Size+4096, blockSize))
	}
	return int(min(o.Size+1, blockSize))
}

// Origin of a log: what it is known by. Empty while its first ticket is not
// whole.
func (o *Opened) Origin(c pbx.Cutting) (string, error) {
	_, begin, end, err := o.begin(o.bufferSize())
	if err != nil {
		return "", err
	}
	if end {
		begin = written(begin)
	}
	head, ok, err := pack.Head(c.Split, c.Head, begin, false)
	if err != nil || !ok {
		return "", err
	}
	first, err := pack.First(c.Split, begin[head:])
	if err != nil {
		return "", err
	}
	if first == nil {
		if !end {
			return "", errors.New("there is no ticket in its first 1 MiB")
		}
		return "", nil
	}
	return identity.GrowingFile(first), nil
}

// ErrShorter and ErrOther tell that a log is not, or not any more, what was
// collected under its first ticket.
var (
	ErrShorter = errors.New("it is shorter than what was collected of it")
	ErrOther   = errors.New("it begins like a log that was collected, and goes on differently")
)

// GoesOn makes sure that a log is the one that was collected, as far as it was.
func (o *Opened) GoesOn(e *journal.Entry) error {
	in, err := o.Unpacked()
	if err != nil {
		return err
	}
	var last lastBytes
	switch _, err := io.CopyN(&last, in, e.Offset); {
	case err == io.EOF:
		return ErrShorter
	case err != nil:
		return err
	case e.Guard != "" && last.guard() != e.Guard:
		return ErrOther
	}
	return nil
}

// Reading is how a given file is read.
type Reading struct {
	Origin string
	// Written goes with every ticket.
	Written time.Time
	// From and Inside are where to begin, behind what was collected before.
	From   int64
	Inside bool
	// Log tells a file whose last ticket counts only with its end: without it is
	// left over, or published as cut off where Ended tells that nobody writes any
	// more.
	Log, Ended bool
}

// Reader makes ticket messages of given files, at the places that a Folder would
// name: what both read is the same tickets.
type Reader struct {
	Address wire.Address
	Cutting pbx.Cutting
	Now     func() time.Time
	// Yield gets each message and how many tickets it holds. The payload is its
	// own.
	Yield func(m *bus.TicketMessage, tickets int) error
}

// Read reads a file and returns how many bytes at its end were left over.
func (r *Reader) Read(ctx context.Context, o *Opened, how Reading) (left int, err error) {
	size := o.bufferSize()
	in, begin, end, err := o.begin(size)
	if err != nil {
		return 0, err
	}
	n, _, err := pack.Head(r.Cutting.Split, r.Cutting.Head, begin, end)
	if err != nil {
		return 0, err
	}
	m := bus.TicketMessage{Address: r.Address, Written: how.Written, Origin: how.Origin, Name: o.Name(), Preamble: bytes.Clone(begin[:n])}
	at := max(how.From, int64(n))
	if _, err := io.CopyN(io.Discard, in, at); err != nil && err != io.EOF {
		return 0, err
	}
	packer := pack.Packer{Split: r.Cutting.Split, Inside: how.Inside}
	var rest []byte
	for end := false; !end; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// A buffer of its own: the messages point into it.
		buf := make([]byte, len(rest)+size)
		n, err := io.ReadFull(in, buf[copy(buf, rest):])
		if end = err == io.EOF || err == io.ErrUnexpectedEOF; err != nil && !end {
			return 0, err
		}
		data := buf[:len(rest)+n]
		if end && how.Log {
			data = written(data)
		}
		var failed error
		used, err := packer.Pack(data, at, end && !how.Log, func(p pack.Payload) {
			if failed == nil {
				failed = r.yield(m, p)
			}
		})
		if err != nil {
			return 0, fmt.Errorf("byte %d: %w", at+int64(used), err)
		}
		if failed != nil {
			return 0, failed
		}
		at, rest = at+int64(used), data[used:]
	}
	if len(rest) == 0 || !how.Log {
		return 0, nil
	}
	if !how.Ended {
		return len(rest), nil
	}
	return 0, r.yield(m, pack.Payload{Offset: at, Data: slices.Clip(rest), Tickets: 1, Incomplete: wire.IncompleteCutOff})
}

func (r *Reader) yield(m bus.TicketMessage, p pack.Payload) error {
	m.Received, m.Offset, m.Incomplete, m.Payload = r.Now(), identity.Position(p.Offset), p.Incomplete, p.Data
	return r.Yield(&m, p.Tickets)
}
