package hipath

import (
	"trunkline.internal/services/parser/formats/kit"
)

// field of a record.
type field uint8

const (
	date field = iota
	clock
	trunk
	node
	station
	ring
	seconds
	duration
	number
	charge
	information
	account
	msn
	accessCode
	route
	nodalService
	watsBand
	carrier
	dialed
	fieldCount
)

// fieldType: the name is that of `parse.fields`. fits tells what a field can hold where it is not blank.
type fieldType struct {
	name     string
	fits     func(string) bool
	expected string
}

var fields = [fieldCount]fieldType{
	date:         {"date", isDate, "dd.mm.yy"},
	clock:        {"time", isClock, "hh:mm:ss"},
	trunk:        {"trunk", digits(4), "a trunk's number"},
	node:         {"node", digits(3), "a node's number"},
	station:      {"station", digits(16), "a station's number"},
	ring:         {"ring", isRing, "mm:ss"},
	seconds:      {"seconds", digits(5), "seconds"},
	duration:     {"duration", isClock, "hh:mm:ss"},
	number:       {"number", isNumber, "digits, *, # or ?"},
	charge:       {"charge", isCharge, "pulses or an amount"},
	information:  {"information", digits(2), "0 to 9 or 50 to 59"},
	account:      {"account", isCode, "an account code"},
	msn:          {"msn", isNumber, "a number"},
	accessCode:   {"access_code", func(s string) bool { return len(s) <= 5 && isCode(s) }, "an access code of up to five keys"},
	route:        {"lcr_route", digits(4), "a route's number"},
	nodalService: {"nodal_service", digits(2), "two digits"},
	watsBand:     {"wats_band", digits(1), "a digit"},
	carrier:      {"carrier", digits(4), "four digits"},
	dialed:       {"dialed", isNumber, "digits, *, # or ?"},
}

func digits(most int) func(string) bool {
	return func(s string) bool { return len(s) <= most && kit.Digits(s) }
}

// isNumber allows the `?` of hidden digits.
func isNumber(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '*' && c != '#' && c != '?' && (c != '+' || i > 0) {
			return false
		}
	}
	return s != ""
}

func isCode(s string) bool { return len(s) <= 16 && kit.Dialable(s) }

// span is a field's place in a record of fixed columns, counted from 1 as the
// vendor prints them.
type span struct {
	field       field
	first, last int
	right       bool // aligned right
}

// layout is a record of fixed columns.
type layout struct {
	name  string
	spans []span
	// gaps are columns that stay blank.
	gaps []int
	// behind is the field that an option adds behind the last column; fieldCount
	// where none is known.
	behind field
}

func (l *layout) width() int { return l.spans[len(l.spans)-1].last }

// The layouts, from the service manuals of Hicom 150 E Office (compressed and
// long output), Hicom 100 E and HiPath 3000/5000 (GetAccount).
var (
	compressed = &layout{name: "of 112 columns", behind: dialed, spans: []span{
		{date, 1, 8, false},
		{clock, 9, 16, false},
		{trunk, 17, 19, true},
		{station, 20, 25, true},
		{ring, 26, 30, false},
		{duration, 31, 38, false},
		{number, 39, 63, false},
		{charge, 64, 74, true},
		{information, 75, 76, true},
		{account, 77, 87, false},
		{msn, 88, 98, true},
		{accessCode, 99, 103, true},
		{route, 104, 105, true},
		{nodalService, 106, 107, true},
		{watsBand, 108, 108, true},
		{carrier, 109, 112, true},
	}}
	hicom100 = &layout{name: "of Hicom 100", behind: msn, spans: []span{
		{date, 1, 8, false},
		{clock, 9, 16, false},
		{trunk, 17, 18, true},
		{station, 19, 23, true},
		{ring, 24, 28, false},
		{duration, 29, 36, false},
		{number, 37, 56, false},
		{charge, 57, 67, true},
		{information, 68, 69, true},
		{account, 70, 80, false},
	}}
	getAccount = &layout{name: "of GetAccount", behind: fieldCount, spans: []span{
		{date, 1, 8, false},
		{clock, 9, 16, false},
		{trunk, 17, 19, true},
		{node, 20, 22, true},
		{station, 23, 28, true},
		{seconds, 29, 33, true},
		{duration, 34, 41, false},
		{number, 42, 66, false},
		{charge, 67, 77, true},
		{information, 78, 78, true},
		{account, 79, 89, false},
		{msn, 90, 100, true},
		{accessCode, 101, 105, true},
		{route, 106, 109, true},
	}}
	printer = &layout{name: "for printers", behind: fieldCount, gaps: []int{9, 18, 22, 29, 35, 44, 65, 77}, spans: []span{
		{date, 1, 8, false},
		{clock, 10, 17, false},
		{trunk, 19, 21, true},
		{station, 23, 28, true},
		{ring, 30, 34, false},
		{duration, 36, 43, false},
		{number, 45, 64, false},
		{charge, 66, 76, true},
		{information, 78, 79, true},
	}}
)

// detect finds the layout of a line that begins with a date: by the blank behind
// it, else by the place of the colons in ring and duration, else by what the
// line fits. No line fits two.
func detect(line string, scratch *[fieldCount]string) *layout {
	colons := func(first, second int) bool { return at(line, first) == ':' && at(line, second) == ':' }
	switch {
	case at(line, 9) == ' ':
		return printer
	case colons(36, 39):
		return getAccount
	case colons(33, 36), at(line, 28) == ':':
		return compressed
	case colons(31, 34), at(line, 26) == ':':
		return hicom100
	}
	for _, l := range [...]*layout{compressed, hicom100, getAccount} {
		if _, why := l.read(line, scratch); why == "" {
			return l
		}
	}
	return compressed
}

// at is one column; a blank where the line ends before it.
func at(line string, column int) byte {
	if column > len(line) {
		return ' '
	}
	return line[column-1]
}

// read takes the fields out of a line. Where one is not as it should be, wrong
// is its place, and why a reason to call the ticket dead.
func (l *layout) read(line string, col *[fieldCount]string) (wrong span, why string) {
	for _, g := range l.gaps {
		if at(line, g) != ' ' {
			return span{first: g, last: g, field: fieldCount}, misaligned
		}
	}
	for _, s := range l.spans {
		text := ""
		if s.first <= len(line) {
			text = line[s.first-1 : min(s.last, len(line))]
		}
		value := kit.Trim(text)
		col[s.field] = value
		switch {
		case value == "":
			if s.field.required() {
				return s, missing
			}
		case s.right && (len(text) <= s.last-s.first || text[len(text)-1] == ' '), !s.right && text[0] == ' ':
			return s, misaligned
		case !fields[s.field].fits(value):
			return s, unfit
		}
	}
	return span{}, ""
}

// Reasons of dead tickets.
const (
	misaligned = "misaligned_columns"
	missing    = "missing_field"
	unfit      = "bad_field"
)

// required fields are never blank.
func (f field) required() bool { return f == date || f == clock || f == information }

// numberWidth is the width of the number's columns: one that fills them may have
// been cut.
func (l *layout) numberWidth() int {
	for _, s := range l.spans {
		if s.field == number {
			return s.last - s.first + 1
		}
	}
	return 0
}
