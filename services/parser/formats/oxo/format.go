// Package oxo reads the tickets of Alcatel-Lucent OmniPCX Office and OXO Connect:
// one for each outside call, or part of one, of a set, a group or a line. They
// come in three kinds, told apart by their first byte:
//
//   - `<`: an XML ticket of ALE's Office Link Driver, see [aliases]. No file of it
//     is public: its fields are found by what their names mean, and this kind is
//     inferred. What each field holds is known, since all kinds carry the same;
//   - 0 to 6: a native record of 122 bytes, see the table in alz.go;
//   - else a line of the statement that is printed over V24, see [columns].
//
// What is worth knowing:
//
//   - The time is taken to be the start of the call; ALE does not say. Where it is
//     the end, `parse.time_is: end` takes ring and duration off.
//   - Who called whom: the ticket has a user (who called, or who was reached), an
//     initial user (who or which group was called first) and one outside number.
//   - An incoming call with duration 0, or marked so in its node, was not
//     answered. On an analogue line an outgoing call without pulses or cost has no
//     disposition: nothing says that the other side answered.
//   - Each party of a transferred call has a ticket of its own, and nothing joins
//     them: they are LEG, and call_key is the ticket id.
//   - A user that is a line makes the call TRANSIT, on a leased line PRIVATE.
//   - A V24 statement resolves minutes, the others seconds.
//
// Ignored: blank, page_header (a line without a digit), count_line (the number of
// statements of a day), file_head, wake_up, supplementary_service (one was asked
// for or cancelled; it is no call), field_outside_ticket.
//
// Dead: ticket_size, short_record, bad_user, bad_call_type, bad_line, bad_date,
// bad_time, bad_duration, bad_ring, bad_units, bad_cost, bad_number,
// not_a_statement, misaligned_columns, cut_off, xml_unclosed, xml_broken, unknown_fields,
// fields_missing, ambiguous_field.
//
// Warnings: charset, hour_ambiguous, hour_skipped, masked, odd_value, overflow,
// short_ticket.
package oxo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link  *kit.Link
	order string // of day, month and year where the ticket prints them
	end   bool   // the time is the end of the call
	print *printout
	head  fileHead
	xml   document
}

// New makes the parser of one link. It fails where the settings name a time, an
// order or a column that there is not.
func New(link *kit.Link) (formats.Parser, error) {
	p := &parser{link: link, order: link.Parse.DateOrder}
	switch link.Parse.TimeIs {
	case "", "start":
	case "end":
		p.end = true
	default:
		return nil, fmt.Errorf("parse.time_is %q: give start or end", link.Parse.TimeIs)
	}
	if p.order == "" {
		p.order = "dmy"
	}
	if !slices.Contains([]string{"dmy", "mdy", "ymd"}, p.order) {
		return nil, fmt.Errorf("parse.date_order %q: give dmy, mdy or ymd", p.order)
	}
	var err error
	p.print, err = newPrintout(link.Parse.Fields)
	return p, err
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	if size := p.head.read(t.Preamble); size != cut.OXORecord {
		return wrongSize(size)
	}
	if len(bytes.TrimSpace(t.Raw)) == 0 {
		return formats.Ignore("blank")
	}
	if int(t.Raw[0]) <= lastUserType {
		return p.record(t, cdr)
	}
	if kind, _ := cut.NextMarkup(t.Raw); kind != cut.MarkupText {
		return p.ticket(t, cdr)
	}
	return p.statement(t, cdr)
}

// fileHead is what the head of a file of native records tells: lines from
// `PabxRelease=` to `#DataBegin`.
type fileHead struct {
	text []byte
	size uint32 // of a record
	node string
}

// read takes a head, if it is another than before, and gives the size of its
// records.
func (h *fileHead) read(text []byte) (size uint32) {
	if h.size != 0 && bytes.Equal(text, h.text) {
		return h.size
	}
	h.text, h.size, h.node = bytes.Clone(text), cut.OXORecord, ""
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		n, ok := kit.Uint(value)
		switch {
		case name == "#TicketSize" && !ok:
			h.size = 1 // not a size at all
		case name == "#TicketSize":
			h.size = max(n, 1)
		case name == "#NodeNumber" && n > 0:
			h.node = value
		}
	}
	return h.size
}

func wrongSize(size uint32) formats.Result {
	return formats.Die("ticket_size", fmt.Sprintf("the file's head says #TicketSize=%d; known are records of %d bytes", size, cut.OXORecord))
}

// bad is a dead ticket: what stands where, and what was expected.
func bad(reason, where, what, expected string) formats.Result {
	return formats.Die(reason, where+": "+kit.Quote(what)+"; expected "+expected)
}
