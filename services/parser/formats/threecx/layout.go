package threecx

import (
	"fmt"
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// field of a ticket, by its name in 3CX's list of output fields.
type field uint8

const (
	historyID field = iota
	callID
	duration
	timeStart
	timeAnswered
	timeEnd
	reasonTerminated
	fromNo
	toNo
	fromDN
	toDN
	dialNo
	reasonChanged
	finalNumber
	finalDN
	billCode
	billRate
	billCost
	billName
	chain
	fromType
	toType
	finalType
	fromName
	toName
	finalName
	missedQueueCalls
	fields
)

// list describes the fields, in the order of 3CX's manual. fits tells what a
// column must look like to be this field, where that tells orders apart or shows
// that columns were shifted.
var list = [fields]struct {
	name string
	fits func(string) bool
}{
	historyID:        {name: "historyid"},
	callID:           {name: "callid"},
	duration:         {name: "duration"},
	timeStart:        {name: "time-start"},
	timeAnswered:     {name: "time-answered"},
	timeEnd:          {name: "time-end"},
	reasonTerminated: {name: "reason-terminated"},
	fromNo:           {name: "from-no"},
	toNo:             {name: "to-no"},
	fromDN:           {name: "from-dn"},
	toDN:             {name: "to-dn"},
	dialNo:           {name: "dial-no"},
	reasonChanged:    {name: "reason-changed", fits: isWord},
	finalNumber:      {name: "final-number"},
	finalDN:          {name: "final-dn"},
	billCode:         {name: "bill-code", fits: noChain},
	billRate:         {name: "bill-rate", fits: isAmount},
	billCost:         {name: "bill-cost", fits: isAmount},
	billName:         {name: "bill-name", fits: noChain},
	chain:            {name: "chain", fits: isChain},
	fromType:         {name: "from-type", fits: isWord},
	toType:           {name: "to-type", fits: isWord},
	finalType:        {name: "final-type", fits: isWord},
	fromName:         {name: "from-dispname", fits: noChain},
	toName:           {name: "to-dispname", fits: noChain},
	finalName:        {name: "final-dispname", fits: noChain},
	missedQueueCalls: {name: "missed-queue-calls", fits: noType},
}

// The orders that are recognised by themselves. The first 15 fields are the same
// in all but the last.
var (
	numbers = []field{
		historyID, callID, duration, timeStart, timeAnswered, timeEnd, reasonTerminated,
		fromNo, toNo, fromDN, toDN, dialNo, reasonChanged, finalNumber, finalDN,
	}
	bill  = []field{billCode, billRate, billCost, billName}
	types = []field{fromType, toType, finalType}
	names = []field{fromName, toName, finalName}

	orders = []*order{
		// Version 12 to 16, and later where the newer fields are left out.
		newOrder(numbers, bill, []field{chain}),
		// The manual's order with all fields: version 16 to 20.
		newOrder(numbers, bill, []field{chain}, types, names, []field{missedQueueCalls}),
		// All fields, as another collector has them configured.
		newOrder(numbers, bill, []field{chain, missedQueueCalls}, names, types),
		// Without billing.
		newOrder(numbers, []field{chain}, types, names, []field{missedQueueCalls}),
		// Without ids and billing, the start first: an older collector's.
		newOrder([]field{
			timeStart, dialNo, fromDN, duration, timeAnswered, timeEnd, reasonTerminated, reasonChanged,
			missedQueueCalls, fromNo, toNo, toDN, finalNumber, finalDN,
		}, types, names),
	}
)

// order is a column order.
type order struct {
	fields []field
	// at is the column of each field, from 1; 0 is none.
	at [fields]int
	// name is where the display names begin, and names how many stand there
	// together; 0 where the order has none.
	name, names int
}

func newOrder(parts ...[]field) *order {
	o := new(order)
	for _, part := range parts {
		o.fields = append(o.fields, part...)
	}
	for i, f := range o.fields {
		o.at[f] = i + 1
		if f != fromName && f != toName && f != finalName {
			continue
		}
		if o.names == 0 {
			o.name = i
		}
		if i == o.name+o.names {
			o.names++
		}
	}
	return o
}

// configured reads `parse.fields`.
func configured(given []string) (*order, error) {
	var list []field
	for i, name := range given {
		f, ok := fieldOf(name)
		if !ok {
			return nil, fmt.Errorf("parse.fields: no field %q in 3CX's list: there are %s", name, fieldNames())
		}
		for j := range i {
			if list[j] == f {
				return nil, fmt.Errorf("parse.fields: %s stands twice", name)
			}
		}
		list = append(list, f)
	}
	o := newOrder(list)
	for _, f := range [...]field{timeStart, timeAnswered, timeEnd, fromNo, toNo} {
		if o.at[f] == 0 {
			return nil, fmt.Errorf("parse.fields: %s is missing: no call can be told without it", f)
		}
	}
	return o, nil
}

// fieldOf finds a field by its name, in any case, with `-` or `_`.
func fieldOf(name string) (field, bool) {
	for f := range fields {
		if len(list[f].name) == len(name) && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), list[f].name) {
			return f, true
		}
	}
	return 0, false
}

