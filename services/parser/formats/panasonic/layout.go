package panasonic

import (
	"strings"
	"unicode/utf8"

	"trunkline.internal/services/parser/formats/kit"
)

// span is a field's columns, counted from 0; to is the one behind the last.
type span struct{ from, to int }

// layout is one of the three print formats. Fields are separated by one blank.
type layout struct {
	name                                             byte
	ext, co, dial, ring, duration, cost, account, cd span
	// gaps are the columns that are always blank.
	gaps []int
}

// The widths of types A and C are those of the feature guides, type B is that of
// real systems: its extension has four columns where the guides print five. An
// extension that is one digit too long takes the blank before it.
var (
	typeA = layout{
		name: 'A', ext: span{16, 22}, co: span{23, 25}, dial: span{26, 51}, ring: span{52, 56},
		duration: span{57, 65}, account: span{66, 76}, cd: span{77, 80}, gaps: []int{22, 25, 51, 56, 65, 76},
	}
	typeB = layout{
		name: 'B', ext: span{16, 21}, co: span{22, 24}, dial: span{25, 45},
		duration: span{46, 54}, cost: span{55, 65}, account: span{66, 76}, cd: span{77, 80}, gaps: []int{21, 24, 45, 54, 65, 76},
	}
	typeC = layout{
		name: 'C', ext: span{16, 22}, co: span{23, 27}, dial: span{28, 78}, ring: span{79, 83},
		duration: span{84, 92}, cost: span{93, 104}, account: span{105, 115}, cd: span{116, 119}, gaps: []int{22, 27, 78, 83, 92, 104, 115},
	}
)

// line is one ticket, column by column.
type line struct {
	// text has one byte a column: in a ticket that is not ASCII each other byte
	// is a substitute, and raw has it.
	text string
	raw  []byte
}

const substitute = 0x1a

func newLine(raw []byte) line {
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			flat := make([]byte, len(raw))
			for i, c := range raw {
				if flat[i] = c; c >= utf8.RuneSelf {
					flat[i] = substitute
				}
			}
			return line{text: string(flat), raw: raw}
		}
	}
	return line{text: string(raw)}
}

func (l line) from(column int) line {
	l.text = l.text[column:]
	if l.raw != nil {
		l.raw = l.raw[column:]
	}
	return l
}

// field is the text of some columns without blanks around. ok is false where
// bytes had to be replaced.
func (l line) field(s span, c *kit.Charset) (text string, ok bool) {
	if s.from >= len(l.text) {
		return "", true
	}
	to := min(s.to, len(l.text))
	text = strings.Trim(l.text[s.from:to], " ")
	if l.raw == nil || strings.IndexByte(text, substitute) < 0 {
		return text, true
	}
	text, ok = c.Decode(l.raw[s.from:to])
	return strings.Trim(text, " "), ok
}

// plain is field for columns that hold ASCII only.
func (l line) plain(s span) string {
	if s.from >= len(l.text) {
		return ""
	}
	return strings.Trim(l.text[s.from:min(s.to, len(l.text))], " ")
}

// full tells whether the last column of a field is printed.
func (l line) full(s span) bool { return len(l.text) >= s.to && l.text[s.to-1] != ' ' }

// withDuration recognises the layout of a line by where its duration stands.
func withDuration(text string) *layout {
	for _, l := range [...]*layout{&typeC, &typeA, &typeB} {
		if isDuration(text, l.duration.from) {
			return l
		}
	}
	return nil
}

// isDuration tells whether hh:mm'ss stands at a column, with a blank before it.
func isDuration(text string, at int) bool {
	return len(text) >= at+8 && text[at-1] == ' ' && text[at+2] == ':' && text[at+5] == '\'' &&
		kit.Digits(text[at:at+2]) && kit.Digits(text[at+3:at+5]) && kit.Digits(text[at+6:at+8])
}

// withoutDuration recognises the layout of a line that prints no duration by
// where the trunk, or else the dial number begins.
func withoutDuration(text string) (l *layout, trunk bool) {
	at := 22
	for at < len(text) && text[at] == ' ' {
		at++
	}
	if at >= len(text) {
		return nil, false
	}
	digits := 0
	for at+digits < len(text) && text[at+digits] >= '0' && text[at+digits] <= '9' {
		digits++
	}
	alone := at+digits == len(text) || text[at+digits] == ' '
	switch {
	case at == 22 && digits == 2 && alone:
		return &typeB, true
	case at == 23 && digits == 2 && alone:
		return &typeA, true
	case at == 23 && digits == 4 && alone:
		return &typeC, true
	case at == 25:
		return &typeB, false
	case at == 26:
		return &typeA, false
	case at == 28:
		return &typeC, false
	}
	return nil, false
}

// misplaced is the first column, counted from 1, that should be blank and is
// not; 0: none.
func (l *layout) misplaced(text string) int {
	for _, gap := range l.gaps {
		if gap < len(text) && text[gap] != ' ' {
			return gap + 1
		}
	}
	return 0
}

// durationSeconds reads hh:mm'ss.
func durationSeconds(s string) (uint32, bool) {
	h, _ := kit.Uint(s[:2])
	m, _ := kit.Uint(s[3:5])
	sec, _ := kit.Uint(s[6:8])
	return h*3600 + m*60 + sec, m < 60 && sec < 60
}

// ringSeconds reads m'ss.
func ringSeconds(s string) (uint32, bool) {
	at := strings.IndexByte(s, '\'')
	if at < 0 {
		return 0, false
	}
	m, ok1 := kit.Uint(s[:at])
	sec, ok2 := kit.Uint(s[at+1:])
	return m*60 + sec, ok1 && ok2 && m < 100 && sec < 60
}
