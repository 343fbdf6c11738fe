package layout

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Values of the rules; the place of a value, counted from 1, is its number in
// the call detail record.
var (
	// directions: missed is an inbound call that nobody answered.
	directions   = [...]string{"", "inbound", "outbound", "internal", "transit", "missed"}
	Directions   = directions[1:]
	Dispositions = []string{"answered", "no_answer", "busy", "failed", "rejected", "voicemail", "abandoned", "elsewhere", "auto"}
	Networks     = []string{"public", "private"}
	Roles        = []string{"call", "leg", "copy"}
	Classes      = []string{"business", "private", "guest", "booth"}
	Warnings     = []string{
		"year_inferred", "hour_ambiguous", "start_assumed", "masked", "overflow", "extra_columns", "auto_answer", "name_with_separator",
		"zone_from_id", "hour_skipped", "future_start", "short_ticket", "charset", "odd_value",
	}
)

// Missed is the number of the direction that the call detail record has not.
const Missed = 5

// Type of a field.
type Type uint8

// Types of fields.
const (
	// Text is kept as it is printed.
	Text Type = iota + 1
	// Seconds are a duration.
	Seconds
	// Count is a whole number.
	Count
	// Amount is an exact decimal.
	Amount
)

// Types are the fields that a layout can fill.
var Types = map[string]Type{
	"ring_seconds": Seconds, "talk_seconds": Seconds, "line_seconds": Seconds, "hold_seconds": Seconds, "queue_seconds": Seconds,
	"calling_number": Text, "calling_name": Text, "called_number": Text, "called_name": Text, "dialed_number": Text, "did": Text,
	"extension": Text, "extension_name": Text, "group_number": Text, "group_name": Text, "external_number": Text,
	"trunk": Text, "trunk_group": Text, "trunk_out": Text,
	"account_code": Text, "charged_to": Text, "cost_center": Text, "department": Text, "subsidiary": Text, "node": Text,
	"call_id": Text, "leg_id": Text, "sequence": Text, "transferred_from": Text, "transferred_to": Text, "redirected_from": Text,
	"charge_units": Count, "charge_amount": Amount, "charge_currency": Text, "hangup_cause": Count,
}

// Rule gives a value where its condition holds. Value is counted from 1; Reason
// is the word itself.
type Rule struct {
	Line   int
	Value  int32
	Reason string
	When   *Condition
}

// Field is filled by the first of its sources that applies and is not empty.
type Field struct {
	Name    string
	Type    Type
	Line    int
	Sources []Source
}

// Source is a column, or a fixed value.
type Source struct {
	Line   int
	Column int
	// Constant is the value where there is no column; column is 0 then.
	Constant string
	When     *Condition
	// Strip and StripEnd are taken off the beginning and the end, one of each.
	Strip, StripEnd []string
	// Hidden are the characters that stand for hidden digits.
	Hidden string
	// As is how a duration is printed.
	As *Pattern
}

var reason = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// rules reads a list of `value: condition`. Without values the words are free.
func (s *scope) rules(n *yaml.Node, values []string, upTo int) []Rule {
	var out []Rule
	for _, e := range s.list(n) {
		s.pairs(e, "a rule", func(word string, k, v *yaml.Node) {
			rule := Rule{Line: k.Line, Reason: word, Value: int32(slices.Index(values, word) + 1)}
			switch {
			case values == nil && !reason.MatchString(word):
				s.errorf(k, "%q: give a reason such as page_header: small letters, digits and _", word)
			case values != nil && rule.Value == 0:
				s.unknown(k, "value", values)
			}
			rule.When = s.condition(v, upTo)
			out = append(out, rule)
		})
		if e.Kind == yaml.MappingNode && len(e.Content) != 2 {
			s.errorf(e, "a rule: give one `- value: condition` a line")
		}
	}
	return out
}

// allFields reads the fields of every call, and what each direction has instead
// of them or beside.
func (s *scope) allFields(k *Kind, given map[string]*yaml.Node, n *yaml.Node) {
	read := func(key string) []Field {
		if v := given[key]; v != nil {
			return s.fields(v, key, nil)
		}
		return nil
	}
	common := read("fields")
	for d := 1; d < Missed; d++ {
		own := read(directions[d])
		if common == nil && own == nil && given["fields"] == nil && d == 1 {
			s.errorf(n, "no fields: give fields: {extension: column, …}")
		}
		for _, f := range common {
			if !slices.ContainsFunc(own, func(o Field) bool { return o.Name == f.Name }) {
				k.Fields[d] = append(k.Fields[d], f)
			}
		}
		k.Fields[d] = append(k.Fields[d], own...)
	}
	k.Fields[Missed] = k.Fields[1]
	if v := given["attributes"]; v != nil {
		k.Attributes = s.attributes(v)
	}
}

