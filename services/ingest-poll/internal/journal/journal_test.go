package journal

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func open(t *testing.T, n *kit.NATS) *Journal {
	t.Helper()
	j, err := Open(t.Context(), n.Positions, "lyon", "pbx")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func save(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, n *kit.NATS) int {
	t.Helper()
	k, err := n.Positions.Keys(t.Context(), "lyon", "pbx")
	if err != nil {
		t.Fatal(err)
	}
	return len(k)
}

func TestEntriesSurvive(t *testing.T) {
	n := kit.Start(t)
	j := open(t, n)
	want := Entry{Key: "cdr_1", Name: "n", Size: 1, Time: 2, Sum: "s", Offset: 3, Inside: true, Tickets: 4, Done: 5, To: 6, Written: 7, Guard: "g"}
	e := want
	j.Put(&e)
	save(t, j)
	got := open(t, n).Get("cdr_1")
	if got == nil || *got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if open(t, n).Get("cdr_2") != nil {
		t.Error("an entry that never was")
	}
	j.Remove("cdr_1")
	save(t, j)
	if open(t, n).Len() != 0 {
		t.Error("a removed entry is there")
	}
}

// The bucket stays small: segments are filled again, and files that come and go
// leave nothing behind.
func TestSegmentsAreFilledAgain(t *testing.T) {
	n := kit.Start(t)
	j := open(t, n)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			j.Put(&Entry{Key: fmt.Sprintf("cdr_%d", i)})
		}
		save(t, j)
	}
	put(0, 3*segmentSize)
	if got := keys(t, n); got != 3 {
		t.Fatalf("%d keys for %d entries", got, j.Len())
	}
	for round := range 5 {
		for i := range 2 * segmentSize {
			j.Remove(fmt.Sprintf("cdr_%d", round*2*segmentSize+i))
		}
		put((2*round+3)*segmentSize, (2*round+5)*segmentSize)
		if j = open(t, n); j.Len() != 3*segmentSize {
			t.Fatalf("%d entries", j.Len())
		}
	}
	if got := keys(t, n); got != 3 {
		t.Errorf("%d keys for %d entries", got, j.Len())
	}
}

func TestConflict(t *testing.T) {
	n := kit.Start(t)
	a, b := open(t, n), open(t, n)
	a.Put(&Entry{Key: "x", Offset: 1})
	save(t, a)
	b.Put(&Entry{Key: "x", Offset: 0})
	if err := b.Save(t.Context()); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
	if got := open(t, n).Get("x"); got.Offset != 1 {
		t.Errorf("the position was turned back to %d", got.Offset)
	}
}

func TestForget(t *testing.T) {
	n := kit.Start(t)
	j, now := open(t, n), time.Unix(1e9, 0)
	j.Put(&Entry{Key: "there"})
	j.Put(&Entry{Key: "gone"})
	lost := 0
	for i, want := range []int{2, 2, 1, 1} {
		j.Sweep()
		j.Seen(j.Get("there"))
		j.Forget(now.Add(time.Duration(i)*30*time.Minute), time.Hour, func(*Entry) { lost++ })
		if j.Len() != want {
			t.Errorf("look %d: %d entries, want %d", i, j.Len(), want)
		}
	}
	if lost != 1 {
		t.Errorf("%d are told as lost", lost)
	}
	if j.Get("there") == nil {
		t.Error("the wrong one was forgotten")
	}
}

// An entry that two segments hold, after a crash between their writes, is one.
func TestEntryInTwoSegments(t *testing.T) {
	n := kit.Start(t)
	for i := range 2 {
		value := fmt.Sprintf(`{"files":[{"key":"x","at":%d}]}`, i)
		if _, err := n.Positions.Put(t.Context(), bus.PositionKey("lyon", "pbx", fmt.Sprintf("files-%d", i)), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, n)
	if j.Len() != 1 {
		t.Fatalf("%d entries", j.Len())
	}
	j.Remove("x")
	save(t, j)
	if open(t, n).Len() != 0 {
		t.Error("it came back")
	}
}

func TestUnreadable(t *testing.T) {
	n := kit.Start(t)
	if _, err := n.Positions.Put(context.Background(), bus.PositionKey("lyon", "pbx", "files-0"), []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), n.Positions, "lyon", "pbx"); err == nil {
		t.Error("no error")
	}
}
