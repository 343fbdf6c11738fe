package threecx

import (
	"slices"
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// align puts the columns into their fields. Where there are more than the order
// has, display names hold commas: 3CX does not quote them. ok is false where it
// cannot be told which name ends where, and the names are left out. It is also
// false where a name begins with a blank, as the rest of one does, and where one
// party has two names.
func (p *parser) align(o *order) (more int, ok bool) {
	p.col = [fields]string{}
	more = len(p.split) - len(o.fields)
	ok = true
	for i, f := range o.fields {
		if o.names > 0 && i >= o.name {
			if i < o.name+o.names && more > 0 {
				continue
			}
			i += more
		}
		p.col[f] = kit.Trim(p.split[i])
	}
	if more == 0 {
		for i := range o.names {
			column := p.split[o.name+i]
			ok = ok && (!strings.HasPrefix(column, " ") || kit.Trim(column) == "")
		}
	} else if !p.join(o, p.split[o.name:o.name+o.names+more]) {
		ok = false
	}
	if ok = ok && !p.twoNames(); !ok && more > 0 {
		p.col[fromName], p.col[toName], p.col[finalName] = "", "", ""
	}
	return more, ok
}

// join puts the parts into the names.
func (p *parser) join(o *order, parts []string) bool {
	ends, ok := p.namesEnd(o, parts)
	for i, from := 0, 0; ok && i < o.names; i++ {
		name := parts[from:ends[i]]
		ok = len(name) == 1 || !slices.ContainsFunc(name, func(s string) bool { return kit.Trim(s) == "" })
		p.col[o.fields[o.name+i]] = kit.Trim(strings.Join(name, ","))
		from = ends[i]
	}
	return ok
}

// twoNames tells a party that the ticket names twice, and not alike.
func (p *parser) twoNames() bool {
	to, final := p.col[toName], p.col[finalName]
	return to != final && to != "" && final != "" && p.col[finalNumber] == p.col[toNo]
}

// namesEnd tells behind which part each name ends. What follows a comma and a
// blank goes on with the name; and a call that was not moved prints the same
// name for `to` and `final`.
func (p *parser) namesEnd(o *order, parts []string) (ends [3]int, ok bool) {
	n := 0
	for i, part := range parts {
		if i > 0 && strings.HasPrefix(part, " ") {
			continue
		}
		if i > 0 && n < len(ends) {
			ends[n] = i
		}
		if i > 0 {
			n++
		}
	}
	if n == o.names-1 {
		ends[n] = len(parts)
		return ends, true
	}
	if o.names != 3 || p.col[finalNumber] != p.col[toNo] {
		return ends, false
	}
	found := 0
	for length := 1; 2*length < len(parts); length++ {
		to, final := len(parts)-2*length, len(parts)-length
		if strings.Join(parts[to:final], ",") == strings.Join(parts[final:], ",") {
			ends = [3]int{to, final, len(parts)}
			found++
		}
	}
	return ends, found == 1
}
