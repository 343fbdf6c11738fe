// Package mitel3300 reads the SMDR records of Mitel 3300 ICP, MCD and MiVoice
// Business: one line of fixed columns for each trunk of a call, and where the
// option is set for internal calls. Layout as in the vendor's summary of fields:
// 90, 112 or 131 columns, with extended digit length 101, 120 or 139, with
// Extended Reporting up to 207. Which of them a record has is found record by
// record, see [layout]; blanks at the end may be missing, and the first column
// where it is blank. The last fields of Extended Reporting are inferred.
//
// What is worth knowing:
//
//   - The start has no year, and minutes only below reporting level 2; there is
//     no end. A buffer box may print `@YYYYMMDD@` before the record, which then
//     decides the year.
//   - The duration is the conversation; Time To Answer is ring_seconds. Where
//     nobody answered, or the status says busy, failed or barred, the duration
//     is line_seconds and talk_seconds is 0. An outgoing call without answer
//     supervision has no disposition; its talk is the duration, as the PBX would
//     bill it. 99:99:99 is 100 hours or more.
//   - T is a trunk of the public network, X one of the private, X999 and X9999
//     the IP network. An X listed in `parse.trunks.names` is public.
//   - With network format the digits are preceded by the caller: they are parted
//     at the last blank, or at `#` where what stands before is the caller.
//   - Of a call that was transferred (T) extension is the last set of ours on an
//     incoming call, and who dialled on an outgoing one.
//   - call_key is the call identifier with the date, where it is printed;
//     leg_id its sequence letter. A record is LEG if the letter is not A or
//     another call was joined. A tandem call gives a record for each of its trunks:
//     those behind A, of a call that nobody handed over, are COPY.
//   - The system identifier is node.
//
// Ignored: blank, clock_malfunction, time_change (lines that say so in words),
// data_call (a record of a data call: the date has `-`).
//
// Dead: not_a_record, bad_start, bad_duration, misaligned_columns,
// no_calling_party, year_unknown.
//
// Warnings: charset, hour_ambiguous, hour_skipped, odd_value, overflow,
// short_ticket (the record was cut: it ends before the called party, in a field
// whose width is known, or in a blank that is not its last column; a cut behind
// it cannot be told from a record whose blanks were trimmed), year_inferred.
package mitel3300

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	zone kit.Zone
}

