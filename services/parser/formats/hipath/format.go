// Package hipath reads the call records of Unify (Siemens) HiPath 3000 and 5000,
// OpenScape Office and OpenScape Business, and of the Hicom systems before them:
// one line for each segment of a call over a trunk, written when the segment
// ends.
//
// Five layouts are told line by line: fields between `|`, in the order of the
// compressed record; the compressed record of 112 columns; that of Hicom 100, of
// 80; GetAccount of HiPath 5000, 109 and a line end; the long output for
// printers, 79. The tables in layout.go and pipe.go are from the service manuals
// of Hicom 150 E Office 1.0, Hicom 100 E 2.1 and HiPath 3000/5000 V9, the
// records between `|` from examples of OpenScape Office.
//
// What is worth knowing:
//
//   - The printed time is the call's end. start_time is the end less duration
//     and ring: for an outgoing call, whose ring is never printed, that is when
//     the other side answered. Where a call's duration, or an incoming one's
//     ring, is not printed or at its largest, the start is later than it was:
//     start_assumed.
//   - An incoming call with ring and no duration was not answered; with neither
//     the ticket does not tell (an option leaves both out). Nothing rung and a
//     duration of 00:00:00 is a call to a busy station where the option is set
//     that reports those, which also prints the number dialled.
//   - Calls within the site are not reported. An outside number that is one of
//     `parse.inside` is on the private network.
//   - Information elements: 1, 2 (3, 4 other services) whole calls; 5 to 9 and
//     the DISA ones from 50 are LEGs. A first segment looks like a whole call.
//     7 and 8, conference or transfer to the outside, cannot be told apart and
//     keep the direction of the call. 9 goes out because a station is forwarded:
//     redirected_from; its caller is not told.
//   - The number's last digits may be hidden, each or all behind `?`;
//     `parse.masked_digits` says for how many a single one stands.
//   - MSN is did on incoming calls, else the first number dialled.
//   - A charge is pulses; with decimals, in the long output, or where
//     `parse.currency` or `parse.charge_scale` is set, an amount.
//   - Between `|` a record may have 13 or 14 fields. `parse.fields` fixes which
//     there are, so that a record that lost one is seen.
//   - Fields of unknown systems behind the last known one are not kept: they may
//     hold a PIN.
//
// Ignored: blank, page_header (titles without a digit), ringing_notice
// (information element 0: a call arrives).
//
// Dead: not_a_record, field_count, misaligned_columns, missing_field, bad_field,
// bad_date, date_ambiguous, durations_differ, ringing_with_duration.
//
// Warnings: charset, extra_columns, hour_ambiguous, hour_skipped, masked,
// odd_value (fields between `|` look moved), overflow, short_ticket,
// start_assumed.
package hipath

import (
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	zone kit.Zone
	// ordered tells that the settings say whether a date begins with the month.
	ordered, monthFirst bool
	named               []field // from parse.fields
	places              int     // of the decimal point, from parse.charge_scale
	money               bool    // charges are amounts, by the settings

	// Of the record that is being read.
	split   []string
	col     [fieldCount]string
	layout  *layout // nil: between `|`, in this order
	order   []field
	amounts bool
}

