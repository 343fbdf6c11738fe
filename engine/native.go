package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The engine writes Native blocks as for a client without a revision. A client that gives its client_protocol_version expects
// more: the head of a block from revision 1 on, and after each column's type a byte, from 54454 on, that says it is not
// serialized in a special way. Everything else is copied, for which the length of each column must be read.
const revisionCustomSerialization = 54454

// blockInfo is the head of a block that is neither an overflow (field 1) nor a bucket of a two-level aggregation (field 2, -1).
var blockInfo = []byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}

// nativeCopier copies blocks.
type nativeCopier struct {
	in       *bufio.Reader
	out      *bufio.Writer
	revision int
	types    map[string]*nativeType
}

// copyNative copies a whole Native stream.
func copyNative(w io.Writer, r io.Reader, revision int) error {
	c := &nativeCopier{bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10), revision, map[string]*nativeType{}}
	for {
		if err := c.block(); err != nil {
			// What came before the end goes out before the end is told.
			if flushErr := c.out.Flush(); flushErr != nil {
				return flushErr
			}
			if errors.Is(err, errNativeEnd) {
				return nil
			}
			return err
		}
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
	}
}

var errNativeEnd = errors.New("end of Native")

func (c *nativeCopier) block() error {
	columns, err := binary.ReadUvarint(c.in)
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errNativeEnd
	}
	if err != nil {
		return err
	}
	if _, err := c.out.Write(blockInfo); err != nil {
		return err
	}
	if err := c.putUvarint(columns); err != nil {
		return err
	}
	rows, err := c.uvarint()
	if err != nil {
		return err
	}
	for range columns {
		if err := c.column(rows); err != nil {
			return err
		}
	}
	return nil
}

func (c *nativeCopier) column(rows uint64) error {
	if _, err := c.text(); err != nil {
		return err
	}
	name, err := c.text()
	if err != nil {
		return err
	}
	t, ok := c.types[name]
	if !ok {
		if t, err = parseNativeType(name); err != nil {
			return exception(kindNotImplemented, "A column of the type %s cannot be sent with client_protocol_version: %v; cast it, or ask for another FORMAT", name, err)
		}
		c.types[name] = t
	}
	if c.revision >= revisionCustomSerialization {
		if err := c.out.WriteByte(0); err != nil {
			return err
		}
	}
	if rows == 0 {
		return nil
	}
	if err := c.prefix(t); err != nil {
		return err
	}
	return c.data(t, rows)
}

// prefix copies what stands before the data of a column.
func (c *nativeCopier) prefix(t *nativeType) error {
	if t.kind == nativeLowCardinality {
		return c.bytes(8) // version of the keys
	}
	if t.kind == nativeVariant {
		mode, err := c.uint64()
		if err != nil {
			return err
		}
		if mode != 0 {
			return fmt.Errorf("variant mode %d", mode)
		}
	}
	for _, e := range t.elems {
		if err := c.prefix(e); err != nil {
			return err
		}
	}
	return nil
}

// data copies the values of a column.
func (c *nativeCopier) data(t *nativeType, rows uint64) error {
	if rows == 0 && t.kind != nativeArray {
		return nil
	}
	switch t.kind {
	case nativeFixed:
		return c.bytes(rows * t.width)
	case nativeString:
		for range rows {
			if _, err := c.copyText(); err != nil {
				return err
			}
		}
		return nil
	case nativeNullable:
		if err := c.bytes(rows); err != nil {
			return err
		}
		return c.data(t.elems[0], rows)
	case nativeArray: // offsets, each where a row ends
		last := uint64(0)
		for range rows {
			var err error
			if last, err = c.uint64(); err != nil {
				return err
			}
		}
		for _, e := range t.elems {
			if err := c.data(e, last); err != nil {
				return err
			}
		}
		return nil
	case nativeTuple:
		for _, e := range t.elems {
			if err := c.data(e, rows); err != nil {
				return err
			}
		}
		return nil
	case nativeLowCardinality:
		return c.lowCardinality(t)
	case nativeVariant:
		return c.variant(t, rows)
	default:
		return fmt.Errorf("kind %d", t.kind)
	}
}

// lowCardinality copies flags, the dictionary, and the indices into it.
func (c *nativeCopier) lowCardinality(t *nativeType) error {
	flags, err := c.uint64()
	if err != nil {
		return err
	}
	const needGlobal, hasAdditional = 1 << 8, 1 << 9
	if flags&needGlobal != 0 || flags&hasAdditional == 0 {
		return fmt.Errorf("dictionary flags %#x", flags)
	}
	keys, err := c.uint64()
	if err != nil {
		return err
	}
	if err := c.data(t.elems[0], keys); err != nil {
		return err
	}
	n, err := c.uint64()
	if err != nil {
		return err
	}
	return c.bytes(n << (flags & 0xf))
}

// variant copies a discriminator for each row, 255 for NULL, and the values of each type.
func (c *nativeCopier) variant(t *nativeType, rows uint64) error {
	var counts [256]uint64
	for range rows {
		d, err := c.in.ReadByte()
		if err != nil {
			return unexpected(err)
		}
		if err := c.out.WriteByte(d); err != nil {
			return err
		}
		counts[d]++
	}
	for i, e := range t.elems {
		if err := c.data(e, counts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *nativeCopier) bytes(n uint64) error {
	if n > 1<<40 {
		return fmt.Errorf("column of %d bytes", n)
	}
	_, err := io.CopyN(c.out, c.in, int64(n))
	return unexpected(err)
}

func (c *nativeCopier) uint64() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.in, b[:]); err != nil {
		return 0, unexpected(err)
	}
	_, err := c.out.Write(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func (c *nativeCopier) uvarint() (uint64, error) {
	v, err := binary.ReadUvarint(c.in)
	if err != nil {
		return 0, unexpected(err)
	}
	return v, c.putUvarint(v)
}

func (c *nativeCopier) putUvarint(v uint64) error {
	_, err := c.out.Write(binary.AppendUvarint(nil, v))
	return err
}

// text copies a short text, and gives it.
func (c *nativeCopier) text() (string, error) {
	n, err := c.uvarint()
	if err != nil {
		return "", err
	}
	if n > 1<<20 {
		return "", fmt.Errorf("name of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return "", unexpected(err)
	}
	_, err = c.out.Write(b)
	return string(b), err
}

func (c *nativeCopier) copyText() (uint64, error) {
	n, err := c.uvarint()
	if err != nil {
		return 0, err
	}
	return n, c.bytes(n)
}

// unexpected makes an end amid a block an error of its own.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // an exception at the end of the stream must pass as it is
		return io.ErrUnexpectedEOF
	}
	return err
}
