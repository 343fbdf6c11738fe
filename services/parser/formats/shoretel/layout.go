package shoretel

import "trunkline.internal/services/parser/formats/kit"

// span is a field's place: its first column, counted from 1 as ShoreTel prints
// them, and its length.
type span struct{ at, n int }

func (s span) last() int { return s.at + s.n - 1 }

// layout is where the fields of a text record stand. One blank follows each
// field, the last one too; the carriage return stands behind it.
type layout struct {
	name string
	// length of a record without its line end.
	length int

	id, date, time, extension, duration, direction span
	dialed, caller, member, group, account         span
	gaps                                           [11]int
}

// Text records as in appendix C of the administration guides: release 6.1, and
// release 7.5, which has longer extensions. Call id, trunk member and trunk group
// are justified to the right, the others to the left.
var (
	release61 = newLayout("6.1", 7)
	release75 = newLayout("7.5", 16)
)

func newLayout(name string, extension int) *layout {
	l := &layout{name: name}
	at := 1
	for i, f := range [...]struct {
		*span
		n int
	}{
		{&l.id, 10},
		{&l.date, 10},
		{&l.time, 8},
		{&l.extension, extension},
		{&l.duration, 8},
		{&l.direction, 1},
		{&l.dialed, 16},
		{&l.caller, 16},
		{&l.member, 4},
		{&l.group, 3},
		{&l.account, 20},
	} {
		*f.span = span{at, f.n}
		at += f.n + 1
		l.gaps[i] = at - 1
	}
	l.length = at - 1
	return l
}

// layoutOf finds a record's layout by the place of duration and direction; nil:
// it is none.
func layoutOf(line string) *layout {
	for _, l := range [...]*layout{release75, release61} {
		if len(line) < l.direction.at || line[l.duration.at+1] != ':' || line[l.duration.at+4] != ':' {
			continue
		}
		if c := line[l.direction.at-1]; c >= '0' && c <= '3' {
			return l
		}
	}
	return nil
}

// field is the text of a field with its blanks; what was trimmed from the end of
// the record is missing.
func field(line string, s span) string {
	if s.at > len(line) {
		return ""
	}
	return line[s.at-1 : min(s.last(), len(line))]
}

func get(line string, s span) string { return kit.Columns(line, s.at, s.last()) }

// shaped compares a text with a pattern of its length, in which 0 is any digit.
func shaped(s, pattern string) bool {
	if len(s) != len(pattern) {
		return false
	}
	for i := range len(s) {
		if p := pattern[i]; p == '0' && (s[i] < '0' || s[i] > '9') || p != '0' && s[i] != p {
			return false
		}
	}
	return true
}

// number reads digits that are known to be there.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