// New makes the parser of one link. It fails where the settings name a clock or
// a time that the records cannot have.
func New(link *kit.Link) (formats.Parser, error) {
	if c := link.Parse.Clock; c != 0 && c != 12 && c != 24 {
		return nil, fmt.Errorf("parse.clock %d: give 12 or 24", c)
	}
	if t := link.Parse.TimeIs; t != "" && t != "start" {
		return nil, fmt.Errorf("parse.time_is %q: a Mitel 3300 prints when a call started: leave it out, or give start", t)
	}
	return &parser{link: link, zone: kit.NewZone(link.Zone)}, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text, clean := ascii(t.Raw)
	if !clean {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	trimmed := strings.TrimRight(text, " \t")
	line, stamp := unwrap(trimmed)
	if line == "" {
		return formats.Ignore("blank")
	}
	l := detect(line)
	switch dated, data := shaped(line[1:], "00/00 00:00"), shaped(line[1:], "00-00 00:00"); {
	case l != nil && dated:
		return p.record(t, cdr, line, len(text)-len(trimmed), stamp, l)
	case l != nil && data:
		return formats.Ignore("data_call")
	case l != nil:
		return bad("bad_start", line, span{2, l.half}, "mm/dd hh:mm")
	case classify(line) != "":
		return formats.Ignore(classify(line))
	case dated:
		return bad("bad_duration", line, span{minutesDuration, secondsDuration + 9}, "hh:mm:ss from column 15 or 18")
	}
	return bad("not_a_record", line, span{1, 22}, "a record: mm/dd hh:mm hh:mm:ss")
}

// ascii is the record as text. Records are ASCII and their columns bytes: any
// other byte becomes `?`, so that what stands behind it stays in its place.
func ascii(raw []byte) (text string, clean bool) {
	if !slices.ContainsFunc(raw, func(b byte) bool { return b >= utf8.RuneSelf }) {
		return string(raw), true
	}
	b := slices.Clone(raw)
	for i := range b {
		if b[i] >= utf8.RuneSelf {
			b[i] = '?'
		}
	}
	return string(b), false
}

// unwrap takes off the stamp of a buffer box, and puts back a blank first column
// that was trimmed.
func unwrap(line string) (rest string, stamp kit.Wall) {
	if shaped(line, "@00000000@") {
		stamp = kit.Wall{Year: two(line[1:])*100 + two(line[3:]), Month: two(line[5:]), Day: two(line[7:])}
		line = line[10:]
	}
	if shaped(line, "00/00 ") || shaped(line, "00-00 ") {
		line = " " + line
	}
	return line, stamp
}

// two reads two digits that are known to be there.
func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// record reads a record and the number of blanks that were behind it.
func (p *parser) record(t *formats.Ticket, cdr *trunklinev1.Cdr, line string, blanks int, stamp kit.Wall, l *layout) formats.Result {
	for _, gap := range l.gaps {
		if at(line, gap) != ' ' {
			return bad("misaligned_columns", line, span{gap, gap}, "a blank between two fields")
		}
	}
	wall, ok := p.start(line, l)
	if !ok {
		return bad("bad_start", line, span{2, l.half}, "a date and a time")
	}
	seconds, overflow, ok := duration(get(line, l.duration))
	if !ok {
		return bad("bad_duration", line, l.duration, "hh:mm:ss")
	}
	if overflow {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	e := ends{
		calling: get(line, l.calling), called: get(line, l.called), third: get(line, l.third),
		status: at(line, l.status.first), duration: seconds,
	}
	for _, place := range [...]span{l.calling, l.called, l.third} {
		if strings.IndexByte(get(line, place), ' ') >= 0 {
			return bad("misaligned_columns", line, place, "one party")
		}
	}
	if e.status >= '0' && e.status <= '9' {
		return bad("misaligned_columns", line, l.status, "a letter")
	}
	if e.calling == "" && !isTrunk(e.called) {
		return bad("no_calling_party", line, l.calling, "a station, an attendant or a trunk")
	}
	if place, expected := misplaced(line, l); expected != "" {
		return bad("misaligned_columns", line, place, expected)
	}
	if l.short(len(line), blanks) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	if odd(line, l) || !isParty(e.calling) || !isParty(e.called) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	e.answered(cdr, line, l)

	near := t.Near
	if !near.IsZero() {
		near = near.Add(-time.Duration(e.ring+seconds) * time.Second)
	}
	if stamp.Year != 0 {
		if !stamp.Valid() || stamp.Year < 1970 {
			return formats.Die("bad_start", "columns 1 to 10 before the record: no date; expected @YYYYMMDD@")
		}
		stamp.Hour, stamp.Minute, stamp.Second = 23, 59, 59
		day, _ := p.zone.Time(stamp, time.Time{})
		start, _ := p.zone.Time(wall, day)
		wall.Year = start.In(p.link.Zone).Year()
	}
	start, warnings := p.zone.Time(wall, near)
	if start.IsZero() {
		return formats.Die("year_unknown", "the record prints no year, and nothing tells when it was written: import it from a file with its time, or through a buffer that stamps it @YYYYMMDD@")
	}
	kit.Warn(cdr, warnings...)
	p.zone.SetStart(cdr, start)
	cdr.TimePrecisionSeconds = 60
	if l.seconds {
		cdr.TimePrecisionSeconds = 1
	}
	cdr.RingSeconds = e.ring

	p.parties(cdr, line, l, &e)
	p.identity(cdr, line, l, start)
	attributes(cdr, line, l)
	return formats.Result{}
}

// start reads date and time. A clock of 12 hours prints P behind the time in the
// afternoon, and in the morning nothing or A.
func (p *parser) start(line string, l *layout) (w kit.Wall, ok bool) {
	w = kit.Wall{Month: two(line[1:]), Day: two(line[4:]), Hour: two(line[7:]), Minute: two(line[10:])}
	if l.seconds {
		if !shaped(line[12:], ":00") {
			return w, false
		}
		w.Second = two(line[13:])
	}
	switch at(line, l.half) {
	case 'P', 'p':
		if w.Hour < 1 || w.Hour > 12 {
			return w, false
		}
		w.Hour = w.Hour%12 + 12
	case 'A', 'a':
		if w.Hour > 12 {
			return w, false
		}
		w.Hour %= 12
	case ' ':
		if p.link.Parse.Clock == 12 {
			w.Hour %= 12
		}
	default:
		return w, false
	}
	return w, w.Valid()
}

// duration reads `hh:mm:ss`; all nines is what the field cannot hold, and then
// the shortest that it may have been.
func duration(s string) (seconds uint32, overflow, ok bool) {
	switch s {
	case "99:99:99":
		return 100 * 3600, true, true
	case "9999:99:99":
		return 10_000 * 3600, true, true
	}
	seconds, ok = kit.Clock(s)
	return seconds, false, ok
}

// identity sets what names the call and the record.
func (p *parser) identity(cdr *trunklinev1.Cdr, line string, l *layout, start time.Time) {
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	cdr.Node = get(line, l.system)
	cdr.AccountCode = get(line, l.account)
	cdr.LegId = get(line, l.sequence)
	associated := get(line, l.associated)
	kit.Attribute(cdr, "associated_call_id", associated)
	switch {
	case cdr.LegId > "A" && associated == "" && cdr.Direction == trunklinev1.Direction_DIRECTION_TRANSIT && cdr.TransferredFrom+cdr.TransferredTo == "":
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
	case associated != "" || cdr.LegId > "A":
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	if cdr.CallId = get(line, l.callID); cdr.CallId != "" {
		var b [40]byte
		cdr.CallKey = string(start.In(p.link.Zone).AppendFormat(append(append(b[:0], cdr.CallId...), '@'), time.DateOnly))
	}
}

// attributes keeps what has no place of its own.
func attributes(cdr *trunklinev1.Cdr, line string, l *layout) {
	kit.Attribute(cdr, "speed_call_flag", get(line, l.flag))
	kit.Attribute(cdr, "route_optimization", get(line, l.route))
	kit.Attribute(cdr, "mlpp_level", get(line, l.level))
	kit.Attribute(cdr, "suite_id", get(line, l.suite))
	kit.Attribute(cdr, "two_b_channel_transfer", get(line, l.twoChannel))
	kit.Attribute(cdr, "calling_ehdu", get(line, l.callingEHDU))
	kit.Attribute(cdr, "called_ehdu", get(line, l.calledEHDU))
	kit.Attribute(cdr, "calling_location", get(line, l.callingLocation))
	kit.Attribute(cdr, "called_location", get(line, l.calledLocation))
}

func bad(reason, line string, place span, expected string) formats.Result {
	where := fmt.Sprintf("columns %d to %d", place.first, place.last)
	if place.first == place.last {
		where = fmt.Sprintf("column %d", place.first)
	}
	return formats.Die(reason, fmt.Sprintf("%s: %s; expected %s", where, kit.Quote(get(line, place)), expected))
}
