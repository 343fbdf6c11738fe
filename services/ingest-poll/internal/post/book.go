package post

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"time"
)

// A PBX that got no answer sends the same again. It must count once; yet two
// calls may print the same ticket, and both must count. What tells them apart is
// the answer: who got one sends the same only for another call. So a body is named
// by its hash, the day on which it first came (a ticket without a date may come
// again tomorrow) and how many times it was answered on that day. A process that
// begins anew counts from 0: what the last one could not answer gets its name
// again.

// posted is one body that came, on its way to NATS or there.
type posted struct {
	origin   string
	received time.Time
	done     chan struct{} // closed when NATS has it, or will not have it
	err      error         // then
	tickets  int
}

// finished tells whether NATS has answered, and whether it has the body.
func (p *posted) finished() (done, stored bool) {
	select {
	case <-p.done:
		return true, p.err == nil
	default:
		return false, false
	}
}

type page struct {
	day string
	// next is how many times the body was posted on the day.
	next int
	// loose are those whose sender went without an answer: a repetition is one of
	// them.
	loose []*posted
	used  time.Time
}

const (
	// remember is how long bodies are known, maxPages how many.
	remember = 48 * time.Hour
	maxPages = 10_000
)

// book knows what was posted to one link.
type book struct {
	mu    sync.Mutex
	pages map[[sha256.Size]byte]*page
}

// enter names a body that came. anew tells that it is to be published; else it is
// one that came before, whose sender did not hear of it.
func (b *book) enter(sum [sha256.Size]byte, now time.Time) (p *posted, anew bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	day := now.UTC().Format("20060102")
	it := b.pages[sum]
	if it == nil {
		it = &page{day: day}
		b.room(now)
		b.pages[sum] = it
	}
	it.used = now
	for i, one := range it.loose {
		if done, stored := one.finished(); done && !stored {
			continue
		}
		it.loose = append(it.loose[:i:i], it.loose[i+1:]...)
		return one, false
	}
	if n := len(it.loose); n > 0 { // NATS refused it; the name is free
		one := it.loose[n-1]
		it.loose = it.loose[:n-1]
		return &posted{origin: one.origin, received: one.received, done: make(chan struct{})}, true
	}
	if it.day != day {
		it.day, it.next = day, 0
	}
	origin := "post:" + hex.EncodeToString(sum[:]) + ":" + it.day + "." + strconv.Itoa(it.next)
	it.next++
	return &posted{origin: origin, received: now, done: make(chan struct{})}, true
}

// leave tells that the sender of a body went without an answer.
func (b *book) leave(sum [sha256.Size]byte, p *posted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.pages[sum]; it != nil {
		it.loose = append(it.loose, p)
	}
}

// room makes room for a page.
func (b *book) room(now time.Time) {
	if len(b.pages) < maxPages {
		return
	}
	var oldest [sha256.Size]byte
	var used time.Time
	for sum, it := range b.pages {
		switch {
		case now.Sub(it.used) > remember:
			delete(b.pages, sum)
		case used.IsZero() || it.used.Before(used):
			oldest, used = sum, it.used
		}
	}
	if len(b.pages) >= maxPages {
		delete(b.pages, oldest)
	}
}
