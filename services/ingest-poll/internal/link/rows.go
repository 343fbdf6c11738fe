package link

import (
	"strconv"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// AddRows adds the rows of a table or an API, which stand one behind the other in
// payload, each with its line end: row i ends at ends[i] and has the position
// offset(i). m holds what their messages share. A row that is longer than a
// ticket may be is cut and marked.
func (b *Batch) AddRows(m bus.TicketMessage, payload []byte, ends []int, offset func(i int) string) {
	message := func(offset string, from, to, tickets int, incomplete string) {
		one := m
		one.Offset, one.Payload, one.Incomplete = offset, payload[from:to:to], incomplete
		b.Add(&one, tickets)
	}
	start := 0
	for i := 0; i < len(ends); {
		if row := ends[i] - 1; row-start > wire.MaxTicket { // without its line end
			for at := start; at < row; at += wire.MaxTicket {
				place := offset(i)
				if at > start {
					place += "+" + strconv.Itoa(at-start)
				}
				message(place, at, min(at+wire.MaxTicket, row), 1, wire.IncompleteTooLong)
			}
			start = ends[i]
			i++
			continue
		}
		n := i + 1
		for n < len(ends) && n-i < wire.MaxMessageTickets && ends[n]-start <= wire.MaxMessage && ends[n]-ends[n-1]-1 <= wire.MaxTicket {
			n++
		}
		message(offset(i), start, ends[n-1], n-i, "")
		start, i = ends[n-1], n
	}
}
