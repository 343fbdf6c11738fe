package oxo

import (
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// statement reads a printed line.
func (p *parser) statement(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	line := string(t.Raw) // columns are bytes, whatever the charset
	if !shaped(line, p.print.date, "00/00/00") || !shaped(line, p.print.time, "00:00") {
		return p.other(line)
	}
	if bad := p.print.split(line); bad.Outcome != formats.CDR {
		return bad
	}
	v := &p.print.values
	if l := v[colLine]; l == "CH" || strings.HasPrefix(l, "R") {
		return formats.Ignore("wake_up")
	}
	c := call{minutes: true}
	short := len(line) < p.print.places[len(p.print.places)-1].begin
	switch v[colType] {
	case "-->":
		c.callType = callTypes[0]
	case "<--":
		c.callType = callTypes[1]
	case "CS+", "CS-":
		c.callType = callTypes[8]
	default:
		return p.bad("bad_call_type", colType, "-->, <--, CS+ or CS-")
	}
	if short && c.out && c.ignored == "" && v[colNumber] == "" {
		return formats.Die("cut_off", fmt.Sprintf("the line ends in column %d, before the number that was dialled", len(line)))
	}
	if short {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	if bad := p.statementTimes(cdr, &c); bad.Outcome != formats.CDR {
		return bad
	}
	if bad := p.statementParties(cdr, &c); bad.Outcome != formats.CDR {
		return bad
	}
	if bad := p.statementCharges(cdr, &c); bad.Outcome != formats.CDR {
		return bad
	}
	p.statementRest(cdr, &c)
	return p.fill(t, cdr, &c)
}

// other says what a line is that has no date and time in their columns.
func (p *parser) other(line string) formats.Result {
	trimmed := strings.TrimSpace(line)
	switch name, value, _ := strings.Cut(trimmed, "="); {
	case name == "#TicketSize" && value != "122":
		n, _ := kit.Uint(value)
		return wrongSize(n)
	case name == "PabxRelease", strings.HasPrefix(name, "#") && strings.IndexByte(name, ' ') < 0 && (value != "" || name == "#DataBegin"):
		return formats.Ignore("file_head")
	case !strings.ContainsAny(trimmed, "0123456789"):
		return formats.Ignore("page_header")
	case kit.Digits(trimmed) && len(trimmed) <= 5:
		return formats.Ignore("count_line")
	}
	return formats.Die("not_a_statement", fmt.Sprintf("%s: no date in columns %d to %d and time in columns %d to %d; if the PBX prints other columns than `parse.fields` says, or wider ones, give them there",
		kit.Quote(trimmed), p.print.date.begin+1, p.print.date.end, p.print.time.begin+1, p.print.time.end))
}

// shaped tells whether a text stands in its columns; 0 is any digit.
func shaped(line string, at place, pattern string) bool {
	if len(line) < at.end {
		return false
	}
	for i, c := range []byte(line[at.begin:at.end]) {
		if want := pattern[i]; want == '0' && (c < '0' || c > '9') || want != '0' && c != want {
			return false
		}
	}
	return true
}

// split takes the line apart. It fails where a column does not end where it
// should: then the line lost or gained bytes, or other columns are printed.
func (pr *printout) split(line string) (bad formats.Result) {
	line = strings.TrimRight(line, " ")
	for i, at := range pr.places {
		value := line[min(at.begin, len(line)):min(at.end, len(line))]
		c := columns[at.column]
		switch {
		case at.end < len(line) && (i == len(pr.places)-1 || line[at.end] != ' '):
			return formats.Die("misaligned_columns", fmt.Sprintf("%s ends in column %d, and %s stands behind it: give `parse.fields` as the PBX prints them, with widths (%s:%d)",
				c.name, at.end, kit.Quote(line[at.end:]), c.name, at.end-at.begin))
		case c.right && value != "" && (len(value) < at.end-at.begin || value[len(value)-1] == ' ') && strings.Trim(value, " ") != "":
			return formats.Die("misaligned_columns", fmt.Sprintf("%s in columns %d to %d is %s, and not right-justified: the line is cut off, or misaligned", c.name, at.begin+1, at.end, kit.Quote(value)))
		}
		pr.values[at.column] = strings.Trim(value, " ")
	}
	return formats.Result{}
}

// bad is a dead ticket for what stands in a column.
func (p *parser) bad(reason string, column int, expected string) formats.Result {
	where := columns[column].name
	for _, at := range p.print.places {
		if at.column == column {
			where = fmt.Sprintf("%s in columns %d to %d", where, at.begin+1, at.end)
		}
	}
	return bad(reason, where, p.print.values[column], expected)
}

func (p *parser) statementTimes(cdr *trunklinev1.Cdr, c *call) formats.Result {
	v := &p.print.values
	var ok bool
	if c.at, ok = wall(v[colDate], v[colTime], p.order); !ok {
		return p.bad("bad_date", colDate, "a date, day/month/year unless `parse.date_order` says otherwise")
	}
	if !c.at.Valid() {
		return p.bad("bad_time", colTime, "hh:mm")
	}
	if c.duration, ok = kit.Clock(v[colDuration]); !ok || len(v[colDuration]) != 8 {
		return p.bad("bad_duration", colDuration, "hh:mm:ss")
	}
	if ring := v[colRing]; ring != "" {
		minutes, ok1 := kit.Uint(ring[:min(2, len(ring))])
		seconds, ok2 := kit.Uint(ring[min(3, len(ring)):])
		if len(ring) != 5 || ring[2] != ':' || !ok1 || !ok2 || seconds > 59 {
			return p.bad("bad_ring", colRing, "mm:ss")
		}
		if c.ring = minutes*60 + seconds; c.ring == 99*60+59 {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
		}
	}
	return formats.Result{}
}

func (p *parser) statementParties(cdr *trunklinev1.Cdr, c *call) formats.Result {
	v := &p.print.values
	for _, u := range [...]struct {
		to     *party
		column int
	}{{&c.user, colUser}, {&c.user, colUser8}, {&c.initial, colInitial}, {&c.initial, colInitial8}} {
		if strings.Trim(v[u.column], "*") == "" {
			continue // nobody, or it stands in the other column
		}
		var ok bool
		if *u.to, ok = printedParty(v[u.column]); !ok {
			return p.bad("bad_user", u.column, "A, G, L, N, P or V and a number, or ****")
		}
	}
	line, column := v[colLine], colLine
	if v[colLine4] != "" {
		line, column = v[colLine4], colLine4
	}
	switch at, ok := printedParty(line); {
	case line == "", strings.Trim(line[1:], "*") == "" && strings.ContainsAny(line[:1], "NV"):
	case !ok || !at.line():
		return p.bad("bad_line", column, "L, N, P or V and a number")
	default:
		c.line = line
	}
	if !c.outside(cdr, v[colNumber]) {
		return p.bad("bad_number", colNumber, "digits")
	}
	return formats.Result{}
}

// printedParty reads a letter and a number.
func printedParty(s string) (who party, ok bool) {
	if len(s) < 2 || !strings.ContainsAny(s[:1], "AGLNPV") || !kit.Digits(s[1:]) {
		return party{}, false
	}
	return party{s[0], s[1:]}, true
}

func (p *parser) statementCharges(cdr *trunklinev1.Cdr, c *call) formats.Result {
	v := &p.print.values
	var ok bool
	if taxes := v[colTaxes]; taxes != "" {
		if c.units, ok = kit.Uint(taxes); !ok {
			return p.bad("bad_units", colTaxes, "a number")
		}
	}
	if c.cost, ok = amount(v[colCost]); !ok {
		return p.bad("bad_cost", colCost, "a decimal number")
	}
	if c.account = p.link.DecodeField(cdr, v[colAccount]); strings.IndexByte(c.account, ' ') >= 0 {
		return p.bad("misaligned_columns", colAccount, "one code")
	}
	return formats.Result{}
}

// statementRest reads what decides nothing about the bill.
func (p *parser) statementRest(cdr *trunklinev1.Cdr, c *call) {
	v := &p.print.values
	c.name = p.link.DecodeField(cdr, v[colName])
	if c.services = printedServices(v[colServices]); c.services == "" && v[colServices] != "" {
		odd(cdr, "additional_services", p.link.DecodeField(cdr, v[colServices]))
	}
	switch s := v[colService]; {
	case s == "" || s == "ST":
	case len(s) == 2 && s[0] == 'T':
		c.data = true
	default:
		odd(cdr, "service", p.link.DecodeField(cdr, s))
	}
	switch m := v[colMode]; m {
	case "", "M":
	case "I", "R":
		kit.Attribute(cdr, "dialling_mode", m)
	default:
		odd(cdr, "dialling_mode", p.link.DecodeField(cdr, m))
	}
	kit.Attribute(cdr, "operator", p.link.DecodeField(cdr, v[colOperator]))
	if node := v[colNode]; kit.Digits(node) || node == "" {
		cdr.Node = strings.TrimLeft(node, "0")
	} else {
		odd(cdr, "node", p.link.DecodeField(cdr, node))
	}
}

// printedServices are the letters without the blanks among them; empty where
// another letter is.
func printedServices(s string) string {
	if strings.Trim(s, serviceLetters+" ") != "" || strings.IndexByte(s, '-') >= 0 {
		return ""
	}
	return strings.ReplaceAll(s, " ", "")
}

// wall reads a date of two-digit numbers with a separator, and hh:mm or hh:mm:ss.
// ok tells whether the date can be; the time is for [kit.Wall.Valid] to judge.
func wall(date, clock, order string) (w kit.Wall, ok bool) {
	two := func(s string, at int) int { return int(s[at]-'0')*10 + int(s[at+1]-'0') }
	for i := range 3 {
		switch n := two(date, i*3); order[i] {
		case 'd':
			w.Day = n
		case 'm':
			w.Month = n
		default:
			w.Year = 2000 + n
		}
	}
	ok = w.Valid()
	w.Hour, w.Minute = two(clock, 0), two(clock, 3)
	return w, ok
}
