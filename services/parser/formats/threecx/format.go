// Package threecx reads the CDR output of 3CX: a line of columns separated by
// commas for each call, written when it ends, to a file or a socket. Layout as in
// the CDR pages of 3CX's manual and on tickets of versions 12 to 20. Which fields
// are printed, and in which order, is chosen on the PBX: see [orders].
//
// What the fields mean is told in layout.go, parties.go, reasons.go and call.go.
// Some rules are worth knowing:
//
//   - Times are UTC on every system seen, whatever the manual leaves open. callid
//     holds the moment of the call in milliseconds, so each ticket is checked: where
//     its clock was another than UTC, or than `parse.timezone`, callid decides and
//     the ticket carries zone_from_id.
//   - duration is what 3CX bills: time-end less time-answered, a second less at
//     times, for both are cut to seconds. It is empty where nobody answered.
//   - A queue and a digital receptionist answer by themselves, and time-answered is
//     their answer. Where a caller got no further, that was waiting: queue_seconds,
//     ABANDONED, no talk. Where an agent took the call the ticket does not tell
//     when: talk_seconds is what 3CX bills, with auto_answer. Without the three
//     types an answer within a second of the start is taken for one of these.
//   - EndCall is the farewell: nobody spoke. Nines (999) are voicemail standing in
//     for the extension in to-dn.
//   - ReplacedDst and the forwards put final-number in the place of the called
//     party. ReplacedSrc puts it in the caller's: the call keeps its direction.
//   - PickupExt is an extra ticket of whoever picks up a call; the call has its own.
//   - An outside party's dn is its trunk. Extensions may have five digits too, so
//     not the number tells a trunk but what is printed before it: `Ext.`, or a type.
//   - dial-no of an incoming call mostly repeats where the call was routed; it is a
//     DID only where it is another number than the party reached.
//
// Ignored: blank, header (a line of field names).
//
// Dead: wrong_columns, misaligned_columns, bad_historyid, bad_callid, bad_time,
// bad_duration, bad_reason, bad_party, times_disagree.
//
// Warnings: auto_answer, charset, hour_ambiguous, hour_skipped,
// name_with_separator, odd_value, short_ticket (no from-type where the order has
// one, or a chain that does not come to the end of an answered call: a ticket of
// more fields was cut), zone_from_id.
package threecx

import (
	"fmt"
	"slices"
	"strings"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	// zone that the tickets' clock is expected to show.
	zone *time.Location
	// given is the link's own order; nil: recognised.
	given *order

	// The ticket at hand.
	order *order
	split []string // the columns as split
	col   [fields]string
	call  call
}

// New makes the parser of one link. It fails where the settings ask for what
// 3CX's tickets do not print, or name fields that it does not have.
func New(link *kit.Link) (formats.Parser, error) {
	set := &link.Parse
	if t := set.TimeIs; t != "" && t != "start" {
		return nil, fmt.Errorf("parse.time_is %q: 3CX prints start, answer and end: leave it out, or give start", t)
	}
	if d := set.DateOrder; d != "" && d != "ymd" {
		return nil, fmt.Errorf("parse.date_order %q: 3CX prints the year first: leave it out, or give ymd", d)
	}
	if set.Clock == 12 {
		return nil, fmt.Errorf("parse.clock 12: 3CX prints 24 hours: leave it out, or give 24")
	}
	p := &parser{link: link, zone: time.UTC, split: make([]string, 0, 2*fields)}
	if set.Timezone != "" {
		p.zone = link.Zone
	}
	if len(set.Fields) > 0 {
		var err error
		if p.given, err = configured(set.Fields); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text := p.link.Decode(cdr, t.Raw)
	text = strings.TrimPrefix(text, "\ufeff")
	if kit.Trim(text) == "" {
		return formats.Ignore("blank")
	}
	var odd bool
	if p.split, odd = split(p.split[:0], text); odd {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	if r, ok := p.columns(cdr); !ok {
		return r
	}
	return p.parse(t, cdr)
}

// columns puts the columns into their fields.
func (p *parser) columns(cdr *trunklinev1.Cdr) (formats.Result, bool) {
	if p.order = p.given; p.given == nil {
		p.order = recognise(p.split)
	}
	switch n := len(p.split); {
	case (p.given != nil || p.order == nil) && isHeader(p.split):
		return formats.Ignore("header"), false
	case p.order == nil:
		return p.unrecognised(), false
	case p.given == nil:
	case !p.order.holds(n):
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns; parse.fields names %d", n, len(p.order.fields))), false
	default:
		if f, column, found := p.order.misfit(p.split); found {
			return formats.Die("misaligned_columns", fmt.Sprintf("%s cannot be %s, as parse.fields has it", kit.Quote(column), f)), false
		}
	}
	more, ok := p.align(p.order)
	if more > 0 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR)
	}
	if !ok {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	if o := p.order; !ok && more > 0 {
		kit.Attribute(cdr, "dispnames", strings.Join(p.split[o.name:o.name+o.names+more], ","))
	}
	return formats.Result{}, true
}

func isHeader(columns []string) bool {
	for _, c := range columns {
		if _, ok := fieldOf(kit.Trim(c)); !ok {
			return false
		}
	}
	return true
}

func (p *parser) unrecognised() formats.Result {
	n := len(p.split)
	i := slices.IndexFunc(orders, func(o *order) bool { return o.comes(p.split) })
	if i < 0 {
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns; a 3CX ticket has 20, 23 or 27, more where names hold commas, or those that parse.fields names", n))
	}
	f, column, found := orders[i].misfit(p.split)
	if !found {
		return formats.Die("misaligned_columns", fmt.Sprintf("%d columns fit more than one order: name them in parse.fields", n))
	}
	return formats.Die("misaligned_columns", fmt.Sprintf("%d columns in none of the orders known; column %d, %s, would be %s: name them in parse.fields",
		n, orders[i].at[f], f, kit.Quote(column)))
}

// die is the result of a ticket with an impossible value.
func (p *parser) die(reason string, f field, expected string) formats.Result {
	return formats.Die(reason, fmt.Sprintf("column %d (%s) is %s; expected %s", p.order.at[f], f, kit.Quote(p.col[f]), expected))
}

// odd keeps a field that is not what it should be.
func (p *parser) odd(cdr *trunklinev1.Cdr, f field, attribute string) {
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(cdr, attribute, p.col[f])
}
