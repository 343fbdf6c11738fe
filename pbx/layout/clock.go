package layout

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Clock is a moment that a record prints, in one column or several.
type Clock struct {
	Line  int
	Parts []ClockPart
	// Seconds tells a clock that prints them.
	Seconds bool
}

// ClockPart is what one column tells of a moment.
type ClockPart struct {
	Line, Column int
	Pattern      *Pattern
}

// Moment is what was read of a clock. Epoch counts milliseconds and holds alone;
// Offset is seconds east of UTC, where Zoned.
type Moment struct {
	Year, Month, Day, Hour, Minute, Second, Tenths int
	DayOfYear                                      int
	Half                                           byte // A, P, or 0
	Epoch                                          int64
	Offset                                         int
	Zoned                                          bool
}

// Pattern is how a moment or a duration is printed.
type Pattern struct {
	Text   string
	tokens []token
	// open tells that anything may stand behind.
	open bool
}

type token struct {
	code  byte   // a letter of tokens, or 0: text
	width int    // digits; 0: as many as there are
	text  string // to be found as it is
}

// Codes of tokens. A run of one letter is that many digits; a single letter one
// digit or two, in a duration as many as there are.
const (
	clockTokens    = "YMDhms"
	durationTokens = "hmst"
)

// named tokens, the longest first.
var named = []struct {
	name string
	code byte
}{{"epoch_ms", 'e'}, {"epoch", 'E'}, {"MON", 'N'}, {"DDD", 'J'}, {"AM", 'P'}, {"Z", 'Z'}}

var months = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}

var secondsOnly = &Pattern{Text: "seconds", tokens: []token{{code: 's'}}}

func (s *scope) clock(n *yaml.Node, what string) *Clock {
	c := &Clock{Line: n.Line}
	seen := ""
	s.pairs(n, what, func(_ string, k, v *yaml.Node) {
		p := ClockPart{Line: k.Line, Column: s.column(k, line), Pattern: s.pattern(v, clockTokens)}
		for _, t := range p.Pattern.tokens {
			if t.code != 0 && strings.IndexByte(seen, t.code) >= 0 {
				s.errorf(v, "%s: %q is printed twice", what, p.Pattern.Text)
			}
			seen += string(rune(t.code))
		}
		c.Parts = append(c.Parts, p)
	})
	has := func(codes string) bool { return strings.ContainsAny(seen, codes) }
	c.Seconds = has("sEe")
	if !has("Ee") && (!has("h") || !has("m") || !(has("D") && has("MN") || has("J"))) {
		s.errorf(n, "%s: a moment needs day, month, hour and minute: DD, MM, hh and mm in one column or several, or epoch", what)
	}
	if has("J") && !has("Y") {
		s.errorf(n, "%s: a day of the year needs the year: YYYY or YY", what)
	}
	return c
}

func (r *reader) pattern(n *yaml.Node, letters string) *Pattern {
	text := r.filled(n)
	p := &Pattern{Text: text}
	duration := letters == durationTokens
	if duration {
		switch text {
		case "seconds":
			return secondsOnly
		case "minutes":
			p.tokens = []token{{code: 'm'}}
			return p
		}
	}
	text, p.open = strings.CutSuffix(text, "*")
next:
	for text != "" {
		if !duration {
			for _, t := range named {
				if rest, ok := strings.CutPrefix(text, t.name); ok {
					// Where AM and PM are left out, so is the blank before them.
					if n := len(p.tokens); t.code == 'P' && n > 0 && p.tokens[n-1].text == " " {
						p.tokens = p.tokens[:n-1]
					}
					p.tokens, text = append(p.tokens, token{code: t.code}), rest
					continue next
				}
			}
		}
		c := text[0]
		rest := strings.TrimLeft(text, string(rune(c)))
		width := len(text) - len(rest)
		if strings.IndexByte(letters, c) < 0 {
			p.tokens, text = append(p.tokens, token{text: text[:1]}), text[1:]
			continue
		}
		ok := width <= 2
		switch {
		case c == 'Y':
			ok = width == 2 || width == 4
		case duration:
			ok = width <= 6
		}
		if !ok {
			r.errorf(n, "%q: %s: no such number of digits", p.Text, text[:width])
		}
		if width == 1 {
			width = 0
		}
		// A single letter before another one is one digit: `hmmt`.
		if width == 0 && rest != "" && strings.IndexByte(letters, rest[0]) >= 0 || c == 't' {
			width = 1
		}
		p.tokens, text = append(p.tokens, token{code: c, width: width}), rest
	}
	if !slices.ContainsFunc(p.tokens, func(t token) bool { return t.code != 0 }) {
		r.errorf(n, "%q: give a pattern such as DD/MM/YYYY, hh:mm:ss or epoch", p.Text)
	}
	return p
}

