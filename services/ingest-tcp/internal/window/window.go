// Package window holds what a connection has received and NATS has not yet
// acknowledged, and cuts it into ticket messages. What it holds is what a crash
// loses: so it is bounded, and a full window stops the reading.
package window

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"trunkline.internal/proto/wire"
)

// Limits.
const (
	// MaxBytes bounds what is received and not acknowledged. A read may go
	// beyond it by what it brings at once.
	MaxBytes = wire.MaxMessage
	// MaxLine is how many bytes may come without a ticket's end before the other
	// side is taken for something else than a PBX.
	MaxLine = 1 << 20
	// maxMarks bounds the times that are kept of reads.
	maxMarks = 4096
	// keepBuffer is the largest buffer that an idle connection keeps.
	keepBuffer = 16 << 10
)

// ErrEndless says that more than MaxLine bytes came without a ticket's end.
var ErrEndless = errors.New("not a PBX of this kind? no line end in 1 MiB")

// Message is what becomes one message of the stream TICKETS.
type Message struct {
	// Offset of the payload's first byte in the connection's data.
	Offset int64
	// Received is when that byte came.
	Received time.Time
	// Tickets in the payload; an incomplete one counts as one.
	Tickets int
	// Incomplete says why the payload is no whole ticket.
	Incomplete string
	Payload    []byte
}

// Window is filled by one goroutine (Room, Write, Close) and emptied by another
// (Next, Release).
type Window struct {
	split bufio.SplitFunc

	mu     sync.Mutex
	fill   []byte // received, not given out yet
	base   int64  // offset of fill's first byte
	marks  []mark // when fill's bytes came, ascending
	seen   int    // the mark of the last byte that was asked for
	spare  []byte // the buffer that fill does not use
	flight int    // bytes given out and not released
	cutOff int    // bytes given out of the ticket that fill begins inside of
	fresh  bool   // something was written since the last cut
	closed bool
	whole  bool // what stands at the end is a ticket

	msgs []Message
	out  []byte
	data chan struct{} // there is something new for Next
	room chan struct{} // there is something new for Room
}

// mark says that the bytes from an offset on came at a time.
type mark struct {
	from int64
	at   time.Time
}

