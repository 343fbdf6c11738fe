package mitel3300

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// span is a field's place: its first and last column, counted from 1 as Mitel
// prints them.
type span struct{ first, last int }

// layout is where the fields of a record stand. It follows from three options:
// extended digit length widens parties and hours; Extended Reporting (level 1)
// inserts the listed number that was called and widens the caller's number;
// level 2 adds seconds to the start.
//
//	zmm/dd hh:mmp hh:mm:ss pppp fttt xxxxxxxxxxxxxxxxxxxxxmmmmmhsqqqqk rrrr aaaaaaaaaaaasiii__
//
// is the standard record of 90 columns, then `_aaaaaaaaaa dddddddddd` with
// ANI/DNIS (112), then `_psssccccs pssscccc` with Network OLI (131).
type layout struct {
	duration, calling               span
	answer, digits, meter           span
	status, flag, called            span
	listed, transfer, third         span
	account, route, system, level   span
	ani, dnis, suite                span
	callID, sequence, associated    span
	twoChannel                      span
	callingEHDU, calledEHDU         span
	callingLocation, calledLocation span
	half                            int // P or A of a 12-hour clock
	seconds                         bool
	// gaps are the columns that are always blank; inferred, those of Extended
	// Reporting that should be.
	gaps, inferred []int
}

func newLayout(extended, seconds, reporting bool) *layout {
	hours, partyWidth, dnisWidth, aniWidth := 2, 4, 10, 10
	if extended {
		hours, partyWidth, dnisWidth = 4, 7, 7
	}
	if reporting {
		aniWidth, dnisWidth = 20, 10
	}
	// next is a field of so many columns behind a gap.
	next := func(before span, gap, width int) span {
		return span{before.last + gap + 1, before.last + gap + width}
	}
	l := &layout{seconds: seconds, half: 13}
	if seconds {
		l.half = 16
	}
	l.duration = next(span{last: l.half}, 1, hours+6)
	l.calling = next(l.duration, 1, partyWidth)
	// The attendant's `*` and three digits; with Extended Time To Answer the `*`
	// moves into the gap before, and the digits are four.
	l.answer = next(l.calling, 1, 4)
	l.digits = next(l.answer, 1, 26)
	l.meter = span{l.digits.last - 4, l.digits.last}
	l.status = next(l.digits, 0, 1)
	l.flag = next(l.status, 0, 1)
	l.called = next(l.flag, 0, partyWidth)
	if reporting {
		// A gap, seven digits and the transfer flag, on whichever side of them.
		l.listed = next(l.called, 0, 9)
		l.third = next(l.listed, 1, partyWidth)
	} else {
		l.transfer = next(l.called, 0, 1)
		l.third = next(l.transfer, 1, partyWidth)
	}
	l.account = next(l.third, 1, 12)
	l.route = next(l.account, 0, 1)
	l.system = next(l.route, 0, 3)
	l.level = next(l.system, 0, 2)
	l.ani = next(l.level, 1, aniWidth)
	l.dnis = next(l.ani, 1, dnisWidth)
	before := l.dnis
	if reporting {
		l.suite = next(l.dnis, 1, 7)
		before = l.suite
	}
	l.callID = next(before, 1, 8)
	l.sequence = next(l.callID, 0, 1)
	l.associated = next(l.sequence, 1, 8)
	if reporting {
		l.twoChannel = next(l.associated, 2, 6)
		l.callingEHDU = next(l.twoChannel, 1, 7)
		l.calledEHDU = next(l.callingEHDU, 1, 7)
		l.callingLocation = next(l.calledEHDU, 1, 5)
		l.calledLocation = next(l.callingLocation, 1, 5)
	}
	l.gaps = []int{
		l.half + 1, l.digits.first - 1, l.third.first - 1, l.account.first - 1, l.ani.first - 1, l.dnis.first - 1,
		l.callID.first - 1, l.associated.first - 1,
	}
	if reporting {
		l.inferred = []int{
			l.suite.first - 1, l.twoChannel.first - 1, l.callingEHDU.first - 1, l.calledEHDU.first - 1, l.callingLocation.first - 1,
			l.calledLocation.first - 1,
		}
	}
	return l
}

// layouts by hours of four digits, seconds, and Extended Reporting. Seconds come
// with level 2, which needs level 1.
var layouts = func() (all [2][2][2]*layout) {
	for i := range 8 {
		all[i>>2][i>>1&1][i&1] = newLayout(i>>2 == 1, i>>1&1 == 1, i&1 == 1)
	}
	return all
}()

// get is the text of a field without blanks around.
func get(line string, s span) string {
	if s.first == 0 {
		return ""
	}
	return kit.Columns(line, s.first, s.last)
}

