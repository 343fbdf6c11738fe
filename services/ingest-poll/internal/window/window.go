// Package window remembers which keys of a source were published among the last
// ones.
package window

import "math"

// Window remembers which keys were published among the last ones: rows become
// visible in another order than their keys when transactions overlap, so each
// look reads the last keys again.
type Window struct {
	// Last is the largest key that was published; math.MinInt64: none was.
	Last int64 `json:"last"`
	// Size of the window in keys: those from Last-Size+1 to Last.
	Size int64 `json:"size"`
	// Bits of published keys: key k has bit k modulo Size.
	Bits []byte `json:"bits"`
	// Guard is a hash of the row whose key is Last.
	Guard string `json:"guard,omitempty"`
}

// Nothing is Last before the first key.
const Nothing = math.MinInt64

// New remembers keys in a range of the given size.
func New(size int64) *Window {
	size = max(size, 1)
	return &Window{Last: Nothing, Size: size, Bits: make([]byte, (size+7)/8)}
}

func (w *Window) bit(key int64) (at int64, mask byte) {
	n := key % w.Size
	if n < 0 {
		n += w.Size
	}
	return n / 8, 1 << (n % 8)
}

// Low is the first key of the window.
func (w *Window) Low() int64 {
	if w.Last < Nothing+w.Size {
		return Nothing
	}
	return w.Last - w.Size + 1
}

// Has tells whether a key was published, as far as is remembered.
func (w *Window) Has(key int64) bool {
	if w.Last == Nothing || key > w.Last || key < w.Low() {
		return false
	}
	at, mask := w.bit(key)
	return w.Bits[at]&mask != 0
}

// Add takes note of a published key.
func (w *Window) Add(key int64) {
	switch {
	case w.Last == Nothing, key > w.Last && uint64(key)-uint64(w.Last) >= uint64(w.Size):
		clear(w.Bits)
		w.Last = key
	case key > w.Last:
		for k := w.Last + 1; k < key; k++ {
			at, mask := w.bit(k)
			w.Bits[at] &^= mask
		}
		w.Last = key
	case key < w.Low():
		return
	}
	at, mask := w.bit(key)
	w.Bits[at] |= mask
}

// Valid tells whether a stored window can be used.
func (w *Window) Valid() bool { return w.Size > 0 && int64(len(w.Bits)) == (w.Size+7)/8 }

// Resized is the window in another size. What the smaller one does not know
// counts as not published: reading it again gives the same tickets.
func (w *Window) Resized(size int64) *Window {
	size = max(size, 1)
	if size == w.Size || w.Last == Nothing {
		next := *w
		if w.Last == Nothing {
			next = *New(size)
		}
		return &next
	}
	next := New(size)
	next.Guard = w.Guard
	low := w.Low()
	if size < w.Size {
		low = max(low, w.Last-size+1)
	}
	for k := low; ; k++ {
		if w.Has(k) {
			next.Add(k)
		}
		if k == w.Last {
			return next
		}
	}
}
