package layoutformat

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/layout"
	"trunkline.internal/pbx/row"
	"trunkline.internal/services/parser/formats/kit"
)

// kind is a kind of record, ready for use.
type kind struct {
	*layout.Kind
	values []string
	// places of columns by name, where a record names them; seen are those found.
	places map[string]int
	seen   []bool
	// found is how many columns the record has, where they are separated.
	found int
	// skipByLine tells the rules of skip that look at the whole line only.
	skipByLine []bool
	// directed are the columns that the rules of direction look at.
	directed []int
	setters  [len(layout.Kind{}.Fields)][]setter
	// dated tells that the call's key holds the date.
	dated bool
	// end of the last fixed column; own is how many columns are no parts.
	end, own int
}

func newKind(k *layout.Kind) *kind {
	n := &kind{
		Kind: k, values: make([]string, len(k.Columns.Names)), seen: make([]bool, len(k.Columns.Names)),
		places: map[string]int{}, dated: slices.Contains(k.CallKey, layout.StartDate), end: k.Columns.End(),
		own: len(k.Columns.Names),
	}
	for _, p := range k.Parts {
		for _, place := range p.Places {
			if place > 0 {
				n.own--
			}
		}
	}
	for i := layout.FirstColumn; i < n.own; i++ {
		n.places[k.Columns.Names[i]] = i
	}
	for _, r := range k.Skip {
		onlyLine := !slices.ContainsFunc(columnsOf(r.When), func(c int) bool { return c != layout.Line })
		n.skipByLine = append(n.skipByLine, onlyLine)
	}
	for _, r := range k.Direction {
		for _, c := range columnsOf(r.When) {
			if !slices.Contains(n.directed, c) {
				n.directed = append(n.directed, c)
			}
		}
	}
	for d, fields := range k.Fields {
		n.setters[d] = newSetters(fields)
	}
	return n
}

func columnsOf(c *layout.Condition) (out []int) {
	for _, all := range c.Any {
		for _, t := range all {
			out = append(out, t.Column)
		}
	}
	return out
}

// where is a column's name with its place, counted from 1.
func (k *kind) where(column int) string {
	c := &k.Columns
	name := "column " + c.Names[column]
	switch {
	case column == layout.Line:
		return "the line"
	case column < layout.FirstColumn:
		return c.Names[column]
	case c.Shape == layout.Fixed && c.Spans[column].From == 0: // a part
	case c.Shape == layout.Fixed && c.Spans[column].To == layout.Open:
		return fmt.Sprintf("%s (from %d)", name, c.Spans[column].From)
	case c.Shape == layout.Fixed && c.Spans[column].From < c.Spans[column].To:
		return fmt.Sprintf("%s (%d to %d)", name, c.Spans[column].From, c.Spans[column].To)
	case c.Shape == layout.Fixed:
		return fmt.Sprintf("%s (%d)", name, c.Spans[column].From)
	case c.Shape == layout.Separated:
		return fmt.Sprintf("%s (%d)", name, column-layout.FirstColumn+1)
	}
	return name
}

// columns finds the record's columns.
func (p *parser) columns(k *kind, text string, raw []byte) *fault {
	c := &k.Columns
	bad := func(format string, args ...any) *fault {
		return p.fault("bad_record", c.Line, format, args...)
	}
	switch c.Shape {
	case layout.Fixed:
		if f := p.fixed(k, text, raw); f != nil {
			return f
		}
	case layout.Separated:
		var ok bool
		if p.split, ok = split(p.split[:0], text, c.By, c.Quote); !ok {
			return bad("a quote without end")
		}
		if !fits(c.Sizes, len(p.split)) {
			return bad("%d columns; expected %s", len(p.split), sizes(c.Sizes))
		}
		k.found = len(p.split)
		copy(k.values[layout.FirstColumn:k.own], p.split)
	case layout.Pairs:
		var ok bool
		if p.split, ok = split(p.split[:0], text, c.By, c.Quote); !ok {
			return bad("a quote without end")
		}
		clear(k.seen)
		for i, pair := range p.split {
			name, value, found := strings.Cut(pair, c.Equals)
			if pair == "" && i == len(p.split)-1 {
				break
			}
			if !found {
				return bad("pair %d is %s; expected name%svalue", i+1, kit.Quote(pair), c.Equals)
			}
			if !k.take(trim(name), trim(value)) {
				return bad("column %s is there twice", kit.Quote(name))
			}
		}
		if name := k.lacks(); name != "" {
			return bad("no column %s", name)
		}
	case layout.JSON:
		clear(k.seen)
		twice := ""
		err := row.Scan(text, func(f row.Field) bool {
			if !k.take(f.Name, f.Value) {
				twice = f.Name
			}
			return twice == ""
		})
		switch name := k.lacks(); {
		case err != nil:
			return bad("no JSON object: %v", err)
		case twice != "":
			return bad("column %s is there twice", kit.Quote(twice))
		case name != "":
			return bad("no column %s", name)
		}
	case layout.Regexp:
		groups := c.Regexp.FindStringSubmatchIndex(text)
		if groups == nil {
			return bad("the regular expression does not match %s", kit.Quote(text))
		}
		for i, g := range c.Groups {
			if g > 0 && groups[2*g] >= 0 {
				k.values[i] = trim(text[groups[2*g]:groups[2*g+1]])
			}
		}
	}
	for i := range k.Parts {
		k.part(&k.Parts[i])
	}
	return nil
}

