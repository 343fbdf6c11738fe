package oxo

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Where the fields of a native record stand, by ALE's table in "OmniVista 8770,
// Accounting and VoIP Ticket Collectors": the first and last byte counted from 1.
// Numbers are binary, the high byte first; text is padded with spaces; digits are
// a count and that many decimal digits, two a byte, filled up on the left.
var (
	recUserType    = field{"user type", 1, 1}    // 0 set, 1 analogue line, 2 T0, 3 T2, 4 group, 5 T1, 6 IP trunk
	recUser        = field{"user", 2, 9}         // text
	recCallType    = field{"call type", 10, 10}  // see [callTypes]; 255 not defined
	recTrunkType   = field{"trunk type", 11, 11} // 1 analogue, 2 T0, 3 T2, 4 T1, 5 IP
	recTrunk       = field{"trunk", 12, 14}      // text: board and access, `0 0`
	recDate        = field{"date", 15, 17}       // day, month, year of two digits
	recTime        = field{"time", 18, 20}       // second, minute, hour: in this order
	recDuration    = field{"duration", 21, 23}   // hour, minute, second: at most 23:59:59
	recPulses      = field{"pulses", 24, 25}
	recService     = field{"service", 26, 26}    // 0 voice or fax, 1 data, 255 not defined
	recServices    = field{"services", 27, 27}   // bits, see [serviceLetters]
	recDialled     = field{"dialled", 28, 41}    // digits, at most 26
	recMode        = field{"dialling", 42, 42}   // 0 manual, 1 personal, 2 common short code, 255 not defined
	recRing        = field{"ring", 43, 44}       // second, minute
	recCost        = field{"cost", 45, 48}       // whole, ten thousandths
	recAccount     = field{"account", 49, 57}    // digits, at most 16
	recName        = field{"name", 58, 73}       // text
	recInitialType = field{"first type", 74, 74} // as user type; 255 none
	recInitial     = field{"first user", 75, 82} // text: the set or group called first
	recInitialNet  = field{"first user's network number", 83, 96}
	recUserNet     = field{"user's network number", 97, 110}
	recNetServices = field{"network services", 111, 111} // bits
	recNode        = field{"node", 112, 112}             // 255: an incoming call without answer
	recCarrier     = field{"carrier", 113, 113}
	recOutput      = field{"output", 114, 114} // 1 statement, 2 ticket, 3 network
	recUUI1        = field{"user to user 1", 115, 118}
	recUUI2        = field{"user to user 2", 119, 122}
)

type field struct {
	name        string
	first, last int
}

func (f field) of(raw []byte) []byte { return raw[f.first-1 : f.last] }
func (f field) byte(raw []byte) byte { return raw[f.first-1] }

func (f field) number(raw []byte) (n uint32) {
	for _, b := range f.of(raw) {
		n = n<<8 | uint32(b)
	}
	return n
}

func (f field) bad(reason string, raw []byte, expected string) formats.Result {
	const shown = 4 // a number is not shown whole
	value, more := f.of(raw), ""
	if len(value) > shown {
		value, more = value[:shown], "…"
	}
	where := fmt.Sprintf("byte %d", f.first)
	if f.last > f.first {
		where = fmt.Sprintf("bytes %d to %d", f.first, f.last)
	}
	return formats.Die(reason, fmt.Sprintf("%s, %s: %x%s; expected %s", where, f.name, value, more, expected))
}

// text is printable ASCII.
func (f field) text(record string) (s string, ok bool) {
	s = record[f.first-1 : f.last]
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", false
		}
	}
	return strings.Trim(s, " "), true
}

