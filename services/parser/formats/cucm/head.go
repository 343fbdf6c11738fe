package cucm

import (
	"fmt"
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// layout is what a file's head tells of its lines.
type layout struct {
	// at is the column of each field, -1 where the file has none.
	at [fields]int
	// attributes are the columns that are kept under their own names.
	attributes []attribute
	// anchors are the columns of numericToo.
	anchors []int
	columns int
	// unnamed tells that the head has no names: fields are taken by position.
	unnamed bool
	// cmr tells a file of call management records.
	cmr bool
	// fault is why lines under this head cannot be read.
	fault string
}

// attribute is a column without a meaning of its own.
type attribute struct {
	column int
	name   string
	kind   kind
	// other is the column that kind speaks of, -1: none.
	other int
	// usual is the value that tells nothing, of one character.
	usual byte
}

type kind uint8

const (
	_ kind = iota // kept as it is
	// address is an IPv4 address as a number, left out where the other column
	// prints it as text.
	address
	// unlike is left out where it repeats the other column.
	unlike
)

// newLayout reads the head of a file: a line of names, a line of SQL types;
// either may be missing.
func newLayout(head string) *layout {
	head = strings.TrimPrefix(head, "\ufeff")
	var columns []string
	for line := range strings.FieldsFuncSeq(head, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if isTypes(line) {
			continue
		}
		columns, _ = kit.SplitCSV(nil, line, ',')
		break
	}
	if columns == nil {
		l := compile(positions)
		l.unnamed = true
		return l
	}
	l := compile(columns)
	for _, c := range columns {
		if n := normal(c); n == "varvqmetrics" || n == "numberpacketssent" {
			l.cmr = true
			return l
		}
	}
	for _, r := range required {
		if l.at[r.field] < 0 {
			l.fault = fmt.Sprintf("the file's first line names no column %s: no call records of a Unified Communications Manager, or the line is damaged", r.name)
			break
		}
	}
	return l
}

func compile(columns []string) *layout {
	l := &layout{columns: len(columns)}
	for i := range l.at {
		l.at[i] = -1
	}
	other := make(map[string]int, len(columns))
	for i, name := range columns {
		n := normal(name)
		other[n] = i
		if f, ok := names[n]; ok && l.at[f] < 0 {
			l.at[f] = i
		}
		if numericToo[n] {
			l.anchors = append(l.anchors, i)
		}
	}
	find := func(name string) int {
		if i, ok := other[name]; ok {
			return i
		}
		return -1
	}
	for i, name := range columns {
		n := normal(name)
		if f, ok := names[n]; ok && !attributeToo[f] || n == "" || secret(n) {
			continue
		}
		a := attribute{column: i, name: snake(name), other: -1, usual: '0'}
		switch n {
		case "origipaddr":
			a.kind, a.other = address, find("origipv4v6addr")
		case "destipaddr":
			a.kind, a.other = address, find("destipv4v6addr")
		case "originalcalledpartypattern":
			a.kind, a.other = unlike, l.at[originalCalled]
		case "finalcalledpartypattern":
			a.kind, a.other = unlike, l.at[finalCalled]
		case "lastredirectingpartypattern":
			a.kind, a.other = unlike, l.at[lastRedirect]
		case "origprecedencelevel", "destprecedencelevel":
			a.usual = '4' // routine
		case "calledpartypatternusage":
			a.usual = '5' // a route pattern
		default:
			if strings.Contains(n, "transportaddressip") {
				a.kind = address
			}
		}
		l.attributes = append(l.attributes, a)
	}
	return l
}

// secret tells the columns that hold what a user keys to be let through.
func secret(name string) bool {
	return strings.HasPrefix(name, "authorizationcode") || strings.HasPrefix(name, "authcode") && name != "authcodedescription" ||
		strings.Contains(name, "password") || strings.HasSuffix(name, "pin")
}

// isTypes tells a line of SQL types.
func isTypes(line string) bool {
	line = strings.TrimPrefix(line, `"`)
	for _, t := range [...]string{"INTEGER", "VARCHAR", "UNIQUEIDENTIFIER", "STRING"} {
		if len(line) >= len(t) && strings.EqualFold(line[:len(t)], t) {
			return true
		}
	}
	return false
}

// isHead tells a head line among the tickets, as in files that were joined.
func isHead(line string) bool {
	line = strings.TrimPrefix(strings.TrimPrefix(line, "\ufeff"), `"`)
	const first = "cdrRecordType"
	return len(line) >= len(first) && strings.EqualFold(line[:len(first)], first) || isTypes(line)
}
