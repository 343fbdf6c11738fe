package unpack

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A zip file lists its members at its end; but one that holds a single file can
// be read from its begin, where the same stands in the member's own head.
// archive/zip of the standard library would have to seek.
var (
	zipMember     = []byte("PK\x03\x04")
	zipDirectory  = []byte("PK\x01\x02")
	zipEmpty      = []byte("PK\x05\x06")
	zipDescriptor = []byte("PK\x07\x08")
)

const (
	zipEncrypted  = 1 << 0
	zipDescribed  = 1 << 3 // sum and sizes stand behind the data
	zipStored     = 0
	zipDeflated   = 8
	zipHeadSize   = 30
	zipSizeBeyond = 0xffffffff // it stands elsewhere, as it has more than 4 GiB
)

type zipReader struct {
	in        *bufio.Reader
	at        func() int64
	data      io.Reader
	crc       hash.Hash32
	sum       uint32
	described bool
	err       error // what Read answers once the data is out
}

func newZip(in *bufio.Reader, at func() int64) (io.Reader, error) {
	z := &zipReader{in: in, at: at, crc: crc32.NewIEEE()}
	if err := z.open(); err != nil {
		return nil, damage("zip", at(), err)
	}
	return z, nil
}

// open reads the head of the first member that is no folder.
func (z *zipReader) open() error {
	for {
		head := make([]byte, zipHeadSize)
		if _, err := io.ReadFull(z.in, head[:4]); err != nil {
			return err
		}
		if bytes.Equal(head[:4], zipEmpty) || bytes.Equal(head[:4], zipDirectory) {
			z.data = bytes.NewReader(nil)
			z.err = io.EOF
			return nil
		}
		if !bytes.Equal(head[:4], zipMember) {
			return errors.New("expected the head of a file")
		}
		if _, err := io.ReadFull(z.in, head[4:]); err != nil {
			return err
		}
		short := func(i int) int { return int(binary.LittleEndian.Uint16(head[i:])) }
		flags, method := short(6), short(8)
		size := binary.LittleEndian.Uint32(head[22:])
		name := make([]byte, short(26))
		if _, err := io.ReadFull(z.in, name); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, z.in, int64(short(28))); err != nil {
			return err
		}
		z.sum, z.described = binary.LittleEndian.Uint32(head[14:]), flags&zipDescribed != 0
		switch {
		case flags&zipEncrypted != 0:
			return errors.New("it is encrypted")
		case bytes.HasSuffix(name, []byte("/")) && size == 0 && !z.described:
			continue
		case method == zipDeflated:
			z.data = flate.NewReader(z.in)
		case method == zipStored && !z.described && size != zipSizeBeyond:
			z.data = &exactly{io.LimitedReader{R: z.in, N: int64(size)}}
		case method == zipStored:
			return errors.New("nothing tells where its file ends")
		default:
			return fmt.Errorf("packed with method %d: expected 8, deflate", method)
		}
		return nil
	}
}

func (z *zipReader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.data.Read(p)
	z.crc.Write(p[:n])
	switch {
	case err == io.EOF:
		z.err = io.EOF
		if err := z.close(); err != nil {
			z.err = damage("zip", z.at(), err)
		}
		if n == 0 {
			return 0, z.err
		}
	case err != nil:
		z.err = damage("zip", z.at(), err)
		return n, z.err
	}
	return n, nil
}

// close checks the sum, and that nothing is left unread.
func (z *zipReader) close() error {
	if z.described {
		word := make([]byte, 4)
		if _, err := io.ReadFull(z.in, word); err != nil {
			return err
		}
		if bytes.Equal(word, zipDescriptor) {
			if _, err := io.ReadFull(z.in, word); err != nil {
				return err
			}
		}
		z.sum = binary.LittleEndian.Uint32(word)
		// Two sizes follow, of 4 or 8 bytes each.
		sizes := 8
		if next, err := z.in.Peek(20); err == nil && zipNext(next[16:]) && !zipNext(next[8:12]) {
			sizes = 16
		}
		if _, err := io.CopyN(io.Discard, z.in, int64(sizes)); err != nil {
			return err
		}
	}
	if z.crc.Sum32() != z.sum {
		return errors.New("its sum differs")
	}
	next := make([]byte, 4)
	if _, err := io.ReadFull(z.in, next); err != nil {
		return err
	}
	switch {
	case bytes.Equal(next, zipMember):
		return errors.New("it holds more than one file")
	case !bytes.Equal(next, zipDirectory):
		return errors.New("its directory is missing")
	}
	// The directory says the same again.
	_, err := io.Copy(io.Discard, z.in)
	return err
}

func zipNext(b []byte) bool { return bytes.Equal(b, zipDirectory) || bytes.Equal(b, zipMember) }

// exactly reads so many bytes and not less.
type exactly struct{ io.LimitedReader }

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.LimitedReader.Read(p)
	if err == io.EOF && e.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