// digits reads a count and digits. A half byte that is no digit becomes `?`: the
// number is odd then. ok is false where the count is more than there is room for.
func (f field) digits(raw []byte) (s string, odd, ok bool) {
	b := f.of(raw)
	n, room := int(b[0]), 2*(len(b)-1)
	if n > room {
		return "", false, false
	}
	out := make([]byte, n)
	for i := range out {
		at := room - n + i
		half := b[1+at/2] >> 4
		if at%2 == 1 {
			half = b[1+at/2] & 15
		}
		out[i] = '0' + half
		if half > 9 {
			out[i], odd = '?', true
		}
	}
	return string(out), odd, true
}

// record reads a native record.
func (p *parser) record(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	raw := t.Raw
	if len(raw) != cut.OXORecord {
		return formats.Die("short_record", fmt.Sprintf("a record of %d bytes; expected %d", len(raw), cut.OXORecord))
	}
	text := string(raw)
	var c call
	user, ok := recUser.text(text)
	if !ok {
		return recUser.bad("bad_user", raw, "printable text")
	}
	c.user = party{userTypes[recUserType.byte(raw)], boardAccess(user)}
	code := recCallType.byte(raw)
	if int(code) >= len(callTypes) {
		return recCallType.bad("bad_call_type", raw, "0 to 16")
	}
	c.callType = callTypes[code]
	trunk, ok := recTrunk.text(text)
	if !ok {
		return recTrunk.bad("bad_line", raw, "printable text")
	}
	if kind := int(recTrunkType.byte(raw)); kind > 0 && kind < len(lineTypes) && trunk != "" {
		c.line = lineTypes[kind:kind+1] + boardAccess(trunk)
	} else if trunk != "" {
		odd(cdr, "trunk", trunk)
	}
	if bad := c.recordTimes(raw); bad.Outcome != formats.CDR {
		return bad
	}
	if bad := c.recordDigits(raw, cdr); bad.Outcome != formats.CDR {
		return bad
	}
	p.recordRest(raw, text, cdr, &c)
	return p.fill(t, cdr, &c)
}

// boardAccess is a line as ALE's manual writes it: `0/0` of `0 0`.
func boardAccess(id string) string { return strings.Replace(id, " ", "/", 1) }

func (c *call) recordTimes(raw []byte) (bad formats.Result) {
	d, w, l, r := recDate.of(raw), recTime.of(raw), recDuration.of(raw), recRing.of(raw)
	c.at = kit.Wall{
		Year: 2000 + int(d[2]), Month: int(d[1]), Day: int(d[0]),
		Second: int(w[0]), Minute: int(w[1]), Hour: int(w[2]),
	}
	switch {
	case d[2] > 99 || !(kit.Wall{Year: c.at.Year, Month: c.at.Month, Day: c.at.Day}).Valid():
		return recDate.bad("bad_date", raw, "day, month and year")
	case !c.at.Valid():
		return recTime.bad("bad_time", raw, "second, minute and hour")
	case l[0] > 23 || l[1] > 59 || l[2] > 59:
		return recDuration.bad("bad_duration", raw, "hours, minutes and seconds")
	case r[0] > 59 || r[1] > 99:
		return recRing.bad("bad_ring", raw, "seconds and minutes")
	}
	c.duration = uint32(l[0])*3600 + uint32(l[1])*60 + uint32(l[2])
	c.ring = uint32(r[1])*60 + uint32(r[0])
	return formats.Result{}
}

