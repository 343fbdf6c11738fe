package layout

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// matcher tells whether a regular expression matches the whole of a text. Most
// of those in layouts are runs of digits and letters, such as `[TX]\d+`: they are
// matched without the general machinery, which takes five times as long.
type matcher struct {
	regexp *regexp.Regexp
	// ways are the alternatives; nil: the expression is not that simple.
	ways [][]run
}

// run is a number of characters of one class. Bytes of other than ASCII are of
// the class if wide.
type run struct {
	class    [256]bool
	wide     bool
	min, max int // max -1: no limit
}

func newMatcher(text string, re *regexp.Regexp) matcher {
	m := matcher{regexp: re}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return m
	}
	subs := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpAlternate {
		subs = tree.Sub
	}
	var ways [][]run
	for _, sub := range subs {
		way, ok := runs(sub)
		if !ok {
			return m
		}
		ways = append(ways, way)
	}
	m.ways = ways
	return m
}

func (m *matcher) match(s string) bool {
	if m.ways == nil {
		return m.regexp.MatchString(s)
	}
	for _, way := range m.ways {
		if whole(way, s) {
			return true
		}
	}
	return false
}

func whole(way []run, s string) bool {
	for i := range way {
		r, n := &way[i], 0
		for n < len(s) && n != r.max && r.class[s[n]] {
			n++
		}
		if n < r.min {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

// runs is the expression as runs one behind the other. ok is false where it is
// something else, or where a run could leave characters to the next one.
func runs(re *syntax.Regexp) (way []run, ok bool) {
	subs := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		subs = re.Sub
	}
	for _, sub := range subs {
		switch sub.Op {
		case syntax.OpEmptyMatch:
		case syntax.OpLiteral:
			for _, c := range sub.Rune {
				r := run{min: 1, max: 1}
				if c >= utf8.RuneSelf || sub.Flags&syntax.FoldCase != 0 {
					return nil, false
				}
				r.class[c] = true
				way = append(way, r)
			}
		default:
			r, ok := single(sub)
			if !ok {
				return nil, false
			}
			way = append(way, r)
		}
	}
	for i := range way {
		if way[i].min == way[i].max {
			continue
		}
		for j := i + 1; j < len(way); j++ {
			if overlap(&way[i], &way[j]) {
				return nil, false
			}
			if way[j].min > 0 {
				break
			}
		}
	}
	return way, true
}

// single is a class of characters, once or repeated.
func single(re *syntax.Regexp) (r run, ok bool) {
	r.min, r.max = 1, 1
	switch re.Op {
	case syntax.OpStar:
		r.min, r.max = 0, -1
	case syntax.OpPlus:
		r.max = -1
	case syntax.OpQuest:
		r.min = 0
	case syntax.OpRepeat:
		r.min, r.max = re.Min, re.Max
	}
	if r.min != 1 || r.max != 1 {
		if re.Flags&syntax.NonGreedy != 0 {
			return r, false
		}
		re = re.Sub[0]
	}
	switch {
	case re.Op == syntax.OpAnyCharNotNL:
		for i := range r.class {
			r.class[i] = i != '\n'
		}
		r.wide = true
	case re.Op == syntax.OpLiteral && len(re.Rune) == 1 && re.Rune[0] < utf8.RuneSelf && re.Flags&syntax.FoldCase == 0:
		r.class[re.Rune[0]] = true
	case re.Op == syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for c := re.Rune[i]; c <= re.Rune[i+1] && c < utf8.RuneSelf; c++ {
				r.class[c] = true
			}
			if re.Rune[i+1] >= utf8.RuneSelf {
				if re.Rune[i] > utf8.RuneSelf || re.Rune[i+1] != utf8.MaxRune {
					return r, false // some of them only
				}
				r.wide = true
			}
		}
		for i := utf8.RuneSelf; r.wide && i < len(r.class); i++ {
			r.class[i] = true
		}
	default:
		return r, false
	}
	// A character of more than one byte counts once.
	return r, !r.wide || r.max == -1 && r.min <= 1
}

func overlap(a, b *run) bool {
	for i := range a.class {
		if a.class[i] && b.class[i] {
			return true
		}
	}
	return false
}
