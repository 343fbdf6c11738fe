package bus

import "testing"

// No number is drawn twice, and none that ClickHouse has.
func TestReplays(t *testing.T) {
	b := start(t)
	for _, c := range []struct{ above, want uint32 }{{0, 1}, {0, 2}, {1, 3}, {9, 10}, {0, 11}} {
		got, err := b.Replays.Next(t.Context(), c.above)
		if err != nil || got != c.want {
			t.Errorf("above %d: %d, %v; want %d", c.above, got, err, c.want)
		}
	}
	drawn := make(chan uint32)
	for range 8 {
		go func() {
			n, err := b.Replays.Next(t.Context(), 0)
			if err != nil {
				t.Error(err)
			}
			drawn <- n
		}()
	}
	seen := make(map[uint32]bool)
	for range 8 {
		seen[<-drawn] = true
	}
	if len(seen) != 8 {
		t.Errorf("%d numbers of 8 are different", len(seen))
	}
}
