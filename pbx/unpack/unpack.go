// Package unpack reads files that may be compressed: gzip, Unix compress (.Z), zip
// with one file in it, or none of them, told apart by their first bytes.
package unpack

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

const bufferSize = 32 << 10

// Reader gives the unpacked bytes of r. It looks at the first bytes and does not
// seek; a file of which nothing is known is given as it is. Memory is bounded,
// whatever the file says of itself. Damage is a *DamageError.
func Reader(r io.Reader) (io.Reader, error) {
	in := &counter{r: r}
	b := bufio.NewReaderSize(in, bufferSize)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	at := func() int64 { return in.n - int64(b.Buffered()) }
	switch {
	case len(magic) < 2:
		return b, nil
	case magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, damage("gzip", at(), err)
		}
		return &gzipReader{z: z, at: at}, nil
	case magic[0] == 0x1f && magic[1] == 0x9d:
		return newLZW(b)
	case len(magic) == 4 && (bytes.Equal(magic, zipMember) || bytes.Equal(magic, zipEmpty)):
		return newZip(b, at)
	}
	return b, nil
}

// Packed tells whether a file that begins so, with its first 4 bytes, is
// compressed.
func Packed(begin []byte) bool {
	return len(begin) >= 2 && begin[0] == 0x1f && (begin[1] == 0x8b || begin[1] == 0x9d) || bytes.HasPrefix(begin, zipMember) || bytes.HasPrefix(begin, zipEmpty)
}

// DamageError says that a compressed file is damaged, and where.
type DamageError struct {
	// Format is gzip, compress or zip.
	Format string
	// Offset is the byte of the compressed file at which the damage was seen; it
	// may lie before.
	Offset int64
	Err    error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged %s data at byte %d: %v", e.Format, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// damage leaves what the source itself failed with as it is.
func damage(format string, at int64, err error) error {
	var source *sourceError
	if errors.As(err, &source) {
		return source.err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &DamageError{Format: format, Offset: at, Err: err}
}

// counter counts what was read, and marks the source's own failures.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

type gzipReader struct {
	z  *gzip.Reader
	at func() int64
}

func (g *gzipReader) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if err != nil && err != io.EOF {
		err = damage("gzip", g.at(), err)
	}
	return n, err
}
