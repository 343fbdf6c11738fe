package layout

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scope reads what names columns.
type scope struct {
	*reader
	columns *Columns
}

// column is the place of the value with that name. upTo is the last of the
// values that every record has that is known by then.
func (s *scope) column(n *yaml.Node, upTo int) int {
	name := s.filled(n)
	i := slices.Index(s.columns.Names, name)
	if i >= firstColumn && name != "-" || i >= 0 && i <= upTo {
		return i
	}
	if i >= 0 && i < firstColumn {
		s.errorf(n, "column %q: it is not known yet when this is decided", name)
	} else if name != "" {
		known := slices.DeleteFunc(slices.Concat(s.columns.Names[firstColumn:], always[:upTo+1]), func(c string) bool { return c == "-" })
		s.unknown(n, "column", known)
	}
	return line
}

// Condition holds where all tests of one of its lists do. Without lists it
// always holds.
type Condition struct {
	Line int
	Any  [][]Test
}

// Test holds where one of its matches does.
type Test struct {
	Line, Column int
	Any          []Match
	// Want is the test in words.
	Want string
}

// Numbers tells a link's own numbers and lines from others.
type Numbers interface {
	// Inside tells the site's own numbers; decided is false where the link's
	// settings say nothing about it.
	Inside(number string) (inside, decided bool)
	// Trunk tells the lines to the outside that the settings name.
	Trunk(name string) bool
}

// Holds tells whether a record's values meet the condition.
func (c *Condition) Holds(values []string, numbers Numbers) bool {
	if c == nil || len(c.Any) == 0 {
		return true
	}
	for _, all := range c.Any {
		if failing(all, values, numbers) == nil {
			return true
		}
	}
	return false
}

// Failing are tests that keep the condition from holding, one of each list.
func (c *Condition) Failing(values []string, numbers Numbers) (tests []*Test) {
	for _, all := range c.Any {
		if t := failing(all, values, numbers); t != nil {
			tests = append(tests, t)
		}
	}
	return tests
}

func failing(all []Test, values []string, numbers Numbers) *Test {
	for i := range all {
		if !anyHolds(all[i].Any, values[all[i].Column], numbers) {
			return &all[i]
		}
	}
	return nil
}

func anyHolds(matches []Match, value string, numbers Numbers) bool {
	for i := range matches {
		if m := &matches[i]; m.op == equals && m.text == value || m.op != equals && m.Holds(value, numbers) {
			return true
		}
	}
	return false
}

type op uint8

const (
	equals op = iota
	begins
	contains
	matches
	length
	not
	isWord
)

// Match is one thing that a value may be.
type Match struct {
	op     op
	text   string
	regexp matcher
	span   Span
	nested []Match
	word   func(value string, numbers Numbers) bool
}

// Holds tells whether the value matches.
func (m *Match) Holds(value string, numbers Numbers) bool {
	switch m.op {
	case begins:
		return strings.HasPrefix(value, m.text)
	case contains:
		return strings.Contains(value, m.text)
	case matches:
		return m.regexp.match(value)
	case length:
		return len(value) >= m.span.From && len(value) <= m.span.To
	case not:
		return !anyHolds(m.nested, value, numbers)
	case isWord:
		return m.word(value, numbers)
	default:
		return value == m.text
	}
}

// words are what a value can be that is not written out.
var words = map[string]func(string, Numbers) bool{
	"empty":  func(v string, _ Numbers) bool { return v == "" },
	"filled": func(v string, _ Numbers) bool { return v != "" },
	"zero": func(v string, _ Numbers) bool {
		return strings.ContainsRune(v, '0') && !strings.ContainsAny(v, "123456789")
	},
	"nonzero": func(v string, _ Numbers) bool { return strings.ContainsAny(v, "123456789") },
	"digits":  func(v string, _ Numbers) bool { return v != "" && only(v, "0123456789") },
	"number":  func(v string, _ Numbers) bool { return v != "" && only(v, "0123456789*#+") },
	"word":    func(v string, _ Numbers) bool { return v != "" && strings.IndexByte(v, ' ') < 0 },
	"inside":  func(v string, n Numbers) bool { in, decided := n.Inside(v); return in && decided },
	"outside": func(v string, n Numbers) bool { in, decided := n.Inside(v); return !in && decided },
	"trunk":   func(v string, n Numbers) bool { return n.Trunk(v) },
}

func only(s, allowed string) bool {
	for i := range len(s) {
		if strings.IndexByte(allowed, s[i]) < 0 {
			return false
		}
	}
	return true
}

// condition reads `always`, a mapping of columns to what they must be, or a list
// of such mappings of which one must hold.
func (s *scope) condition(n *yaml.Node, upTo int) *Condition {
	c := &Condition{Line: n.Line}
	if n.Kind == yaml.ScalarNode && n.Value == "always" {
		return c
	}
	for _, all := range s.list(n) {
		if all.Kind != yaml.MappingNode || len(all.Content) == 0 {
			s.errorf(all, "a condition: give {column: value}, or always")
			continue
		}
		var tests []Test
		s.pairs(all, "a condition", func(_ string, k, v *yaml.Node) {
			tests = append(tests, Test{Line: k.Line, Column: s.column(k, upTo), Any: s.matches(v), Want: s.words(v)})
		})
		c.Any = append(c.Any, tests)
	}
	return c
}

// matches reads what a value may be: one thing, or a list of which one is
// enough.
func (r *reader) matches(n *yaml.Node) []Match {
	var out []Match
	for _, e := range r.list(n) {
		if e.Kind == yaml.ScalarNode {
			text := r.scalar(e)
			if head, ok := strings.CutSuffix(text, "*"); ok {
				out = append(out, Match{op: begins, text: head})
			} else {
				out = append(out, Match{op: equals, text: text})
			}
			continue
		}
		r.object(e, "a test", keys{
			"is": func(v *yaml.Node) {
				word := words[r.filled(v)]
				if word == nil {
					r.unknown(v, "word", slices.Sorted(maps.Keys(words)))
					return
				}
				r.inside = r.inside || v.Value == "inside" || v.Value == "outside"
				out = append(out, Match{op: isWord, text: v.Value, word: word})
			},
			"not":      func(v *yaml.Node) { out = append(out, Match{op: not, nested: r.matches(v)}) },
			"equals":   func(v *yaml.Node) { out = append(out, Match{op: equals, text: r.scalar(v)}) },
			"contains": func(v *yaml.Node) { out = append(out, Match{op: contains, text: r.filled(v)}) },
			"matches": func(v *yaml.Node) {
				text := r.filled(v)
				out = append(out, Match{op: matches, regexp: newMatcher(text, r.regexp(v, text))})
			},
			"length": func(v *yaml.Node) {
				low, high := r.span(v, true)
				out = append(out, Match{op: length, span: Span{low, high}})
			},
		})
		if len(e.Content) != 2 {
			r.errorf(e, "a test: give one of is, not, equals, contains, matches, length")
		}
	}
	return out
}

var inWords = map[string]string{"not": "not ", "contains": "something with ", "matches": "something like ", "length": "a length of "}

// words is the test as it is written, for errors about a record.
func (r *reader) words(n *yaml.Node) string {
	n = r.follow(n)
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "" {
			return "nothing"
		}
		return n.Value
	case yaml.SequenceNode:
		var all []string
		for _, e := range n.Content {
			all = append(all, r.words(e))
		}
		return strings.Join(all, " or ")
	case yaml.MappingNode:
		if len(n.Content) > 1 {
			return inWords[n.Content[0].Value] + r.words(n.Content[1])
		}
	}
	return ""
}
