package post

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"
)

func sumOf(body string) [sha256.Size]byte { return sha256.Sum256([]byte(body)) }

func TestBook(t *testing.T) {
	b := &book{pages: make(map[[sha256.Size]byte]*page)}
	now := time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC)
	sum := sumOf("ticket\n")
	ordinal := func(p *posted) string { return p.origin[strings.LastIndexByte(p.origin, ':')+1:] }
	enter := func(want string, anew bool) *posted {
		t.Helper()
		p, is := b.enter(sum, now)
		if ordinal(p) != want || is != anew {
			t.Fatalf("%s, %v: want %s, %v", ordinal(p), is, want, anew)
		}
		return p
	}
	stored := func(p *posted, err error) {
		p.err = err
		close(p.done)
	}
	first := enter("20261121.0", true)
	second := enter("20261121.1", true) // while the first still waits for its answer
	stored(first, nil)
	stored(second, nil)
	third := enter("20261121.2", true)
	b.leave(sum, third)
	now = now.Add(2 * time.Minute)
	// Behind midnight a repetition keeps its name, another call begins a new day.
	if again := enter("20261121.2", false); again != third {
		t.Error("another one")
	}
	fourth := enter("20261122.0", true)
	stored(fourth, fmt.Errorf("refused"))
	b.leave(sum, fourth)
	// What was refused is published again under its name.
	fifth := enter("20261122.0", true)
	if !fifth.received.Equal(fourth.received) {
		t.Error("another time of receipt")
	}
	enter("20261122.1", true)

	for i := range maxPages + 100 {
		b.enter(sumOf(fmt.Sprint(i)), now)
	}
	if len(b.pages) != maxPages {
		t.Errorf("%d pages", len(b.pages))
	}
	now = now.Add(remember + time.Hour)
	b.enter(sumOf("later"), now)
	if len(b.pages) != 1 {
		t.Errorf("%d pages days later", len(b.pages))
	}
}