// read goes through the text, and calls set for each number.
func (p *Pattern) read(text string, set func(t token, number int) bool, m *Moment) bool {
	for _, t := range p.tokens {
		switch t.code {
		case 0:
			rest, ok := strings.CutPrefix(text, t.text)
			if !ok {
				return false
			}
			text = rest
			continue
		case 'P':
			text = m.half(text)
			continue
		case 'N':
			if len(text) < 3 {
				return false
			}
			if m.Month = 1 + slices.IndexFunc(months, func(n string) bool { return strings.EqualFold(n, text[:3]) }); m.Month == 0 {
				return false
			}
			text = text[3:]
			continue
		case 'Z':
			rest, ok := m.zone(text)
			if !ok {
				return false
			}
			text = rest
			continue
		}
		width, most := t.width, 9
		if t.code == 'J' {
			width = 3
		}
		if t.code == 'e' || t.code == 'E' {
			most = 15
		}
		if width == 0 {
			text = strings.TrimLeft(text, " ")
		}
		digits, n := 0, 0
		for digits < len(text) && digits < cmp.Or(width, most) && text[digits] >= '0' && text[digits] <= '9' {
			n = n*10 + int(text[digits]-'0')
			digits++
		}
		if digits == 0 || width > 0 && digits < width || !set(t, n) {
			return false
		}
		text = text[digits:]
	}
	return text == "" || p.open
}

// half reads A, P, AM or PM, where it is printed.
func (m *Moment) half(text string) string {
	rest := strings.TrimLeft(text, " ")
	if rest == "" || strings.IndexByte("APap", rest[0]) < 0 {
		return text
	}
	m.Half = rest[0] &^ 0x20
	if rest = rest[1:]; rest != "" && rest[0]&^0x20 == 'M' {
		rest = rest[1:]
	}
	return rest
}

// zone reads Z, +01, +0100 or +01:00.
func (m *Moment) zone(text string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(text, "Z"); ok {
		m.Zoned = true
		return rest, true
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' || !only(text[1:3], "0123456789") {
		return "", false
	}
	offset, sign := (int(text[1]-'0')*10+int(text[2]-'0'))*3600, 1
	if text[0] == '-' {
		sign = -1
	}
	rest = text[3:]
	if minutes := strings.TrimPrefix(rest, ":"); len(minutes) >= 2 && only(minutes[:2], "0123456789") {
		offset += (int(minutes[0]-'0')*10 + int(minutes[1]-'0')) * 60
		rest = minutes[2:]
	}
	m.Offset, m.Zoned = sign*offset, true
	return rest, offset <= 15*3600
}

// latest epoch that is taken for one: in the year 2242.
const latest = 1 << 33

// Moment reads what the text tells of a moment.
func (p *Pattern) Moment(text string, m *Moment) bool {
	return p.read(text, func(t token, n int) bool {
		switch t.code {
		case 'Y':
			if m.Year = n; t.width == 2 {
				m.Year = 2000 + n
			}
			return m.Year >= 1970
		case 'M':
			m.Month = n
		case 'D':
			m.Day = n
		case 'J':
			m.DayOfYear = n
			return n >= 1 && n <= 366
		case 'h':
			m.Hour = n
		case 'm':
			m.Minute = n
		case 's':
			m.Second = n
		case 'e':
			m.Epoch = int64(n)
			return n/1000 < latest
		case 'E':
			m.Epoch = int64(n) * 1000
			return n < latest
		}
		return n < 100
	}, m)
}

// Seconds reads a duration. Minutes and seconds behind something larger are
// below 60; all nines is what the columns cannot hold: full, and then the
// shortest that it may have been.
func (p *Pattern) Seconds(text string) (seconds uint32, full, ok bool) {
	total, least, first := 0, 0, true
	ok = p.read(text, func(t token, n int) bool {
		unit := 1
		switch t.code {
		case 'h':
			unit = 3600
		case 'm':
			unit = 60
		case 't':
			unit = 6
		}
		if first {
			least = (n + 1) * unit
		} else if n > 59 {
			full = true
		}
		first = false
		total += n * unit
		return total < 1<<31
	}, &Moment{})
	if !ok || !full {
		return uint32(total), false, ok
	}
	return uint32(least), true, only(text, "9:'.")
}
