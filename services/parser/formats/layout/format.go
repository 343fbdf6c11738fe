// Package layoutformat reads the tickets of a PBX through the layout that the
// link names in `parse.layout`: those of model custom, and of the models whose
// tickets nobody has published. docs/layouts.md is the reference of layouts.
//
// A record is dead where the layout does not hold for it, and the error names
// the line of the layout, the column and what was found in it.
//
// Ignored: blank, head, (and the layout's own reasons).
//
// Dead: layout_missing, no_record (it is of no kind that the layout describes),
// bad_record (its columns are not where the layout says), check, no_rule (no
// rule of direction holds), bad_start, bad_answer, bad_end, bad_duration,
// year_unknown.
//
// Warnings: charset, extra_columns, short_ticket, odd_value (an amount or a
// number that is none is kept in attributes), masked, year_inferred,
// hour_ambiguous, hour_skipped, and those that the layout says.
package layoutformat

import (
	"fmt"
	"strings"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/layout"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link   *kit.Link
	layout *layout.Layout
	kinds  []*kind
	zone   kit.Zone
	// scale is how many digits of a printed amount stand behind the point.
	scale int
	split []string
}

// New makes the parser of one link.
func New(link *kit.Link) (formats.Parser, error) {
	if link.Layout == "" {
		if link.Model == "custom" {
			return nil, fmt.Errorf("model custom: set parse.layout to the file that describes the tickets: docs/layouts.md says how")
		}
		return missing(link.Model), nil
	}
	l, err := layout.Parse(link.Parse.Layout, []byte(link.Layout))
	if err != nil {
		return nil, err
	}
	if err := decided(&link.Parse); err != nil {
		return nil, err
	}
	p := &parser{link: link, layout: l, zone: kit.NewZone(link.Zone)}
	if scale := link.Parse.ChargeScale; scale > 0 {
		for ; scale > 1 && scale%10 == 0; scale /= 10 {
			p.scale++
		}
		if scale != 1 {
			return nil, fmt.Errorf("parse.charge_scale %d: give 1, 10, 100 or 1000", link.Parse.ChargeScale)
		}
	}
	if l.Charset != "" && link.Parse.Charset == "" {
		charset, err := kit.NewCharset(l.Charset)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
		own := *link
		own.Text = charset
		p.link = &own
	}
	for _, k := range l.Kinds {
		p.kinds = append(p.kinds, newKind(k))
	}
	return p, nil
}

// decided refuses the settings that the layout has decided.
func decided(s *pbx.Parse) error {
	for _, key := range []struct {
		name, instead string
		given         bool
	}{
		{"time_is", "give start or end", s.TimeIs != ""},
		{"clock", "give the pattern of the time", s.Clock != 0},
		{"date_order", "give the pattern of the date", s.DateOrder != ""},
		{"fields", "give columns", len(s.Fields) > 0},
		{"amaflags", "give direction", len(s.AMAFlags) > 0},
		{"masked_digits", "give the characters in hidden", s.MaskedDigits > 0},
	} {
		if key.given {
			return fmt.Errorf("parse.%s: the layout says it: leave it out, and %s in %s", key.name, key.instead, s.Layout)
		}
	}
	return nil
}

// missing is the parser of a link whose model nobody has described, and whose
// layout is not there.
type missing string

func (m missing) Parse(*formats.Ticket, *trunklinev1.Cdr) formats.Result {
	return formats.Die("layout_missing", "nobody has published the tickets of "+string(m)+": describe them in a layout, set parse.layout to its file, and replay")
}

// Parse reads one record.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text := p.link.Decode(cdr, t.Raw)
	if strings.Trim(text, " \t\r\n\x00\f") == "" {
		return formats.Ignore("blank")
	}
	if p.layout.IsHead(text) {
		return formats.Ignore("head")
	}
	var wrong []string
	for _, k := range p.kinds {
		clear(k.values)
		k.values[layout.Line] = text
		if reason := p.skipped(k, true); reason != "" {
			return formats.Ignore(reason)
		}
		f := p.columns(k, text, t.Raw)
		if f == nil && !k.Only.Holds(k.values, p) {
			f = p.failing(k, k.Only)
		}
		if f == nil {
			return p.record(t, cdr, k)
		}
		if len(p.kinds) == 1 {
			return f.die(f.reason)
		}
		wrong = append(wrong, f.text)
	}
	return formats.Die("no_record", fmt.Sprintf("none of the layout's %d kinds of record: %s", len(p.kinds), strings.Join(wrong, "; ")))
}