// attributes reads `name: source`, or a list of columns that keep their names.
func (s *scope) attributes(n *yaml.Node) []Field {
	if n.Kind != yaml.SequenceNode {
		return s.fields(n, "attributes", func(k *yaml.Node) Type {
			if !reason.MatchString(k.Value) {
				s.errorf(k, "attribute %q: small letters, digits and _", k.Value)
			}
			return Text
		})
	}
	var out []Field
	for _, e := range s.list(n) {
		out = append(out, Field{Name: e.Value, Type: Text, Line: e.Line, Sources: []Source{{Line: e.Line, Column: s.column(e, disposition)}}})
	}
	return out
}

func (s *scope) fields(n *yaml.Node, what string, typed func(k *yaml.Node) Type) []Field {
	if typed == nil {
		typed = func(k *yaml.Node) Type {
			if Types[k.Value] == 0 {
				s.unknown(k, "field", slices.Sorted(maps.Keys(Types)))
			}
			return Types[k.Value]
		}
	}
	var out []Field
	s.pairs(n, what, func(name string, k, v *yaml.Node) {
		f := Field{Name: name, Line: k.Line, Type: typed(k)}
		for _, e := range s.list(v) {
			f.Sources = append(f.Sources, s.sources(e, f.Type)...)
		}
		out = append(out, f)
	})
	return out
}

// sources reads a column's name, or a mapping with more to say of it.
func (s *scope) sources(n *yaml.Node, t Type) []Source {
	base := Source{Line: n.Line}
	if t == Seconds {
		base.As = secondsOnly
	}
	if n.Kind == yaml.ScalarNode {
		base.Column = s.column(n, disposition)
		return []Source{base}
	}
	var columns []int
	constant := false
	text := func(key string, read func(*yaml.Node)) func(*yaml.Node) {
		return func(v *yaml.Node) {
			if t != Text {
				s.errorf(v, "%s is for texts", key)
			}
			read(v)
		}
	}
	s.object(n, "a source", keys{
		"from": func(v *yaml.Node) {
			for _, e := range s.list(v) {
				columns = append(columns, s.column(e, disposition))
			}
		},
		"value":     func(v *yaml.Node) { base.Constant, constant = s.filled(v), true },
		"when":      func(v *yaml.Node) { base.When = s.condition(v, disposition) },
		"strip":     text("strip", func(v *yaml.Node) { base.Strip = s.texts(v) }),
		"strip_end": text("strip_end", func(v *yaml.Node) { base.StripEnd = s.texts(v) }),
		"hidden":    text("hidden", func(v *yaml.Node) { base.Hidden = s.filled(v) }),
		"as": func(v *yaml.Node) {
			if t != Seconds {
				s.errorf(v, "as is for durations")
			}
			base.As = s.pattern(v, durationTokens)
		},
	})
	if constant == (columns != nil) {
		s.errorf(n, "a source: give from: column, or value: text")
	}
	if constant {
		if t == Seconds {
			if _, _, ok := base.As.Seconds(base.Constant); !ok {
				s.errorf(n, "value %q: it is none of %q", base.Constant, base.As.Text)
			}
		}
		return []Source{base}
	}
	var out []Source
	for _, c := range columns {
		base.Column = c
		out = append(out, base)
	}
	return out
}

// Take is the text that a source gives of a value. hidden tells that digits were
// hidden in it, which are `?` now.
func (s *Source) Take(value string) (text string, hidden bool) {
	for _, head := range s.Strip {
		if rest, ok := strings.CutPrefix(value, head); ok {
			value = strings.TrimLeft(rest, " ")
			break
		}
	}
	for _, end := range s.StripEnd {
		if rest, ok := strings.CutSuffix(value, end); ok {
			value = strings.TrimRight(rest, " ")
			break
		}
	}
	if s.Hidden == "" || !strings.ContainsAny(value, s.Hidden) {
		return value, false
	}
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(s.Hidden, c) {
			return '?'
		}
		return c
	}, value), true
}
