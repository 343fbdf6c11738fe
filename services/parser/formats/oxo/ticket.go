package oxo

import (
	"strconv"
	"strings"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// values are the fields of an XML ticket, each with the name it came under.
type values [slots]leaf

// ticket reads an XML ticket.
func (p *parser) ticket(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text := p.link.Decode(cdr, t.Raw)
	nested, fault := p.xml.read(text)
	if fault != nil {
		return formats.Die(fault.reason, fault.text)
	}
	if p.xml.odd {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	var v values
	var seen [slots]bool
	known := 0
	for _, l := range p.xml.leaves {
		s, ok := slotOf(l.name)
		if !ok {
			unknown(cdr, l)
			continue
		}
		known++
		seen[s] = true
		switch {
		case l.value == "":
		case v[s].value == "":
			v[s] = l
		case v[s].value == l.value:
		case essential&(1<<s) != 0:
			return formats.Die("ambiguous_field", "the leaves "+shown(v[s].name)+" and "+shown(l.name)+" are read as "+fields[s].name+", and differ")
		default:
			unknown(cdr, l)
		}
	}
	if len(p.xml.leaves) == 0 {
		return formats.Die("xml_broken", "no element, or one that holds nothing")
	}
	if !nested {
		if s, ok := slotOf(p.xml.leaves[0].name); ok && essential&(1<<s) != 0 {
			return formats.Die("fields_missing", "the leaf "+shown(p.xml.leaves[0].name)+" stands alone: the element around it was cut off")
		}
		return formats.Ignore("field_outside_ticket")
	}
	missing := v.missing()
	if !seen[slotNumber] && typeOf(v[slotCallType].value).out {
		missing = append(missing, fields[slotNumber].name)
	}
	if len(missing) > 0 {
		reason := "fields_missing"
		if known == 0 {
			reason = "unknown_fields"
		}
		return formats.Die(reason, "found no leaf that is read as "+strings.Join(missing, ", ")+"; the ticket has "+p.xml.names()+": report these names, they hold nothing private")
	}
	var c call
	for _, read := range [...]func(*trunklinev1.Cdr, *call, *values) formats.Result{p.ticketType, p.ticketTimes, p.ticketParties, p.ticketCharges} {
		if bad := read(cdr, &c, &v); bad.Outcome != formats.CDR {
			return bad
		}
	}
	p.ticketRest(cdr, &c, &v)
	return p.fill(t, cdr, &c)
}

// unknown keeps a leaf that is none of the known ones, unless it may be secret.
func unknown(cdr *trunklinev1.Cdr, l leaf) {
	if l.value == "" {
		return
	}
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	name := snake(l.name)
	if secret(name) {
		return
	}
	key := name
	for i := 2; cdr.Attributes[key] != ""; i++ {
		key = name + "_" + strconv.Itoa(i)
	}
	kit.Attribute(cdr, key, l.value)
}

// missing names the fields without which a ticket is none.
func (v *values) missing() (names []string) {
	has := func(s slot) bool { return v[s].value != "" }
	if !has(slotCallType) {
		names = append(names, fields[slotCallType].name)
	}
	if !has(slotMoment) && !has(slotDate) {
		names = append(names, fields[slotDate].name)
	}
	if !has(slotMoment) && !has(slotTime) && !strings.ContainsAny(v[slotDate].value, "T ") {
		names = append(names, fields[slotTime].name)
	}
	if !has(slotDuration) {
		names = append(names, fields[slotDuration].name)
	}
	if !has(slotUser) && !has(slotInitial) {
		names = append(names, fields[slotUser].name)
	}
	return names
}

// names lists the leaves, each once, in the order in which they stand.
func (d *document) names() string {
	const most = 60
	var list []string
	seen := make(map[string]bool)
	for _, l := range d.leaves {
		if seen[l.name] {
			continue
		}
		if seen[l.name] = true; len(list) == most {
			list = append(list, "…")
			break
		}
		list = append(list, shown(l.name))
	}
	return strings.Join(list, ", ")
}

func (v *values) bad(reason string, s slot, expected string) formats.Result {
	return bad(reason, "leaf "+shown(v[s].name), v[s].value, expected)
}

func (p *parser) ticketType(_ *trunklinev1.Cdr, c *call, v *values) formats.Result {
	c.callType = typeOf(v[slotCallType].value)
	switch {
	case c.ignored != "":
		return formats.Ignore(c.ignored)
	case !c.known:
		return v.bad("bad_call_type", slotCallType, "0 to 16, an arrow, or words such as Outgoing or IncomingTransfer")
	}
	return formats.Result{}
}

// typeOf reads a call type: its code, as V24 prints it, or in words.
func typeOf(s string) callType {
	if n, ok := kit.Uint(s); ok {
		if int(n) < len(callTypes) {
			return callTypes[n]
		}
		return callType{}
	}
	switch s {
	case "-->":
		return callTypes[0]
	case "<--":
		return callTypes[1]
	case "CS+", "CS-":
		return callTypes[8]
	}
	has := func(words ...string) bool { return containsAny(s, words...) }
	switch {
	case has("facility", "service"):
		return callTypes[8]
	case has("wake", "reminder", "appointment"):
		return callType{known: true, ignored: "wake_up"}
	}
	out, in := has("outgo", "break-out", "breakout") || strings.EqualFold(s, "out"), has("incom", "break-in", "breakin") || strings.EqualFold(s, "in")
	transit := has("transit")
	return callType{
		known: out != in, out: out, transit: transit, part: transit || has("transfer", "join"), private: has("private", "break-in", "breakin"), data: has("data"),
	}
}

// containsAny compares without case, and `_` and blank as `-`.
func containsAny(s string, words ...string) bool {
	s = strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(s))
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func (p *parser) ticketTimes(cdr *trunklinev1.Cdr, c *call, v *values) formats.Result {
	at := slotMoment
	if v[slotMoment].value == "" {
		at = slotDate
	}
	date, clock, both := strings.Cut(strings.Replace(v[at].value, "T", " ", 1), " ")
	if !both {
		clock = v[slotTime].value
	}
	if zoned := strings.TrimSpace(date + "T" + clock); strings.ContainsAny(clock, "Z+-") {
		instant, err := time.Parse(time.RFC3339, zoned)
		if err != nil {
			return v.bad("bad_time", at, "a date and time with a zone such as 2026-11-20T09:30:00+01:00")
		}
		c.instant = instant
	} else {
		var ok bool
		if c.at, ok = xmlDate(date, p.order); !ok {
			return v.bad("bad_date", at, "a date such as 20/11/26, 20/11/2026 or 2026-11-20, and `parse.date_order` where it stands otherwise")
		}
		if c.at.Hour, c.at.Minute, c.at.Second, c.minutes, ok = xmlClock(clock); !ok || !c.at.Valid() {
			if !both {
				at = slotTime
			}
			return v.bad("bad_time", at, "hh:mm:ss or hh:mm")
		}
	}
	var ok bool
	if c.duration, ok = xmlDuration(v[slotDuration].value); !ok {
		return v.bad("bad_duration", slotDuration, "hh:mm:ss, or PT1H2M3S")
	}
	ring := v[slotRing].value
	if len(ring) == 5 {
		ring = "0:" + ring
	}
	if c.ring, ok = xmlDuration(ring); !ok && ring != "" {
		odd(cdr, fields[slotRing].name, ring)
	}
	return formats.Result{}
}

func (p *parser) ticketParties(cdr *trunklinev1.Cdr, c *call, v *values) formats.Result {
	var ok bool
	if c.user, ok = xmlParty(v[slotUser].value, v[slotUserType].value); !ok {
		return v.bad("bad_user", slotUser, "a number, or A, G, L, N, P or V and a number")
	}
	if c.initial, ok = xmlParty(v[slotInitial].value, v[slotInitialType].value); !ok {
		odd(cdr, fields[slotInitial].name, v[slotInitial].value)
	}
	if line := v[slotLine].value; line != "" {
		switch at, ok := printedParty(line); {
		case ok && at.line():
			c.line = line
		case lineLetter(v[slotLineType].value) != "":
			c.line = lineLetter(v[slotLineType].value) + line
		default:
			c.line = line
			if s := v[slotLineType].value; s != "" {
				odd(cdr, fields[slotLineType].name, s)
			}
		}
	}
	if !c.outside(cdr, v[slotNumber].value) {
		return v.bad("bad_number", slotNumber, "digits")
	}
	return formats.Result{}
}

func (p *parser) ticketCharges(cdr *trunklinev1.Cdr, c *call, v *values) formats.Result {
	var ok bool
	if s := v[slotUnits].value; s != "" {
		if c.units, ok = kit.Uint(s); !ok {
			return v.bad("bad_units", slotUnits, "a number")
		}
	}
	if c.cost, ok = amount(v[slotCost].value); !ok {
		return v.bad("bad_cost", slotCost, "a decimal number")
	}
	if s := v[slotCurrency].value; c.cost == "" {
	} else if len(s) == 3 && strings.ToUpper(s) == s {
		cdr.ChargeCurrency = s
	} else if s != "" {
		odd(cdr, fields[slotCurrency].name, s)
	}
	return formats.Result{}
}

// ticketRest reads what decides nothing about the bill.
func (p *parser) ticketRest(cdr *trunklinev1.Cdr, c *call, v *values) {
	c.name, c.account = v[slotName].value, v[slotAccount].value
	if s := v[slotServices].value; s != "" && s != "0" {
		if c.services = printedServices(s); c.services == "" {
			odd(cdr, fields[slotServices].name, s)
		}
	}
	switch s := v[slotService].value; {
	case s == "", s == "0", s == "255", s == "ST":
	case s == "1", containsAny(s, "data"), len(s) == 2 && s[0] == 'T':
		c.data = true
	default:
		kit.Attribute(cdr, fields[slotService].name, s)
	}
	switch s := v[slotMode].value; s {
	case "", "0", "255", "M":
	case "1", "I":
		kit.Attribute(cdr, fields[slotMode].name, "I")
	case "2", "R":
		kit.Attribute(cdr, fields[slotMode].name, "R")
	default:
		kit.Attribute(cdr, fields[slotMode].name, s)
	}
	switch s := v[slotNode].value; s {
	case "", "0":
	case "255":
		c.missed = !c.out
	default:
		cdr.Node = s
	}
	for _, s := range [...]slot{slotCarrier, slotOperator} {
		if x := v[s].value; x != "0" && x != "255" {
			kit.Attribute(cdr, fields[s].name, x)
		}
	}
}