// part takes the values out of a column. One that does not match gives none.
func (k *kind) part(p *layout.Part) {
	text := k.values[p.Column]
	groups := p.Regexp.FindStringSubmatchIndex(text)
	for i, place := range p.Places {
		if place > 0 && groups != nil && groups[2*i] >= 0 {
			k.values[place] = trim(text[groups[2*i]:groups[2*i+1]])
		}
	}
}

// take keeps the value of a column that the record names.
func (k *kind) take(name, value string) bool {
	i, ok := k.places[name]
	if !ok {
		return true
	}
	if k.seen[i] {
		return false
	}
	k.values[i], k.seen[i] = value, true
	return true
}

// lacks is a column that the record should name and does not.
func (k *kind) lacks() string {
	for i := layout.FirstColumn; i < k.own; i++ {
		if !k.seen[i] && !k.Columns.Optional[i] {
			return k.Columns.Names[i]
		}
	}
	return ""
}

// fixed takes columns by their places, which are bytes: a column that is no
// ASCII is decoded on its own.
func (p *parser) fixed(k *kind, text string, raw []byte) *fault {
	c := &k.Columns
	plain := len(text) == len(raw)
	for i := 0; i < len(text) && plain; i++ {
		plain = text[i] < utf8.RuneSelf
	}
	if !plain {
		text = string(raw)
	}
	if !fits(c.Sizes, len(text)) {
		return p.fault("bad_record", c.Line, "%d characters; expected %s", len(text), sizes(c.Sizes))
	}
	for _, g := range c.Gaps {
		for i := g.From; i <= min(g.To, len(text)); i++ {
			if text[i-1] != ' ' {
				return p.fault("bad_record", c.Line, "character %d is %s; expected a blank, for no column stands there", i, kit.Quote(text[i-1:i]))
			}
		}
	}
	for i := layout.FirstColumn; i < len(c.Spans); i++ {
		s := c.Spans[i]
		if s.From == 0 || s.From > len(text) {
			continue
		}
		value := trim(text[s.From-1 : min(s.To, len(text))])
		if !plain {
			value, _ = p.link.Text.Decode([]byte(value))
		}
		k.values[i] = value
	}
	return nil
}

// short tells a record whose last columns are missing. Where the PBX leaves blanks
// or columns at the end out, only a line that ends in a blank was cut.
func (k *kind) short(line string) bool {
	switch k.Columns.Shape {
	case layout.Separated:
		return k.found < k.own-layout.FirstColumn && !k.Columns.Trimmed
	case layout.Fixed:
		return len(line) < k.end && (!k.Columns.Trimmed || line[len(line)-1] == ' ')
	}
	return false
}

func fits(sizes []layout.Span, n int) bool {
	for _, s := range sizes {
		if n >= s.From && n <= s.To {
			return true
		}
	}
	return len(sizes) == 0
}

func sizes(all []layout.Span) string {
	var out []string
	for _, s := range all {
		switch s.To {
		case s.From:
			out = append(out, fmt.Sprint(s.From))
		case layout.Open:
			out = append(out, fmt.Sprintf("%d or more", s.From))
		default:
			out = append(out, fmt.Sprintf("%d to %d", s.From, s.To))
		}
	}
	return strings.Join(out, ", ")
}

// trim takes the blanks off; written out, for it is asked of each column.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// split appends the columns of a line to dst, without blanks around. Without a
// separator, runs of blanks part them. ok is false where a quote has no end.
func split(dst []string, line, by string, quote byte) (columns []string, ok bool) {
	if by == "" {
		line = trim(line)
	}
	for {
		value := ""
		if by != " " {
			line = strings.TrimLeft(line, " ")
		}
		quoted := quote != 0 && line != "" && line[0] == quote
		if quoted {
			end, doubled := 1, false
			for ; end < len(line); end++ {
				if line[end] == quote {
					if end+1 == len(line) || line[end+1] != quote {
						break
					}
					end, doubled = end+1, true
				}
			}
			if end == len(line) {
				return dst, false
			}
			value, line = line[1:end], line[end+1:]
			if doubled {
				value = strings.ReplaceAll(value, string([]byte{quote, quote}), string(quote))
			}
		}
		next, behind := strings.IndexByte(line, ' '), ""
		switch {
		case by == "" && next >= 0:
			line, behind = line[:next], strings.TrimLeft(line[next:], " ")
		case by != "":
			if next = strings.Index(line, by); next >= 0 {
				line, behind = line[:next], line[next+len(by):]
			}
		}
		if !quoted {
			value = line
		} else if trim(line) != "" {
			value += line // what stands between the closing quote and the separator
		}
		dst = append(dst, trim(value))
		if next < 0 {
			return dst, true
		}
		line = behind
	}
}
