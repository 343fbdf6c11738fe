package layout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"trunkline.internal/pbx/nearest"
)

// reader walks the YAML of a layout and collects what is wrong with it.
type reader struct {
	name string
	errs []error
	// budget bounds the nodes visited: an anchor may be used many times.
	budget int
	// inside tells that a test asks for the site's own numbers.
	inside bool
}

// mostErrors are told at once; behind them one is as good as a hundred.
const mostErrors = 50

func (r *reader) errorf(n *yaml.Node, format string, args ...any) {
	if len(r.errs) < mostErrors {
		r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.name, n.Line, fmt.Sprintf(format, args...)))
	}
}

// follow is the node that an alias stands for.
func (r *reader) follow(n *yaml.Node) *yaml.Node {
	if r.budget--; r.budget < 0 {
		if r.budget == -1 {
			r.errorf(n, "too large: a layout has a few dozen lines")
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Line: n.Line, Column: n.Column}
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

type keys map[string]func(*yaml.Node)

// object calls a function for each key of a mapping, in their order.
func (r *reader) object(n *yaml.Node, what string, known keys) {
	r.pairs(n, what, func(key string, k, v *yaml.Node) {
		if f := known[key]; f != nil {
			f(v)
			return
		}
		r.unknown(k, "key of "+what, slices.Sorted(maps.Keys(known)))
	})
}

// pairs calls yield for each pair of a mapping.
func (r *reader) pairs(n *yaml.Node, what string, yield func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "%s: give a mapping, `key: value`", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := r.follow(n.Content[i]), r.follow(n.Content[i+1])
		switch {
		case k.Kind != yaml.ScalarNode:
			r.errorf(k, "%s: a key is a word", what)
		case seen[k.Value]:
			r.errorf(k, "%s: %q is given twice", what, k.Value)
		default:
			seen[k.Value] = true
			yield(k.Value, k, v)
		}
	}
}

func (r *reader) unknown(n *yaml.Node, what string, known []string) {
	if near := nearest.Of(n.Value, known); near != "" {
		r.errorf(n, "no %s %q: did you mean %q?", what, n.Value, near)
		return
	}
	r.errorf(n, "no %s %q: there are %s", what, n.Value, strings.Join(known, ", "))
}

// list is the elements of a sequence; anything else is a list of one.
func (r *reader) list(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	if len(n.Content) == 0 {
		r.errorf(n, "an empty list")
	}
	out := make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out[i] = r.follow(c)
	}
	return out
}

// scalar is a text as it was written: 0617 is no number here. Empty text must be
// meant.
func (r *reader) scalar(n *yaml.Node) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.errorf(n, "give a text, not a list or a mapping")
	case n.Tag == "!!null":
		r.errorf(n, "nothing is given: give a text, \"\" where it is empty")
	default:
		return n.Value
	}
	return ""
}

func (r *reader) filled(n *yaml.Node) string {
	s := r.scalar(n)
	if s == "" && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		r.errorf(n, "an empty text")
	}
	return s
}

func (r *reader) texts(n *yaml.Node) []string {
	var out []string
	for _, e := range r.list(n) {
		out = append(out, r.filled(e))
	}
	return out
}

func (r *reader) number(n *yaml.Node, low, high int) int {
	i, err := strconv.Atoi(r.scalar(n))
	if err != nil || i < low || i > high {
		r.errorf(n, "%q: give a number from %d to %d", n.Value, low, high)
		return low
	}
	return i
}

// span reads `7`, `7-12`, and `7-` where high may be open.
func (r *reader) span(n *yaml.Node, open bool) (low, high int) {
	first, last, ranged := strings.Cut(r.scalar(n), "-")
	low, err := strconv.Atoi(strings.TrimSpace(first))
	high = low
	if ranged && err == nil {
		if last = strings.TrimSpace(last); last == "" && open {
			high = Open
		} else {
			high, err = strconv.Atoi(last)
		}
	}
	if err != nil || low < 0 || high < low || high > Open {
		r.errorf(n, "%q: give a number such as 7 or a range such as 7-12", n.Value)
		return 1, 1
	}
	return low, high
}

// Open is the end of a range that has none.
const Open = 65536
