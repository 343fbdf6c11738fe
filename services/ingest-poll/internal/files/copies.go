package files

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
)

// Length of what a log holds, unpacked, without the NULs at its end.
func (o *Opened) Length(ctx context.Context) (int64, error) {
	in, err := o.Unpacked()
	if err != nil {
		return 0, err
	}
	var at, length int64
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if some := len(written(buf[:n])); some > 0 {
			length = at + int64(some)
		}
		at += int64(n)
		switch {
		case err == io.EOF:
			return length, nil
		case err != nil:
			return 0, err
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
	}
}

// Common is how many bytes two logs begin with that are the same in both.
func Common(ctx context.Context, a, b *Opened) (int64, error) {
	ra, err := a.Unpacked()
	if err != nil {
		return 0, err
	}
	rb, err := b.Unpacked()
	if err != nil {
		return 0, err
	}
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); ; {
		n, errA := io.ReadFull(ra, bufA)
		m, errB := io.ReadFull(rb, bufB)
		same := min(n, m)
		if !bytes.Equal(bufA[:same], bufB[:same]) {
			for i := range same {
				if bufA[i] != bufB[i] {
					return at + int64(i), nil
				}
			}
		}
		at += int64(same)
		for _, err := range []error{errA, errB} {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return at, nil
			}
			if err != nil {
				return 0, err
			}
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// Boundary is where the ticket begins in which a byte of the log stands.
func (o *Opened) Boundary(c pbx.Cutting, to int64) (int64, error) {
	in, err := o.Unpacked()
	if err != nil {
		return 0, err
	}
	b := bufio.NewReaderSize(in, blockSize)
	for at := int64(0); ; {
		data, err := b.Peek(blockSize)
		end := err == io.EOF
		if err != nil && !end {
			return 0, err
		}
		used := 0
		for used < len(data) {
			advance, ticket, err := c.Split(data[used:], end)
			if err != nil {
				return 0, err
			}
			if ticket != nil && at+int64(used+advance) > to {
				return at + int64(used), nil
			}
			if used += advance; advance == 0 {
				break
			}
		}
		if end {
			return at + int64(used), nil
		}
		if used == 0 {
			used = len(data) // a ticket that is far too long
		}
		if _, err := b.Discard(used); err != nil {
			return 0, err
		}
		at += int64(used)
	}
}

// Apart is the origin of a log that begins like another one and goes on
// differently: what it shares with that one has the other's.
func (o *Opened) Apart(ctx context.Context) (string, error) {
	sha, err := o.Sum(ctx)
	if err != nil {
		return "", err
	}
	return identity.WholeFile(o.Name(), sha), nil
}