// at is one column; a blank where the line was trimmed before it.
func at(line string, column int) byte {
	if column > len(line) {
		return ' '
	}
	return line[column-1]
}

// durationAt tells whether a duration begins in the column, and whether its
// hours have four digits.
func durationAt(line string, column int) (extended, ok bool) {
	if column > len(line) {
		return false, false
	}
	s := line[column-1:]
	switch {
	case shaped(s, "00:00:00"):
		return false, len(s) == 8 || s[8] == ' '
	case shaped(s, "0000:00:00"):
		return true, len(s) == 10 || s[10] == ' '
	}
	return false, false
}

// shaped compares the beginning of a text with a pattern in which 0 is any digit.
func shaped(s, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if p := pattern[i]; p == '0' && (s[i] < '0' || s[i] > '9') || p != '0' && s[i] != p {
			return false
		}
	}
	return true
}

// Where the duration stands, without and with seconds in the start.
const (
	minutesDuration = 15
	secondsDuration = 18
)

// detect finds the layout of a record by the place and the width of its
// duration, and Extended Reporting by the system identifier, which stands eight
// columns further then. nil: there is no duration where one should be.
func detect(line string) *layout {
	if extended, ok := durationAt(line, secondsDuration); ok {
		return layouts[index(extended)][1][1]
	}
	extended, ok := durationAt(line, minutesDuration)
	if !ok {
		return nil
	}
	plain, reporting := layouts[index(extended)][0][0], layouts[index(extended)][0][1]
	switch {
	case systemAt(line, plain):
		return plain
	case systemAt(line, reporting), callIDAt(line, reporting):
		return reporting
	case len(line) > plain.associated.last:
		return reporting
	}
	return plain
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// systemAt tells three digits in the place of the system identifier and no digit
// on either side.
func systemAt(line string, l *layout) bool {
	return l.system.last <= len(line) && shaped(line[l.system.first-1:], "000") &&
		!digit(at(line, l.route.first)) && !digit(at(line, l.system.last+1))
}

// callIDAt tells a call identifier in its place: a letter and seven digits.
func callIDAt(line string, l *layout) bool {
	return isCallID(get(line, l.callID))
}

// classify says what a line without the shape of a record is, if it is known.
func classify(line string) (ignored string) {
	upper := strings.ToUpper(line)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(upper, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("CLOCK") && has("MALFUNCTION"):
		return "clock_malfunction"
	case has("TIME") && has("CHANGE", "NEW", "OLD"):
		return "time_change"
	}
	return ""
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// misplaced finds a field behind the parties that holds a part of another one:
// there a record with a column too few or too many shows.
func misplaced(line string, l *layout) (place span, expected string) {
	for _, place := range [...]span{l.flag, l.route} {
		if digit(at(line, place.first)) {
			return place, "a letter"
		}
	}
	for _, place := range [...]span{l.ani, l.dnis, l.callID, l.associated} {
		if strings.ContainsAny(get(line, place), "/:") {
			return place, "a number or an identifier, but no time"
		}
	}
	return span{}, ""
}

// odd tells fields that are not as the vendor describes them.
func odd(line string, l *layout) bool {
	for _, gap := range l.inferred {
		if at(line, gap) != ' ' {
			return true
		}
	}
	for _, place := range [...]span{l.ani, l.dnis} {
		if at(line, place.first) == ' ' && get(line, place) != "" {
			return true
		}
	}
	for _, place := range [...]span{l.callID, l.associated} {
		if id := get(line, place); id != "" && !isCallID(id) && len(line) >= place.last {
			return true
		}
	}
	id, sequence := get(line, l.system), at(line, l.sequence.first)
	return id != "" && len(id) < 3 && len(line) >= l.system.last || sequence != ' ' && (sequence < 'A' || sequence > 'Z') ||
		strings.IndexByte(" SFR", at(line, l.flag.first)) < 0
}

// isCallID tells a call identifier: plane, system and number of the call.
func isCallID(s string) bool {
	return len(s) == 8 && s[0] >= 'A' && s[0] <= 'Z' && kit.Digits(s[1:])
}

// short tells a record that was cut, by the column in which its text ends and the
// blanks behind it: they are those up to the end of the record, or were trimmed.
func (l *layout) short(end, blanks int) bool {
	within := func(s span) bool { return end >= s.first && end < s.last }
	if end < l.called.first || within(l.system) || within(l.callID) || within(l.associated) {
		return true
	}
	switch end + blanks {
	case end, l.level.last, l.dnis.last, l.associated.last, l.calledLocation.last:
		return false
	}
	return true
}