func fieldNames() string {
	all := make([]string, fields)
	for f := range fields {
		all[f] = list[f].name
	}
	return strings.Join(all, ", ")
}

func (f field) String() string { return list[f].name }

// mostCommas is how many commas the display names are believed to hold together.
const mostCommas = 8

// holds tells whether so many columns can be in this order.
func (o *order) holds(n int) bool {
	return n == len(o.fields) || n > len(o.fields) && n <= len(o.fields)+mostCommas && o.names > 0
}

// comes tells whether columns can be in this order, by their number and the first.
func (o *order) comes(columns []string) bool {
	return o.holds(len(columns)) && isTime(columns[0]) == (o.fields[0] == timeStart)
}

// misfit is the first field whose column cannot be it.
func (o *order) misfit(columns []string) (f field, column string, found bool) {
	more := len(columns) - len(o.fields)
	for i, f := range o.fields {
		if o.names > 0 && i >= o.name+o.names {
			i += more
		}
		if fits := list[f].fits; fits != nil && !fits(columns[i]) {
			return f, columns[i], true
		}
	}
	return o.shifted(columns, more)
}

// shifted tells types that do not stand in their columns: the caller has one
// where the other ends have, and no name is one where the types are missing or
// names hold commas.
func (o *order) shifted(columns []string, more int) (f field, column string, found bool) {
	if o.at[fromType] == 0 {
		return 0, "", false
	}
	get := func(f field) string {
		i := o.at[f] - 1
		if i < 0 {
			return ""
		}
		if o.names > 0 && i >= o.name+o.names {
			i += more
		}
		return kit.Trim(columns[i])
	}
	if get(fromType) == "" && (get(toType) != "" || get(finalType) != "") {
		return fromType, "", true
	}
	if more > 0 && get(finalType) != "" && get(finalNumber) == "" && get(finalDN) == "" {
		return finalType, get(finalType), true
	}
	suspects := 0
	if get(fromType) == "" {
		suspects = o.names + more
	} else if more > 0 {
		suspects = 1
	}
	for i := o.name; i < o.name+suspects && o.names > 0; i++ {
		if !noType(columns[i]) {
			return o.fields[min(i, o.name+o.names-1)], columns[i], true
		}
	}
	return 0, "", false
}

// recognise finds the order of a ticket's columns: one that holds so many, and
// that no column contradicts. An order that they fill exactly comes first.
func recognise(columns []string) *order {
	var found *order
	for _, o := range orders {
		if !o.comes(columns) {
			continue
		}
		if _, _, misfit := o.misfit(columns); misfit {
			continue
		}
		if len(columns) == len(o.fields) {
			return o
		}
		if found != nil {
			return nil // a comma too many, in one order or another
		}
		found = o
	}
	return found
}

// isWord tells a type or a reason: a letter, then letters, `_` and digits.
func isWord(s string) bool {
	s = kit.Trim(s)
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || s[i] != '_' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return true
}

func isAmount(s string) bool { return kit.Trim(s) == "" || strings.ContainsAny(s, "0123456789") }

const chainHead = "Chain:"

func noChain(s string) bool { return !strings.HasPrefix(s, chainHead) }

// isChain tells `Chain: Ext.201;0199001234;`. Each party ends with a semicolon;
// collectors that rewrite tickets put a comma there.
func isChain(s string) bool {
	s = kit.Trim(s)
	return s == "" || strings.HasPrefix(s, chainHead) && strings.IndexByte(";,", s[len(s)-1]) >= 0
}

// noType tells what is neither a chain nor a party's type. How the agents in
// missed-queue-calls are told apart is not documented.
func noType(s string) bool { return noChain(s) && kindOf(kit.Trim(s)) == unknown }

// split cuts a line at its commas. 3CX does not quote, some collectors do. odd
// tells a quote where quoting has none: it is a character then.
func split(dst []string, line string) (columns []string, odd bool) {
	if strings.IndexByte(line, '"') >= 0 {
		if odd = !wellQuoted(line); !odd {
			columns, _ = kit.SplitCSV(dst, line, ',')
			return columns, false
		}
	}
	begin := 0
	for i := range len(line) {
		if line[i] == ',' {
			dst, begin = append(dst, line[begin:i]), i+1
		}
	}
	return append(dst, line[begin:]), odd
}

func wellQuoted(line string) bool {
	quoted := false
	for i := range len(line) {
		if line[i] != '"' {
			continue
		}
		switch {
		case !quoted && i > 0 && line[i-1] == '"': // doubled
		case !quoted && i > 0 && line[i-1] != ',':
			return false
		case quoted && i+1 < len(line) && line[i+1] != ',' && line[i+1] != '"':
			return false
		}
		quoted = !quoted
	}
	return !quoted
}
