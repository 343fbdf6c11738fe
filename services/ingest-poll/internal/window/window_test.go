package window

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

// The window against a set that forgets nothing.
func TestWindowRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		size := int64(1 + r.IntN(40))
		w, all := New(size), make(map[int64]bool)
		last, floor := int64(Nothing), int64(Nothing)
		at := int64(r.IntN(100) - 50)
		for range 300 {
			key := at - int64(r.IntN(60)) + int64(r.IntN(8))
			if r.IntN(50) == 0 {
				key += int64(r.IntN(1000))
			}
			w.Add(key)
			if last == Nothing || key > last-size {
				all[key] = true
			}
			last = max(last, key)
			at = last
			if r.IntN(20) == 0 { // a restart
				b, err := json.Marshal(w)
				if err != nil {
					t.Fatal(err)
				}
				w = new(Window)
				if err := json.Unmarshal(b, w); err != nil || !w.Valid() {
					t.Fatal(err)
				}
				if r.IntN(2) == 0 {
					low := w.Low()
					size = int64(1 + r.IntN(40))
					w = w.Resized(size)
					floor = max(floor, low)
				}
			}
			floor = max(floor, last-size+1)
			if w.Last != last {
				t.Fatalf("last is %d, want %d", w.Last, last)
			}
			for k := last - size - 5; k <= last+5; k++ {
				want := all[k] && k > last-size && k <= last
				if k < floor {
					want = w.Has(k) && want // it may have forgotten, but not invented
				}
				if w.Has(k) != want {
					t.Fatalf("seed %d: key %d: %t, want %t (last %d, size %d)", seed, k, w.Has(k), want, last, size)
				}
			}
		}
	}
}

func TestWindowAtTheEnds(t *testing.T) {
	w := New(0)
	if w.Has(0) || w.Has(Nothing) || w.Low() != Nothing {
		t.Error("an empty window knows keys")
	}
	for _, k := range []int64{Nothing + 1, -1, 0, 1, math.MaxInt64} {
		if w.Add(k); !w.Has(k) || w.Last != k {
			t.Errorf("key %d", k)
		}
	}
	if w.Has(1) {
		t.Error("a window of one key knows two")
	}
}
