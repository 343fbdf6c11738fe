// Package panasonic reads the SMDR lines of Panasonic KX-TDA, TDE, NCP and NS
// systems, and those of their elder KX-TD, TES and TEM relatives that print the
// same columns: type A (80 columns), type B (80 columns with charge) and type C
// (120 columns), recognised line by line.
//
// Facts are from the feature guides of the KX-TDA100D, KX-NCP1000 and KX-NS1000
// and, for type B, from lines of a real system.
//
//   - The printed time is the call's end, to the minute; the start is the end
//     less duration and ring. `parse.time_is: start` is for KX-TES and KX-TEM.
//     Type B prints no ring: the start may lie a ring later than it was, less
//     than the minute that the clock resolves. Outgoing calls print none in any
//     type, and on analogue trunks their duration begins a preset time after
//     dialling, answered or not.
//   - `parse.date_order` is the order of the PBX's SMDR Options. Without it a
//     date is taken if it is one in a single order only, future dates left out,
//     or if a single order makes it one of the last three days before the ticket
//     was received or written. Any other is dead: a date must not be guessed.
//   - A call through the PBX from trunk to trunk, a transfer and a flash are
//     several lines without anything in common: what can be told of them (CD
//     code, a hyphen in the number, an unanswered group) makes a line a LEG.
//     RC (received) and AN (answered) lines are COPYs.
//   - An incoming call of 00:00'00 without NA rang at a group or a virtual
//     extension and was answered elsewhere or given up: the line does not tell
//     which, and is NO_ANSWER.
//   - A caller of two to four digits called over a tie line; `parse.inside`
//     decides where it is set.
//   - An amount of nothing is none: the PBX prints it on every line.
//   - A verified call's extension (`*123`) is the code's owner, who pays.
//
// Ignored: blank, page_header, rule, prompt, login_dialogue, log_in, log_out,
// check_in, check_out, timed_reminder, sensor, absence.
//
// Dead: no_date, bad_date, date_ambiguous, bad_time, no_time, unknown_layout,
// columns, bad_duration, no_duration, bad_extension, bad_trunk.
//
// Warnings: MASKED, OVERFLOW (a field or the duration is full, or the trunk is
// 00), START_ASSUMED (an intercom line tells no duration; the duration is full;
// the clock was changed), EXTRA_COLUMNS, CHARSET, ODD_VALUE, HOUR_AMBIGUOUS,
// HOUR_SKIPPED, SHORT_TICKET (the line was cut: it is short and ends in a blank,
// or in or before a cost; a cut behind the duration or in the account code cannot
// be told from a line whose blanks were trimmed).
package panasonic

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	// order of the date; nil where the settings do not tell.
	order *order
	// starts tells that the printed time is the call's start.
	starts bool
	zone   kit.Zone
}

// New makes the parser of a link.
func New(link *kit.Link) (formats.Parser, error) {
	p := &parser{link: link, zone: kit.NewZone(link.Zone)}
	switch link.Parse.TimeIs {
	case "", "end":
	case "start":
		p.starts = true
	default:
		return nil, fmt.Errorf("parse.time_is %q: give start or end", link.Parse.TimeIs)
	}
	for i := range orders {
		if orders[i].name == link.Parse.DateOrder {
			p.order = &orders[i].order
		}
	}
	if p.order == nil && link.Parse.DateOrder != "" {
		return nil, fmt.Errorf("parse.date_order %q: give dmy, mdy, ymd or ydm", link.Parse.DateOrder)
	}
	return p, nil
}

// Parse understands one line.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	l := newLine(withoutControls(t.Raw))
	at, reason := begin(l.text)
	if reason != "" {
		return formats.Ignore(reason)
	}
	if at < 0 {
		return formats.Die("no_date", "column 1: no date such as 31/12/26 and no line that the PBX prints between tickets")
	}
	l = l.from(at)
	w, told, dead := p.clock(l, t.Near)
	if dead.Outcome == formats.Dead {
		return dead
	}
	lay := withDuration(l.text)
	if lay == nil {
		var result formats.Result
		var done bool
		if lay, result, done = p.without(l); done {
			return result
		}
	}
	if column := lay.misplaced(l.text); column > 0 {
		return formats.Die("columns", fmt.Sprintf("column %d of type %c: expected a blank", column, lay.name))
	}
	c := call{parser: p, line: l, layout: lay, cdr: cdr}
	if result := c.read(); result.Outcome != formats.CDR {
		return result
	}
	c.times(w, told, t.Near)
	return formats.Result{}
}

// clock reads date and time. told is false where the PBX's clock was changed
// during the call and it prints stars.
func (p *parser) clock(l line, near time.Time) (w kit.Wall, told bool, dead formats.Result) {
	if len(l.text) < 16 {
		return w, false, formats.Die("bad_time", "columns 10 to 16: the line ends before the time")
	}
	if l.text[0] == '*' || l.text[9] == '*' {
		if near.IsZero() {
			return w, false, formats.Die("no_time", "columns 1 to 16: the PBX's clock was changed during the call, and nothing tells when the line was written")
		}
		return w, false, formats.Result{}
	}
	w, reason, err := p.day(l.text, near)
	if reason != "" {
		return w, false, formats.Die(reason, err)
	}
	if !hour(l.text[9:16], &w) {
		return w, false, formats.Die("bad_time", "columns 10 to 16: no time such as 17:18 or 05:18PM")
	}
	return w, true, formats.Result{}
}

// longest durations that real systems print: the one of KX-TDA in the field, and
// the one that the columns hold.
const (
	halfDay  = 12*3600 - 1
	allNines = 99*3600 + 59*60 + 59
)

func (c *call) overflows() bool { return c.seconds == halfDay || c.seconds == allNines }

// times sets start and end from the printed time. An end that a full or missing
// duration would make wrong is not told.
func (c *call) times(w kit.Wall, told bool, near time.Time) {
	length := time.Duration(c.seconds+c.cdr.RingSeconds) * time.Second
	c.cdr.TimePrecisionSeconds = 60
	// Received and answered lines print when that was: the call goes on.
	goesOn := c.cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY
	assumed := !told || !c.timed && !c.starts && !goesOn || c.overflows()
	if assumed {
		kit.Warn(c.cdr, trunklinev1.Warning_WARNING_START_ASSUMED)
	}
	var printed time.Time
	var warnings []trunklinev1.Warning
	switch {
	case !told:
		printed = near.Truncate(time.Minute)
	case c.starts && !near.IsZero():
		printed, warnings = c.zone.Time(w, near.Add(-length))
	default:
		printed, warnings = c.zone.Time(w, near)
	}
	kit.Warn(c.cdr, warnings...)
	if c.starts && told {
		c.zone.SetStart(c.cdr, printed)
		if c.timed && !assumed {
			c.cdr.EndTime = timestamppb.New(printed.Add(length))
		}
		return
	}
	c.zone.SetStart(c.cdr, printed.Add(-length))
	if told && !goesOn {
		c.cdr.EndTime = timestamppb.New(printed)
	}
}