// New makes the window of a connection whose tickets are cut by split.
func New(split bufio.SplitFunc) *Window {
	return &Window{split: split, data: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Room waits until more may be read. Unless ahead says so it also waits until
// every ticket that came is given out and released; Look asks it again. The error
// is ctx's or ErrEndless.
func (w *Window) Room(ctx context.Context, ahead func() bool) error {
	for {
		ahead := ahead()
		w.mu.Lock()
		endless := w.cutOff >= MaxLine
		free := len(w.fill)+w.flight < MaxBytes && len(w.marks) < maxMarks && (ahead || w.flight == 0 && !w.fresh)
		w.mu.Unlock()
		switch {
		case endless:
			return ErrEndless
		case free:
			return nil
		}
		select {
		case <-w.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Look lets Room look again whether more may be read.
func (w *Window) Look() { signal(w.room) }

// Write takes what came at a time.
func (w *Window) Write(p []byte, at time.Time) {
	w.mu.Lock()
	w.marks = append(w.marks, mark{w.base + int64(len(w.fill)), at})
	w.fill = append(w.fill, p...)
	w.fresh = true
	w.mu.Unlock()
	signal(w.data)
}

// Close says that nothing more comes. What is left without an end is cut off,
// unless it is whole: the peer ended the connection, and its tickets may stand
// without a line end.
func (w *Window) Close(whole bool) {
	w.mu.Lock()
	w.closed, w.whole = true, whole
	w.mu.Unlock()
	signal(w.data)
}

// Next waits for whole tickets and gives out all there are, until Release. The
// error is ctx's, or io.EOF behind the last ticket of a closed window.
func (w *Window) Next(ctx context.Context) ([]Message, error) {
	for {
		w.mu.Lock()
		w.cut()
		n, closed := len(w.msgs), w.closed
		w.mu.Unlock()
		// What the cut took out may have made room, or filled a line's measure.
		signal(w.room)
		switch {
		case n > 0:
			return w.msgs, nil
		case closed:
			return nil, io.EOF
		}
		select {
		case <-w.data:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Release takes back what Next gave out: its bytes are reused.
func (w *Window) Release() {
	w.mu.Lock()
	w.flight = 0
	w.spare = w.out[:0]
	if len(w.fill) == 0 && cap(w.spare) > keepBuffer {
		w.spare = nil
	}
	w.mu.Unlock()
	signal(w.room)
}

// cut moves everything that is whole from fill to msgs.
func (w *Window) cut() {
	w.msgs, w.fresh = w.msgs[:0], false
	at := 0
	for at < len(w.fill) {
		rest := w.fill[at:]
		advance, ticket, err := w.split(rest, false)
		if err != nil || advance == 0 {
			break
		}
		if ticket != nil {
			// The ticket is a sub-slice: its capacity tells where it begins.
			w.add(at+cap(rest)-cap(ticket), len(ticket), at+advance)
		}
		at += advance
	}
	for len(w.fill)-at > wire.MaxTicket {
		w.piece(at, at+wire.MaxTicket)
		w.cutOff += wire.MaxTicket
		at += wire.MaxTicket
	}
	if w.closed && at < len(w.fill) {
		w.end(at)
		at = len(w.fill)
	}
	w.giveOut(at)
}

// end gives out what a closed window holds without an end.
func (w *Window) end(at int) {
	rest := w.fill[at:]
	if w.cutOff > 0 {
		w.piece(at, len(w.fill))
		return
	}
	_, ticket, _ := w.split(rest, true)
	switch {
	case ticket == nil:
	case w.whole:
		w.message(at+cap(rest)-cap(ticket), len(w.fill), "")
	default:
		w.message(at+cap(rest)-cap(ticket), len(w.fill), wire.IncompleteCutOff)
	}
}

// add gives out a whole ticket: length bytes at begin, its terminators up to
// end.
func (w *Window) add(begin, length, end int) {
	if length > wire.MaxTicket || w.cutOff > 0 {
		for length > wire.MaxTicket {
			w.piece(begin, begin+wire.MaxTicket)
			begin, length = begin+wire.MaxTicket, length-wire.MaxTicket
		}
		w.piece(begin, min(end, begin+wire.MaxMessage))
		w.cutOff = 0
		return
	}
	if n := len(w.msgs) - 1; n >= 0 {
		m := &w.msgs[n]
		from := int(m.Offset - w.base)
		if m.Incomplete == "" && m.Tickets < wire.MaxMessageTickets && end-from <= wire.MaxMessage {
			m.Payload = w.fill[from:end:end]
			m.Tickets++
			return
		}
	}
	// A message ends within its measure also where a flood of terminators does
	// not.
	w.message(begin, min(end, begin+wire.MaxMessage), "")
}

// piece gives out a part of a ticket of more than wire.MaxTicket bytes.
func (w *Window) piece(begin, end int) { w.message(begin, end, wire.IncompleteTooLong) }

func (w *Window) message(begin, end int, incomplete string) {
	offset := w.base + int64(begin)
	w.msgs = append(w.msgs, Message{
		Offset: offset, Received: w.came(offset), Tickets: 1, Incomplete: incomplete, Payload: w.fill[begin:end:end],
	})
}

// came is when the byte at an offset came.
func (w *Window) came(offset int64) time.Time {
	for w.seen+1 < len(w.marks) && w.marks[w.seen+1].from <= offset {
		w.seen++
	}
	return w.marks[w.seen].at
}

// giveOut takes the first n bytes out of fill. If they hold messages, they stay
// where they are and fill goes on in the other buffer.
func (w *Window) giveOut(n int) {
	rest := w.fill[n:]
	if len(w.msgs) == 0 {
		w.fill = w.fill[:copy(w.fill, rest)]
	} else {
		w.out, w.flight = w.fill[:n], n
		w.fill = append(w.spare[:0], rest...)
		w.spare = nil
	}
	w.base += int64(n)
	w.keepFirstMark()
}

// keepFirstMark drops the marks that nobody asks for any more: after a cut, fill
// is the begin of one ticket.
func (w *Window) keepFirstMark() {
	if len(w.fill) == 0 {
		w.marks, w.seen = w.marks[:0], 0
		return
	}
	w.came(w.base)
	w.marks[0] = w.marks[w.seen]
	w.marks, w.seen = w.marks[:1], 0
}

// Held is how many bytes came and are neither released nor known to be no
// ticket's.
func (w *Window) Held() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.fill) + w.flight
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
