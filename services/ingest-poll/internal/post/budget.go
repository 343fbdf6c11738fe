package post

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxBody bounds a body in bytes, packed and unpacked.
const MaxBody = 16 << 20

// maxHeld bounds all bodies that a process holds: those that come in, and those
// that NATS has not acknowledged.
const maxHeld = 64 << 20

var (
	errTooLarge = fmt.Errorf("a body has at most %d MiB: post in smaller parts", MaxBody>>20)
	errFull     = errors.New("too much is under way: post again later")
)

// budget is the memory that bodies may take.
type budget struct {
	mu   sync.Mutex
	left int
}

func (b *budget) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// read reads all there is, with memory that grows as it comes. The caller gives
// back cap(data), also behind an error.
func (b *budget) read(r io.Reader) (data []byte, err error) {
	for {
		if len(data) == cap(data) {
			// MaxBody and one byte: so that more is seen.
			more := min(max(4<<10, 2*cap(data)), MaxBody+1)
			if len(data) == more {
				return data, errTooLarge
			}
			// While it is copied there are two.
			if !b.take(more) {
				return data, errFull
			}
			grown := make([]byte, len(data), more)
			copy(grown, data)
			b.give(cap(data))
			data = grown
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			if len(data) > MaxBody {
				return data, errTooLarge
			}
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}
