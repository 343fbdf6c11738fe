package kept

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// Message is what stands of the tickets that came in one message.
type Message struct {
	ID      string
	Tickets []*Ticket
	// Pieces are the message's bytes, as far as they stand: what lay between two
	// tickets is put back, where it was a line end, and a wider gap parts two
	// pieces. Their model is left open.
	Pieces []*bus.TicketMessage
	// Replayed tells that the message has a receipt of the selection's revision.
	Replayed bool
}

// Why tickets cannot be parsed again from what ClickHouse holds.
const (
	// NoPlace: their rows are from before the place was kept.
	NoPlace = "written by a version that did not keep their place"
	// NoHeaders: their message came without what the parser needs.
	NoHeaders = "their message had no readable headers, subject or row key"
)

// Messages calls each for the messages of one link's selection. Tickets that
// cannot be put together again are told to cannot instead.
func (r Reader) Messages(ctx context.Context, s Selection, each func(*Message) error, cannot func(why string, tickets int)) error {
	return r.slices(ctx, s, func(sl slice) error {
		tickets, err := r.calls(ctx, s, sl)
		if err != nil {
			return err
		}
		more, err := r.others(ctx, s, sl)
		if err != nil {
			return err
		}
		receipts, err := r.receipts(ctx, s, sl)
		if err != nil {
			return err
		}
		messages, left := gather(append(tickets, more...), receipts, s)
		for why, n := range left {
			cannot(why, n)
		}
		for _, m := range messages {
			if err := each(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reasons of tickets whose position or place is none, as the parser and the sink
// give them.
var placeless = []string{"headers_missing", "row_key_missing", "unreadable_receipt"}

// gather puts tickets together by message, in order of receipt.
func gather(tickets []*Ticket, receipts map[string]*receipt, s Selection) (out []*Message, left map[string]int) {
	left = make(map[string]int)
	of := make(map[string]*Message)
	for _, t := range tickets {
		have := receipts[t.message]
		if t.place == nil && have != nil {
			t.place = &have.place
		}
		switch {
		case slices.Contains(placeless, t.Reason) || t.place != nil && strings.HasPrefix(t.place.origin, "stream:"):
			left[NoHeaders]++
			continue
		case t.place == nil || t.place.origin == "" || t.Position == "" || t.message == "":
			left[NoPlace]++
			continue
		}
		m := of[t.message]
		if m == nil {
			m = &Message{ID: t.message, Replayed: s.Below > 0 && have != nil && have.revision >= s.Below}
			of[t.message] = m
			out = append(out, m)
		}
		m.Tickets = append(m.Tickets, t)
	}
	for _, m := range out {
		m.build(s)
	}
	slices.SortStableFunc(out, func(a, b *Message) int {
		// The first message of a file first: it may hold the file's head.
		x, y := a.Tickets[0], b.Tickets[0]
		at, _ := x.byteAt()
		to, _ := y.byteAt()
		return cmp.Or(cmp.Compare(x.received, y.received), cmp.Compare(at, to), cmp.Compare(a.ID, b.ID))
	})
	return out, left
}

// build puts the message's bytes together.
func (m *Message) build(s Selection) {
	slices.SortStableFunc(m.Tickets, func(a, b *Ticket) int {
		x, xok := a.byteAt()
		y, yok := b.byteAt()
		if xok && yok {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a.Position, b.Position)
	})
	var last *Ticket
	var piece *bus.TicketMessage
	put := 0 // bytes of the line end behind the last ticket
	for _, t := range m.Tickets {
		switch {
		case last != nil && t.Position == last.Position:
			// The same ticket under two ids: a replay that gave it another was cut
			// before it took the first one back.
			continue
		case last == nil || !between(piece, last, t, put):
			piece = t.asMessage(m.ID, s)
			m.Pieces = append(m.Pieces, piece)
		}
		piece.Payload = append(piece.Payload, t.Raw...)
		last, put = t, 0
		if !t.unterminated && t.place.incomplete == "" && !bytes.HasSuffix(t.Raw, newLine) {
			piece.Payload, put = append(piece.Payload, '\n'), 1
		}
	}
}

var newLine = []byte("\n")

// between makes room in a piece for the next ticket; false when there is not what
// a line end fills.
func between(piece *bus.TicketMessage, last, next *Ticket, put int) bool {
	if last.place.incomplete != "" || next.place.incomplete != "" || last.place.preamble != next.place.preamble {
		return false
	}
	at, isByte := last.byteAt()
	to, alike := next.byteAt()
	if !isByte && !alike {
		return true // rows: one object a line
	}
	if isByte != alike {
		return false
	}
	switch gap := to - at - int64(len(last.Raw)); {
	case gap == int64(put):
	case gap == 0:
		piece.Payload = piece.Payload[:len(piece.Payload)-put]
	case gap == 1 && put == 0:
		piece.Payload = append(piece.Payload, '\n')
	case gap == 2:
		piece.Payload = append(piece.Payload[:len(piece.Payload)-put], "\r\n"...)
	default:
		return false
	}
	return true
}

// asMessage is the message of a ticket, still empty.
func (t *Ticket) asMessage(id string, s Selection) *bus.TicketMessage {
	m := &bus.TicketMessage{
		Address: wire.Address{Site: s.Site, Link: s.Link}, ID: id, Received: time.UnixMicro(t.received).UTC(),
		Origin: t.place.origin, Offset: t.Position, Name: t.place.name, Incomplete: t.place.incomplete,
	}
	if t.place.preamble != "" {
		m.Preamble = []byte(t.place.preamble)
	}
	if t.place.written != 0 {
		m.Written = time.UnixMicro(t.place.written).UTC()
	}
	return m
}

// Former calls each for the messages of one link's selection that were replayed:
// what still stands of them below the replay's revision stands under ids that the
// replay did not give again.
func (r Reader) Former(ctx context.Context, s Selection, each func(*Message) error) error {
	return r.Messages(ctx, s, func(m *Message) error {
		if !m.Replayed {
			return nil
		}
		return each(m)
	}, func(string, int) {})
}
