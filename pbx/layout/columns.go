package layout

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// How the columns of a record are told apart.
type Shape uint8

// Shapes of records.
const (
	Fixed Shape = iota + 1
	Separated
	Pairs
	JSON
	Regexp
)

// A record's values: four that every record has, then its columns. Which of the
// four are known depends on how far the record was understood.
const (
	line = iota
	direction
	disposition
	startDate
	firstColumn
)

var always = [firstColumn]string{"line", "direction", "disposition", "start_date"}

// The values that every record has, by their place.
const (
	Line, Direction, Disposition, StartDate, FirstColumn = line, direction, disposition, startDate, firstColumn
)

// Columns says where the columns of a record are.
type Columns struct {
	Line  int
	Shape Shape
	// Names of the record's values; the first four are those of every record.
	Names []string
	// Spans of fixed columns, by the place of the name; Gaps are what no column
	// covers, where blanks must be.
	Spans, Gaps []Span
	// By separates columns; empty: runs of blanks. Equals stands behind the name
	// of a pair. Quote is 0 where there is none.
	By, Equals string
	Quote      byte
	// Optional names that a pair or a row may lack.
	Optional []bool
	Regexp   *regexp.Regexp
	// Groups of the regular expression, by the place of the name; 0: none.
	Groups []int
	// Sizes that a record may have: bytes, or columns where they are separated.
	Sizes []Span
	// Trimmed tells that blanks at the end of a record may be missing.
	Trimmed bool
}

// Span is a range, counted from 1 and inclusive.
type Span struct{ From, To int }

// Part is a column that holds several values, told apart by a regular
// expression.
type Part struct {
	Line, Column int
	Regexp       *regexp.Regexp
	// Places of the groups' values; 0 for a group without name.
	Places []int
}

func (r *reader) columns(c *Columns, n *yaml.Node) {
	c.Line, c.Names = n.Line, slices.Clone(always[:])
	c.Spans = make([]Span, firstColumn)
	c.Optional = make([]bool, firstColumn)
	c.Groups = make([]int, firstColumn)
	shape := func(s Shape, read func(v *yaml.Node)) func(*yaml.Node) {
		return func(v *yaml.Node) {
			if c.Shape != 0 {
				r.errorf(v, "columns are told apart in one way: give one of fixed, separated, pairs, json, regexp")
				return
			}
			c.Shape = s
			read(v)
		}
	}
	r.object(n, "columns", keys{
		"fixed": shape(Fixed, func(v *yaml.Node) { r.fixed(c, v) }),
		"separated": shape(Separated, func(v *yaml.Node) {
			r.object(v, "separated", keys{"by": r.by(c), "quote": r.quote(c), "names": r.names(c, true)})
		}),
		"pairs": shape(Pairs, func(v *yaml.Node) {
			c.Equals = "="
			r.object(v, "pairs", keys{"by": r.by(c), "quote": r.quote(c), "names": r.names(c, false), "equals": func(v *yaml.Node) { c.Equals = r.filled(v) }})
		}),
		"json": shape(JSON, r.names(c, false)),
		"regexp": shape(Regexp, func(v *yaml.Node) {
			c.Regexp = r.regexp(v, r.filled(v))
			for i, name := range c.Regexp.SubexpNames() {
				if name != "" {
					r.column(c, v, name)
					c.Groups[len(c.Groups)-1] = i
				}
			}
		}),
	})
	if len(c.Names) == firstColumn {
		r.errorf(n, "columns: no column has a name")
	}
}

// column adds a column; its place is where the next value goes.
func (r *reader) column(c *Columns, n *yaml.Node, name string) {
	if slices.Contains(c.Names, name) {
		r.errorf(n, "column %q: there is one already", name)
	}
	c.Names, c.Spans, c.Optional, c.Groups = append(c.Names, name), append(c.Spans, Span{}), append(c.Optional, false), append(c.Groups, 0)
}