// skipped tells whether the record is none of a call: by the whole line before
// its columns are known, and then by its columns.
func (p *parser) skipped(k *kind, byLine bool) (reason string) {
	for i := range k.Skip {
		if k.skipByLine[i] == byLine && k.Skip[i].When.Holds(k.values, p) {
			return k.Skip[i].Reason
		}
	}
	return ""
}

// Inside tells the site's own numbers.
func (p *parser) Inside(number string) (inside, decided bool) { return p.link.Extension(number) }

// Trunk tells the trunks that the settings name.
func (p *parser) Trunk(name string) bool { return kit.MatchesAny(p.link.Parse.Trunks.Names, name) }

func (p *parser) record(t *formats.Ticket, cdr *trunklinev1.Cdr, k *kind) formats.Result {
	if reason := p.skipped(k, false); reason != "" {
		return formats.Ignore(reason)
	}
	for _, c := range k.Check {
		if !c.Holds(k.values, p) {
			return p.failing(k, c).die("check")
		}
	}
	r := p.first(k, k.Direction)
	if r == nil {
		return p.noRule(k)
	}
	cdr.Direction = trunklinev1.Direction(r.Value)
	missed := r.Value == layout.Missed
	if missed {
		cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
	}
	k.values[layout.Direction] = layout.Directions[cdr.Direction-1]
	if r = p.first(k, k.Disposition); r != nil {
		cdr.Disposition = trunklinev1.Disposition(r.Value)
	} else if missed {
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	}
	if cdr.Disposition != 0 {
		k.values[layout.Disposition] = layout.Dispositions[cdr.Disposition-1]
	}
	if r = p.first(k, k.Network); r != nil {
		cdr.Network = trunklinev1.Network(r.Value)
	}
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	if r = p.first(k, k.Role); r != nil {
		cdr.RecordRole = trunklinev1.RecordRole(r.Value)
	}
	if r = p.first(k, k.Class); r != nil {
		cdr.ChargeClass = trunklinev1.ChargeClass(r.Value)
	}
	overflow, f := p.fields(k, cdr)
	if f != nil {
		return f.die("bad_duration")
	}
	if overflow {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	if reason, f := p.times(t, k, cdr); f != nil {
		return f.die(reason)
	}
	k.callKey(cdr)
	for i := range k.Warnings {
		if k.Warnings[i].When.Holds(k.values, p) {
			kit.Warn(cdr, trunklinev1.Warning(k.Warnings[i].Value))
		}
	}
	if k.short(k.values[layout.Line]) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	if k.found > k.own-layout.FirstColumn {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
	}
	return formats.Result{}
}

// first is the first rule that holds.
func (p *parser) first(k *kind, rules []layout.Rule) *layout.Rule {
	for i := range rules {
		if rules[i].When.Holds(k.values, p) {
			return &rules[i]
		}
	}
	return nil
}

// fault is what does not hold, in words.
type fault struct{ reason, text string }

func (f *fault) die(reason string) formats.Result { return formats.Die(reason, f.text) }

func (p *parser) fault(reason string, line int, format string, args ...any) *fault {
	return &fault{reason, fmt.Sprintf("%s line %d: %s", p.layout.Name, line, fmt.Sprintf(format, args...))}
}

// failing says which tests keep a condition from holding.
func (p *parser) failing(k *kind, c *layout.Condition) *fault {
	var wrong []string
	for _, t := range c.Failing(k.values, p) {
		wrong = append(wrong, fmt.Sprintf("%s is %s; expected %s", k.where(t.Column), kit.Quote(k.values[t.Column]), t.Want))
	}
	return p.fault("no_record", c.Line, "%s", strings.Join(wrong, ", or "))
}

// noRule says what the rules of direction looked at.
func (p *parser) noRule(k *kind) formats.Result {
	var seen []string
	for _, column := range k.directed {
		seen = append(seen, k.where(column)+" is "+kit.Quote(k.values[column]))
	}
	hint := ""
	if in := &p.link.Parse.Inside; k.AsksInside && len(in.Lengths)+len(in.Numbers) == 0 {
		hint = "; they ask for inside numbers, and parse.inside names none"
	}
	return p.fault("", k.Direction[0].Line, "no rule of direction holds: %s%s", strings.Join(seen, ", "), hint).die("no_rule")
}