// New makes the parser of one link. It fails where the settings name what the
// records cannot have.
func New(link *kit.Link) (formats.Parser, error) {
	set := &link.Parse
	p := &parser{
		link: link, zone: kit.NewZone(link.Zone), split: make([]string, 0, most+2),
		ordered: set.DateOrder != "", monthFirst: set.DateOrder == "mdy",
		money: set.Currency != "" || set.ChargeScale > 0,
	}
	if t := set.TimeIs; t != "" && t != "end" {
		return nil, fmt.Errorf("parse.time_is %q: a HiPath prints when a call ended: leave it out, or give end", t)
	}
	if set.Clock != 0 && set.Clock != 24 {
		return nil, fmt.Errorf("parse.clock %d: a HiPath prints 24 hours: leave it out, or give 24", set.Clock)
	}
	if p.ordered && !p.monthFirst && set.DateOrder != "dmy" {
		return nil, fmt.Errorf("parse.date_order %q: give dmy, or mdy in North America", set.DateOrder)
	}
	if set.MaskedDigits > 25 {
		return nil, fmt.Errorf("parse.masked_digits %d: a number has 25 digits at most", set.MaskedDigits)
	}
	for scale := set.ChargeScale; scale > 1; scale /= 10 {
		if p.places++; scale%10 != 0 || p.places > 6 {
			return nil, fmt.Errorf("parse.charge_scale %d: give 1, 10, 100 and so on up to 1000000", set.ChargeScale)
		}
	}
	var err error
	p.named, err = named(set.Fields)
	return p, err
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	line := p.link.Decode(cdr, t.Raw)
	separated := strings.IndexByte(line, '|') >= 0
	if len(line) < 8 || !isDate(line[:8]) {
		switch {
		case kit.Trim(line) == "":
			return formats.Ignore("blank")
		case isTitles(line):
			return formats.Ignore("page_header")
		case !separated || len(p.named) == 0:
			return formats.Die("not_a_record", "column 1: "+kit.Quote(line[:min(8, len(line))])+"; expected a date such as 31.12.26")
		}
	}
	p.col, p.layout, p.amounts = [fieldCount]string{}, nil, p.money
	if separated {
		if r, ok := p.separated(line, t, cdr); !ok {
			return r
		}
		return p.call(t, cdr)
	}
	if r, ok := p.fixed(line, cdr); !ok {
		return r
	}
	return p.call(t, cdr)
}

// isTitles tells the head of a page or a file, in whatever language: words, and
// not one digit.
func isTitles(line string) bool {
	if strings.ContainsAny(line, "0123456789") {
		return false
	}
	return len(strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == ' ' })) >= 6
}

// fixed reads a record of fixed columns.
func (p *parser) fixed(line string, cdr *trunklinev1.Cdr) (formats.Result, bool) {
	p.layout = detect(line, &p.col)
	p.amounts = p.amounts || p.layout == printer
	if wrong, why := p.layout.read(line, &p.col); why != "" {
		return p.deadAt(why, wrong, line), false
	}
	width := p.layout.width()
	if len(line) < width {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
		return formats.Result{}, true
	}
	if more := kit.Trim(line[width:]); more != "" {
		if !isNumber(more) {
			return p.deadAt(misaligned, span{fieldCount, width + 1, len(line), false}, line), false
		}
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
		if p.layout.behind != fieldCount {
			p.col[p.layout.behind] = more
		}
	}
	return formats.Result{}, true
}

// dead is the outcome of a ticket with a field that cannot be.
func (p *parser) dead(reason string, f field) formats.Result {
	return formats.Die(reason, p.place(f)+": "+kit.Quote(p.col[f])+"; expected "+fields[f].expected)
}

// deadAt is the same of a place in a record of fixed columns.
func (p *parser) deadAt(reason string, s span, line string) formats.Result {
	text, expected := "", "blanks"
	if s.first <= len(line) {
		text = line[s.first-1 : min(s.last, len(line))]
	}
	if s.field < fieldCount {
		expected = fields[s.field].expected
		if reason == misaligned {
			expected += " at the other side of its columns"
		}
	}
	return formats.Die(reason, p.columns(s)+": "+kit.Quote(text)+"; expected "+expected)
}

func (p *parser) columns(s span) string {
	where := fmt.Sprintf("columns %d to %d", s.first, s.last)
	if s.first == s.last {
		where = fmt.Sprintf("column %d", s.first)
	}
	if s.field < fieldCount {
		where += " (" + fields[s.field].name + ")"
	}
	return where + " of the record " + p.layout.name
}

// place says where a field stands.
func (p *parser) place(f field) string {
	if p.layout != nil {
		for _, s := range p.layout.spans {
			if s.field == f {
				return p.columns(s)
			}
		}
	}
	for i, x := range p.order {
		if x == f {
			return fmt.Sprintf("field %d (%s)", i+1, fields[f].name)
		}
	}
	return fields[f].name
}