func (r *reader) fixed(c *Columns, n *yaml.Node) {
	r.pairs(n, "fixed", func(name string, k, v *yaml.Node) {
		from, to := r.span(v, true)
		if from < 1 {
			r.errorf(v, "column %q: columns are counted from 1", name)
			from = 1
		}
		r.column(c, k, name)
		c.Spans[len(c.Spans)-1] = Span{from, to}
	})
	covered := slices.Clone(c.Spans[firstColumn:])
	slices.SortFunc(covered, func(a, b Span) int { return a.From - b.From })
	next := 1
	for _, s := range covered {
		if s.From > next {
			c.Gaps = append(c.Gaps, Span{next, s.From - 1})
		}
		next = max(next, s.To+1)
	}
	if next <= Open {
		c.Gaps = append(c.Gaps, Span{next, Open})
	}
}

// End is where the last fixed column ends, the first byte of it where that is
// open.
func (c *Columns) End() int {
	end := 0
	for _, s := range c.Spans {
		if s.To == Open {
			s.To = s.From
		}
		end = max(end, s.To)
	}
	return end
}

func (r *reader) by(c *Columns) func(*yaml.Node) {
	return func(v *yaml.Node) {
		if c.By = r.filled(v); c.By == "blanks" {
			c.By = ""
		}
	}
}

func (r *reader) quote(c *Columns) func(*yaml.Node) {
	return func(v *yaml.Node) {
		q := r.filled(v)
		if len(q) != 1 {
			r.errorf(v, "quote %q: give one character", q)
			return
		}
		c.Quote = q[0]
	}
}

// names reads the names of columns in their order; `-` is a column that nobody
// needs. Where order does not count, `?` behind a name tells that it may be
// missing.
func (r *reader) names(c *Columns, ordered bool) func(*yaml.Node) {
	return func(v *yaml.Node) {
		for _, e := range r.list(v) {
			name := r.filled(e)
			optional := false
			switch {
			case ordered && name == "-":
				c.Names, c.Spans, c.Optional, c.Groups = append(c.Names, "-"), append(c.Spans, Span{}), append(c.Optional, false), append(c.Groups, 0)
				continue
			case !ordered:
				name, optional = strings.CutSuffix(name, "?")
			}
			r.column(c, e, name)
			c.Optional[len(c.Optional)-1] = optional
		}
	}
}

func (r *reader) regexp(n *yaml.Node, text string) *regexp.Regexp {
	// The whole text must match; `.` and `$` mean what they say.
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		r.errorf(n, "regular expression: %v", err)
		re = regexp.MustCompile(``)
	}
	return re
}

// parts reads `column: regular expression`; the groups become columns.
func (s *scope) parts(n *yaml.Node) []Part {
	var out []Part
	s.pairs(n, "parts", func(_ string, k, v *yaml.Node) {
		p := Part{Line: v.Line, Column: s.column(k, line), Regexp: s.regexp(v, s.filled(v))}
		for _, name := range p.Regexp.SubexpNames() {
			place := 0
			if name != "" {
				s.reader.column(s.columns, v, name)
				place = len(s.columns.Names) - 1
			}
			p.Places = append(p.Places, place)
		}
		out = append(out, p)
	})
	return out
}

// size reads how long a record is, or how many columns it has.
func (s *scope) size(length, count, trimmed, layout *yaml.Node) {
	c := s.columns
	given, other := length, count
	if c.Shape == Separated {
		given, other = count, length
	}
	if other != nil || c.Shape > Separated && given != nil {
		s.errorf(layout, "length is for fixed columns, count for separated ones")
	}
	switch {
	case given != nil:
		for _, e := range s.list(given) {
			low, high := s.span(e, true)
			c.Sizes = append(c.Sizes, Span{low, high})
		}
	case c.Shape == Fixed:
		c.Sizes = []Span{{c.End(), Open}}
	case c.Shape == Separated:
		n := len(c.Names) - firstColumn
		c.Sizes = []Span{{n, n}}
	}
	if trimmed != nil {
		switch v := s.scalar(trimmed); v {
		case "yes", "true":
			c.Trimmed = true
		case "no", "false":
		default:
			s.errorf(trimmed, "trimmed: %q: give yes or no", v)
		}
	}
}
