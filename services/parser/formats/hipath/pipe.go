package hipath

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// piped is the order of the fields between `|`. The compressed record has the
// first 13; the option `Output LCR number outgoing or dialled number incoming`
// adds a last one. The long output has the first 9 behind a line of titles.
var piped = [...]field{
	date, clock, trunk, station, ring, duration, number, charge, information,
	account, msn, accessCode, route, dialed,
}

// pipedUS is the order on North American systems: three fields more.
var pipedUS = [...]field{
	date, clock, trunk, station, ring, duration, number, charge, information,
	account, msn, accessCode, route, nodalService, watsBand, carrier, dialed,
}

const (
	long    = 9
	whole   = len(piped) - 1
	wholeUS = len(pipedUS) - 1
	most    = 20
)

// named turns `parse.fields` into an order; `-` leaves a field out.
func named(names []string) (order []field, err error) {
	for i, name := range names {
		f := fieldCount
		if j := slices.IndexFunc(fields[:], func(x fieldType) bool { return x.name == name }); j >= 0 {
			f = field(j)
		}
		switch {
		case name == "-":
		case f == fieldCount:
			known := make([]string, fieldCount)
			for j := range known {
				known[j] = fields[j].name
			}
			return nil, fmt.Errorf("parse.fields: entry %d is %q: give %s, or `-` for one to leave out", i+1, name, strings.Join(known, ", "))
		case slices.Contains(order, f):
			return nil, fmt.Errorf("parse.fields: %q stands there twice", name)
		}
		order = append(order, f)
	}
	for f := range fieldCount {
		if len(names) > 0 && f.required() && !slices.Contains(order, f) {
			return nil, fmt.Errorf("parse.fields: missing %s", fields[f].name)
		}
	}
	return order, nil
}

// separated reads a record with `|` between its fields and at its end.
func (p *parser) separated(line string, t *formats.Ticket, cdr *trunklinev1.Cdr) (formats.Result, bool) {
	p.split = p.split[:0]
	for rest, more := line, true; more && len(p.split) <= max(most, len(p.named))+1; {
		var part string
		part, rest, more = strings.Cut(rest, "|")
		p.split = append(p.split, kit.Trim(part))
	}
	n := len(p.split) - 1
	if p.split[n] != "" { // the last `|` is missing
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
		n++
	}
	p.order = p.named
	switch {
	case len(p.named) > 0 && n != len(p.named):
		return formats.Die("field_count", fmt.Sprintf("%d fields; parse.fields names %d", n, len(p.named))), false
	case len(p.named) == 0 && (n < long || n > most):
		return formats.Die("field_count", fmt.Sprintf("%d fields; expected %d to %d", n, long, most)), false
	case len(p.named) == 0:
		p.count(n, bytes.IndexByte(t.Preamble, '|') >= 0, cdr)
	}
	for i, f := range p.order {
		if f == fieldCount {
			continue
		}
		value := p.split[i]
		p.col[f] = value
		switch {
		case value == "":
			if f.required() {
				return p.dead(missing, f), false
			}
		case !fields[f].fits(value):
			return p.dead(unfit, f), false
		}
	}
	if len(p.named) == 0 && p.moved(n) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	return formats.Result{}, true
}

// moved tells fields that look as if one before them was lost or doubled, where
// the settings do not tell how many there are: numbers too short to be any, and
// what the information element looks like behind it.
func (p *parser) moved(n int) bool {
	short := func(s string) bool { return s != "" && len(s) < 3 }
	_, _, like := element(p.col[account])
	return short(p.col[msn]) || short(p.col[dialed]) || p.col[account] != "" && p.col[account] == p.col[msn] ||
		n == whole+1 && like && short(p.col[account])
}

// count finds what n fields are, where the settings do not tell. titled says
// that the file begins with the titles of the long output.
func (p *parser) count(n int, titled bool, cdr *trunklinev1.Cdr) {
	switch {
	case n == long && titled:
		p.order, p.amounts = piped[:n], true
	case n < whole:
		p.order = piped[:n]
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	case n == whole, n == whole+1:
		p.order = piped[:n]
	case (n == wholeUS || n == wholeUS+1) && p.isUS():
		p.order = pipedUS[:n]
	default:
		// Of what stands behind the thirteenth nothing is known.
		p.order = piped[:whole]
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
	}
}

func (p *parser) isUS() bool {
	for i := whole; i < wholeUS; i++ {
		if s := p.split[i]; s != "" && !fields[pipedUS[i]].fits(s) {
			return false
		}
	}
	return true
}
