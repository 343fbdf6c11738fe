// Package pack cuts a run of bytes of a file into the payloads of ticket
// messages.
package pack

import (
	"bufio"
	"errors"

	"trunkline.internal/proto/wire"
)

// Payload is the body of one ticket message.
type Payload struct {
	// Offset of the first byte in the file.
	Offset int64
	// Data is a part of the bytes that were given to Pack.
	Data    []byte
	Tickets int
	// Incomplete is one of wire's reasons, or empty.
	Incomplete string
}

// Packer cuts at ticket boundaries. A ticket longer than wire.MaxTicket becomes
// pieces of that length, each its own payload, and the place of a piece does not
// depend on how the bytes were read.
type Packer struct {
	Split bufio.SplitFunc
	// Inside tells that the next byte goes on with a ticket that is too long. It
	// belongs to a position as the offset does.
	Inside bool
}

// Pack yields the payloads of data, whose first byte stands at the given offset,
// and returns how many bytes they and what is between them took. At the end of
// the file an unterminated rest is a ticket; before, at most wire.MaxTicket bytes
// are left over.
func (p *Packer) Pack(data []byte, at int64, end bool, yield func(Payload)) (used int, err error) {
	begin, tickets := -1, 0 // the payload under way
	flush := func(to int) {
		if begin >= 0 {
			yield(Payload{Offset: at + int64(begin), Data: data[begin:to:to], Tickets: tickets})
		}
		begin, tickets = -1, 0
	}
	piece := func(start, n int) int {
		flush(start)
		stop := start + n
		yield(Payload{Offset: at + int64(start), Data: data[start:stop:stop], Tickets: 1, Incomplete: wire.IncompleteTooLong})
		return stop
	}
	i := 0
	for i < len(data) {
		advance, ticket, err := p.Split(data[i:], end)
		if err != nil {
			return i, err
		}
		if ticket == nil {
			if advance > 0 {
				p.Inside = false
				flush(i)
			}
			i += advance
			if len(data)-i <= wire.MaxTicket {
				break
			}
			i, p.Inside = piece(i, wire.MaxTicket), true
			continue
		}
		// The ticket is a sub-slice of the data: its capacity tells where.
		start, stop := cap(data)-cap(ticket), i+advance
		if start > i {
			p.Inside = false
		}
		if p.Inside || len(ticket) > wire.MaxTicket {
			if len(ticket) > wire.MaxTicket {
				i, p.Inside = piece(start, wire.MaxTicket), true
			} else {
				piece(start, len(ticket))
				i, p.Inside = stop, false
			}
			continue
		}
		if begin >= 0 && (tickets == wire.MaxMessageTickets || stop-begin > wire.MaxMessage) {
			flush(i)
		}
		if begin < 0 {
			begin = start
		}
		tickets++
		if stop-begin > wire.MaxMessage {
			// Padding behind the ticket that no message can hold.
			flush(begin + wire.MaxMessage)
		}
		i = stop
	}
	flush(i)
	return i, nil
}

// ErrHeadTooLong says that the lines at the start that are no tickets have more
// than wire.MaxPreamble bytes.
var ErrHeadTooLong = errors.New("the head of the file, the lines before its first ticket, is longer than 16 KiB: it is no ticket file of this model")

// Head finds how many of the first bytes of a file are its head: the leading
// lines for which isHead is true, their line ends included. ok is false when
// more bytes are needed to tell; wire.MaxPreamble+1 always suffice.
func Head(split bufio.SplitFunc, isHead func(line []byte) bool, data []byte, end bool) (n int, ok bool, err error) {
	if isHead == nil {
		return 0, true, nil
	}
	for {
		advance, line, err := split(data[n:], end)
		if err != nil {
			return 0, false, err
		}
		if line == nil {
			rest := data[n+advance:]
			switch {
			case end, len(data) > wire.MaxPreamble && (len(rest) == 0 || !isHead(rest)):
				return n, true, nil
			case len(data) > wire.MaxPreamble:
				return 0, false, ErrHeadTooLong
			}
			return 0, false, nil
		}
		if !isHead(line) {
			return n, true, nil
		}
		if n += advance; n > wire.MaxPreamble {
			return 0, false, ErrHeadTooLong
		}
	}
}

// First finds the first whole ticket behind the head, cut to wire.MaxTicket
// bytes; nil when it is not there yet.
func First(split bufio.SplitFunc, data []byte) ([]byte, error) {
	advance, ticket, err := split(data, false)
	if err != nil {
		return nil, err
	}
	if ticket == nil {
		if ticket = data[advance:]; len(ticket) <= wire.MaxTicket {
			return nil, nil
		}
	}
	return ticket[:min(len(ticket), wire.MaxTicket)], nil
}
