package files

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"io"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/unpack"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/journal"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// blockSize is how much of a file is read, checked and published at a time.
const blockSize = 1 << 20

// lookWhole collects the files that have settled and treats those that are done
// as the configuration says.
func (f *Folder) lookWhole(ctx context.Context, found []candidate) error {
	for _, c := range found {
		if e := f.journal.Get(c.name); e != nil {
			f.journal.Seen(e)
			if e.Done != 0 && e.Size == c.size && e.Time == c.time {
				continue
			}
		}
		if f.settled(c) && !f.resting(c) {
			err := f.collect(ctx, c)
			if err == nil {
				delete(f.seen, c.name)
				delete(f.failures, c.name)
				continue
			}
			if err := f.failed(ctx, c, err); err != nil {
				return err
			}
			if f.seen[c.name] == nil {
				continue // gone, moved aside, or new again
			}
		}
		f.waits(c)
	}
	return f.treat(ctx, found)
}

// settled tells whether a whole file is complete, as far as one can see: it has
// not changed between looks for the time, and is that old. A file from the
// future, of a machine whose clock is ahead, has only the looks.
func (f *Folder) settled(c candidate) bool {
	s, now := f.sighted(c), f.Now()
	age := now.Sub(c.written())
	return now.Sub(s.since) >= f.settle && (age >= f.settle || age < 0)
}

// sums are the hashes of a file: of all its bytes, and of each block, so that
// what is published later is known to be the same bytes.
type sums struct {
	whole  [sha256.Size]byte
	blocks []uint64
	// prefix is the hash of the first bytes, as many as were asked for.
	prefix [sha256.Size]byte
}

var blockSeed = maphash.MakeSeed()

// sum reads the file once.
func sum(ctx context.Context, r io.ReaderAt, size, prefix int64) (*sums, error) {
	s := &sums{blocks: make([]uint64, 0, size/blockSize+1)}
	sha := sha256.New()
	buf := make([]byte, min(size, blockSize))
	for at := int64(0); at < size; at += blockSize {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		block := buf[:min(size-at, blockSize)]
		if err := readAt(r, block, at); err != nil {
			return nil, err
		}
		s.blocks = append(s.blocks, maphash.Bytes(blockSeed, block))
		if cut := prefix - at; cut > 0 && cut <= int64(len(block)) {
			sha.Write(block[:cut])
			sha.Sum(s.prefix[:0])
			block = block[cut:]
		}
		sha.Write(block)
	}
	sha.Sum(s.whole[:0])
	return s, nil
}

// readAt fills the block. A file that is shorter than it was has changed.
func readAt(r io.ReaderAt, block []byte, at int64) error {
	n, err := r.ReadAt(block, at)
	if n == len(block) {
		return nil
	}
	if err == io.EOF {
		return ErrChanged
	}
	return err
}

// summed reads a file again, and makes sure that it is what was summed.
type summed struct {
	*sums
	file io.ReaderAt
	size int64

	at    int64
	block []byte
	rest  []byte
}

func (s *summed) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.at == s.size {
			return 0, io.EOF
		}
		if s.block == nil {
			s.block = make([]byte, min(s.size, blockSize))
		}
		block := s.block[:min(s.size-s.at, blockSize)]
		if err := readAt(s.file, block, s.at); err != nil {
			return 0, err
		}
		if maphash.Bytes(blockSeed, block) != s.blocks[s.at/blockSize] {
			return 0, ErrChanged
		}
		s.at += int64(len(block))
		s.rest = block
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// collect publishes a whole file, or what is left of it.
func (f *Folder) collect(ctx context.Context, c candidate) error {
	file, err := f.Open(ctx, c.entry())
	if err != nil {
		return err
	}
	defer file.Close()
	if err := same(file, c.entry()); err != nil {
		return err
	}
	old, prefix := f.journal.Get(c.name), int64(0)
	if old != nil && old.Done != 0 && old.Size < c.size {
		prefix = old.Size
	}
	if err := f.headFits(file, c.size); err != nil {
		return err
	}
	s, err := sum(ctx, file, c.size, prefix)
	if err != nil {
		return err
	}
	if err := same(file, c.entry()); err != nil {
		return err
	}
	sha := hex.EncodeToString(s.whole[:])
	e := &journal.Entry{Key: c.name, Size: c.size, Time: c.time, Sum: sha}
	switch {
	case old != nil && old.Sum == sha:
		*e = *old
		if e.Time = c.time; e.Done != 0 {
			f.journal.Put(e) // only its time is new
			return nil
		}
	case prefix > 0 && hex.EncodeToString(s.prefix[:]) == old.Sum:
		f.Metrics.File("grew_after")
		f.Log.Warn("a file grew after it was collected, its first tickets may count twice: raise settle above the longest pause of whoever writes it, or say grows: true if tickets are appended to it",
			"name", c.name, "from", old.Size, "to", c.size)
	}
	return f.publish(ctx, file, c, s, e, old)
}

