// Package mitela400 reads the call logging records of Mitel MiVoice Office 400
// (Aastra 400, Ascotel IntelliGate) in format PC5, and in the elder PC1, PC2 and
// PC4: a tabulator and fixed columns of ASCII, one record for each part of a call
// over an exchange line. The length of a record tells its format.
//
// What is worth knowing:
//
//   - The sort character xyz tells everything but the numbers. x: 0 out, 1 out on
//     the private network, 3 in, 4 in from the private network; PC1 to PC4 do not
//     print it. y: 0 business, transferred, 1 business, dialled by the user,
//     2 incoming, 3 incoming to an ACD queue, 4 transit, 6 and 7 with cost centre,
//     8 and 9 private, each again transferred and dialled by the user. z, incoming:
//     0 transferred, 1 answered, 2 not answered, 3 answered otherwise, 4 transferred
//     to the network, 6 data, 9 rejected; outgoing: 0 plain, 4 forwarded into the
//     network, 5 transferred by a user, 6 data, 7 booth, 8 guest room.
//   - The start has no seconds. Incoming it is when the telephone began to ring,
//     and Time To Answer is ring_seconds; the duration is the conversation.
//   - The records of a transferred incoming call have one sequence number, which
//     with the date is call_key; 000 is none. It has three digits, and is used
//     again after a thousand calls. sequence is the serial number of the record.
//   - An incoming call that was not answered is given to a user, or to his group,
//     or to the initial number. It is a group's where parse.inside does not have
//     the number, and without parse.inside in an ACD queue.
//   - Hidden digits of a number dialled, usually four, are blanks behind it in a
//     field that is justified to the right. PC1 to PC4 justify to the left, so that
//     nothing shows; with parse.masked_digits all their outgoing calls are masked.
//   - Zero charges are none. A number too long for its field was cut: overflow.
//   - Incoming calls in PC1 to PC4: which number a field holds is not documented.
//     The DDI is did, what stands in the fields of numbers dialled is kept as
//     attributes.
//
// Ignored: blank, job_separator (a line of asterisks, where another job begins to
// use the printer), page_header (of the format Protocol).
//
// Dead: not_a_record, not_ascii, unknown_length, misaligned_columns,
// bad_sort_character, bad_date, date_ambiguous, bad_time, bad_duration,
// bad_charges, bad_pulses, bad_exchange, bad_time_to_answer,
// bad_sequence_number, bad_serial_number.
//
// Warnings: hour_ambiguous, hour_skipped, masked, odd_value, overflow.
package mitela400

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
}

// New makes the parser of one link. It fails where the settings name a date
// order, a clock or a number of digits that the records cannot have.
func New(link *kit.Link) (formats.Parser, error) {
	set := &link.Parse
	switch {
	case set.DateOrder != "" && set.DateOrder != yearFirst && set.DateOrder != dayFirst:
		return nil, fmt.Errorf("parse.date_order %q: an A400 prints %s or %s", set.DateOrder, yearFirst, dayFirst)
	case set.TimeIs != "" && set.TimeIs != "start":
		return nil, fmt.Errorf("parse.time_is %q: an A400 prints when a call started: leave it out, or give start", set.TimeIs)
	case set.Clock != 0 && set.Clock != 24:
		return nil, fmt.Errorf("parse.clock %d: an A400 has a clock of 24 hours: leave it out, or give 24", set.Clock)
	case set.MaskedDigits < 0 || set.MaskedDigits > 20:
		return nil, fmt.Errorf("parse.masked_digits %d: give how many digits the PBX hides: usually 4, at most 20", set.MaskedDigits)
	}
	return &parser{link: link}, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	line := strings.TrimRight(string(t.Raw), " ")
	switch {
	case strings.Trim(line, " \t") == "":
		return formats.Ignore("blank")
	case line[0] != '\t':
		return other(line)
	}
	for i := range len(line) {
		if line[i] >= utf8.RuneSelf {
			return formats.Die("not_ascii", fmt.Sprintf("column %d: the byte %#x; records are ASCII: on a serial line, look at the parity", i+1, line[i]))
		}
	}
	l := layoutOf(line)
	if l == nil {
		return formats.Die("unknown_length", fmt.Sprintf("a record of %d columns; expected %s", len(line), lengths))
	}
	c := call{parser: p, layout: l, line: line, cdr: cdr}
	if result := c.check(); result.Outcome != formats.CDR {
		return result
	}
	wall, reason, expected := p.day(c.field(l.date), t.Near)
	if reason != "" {
		return c.bad(reason, "DATE", l.date, expected)
	}
	clock := c.field(l.time)
	wall.Hour, wall.Minute = two(clock), two(clock[3:])
	if !wall.Valid() {
		return c.bad("bad_time", "TIME", l.time, "hh:mm")
	}
	near := t.Near
	if !near.IsZero() {
		near = near.Add(-time.Duration(c.ring+c.seconds) * time.Second)
	}
	start, warnings := wall.In(p.link.Zone, near)
	kit.Warn(cdr, warnings...)
	kit.SetStart(cdr, start, p.link.Zone)
	cdr.TimePrecisionSeconds = 60
	c.fill(wall)
	return formats.Result{}
}

