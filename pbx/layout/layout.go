// Package layout loads the layout of a PBX's tickets that somebody describes in
// a file of YAML: how its bytes are cut into records, where the columns of a
// record stand, and which of them is which field of the call detail record. A
// layout is checked whole when it is loaded, and compiled once. docs/layouts.md
// is its reference.
package layout

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"trunkline.internal/pbx/cut"
)

// Layout is a layout that was checked.
type Layout struct {
	// Name of its file, for errors.
	Name string
	// Charset is an IANA name; empty: the link's.
	Charset string
	// Kinds of record, in the order in which they are tried: the documents of
	// the file.
	Kinds []*Kind

	split bufio.SplitFunc
	lines bool
	heads []Match
}

// Split cuts the PBX's bytes into records.
func (l *Layout) Split() bufio.SplitFunc { return l.split }

// Lines tells that records are lines, each with its end.
func (l *Layout) Lines() bool { return l.lines }

// Head tells the lines at the start of a file that are no records; nil: the
// layout names none.
func (l *Layout) Head() func(line []byte) bool {
	if len(l.heads) == 0 {
		return nil
	}
	return func(line []byte) bool { return l.IsHead(string(line)) }
}

// IsHead tells a head line, also where it stands between records.
func (l *Layout) IsHead(line string) bool {
	for i := range l.heads {
		if l.heads[i].Holds(line, nil) {
			return true
		}
	}
	return false
}

// Kind is one kind of record.
type Kind struct {
	Columns Columns
	// Parts are columns that hold several values.
	Parts []Part
	// Only says which records are of this kind; nil: all that fit its columns.
	Only *Condition
	// Skip says which records are no calls.
	Skip []Rule
	// Check is what holds for every record that is whole.
	Check []*Condition
	// Start, Answer and End are the clocks that the record prints; nil: none.
	Start, Answer, End *Clock

	// AsksInside tells that the direction depends on which numbers the link's
	// settings count as the site's own.
	AsksInside bool

	Direction, Disposition, Network, Role, Class, Warnings []Rule

	// Fields by direction, as the numbers of the rules' values; 0 is not used.
	Fields [len(directions)]([]Field)
	// Attributes are the vendor's own fields.
	Attributes []Field
	// CallKey are the columns that name the call together; nil: none do.
	CallKey []int
}

// mostBytes of a layout's text.
const mostBytes = 64 << 10

// Parse checks and compiles a layout. The error holds all that is wrong with it,
// a line each: `name:line: what is wrong and what would be right`.
func Parse(name string, text []byte) (*Layout, error) {
	if len(text) > mostBytes {
		return nil, fmt.Errorf("%s: %d bytes: a layout has a few dozen lines", name, len(text))
	}
	r := &reader{name: name, budget: 20_000}
	l := &Layout{Name: name, split: cut.Lines, lines: true}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, yamlError(name, err)
		}
		if len(doc.Content) > 0 {
			l.Kinds = append(l.Kinds, r.kind(l, doc.Content[0]))
		}
	}
	if len(l.Kinds) == 0 {
		return nil, fmt.Errorf("%s:1: an empty layout: it needs columns, start or end, direction and fields", name)
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return l, nil
}

// yamlError puts the place of `yaml: line 3: what` where ours have it.
func yamlError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if at, ok := strings.CutPrefix(text, "line "); ok {
		if line, what, ok := strings.Cut(at, ": "); ok {
			if _, err := strconv.Atoi(line); err == nil {
				return fmt.Errorf("%s:%s: %s", name, line, what)
			}
		}
	}
	return fmt.Errorf("%s: %s", name, text)
}

// kindKeys in the order in which they are read: names must be known before they
// are used.
var kindKeys = []string{
	"cut", "head", "charset", "columns", "parts", "length", "count", "trimmed", "only", "skip", "check", "start", "answer", "end",
	"direction", "disposition", "network", "record_role", "charge_class", "warnings", "call_key",
	"fields", "inbound", "outbound", "internal", "transit", "attributes",
}

func (r *reader) kind(l *Layout, n *yaml.Node) *Kind {
	k := &Kind{}
	given := map[string]*yaml.Node{}
	known := keys{}
	for _, key := range kindKeys {
		known[key] = func(v *yaml.Node) { given[key] = v }
	}
	r.object(n, "a layout", known)
	if len(l.Kinds) > 0 {
		for _, key := range []string{"cut", "head", "charset"} {
			if v := given[key]; v != nil {
				r.errorf(v, "%s holds for the whole file: give it in the first document", key)
				delete(given, key)
			}
		}
	}
	if v := given["cut"]; v != nil {
		l.split, l.lines = r.cutter(v), v.Kind == yaml.ScalarNode
	}
	if v := given["head"]; v != nil {
		l.heads = r.matches(v)
	}
	if v := given["charset"]; v != nil {
		l.Charset = r.filled(v)
	}
	if v := given["columns"]; v != nil {
		r.columns(&k.Columns, v)
	} else {
		r.errorf(n, "no columns: give columns: {fixed: …}, {separated: …}, {pairs: …}, {json: …} or {regexp: …}")
		return k // everything else would only complain of unknown columns
	}
	s := &scope{reader: r, columns: &k.Columns}
	if v := given["parts"]; v != nil {
		k.Parts = s.parts(v)
	}
	s.size(given["length"], given["count"], given["trimmed"], n)
	if v := given["only"]; v != nil {
		k.Only = s.condition(v, line)
	}
	if v := given["skip"]; v != nil {
		k.Skip = s.rules(v, nil, line)
	}
	if v := given["check"]; v != nil {
		for _, c := range r.list(v) {
			k.Check = append(k.Check, s.condition(c, line))
		}
	}
	for key, to := range map[string]**Clock{"start": &k.Start, "answer": &k.Answer, "end": &k.End} {
		if v := given[key]; v != nil {
			*to = s.clock(v, key)
		}
	}
	if k.Start == nil && k.End == nil {
		r.errorf(n, "no start and no end: give start: {column: pattern}, such as start: {date: DD/MM/YY, time: \"hh:mm:ss\"}")
	}
	if given["direction"] == nil {
		r.errorf(n, "no direction: give direction: a list such as `- inbound: {type: I}`")
	}
	r.inside = false
	for _, p := range []struct {
		key    string
		values []string
		to     *[]Rule
		upTo   int
	}{
		{"direction", directions[1:], &k.Direction, line},
		{"disposition", Dispositions, &k.Disposition, direction},
		{"network", Networks, &k.Network, disposition},
		{"record_role", Roles, &k.Role, disposition},
		{"charge_class", Classes, &k.Class, disposition},
		{"warnings", Warnings, &k.Warnings, disposition},
	} {
		if v := given[p.key]; v != nil {
			*p.to = s.rules(v, p.values, p.upTo)
		}
		k.AsksInside = k.AsksInside || p.key == "direction" && r.inside
	}
	if v := given["call_key"]; v != nil {
		for _, c := range r.list(v) {
			k.CallKey = append(k.CallKey, s.column(c, startDate))
		}
	}
	s.allFields(k, given, n)
	return k
}
