package unpack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Unix compress: two bytes of magic, one of flags, then codes of 9 bits and more,
// lowest bit first. The codes of one width come in groups of eight, so in as many
// bytes as a code has bits; where the width changes, the rest of a group is
// padding. compress/lzw of the standard library knows no such groups.
const (
	compressHead = 3
	firstBits    = 9
	mostBits     = 16
	widthMask    = 0x1f
	blockMode    = 0x80
	unknownFlags = 0x60
	clearCode    = 256
)

// lzw is the reader of one .Z file.
type lzw struct {
	in   *bufio.Reader
	read int64 // bytes taken from in
	err  error // what Read answers when out is empty

	bits, maxBits int
	block         bool

	group      [mostBits + 2]byte // the codes that were read together, and room to read beyond
	groupBytes int
	groupBit   int

	// Each code is a byte behind the text of another code.
	prefix [1 << mostBits]uint16
	suffix [1 << mostBits]byte
	next   int // the code that the next entry gets
	last   int // the code before; -1: none
	first  byte

	stack [1 << mostBits]byte // a code's text, from its end
	out   []byte              // what of it is not given out yet
}

func newLZW(in *bufio.Reader) (*lzw, error) {
	var head [compressHead]byte
	if n, err := io.ReadFull(in, head[:]); err != nil {
		return nil, damage("compress", int64(n), err)
	}
	z := &lzw{in: in, read: compressHead, bits: firstBits, maxBits: int(head[2] & widthMask), block: head[2]&blockMode != 0, last: -1}
	// Files with codes of 9 bits and no more exist; compress itself cannot read
	// what it wrote there.
	if head[2]&unknownFlags != 0 || z.maxBits <= firstBits || z.maxBits > mostBits {
		return nil, damage("compress", 2, fmt.Errorf("flags %#02x: expected codes of up to 10 to 16 bits", head[2]))
	}
	for i := range clearCode {
		z.suffix[i] = byte(i)
	}
	z.next = z.firstFree()
	return z, nil
}

// firstFree is the first code that is no single byte; in block mode the first of
// those says that the table begins anew.
func (z *lzw) firstFree() int {
	if z.block {
		return clearCode + 1
	}
	return clearCode
}

func (z *lzw) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(z.out) == 0 {
			if z.err != nil {
				break
			}
			z.err = z.decode()
			continue
		}
		k := copy(p[n:], z.out)
		z.out, n = z.out[k:], n+k
	}
	if n == 0 && len(p) > 0 {
		return 0, z.err
	}
	return n, nil
}

// decode puts the text of the next code into out.
func (z *lzw) decode() error {
	if z.next > 1<<z.bits-1 && z.bits < z.maxBits {
		z.bits++
		z.groupBytes = 0
	}
	code, err := z.code()
	if err != nil {
		return err
	}
	if code == clearCode && z.block {
		// The entry behind the clear code is made, and never used: so the first
		// code after it makes none.
		z.next, z.last, z.bits, z.groupBytes = z.firstFree(), -1, firstBits, 0
		return nil
	}
	if z.last < 0 {
		if code >= clearCode {
			return z.damaged(fmt.Errorf("code %d is not in the table yet", code))
		}
		z.last, z.first = code, byte(code)
		z.out = append(z.stack[:0], z.first)
		return nil
	}
	at, walk := len(z.stack), code
	if code >= z.next {
		if code > z.next {
			return z.damaged(fmt.Errorf("code %d is not in the table yet", code))
		}
		// The text of the code before, and its first byte again.
		at--
		z.stack[at] = z.first
		walk = z.last
	}
	for walk >= clearCode {
		at--
		z.stack[at] = z.suffix[walk]
		walk = int(z.prefix[walk])
	}
	at--
	z.first = z.suffix[walk]
	z.stack[at] = z.first
	z.out = z.stack[at:]
	if z.next < 1<<z.maxBits {
		z.prefix[z.next], z.suffix[z.next] = uint16(z.last), z.first
		z.next++
	}
	z.last = code
	return nil
}

// code reads the next code; a group at the end of the file may be short.
func (z *lzw) code() (int, error) {
	if z.groupBit+z.bits > 8*z.groupBytes || z.groupBytes == 0 {
		if left := 8*z.groupBytes - z.groupBit; z.groupBytes > 0 && z.groupBytes < z.bits && (left >= 8 || z.rest()&(1<<left-1) != 0) {
			// The last code is filled up to a whole byte, with zeros.
			return 0, z.damaged(io.ErrUnexpectedEOF)
		}
		n, err := io.ReadFull(z.in, z.group[:z.bits])
		z.read += int64(n)
		z.groupBytes, z.groupBit = n, 0
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return 0, damage("compress", z.read, err)
		case n == 0:
			return 0, io.EOF
		case 8*n < z.bits:
			return 0, z.damaged(io.ErrUnexpectedEOF)
		}
	}
	code := z.rest() & (1<<z.bits - 1)
	z.groupBit += z.bits
	return code, nil
}

// rest is what stands in the group from the next code on, at least 17 bits.
func (z *lzw) rest() int {
	at := z.groupBit >> 3
	return (int(z.group[at]) | int(z.group[at+1])<<8 | int(z.group[at+2])<<16) >> (z.groupBit & 7)
}

func (z *lzw) damaged(err error) error { return damage("compress", z.read, err) }