var lengths = func() string {
	var s []string
	for _, l := range layouts {
		s = append(s, fmt.Sprintf("%d (%s)", l.length, l.name))
	}
	return strings.Join(s, ", ")
}()

// other is what became of a line that begins with no tabulator.
func other(line string) formats.Result {
	switch {
	case strings.Trim(line, "* ") == "":
		return formats.Ignore("job_separator")
	case strings.Trim(line, "-_= ") == "",
		strings.Contains(line, "SC") && strings.Contains(line, "DATE") && strings.Contains(line, "TIME") && strings.Contains(line, "DURATION"):
		return formats.Ignore("page_header")
	}
	return formats.Die("not_a_record", "column 1: "+kit.Quote(line)+"; expected the tabulator that begins a record: on the PBX set OCL and ICL to format PC5, the title of the line to nothing, and no other output on this channel")
}

// check makes sure that every field holds what its layout says, and reads the
// durations.
func (c *call) check() formats.Result {
	l := c.layout
	for _, gap := range l.gaps {
		if c.line[gap] != ' ' {
			return c.bad("misaligned_columns", "", span{gap, 1}, "a blank between two fields")
		}
	}
	if !kit.Digits(c.field(l.sort)) || !c.sorted() {
		return c.bad("bad_sort_character", "SC", l.sort, "a sort character such as 010, 321 or, in PC1 to PC4, 10")
	}
	if !shaped(c.field(l.date), "000000") {
		return c.bad("bad_date", "DATE", l.date, "six digits")
	}
	if !shaped(c.field(l.time), "00:00") {
		return c.bad("bad_time", "TIME", l.time, "hh:mm")
	}
	d := c.field(l.duration)
	if !shaped(d, "00H00M00") || d[3] > '5' || d[6] > '5' {
		return c.bad("bad_duration", "DURATION", l.duration, "hhHmmMss")
	}
	c.seconds = uint32(two(d)*3600 + two(d[3:])*60 + two(d[6:]))
	if v := c.get(l.charges); v != "" && !isAmount(v) {
		return c.bad("bad_charges", "CHARGES", l.charges, "an amount such as 0.36")
	}
	for _, f := range [...]struct {
		reason, name string
		span
	}{
		{"bad_pulses", "METPUL", l.pulses},
		{"bad_exchange", "EXCH", l.exchange},
		{"bad_time_to_answer", "TTA", l.answer},
		{"bad_sequence_number", "SEQ.NO.", l.sequence},
	} {
		if v := c.get(f.span); v != "" && !kit.Digits(v) {
			return c.bad(f.reason, f.name, f.span, "digits")
		}
	}
	if !kit.Digits(c.get(l.serial)) {
		return c.bad("bad_serial_number", "SERIAL NO.", l.serial, "digits")
	}
	c.ring, _ = kit.Uint(c.get(l.answer))
	return formats.Result{}
}

func (c *call) bad(reason, name string, s span, expected string) formats.Result {
	where := "column " + strconv.Itoa(s.at+1)
	if s.n > 1 {
		where = fmt.Sprintf("columns %d to %d", s.at+1, s.at+s.n)
	}
	if name != "" {
		where += " (" + name + ")"
	}
	found := kit.Quote(c.field(s))
	if s == c.date {
		found = strconv.Quote(c.field(s)) // no telephone number
	}
	return formats.Die(reason, fmt.Sprintf("%s of a record in %s: %s; expected %s", where, c.layout.name, found, expected))
}
