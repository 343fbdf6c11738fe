package files

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/unpack"
	"trunkline.internal/services/ingest-poll/internal/journal"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// A whole file among logs may be one that was collected before: packed again
// with more tickets in it, or a log that somebody packed. Its tickets go on under
// the origin that they began with.

// begun finds what a file that is not collected yet goes on from: what was
// collected of it under its name, or as a log. It must be the same up to there.
// nil: it begins anew.
func (f *Folder) begun(file File, c candidate, s *sums, old *journal.Entry) (*journal.Entry, error) {
	if old != nil && old.Origin != "" {
		if same, err := s.goesOn(file, c, old); same || err != nil {
			return old, err
		}
	}
	in, err := s.unpacked(file, c)
	if err != nil {
		return nil, err
	}
	begin, err := in.Peek(blockSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head, _, err := pack.Head(f.Cutting.Split, f.Cutting.Head, begin, err == io.EOF)
	if err != nil {
		return nil, err
	}
	first, err := pack.First(f.Cutting.Split, begin[head:])
	if first == nil || err != nil {
		return nil, err
	}
	log := f.journal.Get(identity.GrowingFile(first))
	if log == nil {
		return nil, nil
	}
	if same, err := s.goesOn(file, c, log); !same || err != nil {
		return nil, err
	}
	return &journal.Entry{Origin: log.Key, Offset: log.Offset, Inside: log.Inside}, nil
}

// unpacked reads a file again from its begin.
func (s *sums) unpacked(file File, c candidate) (*bufio.Reader, error) {
	r, err := unpack.Reader(&summed{sums: s, file: file, size: c.size})
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(r, blockSize), nil
}

// goesOn tells whether a file is the same as one before, up to its end.
func (s *sums) goesOn(file File, c candidate, e *journal.Entry) (bool, error) {
	in, err := s.unpacked(file, c)
	if err != nil {
		return false, err
	}
	var last lastBytes
	switch _, err := io.CopyN(&last, in, e.Offset); {
	case err == io.EOF:
		return false, nil // it is shorter
	case err != nil:
		return false, err
	}
	return last.guard() == e.Guard, nil
}

// lastBytes keeps the last bytes that were written to it.
type lastBytes []byte

func (l *lastBytes) Write(p []byte) (int, error) {
	*l = append(*l, p[max(0, len(p)-guardSize):]...)
	*l = append((*l)[:0], (*l)[max(0, len(*l)-guardSize):]...)
	return len(p), nil
}

// guard is as of guardOf.
func (l lastBytes) guard() string {
	sum := sha256.Sum256(l)
	return hex.EncodeToString(sum[:8])
}