// headFits looks at the head before the whole of a large file is read, which may be
// no ticket file at all.
func (f *Folder) headFits(file io.ReaderAt, size int64) error {
	if f.Cutting.Head == nil || size <= blockSize {
		return nil
	}
	begin := make([]byte, wire.MaxPreamble+1)
	if err := readAt(file, begin, 0); err != nil {
		return err
	}
	if unpack.Packed(begin) {
		return nil
	}
	_, _, err := pack.Head(f.Cutting.Split, f.Cutting.Head, begin, false)
	return err
}

// publish publishes what is left of a file. Offsets count the bytes in it, also
// where they are packed.
func (f *Folder) publish(ctx context.Context, file File, c candidate, s *sums, e, old *journal.Entry) error {
	origin := identity.WholeFile(c.name, s.whole)
	if f.set.Grows {
		if e.Origin == "" {
			before, err := f.begun(file, c, s, old)
			if err != nil {
				return err
			}
			if e.Origin = origin; before != nil {
				e.Origin, e.Offset, e.Inside = before.Origin, before.Offset, before.Inside
			}
		}
		origin = e.Origin
	}
	unpacked, err := unpack.Reader(&summed{sums: s, file: file, size: c.size})
	if err != nil {
		return err
	}
	size := int(min(8*c.size+4096, blockSize)) // packed tickets grow about as much
	in := bufio.NewReaderSize(unpacked, size)
	var head []byte
	if f.Cutting.Head != nil {
		first, err := in.Peek(size)
		if err != nil && err != io.EOF {
			return err
		}
		n, _, err := pack.Head(f.Cutting.Split, f.Cutting.Head, first, err == io.EOF)
		if err != nil {
			return err
		}
		head = bytes.Clone(first[:n])
		e.Offset = max(e.Offset, int64(n))
	}
	var last lastBytes
	if _, err := io.CopyN(&last, in, e.Offset); err != nil {
		return err
	}
	packer := pack.Packer{Split: f.Cutting.Split, Inside: e.Inside}
	buf := make([]byte, 0, size+wire.MaxTicket)
	for end := false; !end; {
		// The buffer holds the bytes behind e.Offset that were read.
		n, err := io.ReadFull(in, buf[len(buf):min(cap(buf), len(buf)+size)])
		if end = err == io.EOF || err == io.ErrUnexpectedEOF; err != nil && !end {
			return err
		}
		buf = buf[:len(buf)+n]
		var batch link.Batch
		used, err := packer.Pack(buf, e.Offset, end, func(p pack.Payload) {
			batch.Add(&bus.TicketMessage{
				Address: f.Address, Received: f.Now(), Written: c.written(), Origin: origin, Offset: identity.Position(p.Offset),
				Name: c.name, Preamble: head, Incomplete: p.Incomplete, Payload: p.Data,
			}, p.Tickets)
		})
		if err != nil {
			return fmt.Errorf("byte %d: %w", e.Offset+int64(used), err)
		}
		if err := f.Send(ctx, &batch); err != nil {
			return err
		}
		last.Write(buf[:used])
		// Acknowledged, so the buffer is ours again.
		buf = buf[:copy(buf, buf[used:])]
		e.Offset += int64(used)
		e.Inside = packer.Inside
		e.Tickets += int64(batch.Tickets)
		if f.set.Grows {
			e.Guard = last.guard()
		}
		f.journal.Put(e)
		if f.unsavedAt += int64(used); !end {
			if err := f.saveSometimes(ctx); err != nil {
				return err
			}
		}
	}
	e.Inside, e.Done = false, f.Now().Unix()
	f.journal.Put(e)
	f.unsaved++
	f.tellCollected(e, origin)
	f.Metrics.File("collected")
	return f.saveSometimes(ctx)
}

// same makes sure that the open file is the one that the look saw.
func same(file File, e Entry) error {
	now, err := file.Now()
	if err != nil {
		return err
	}
	if now.Size != e.Size || !now.Written.Equal(e.Written) {
		return ErrChanged
	}
	return nil
}