func (c *call) recordDigits(raw []byte, cdr *trunklinev1.Cdr) (bad formats.Result) {
	number, unread, ok := recDialled.digits(raw)
	if !ok {
		return recDialled.bad("bad_number", raw, "a count up to 26 and digits")
	}
	if c.number = number; unread {
		cdr.Masked = true
		kit.Warn(cdr, trunklinev1.Warning_WARNING_MASKED)
		odd(cdr, "dialled_number", hex.EncodeToString(recDialled.of(raw)))
	}
	if c.account, unread, ok = recAccount.digits(raw); !ok || unread {
		odd(cdr, "account_code", hex.EncodeToString(recAccount.of(raw)))
		c.account = ""
	}
	cost := recCost.number(raw)
	whole, part := cost>>16, cost&0xffff
	if part >= 10_000 {
		return recCost.bad("bad_cost", raw, "a whole number and less than 10000 ten thousandths")
	}
	if cost != 0 {
		c.cost, _ = amount(strconv.Itoa(int(whole)) + "." + strconv.Itoa(int(part) + 10_000)[1:])
	}
	c.units = recPulses.number(raw)
	if whole == 0xffff {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	return formats.Result{}
}

// recordRest reads what decides nothing about the bill.
func (p *parser) recordRest(raw []byte, text string, cdr *trunklinev1.Cdr, c *call) {
	if c.name = strings.Trim(p.link.DecodeField(cdr, text[recName.first-1:recName.last]), " "); strings.ContainsFunc(c.name, func(r rune) bool { return r < ' ' }) {
		odd(cdr, "user_name", strings.TrimSpace(c.name))
		c.name = ""
	}
	switch kind := recInitialType.byte(raw); {
	case int(kind) < len(userTypes):
		if id, ok := recInitial.text(text); ok && id != "" {
			c.initial = party{userTypes[kind], id}
		} else if !ok {
			odd(cdr, "initial_user", hex.EncodeToString(recInitial.of(raw)))
		}
	case kind != none:
		odd(cdr, "initial_user_type", strconv.Itoa(int(kind)))
	}
	services := recServices.byte(raw)
	for i := range len(serviceLetters) {
		if services&(1<<i) != 0 && serviceLetters[i] != '-' {
			c.services += serviceLetters[i : i+1]
		}
	}
	if services&0b10001000 != 0 {
		odd(cdr, "complementary_bits", strconv.Itoa(int(services)))
	}
	c.data = c.data || recService.byte(raw) == 1
	if mode := recMode.byte(raw); mode == 1 || mode == 2 {
		kit.Attribute(cdr, "dialling_mode", "IR"[mode-1:mode])
	} else if mode != 0 && mode != none {
		odd(cdr, "dialling_mode", strconv.Itoa(int(mode)))
	}
	p.network(raw, cdr, c)
}

// none is a code that is not defined.
const none = 255

// network reads what tells only in a network of OXOs: elsewhere it is blank.
func (p *parser) network(raw []byte, cdr *trunklinev1.Cdr, c *call) {
	output := recOutput.byte(raw)
	if output < 1 || output > 3 {
		odd(cdr, "output_mode", strconv.Itoa(int(output)))
	}
	blank := func(b byte) bool { return b == 0 || b == none || b == ' ' && output != 3 }
	node := recNode.byte(raw)
	if c.missed = node == none && !c.out; blank(node) {
		cdr.Node = p.head.node
	} else {
		cdr.Node = strconv.Itoa(int(node))
	}
	if b := recCarrier.byte(raw); !blank(b) {
		kit.Attribute(cdr, "carrier", strconv.Itoa(int(b)))
	}
	if b := recNetServices.byte(raw); !blank(b) {
		kit.Attribute(cdr, "network_services", strconv.Itoa(int(b)))
	}
	for _, f := range [...]struct {
		field
		name string
	}{{recInitialNet, "initial_user_network_number"}, {recUserNet, "user_network_number"}} {
		if f.byte(raw) == ' ' || f.byte(raw) == 0 {
			continue
		}
		if digits, unread, ok := f.digits(raw); ok && !unread {
			kit.Attribute(cdr, f.name, digits)
		} else {
			odd(cdr, f.name, hex.EncodeToString(f.of(raw)))
		}
	}
	for _, f := range [...]struct {
		field
		name string
	}{{recUUI1, "user_to_user_1"}, {recUUI2, "user_to_user_2"}} {
		if n := f.number(raw); n > 0 {
			kit.Attribute(cdr, f.name, strconv.FormatUint(uint64(n), 10))
		}
	}
}
