package table

import "math"

// window remembers which keys were published among the last ones: rows become
// visible in another order than their keys when transactions overlap, so each
// look reads the last keys again.
type window struct {
	// Last is the largest key that was published; math.MinInt64: none was.
	Last int64 `json:"last"`
	// Size of the window in keys: those from Last-Size+1 to Last.
	Size int64 `json:"size"`
	// Bits of published keys: key k has bit k modulo Size.
	Bits []byte `json:"bits"`
	// Guard is a hash of the row whose key is Last.
	Guard string `json:"guard,omitempty"`
}

const nothing = math.MinInt64

func newWindow(size int64) *window {
	size = max(size, 1)
	return &window{Last: nothing, Size: size, Bits: make([]byte, (size+7)/8)}
}

func (w *window) bit(key int64) (at int64, mask byte) {
	n := key % w.Size
	if n < 0 {
		n += w.Size
	}
	return n / 8, 1 << (n % 8)
}

// low is the first key of the window.
func (w *window) low() int64 {
	if w.Last < nothing+w.Size {
		return nothing
	}
	return w.Last - w.Size + 1
}

// has tells whether a key was published, as far as is remembered.
func (w *window) has(key int64) bool {
	if w.Last == nothing || key > w.Last || key < w.low() {
		return false
	}
	at, mask := w.bit(key)
	return w.Bits[at]&mask != 0
}

// add takes note of a published key.
func (w *window) add(key int64) {
	switch {
	case w.Last == nothing, key > w.Last && uint64(key)-uint64(w.Last) >= uint64(w.Size):
		clear(w.Bits)
		w.Last = key
	case key > w.Last:
		for k := w.Last + 1; k < key; k++ {
			at, mask := w.bit(k)
			w.Bits[at] &^= mask
		}
		w.Last = key
	case key < w.low():
		return
	}
	at, mask := w.bit(key)
	w.Bits[at] |= mask
}

// valid tells whether a stored window can be used.
func (w *window) valid() bool { return w.Size > 0 && int64(len(w.Bits)) == (w.Size+7)/8 }

// resized is the window in another size. What the smaller one does not know
// counts as not published: reading it again gives the same tickets.
func (w *window) resized(size int64) *window {
	size = max(size, 1)
	if size == w.Size || w.Last == nothing {
		next := *w
		if w.Last == nothing {
			next = *newWindow(size)
		}
		return &next
	}
	next := newWindow(size)
	next.Guard = w.Guard
	low := w.low()
	if size < w.Size {
		low = max(low, w.Last-size+1)
	}
	for k := low; ; k++ {
		if w.has(k) {
			next.add(k)
		}
		if k == w.Last {
			return next
		}
	}
}
