package panasonic

import (
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// call is a line on its way into a CDR.
type call struct {
	*parser
	line
	*layout
	cdr *trunklinev1.Cdr
	// seconds of the printed duration; timed tells whether there is one.
	seconds uint32
	timed   bool
	cd      string
}

// read fills everything but the times.
func (c *call) read() formats.Result {
	cdr := c.cdr
	if s := c.plain(c.duration); s != "" {
		if c.timed = isDuration(c.text, c.duration.from); c.timed {
			c.seconds, c.timed = durationSeconds(s)
		}
		if !c.timed {
			return c.die("bad_duration", c.duration, "no duration such as 00:12'34")
		}
	}
	ext, trunk := c.plain(c.ext), c.plain(c.co)
	if ext != "" && !isExtension(ext) {
		return c.die("bad_extension", c.ext, "no extension")
	}
	if trunk != "" && !kit.Digits(trunk) {
		return c.die("bad_trunk", c.co, "no trunk number")
	}
	cdr.Trunk = trunk
	if trunk == "00" {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW) // 100 or more
	}
	if c.overflows() || c.full(c.dial) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	c.cd = c.plain(c.layout.cd)
	kit.Attribute(cdr, "cd", c.cd)
	c.owner(ext)
	c.parties(c.decoded(c.dial))
	c.outcome()
	c.rest()
	return formats.Result{}
}

func (c *call) die(reason string, s span, expected string) formats.Result {
	return formats.Die(reason, fmt.Sprintf("columns %d to %d of type %c: %s", s.from+1, s.to, c.name, expected))
}

// decoded is a field that may hold more than ASCII.
func (c *call) decoded(s span) string {
	text, ok := c.field(s, c.link.Text)
	if !ok {
		kit.Warn(c.cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	return text
}

// owner sets the party in the extension's columns.
func (c *call) owner(ext string) {
	switch {
	case ext == "":
	case ext[0] == 'T':
		c.cdr.Direction = trunklinev1.Direction_DIRECTION_TRANSIT
	case ext[0] == '*':
		c.cdr.ChargedTo = ext[1:]
	default:
		c.cdr.Extension = ext
	}
}

// parties sets direction and both ends.
func (c *call) parties(dial string) {
	cdr := c.cdr
	if other, ok := strings.CutPrefix(dial, "EXT"); ok && isExtension(other) && cdr.Trunk == "" {
		cdr.Direction = trunklinev1.Direction_DIRECTION_INTERNAL
		cdr.CallingNumber, cdr.CalledNumber, cdr.DialedNumber = cdr.Extension, other, other
		return
	}
	tie := ""
	if cdr.Direction == trunklinev1.Direction_DIRECTION_TRANSIT {
		tie = c.plain(c.ext)
	}
	ddi, caller, in := incoming(dial)
	if !in {
		c.outgoing(newParty(dial), dial, tie)
		return
	}
	ours, other := newParty(ddi), newParty(caller)
	cdr.Did, cdr.DialedNumber = ours.number, ours.number
	kit.Attribute(cdr, "ddi_name", ours.name)
	cdr.CallingNumber, cdr.CallingName = other.number, other.name
	c.hidden(other, caller)
	if tie != "" {
		cdr.TrunkOut = tie
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
		return
	}
	cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
	cdr.CalledNumber = cdr.Extension
	c.network(other.number, len(other.number) >= 2 && len(other.number) <= 4 && kit.Digits(other.number))
	c.link.SetExternal(cdr, other.number, false)
}

func (c *call) outgoing(other party, dial, tie string) {
	cdr := c.cdr
	cdr.CalledNumber, cdr.CalledName, cdr.DialedNumber = other.number, other.name, other.number
	c.hidden(other, dial)
	c.network(other.number, false)
	c.outside(other.number)
	if tie != "" {
		cdr.Trunk, cdr.TrunkOut = tie, cdr.Trunk
		return
	}
	cdr.Direction = trunklinev1.Direction_DIRECTION_OUTBOUND
	cdr.CallingNumber = cdr.Extension
}

// outside sets the party that was called, without what was keyed once the call
// stood.
func (c *call) outside(number string) {
	cdr := c.cdr
	if i := strings.IndexAny(number, "*#"); i > 0 {
		number = number[:i]
	}
	if !cdr.Masked {
		c.link.SetExternal(cdr, number, true)
		return
	}
	// Whether the prefix of an outside line is printed is decided by the number's
	// length, hidden digits included.
	c.link.SetExternal(cdr, strings.ReplaceAll(number, "?", "1"), true)
	cdr.ExternalNumber, cdr.ExternalE164 = number[len(number)-len(cdr.ExternalNumber):], ""
}

// hidden keeps what the number's text told beside the number.
func (c *call) hidden(p party, printed string) {
	if p.changed {
		kit.Attribute(c.cdr, "dial_number", printed)
	}
	if p.transferred {
		c.cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
		kit.Attribute(c.cdr, "transfer_digits", p.tail)
	}
	if p.masked {
		c.cdr.Masked = true
		kit.Warn(c.cdr, trunklinev1.Warning_WARNING_MASKED)
	}
}

// network tells tie lines from the public network.
func (c *call) network(number string, short bool) {
	c.cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if inside, decided := c.link.Extension(number); inside || !decided && short {
		c.cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
}

// outcome sets role, disposition and durations.
func (c *call) outcome() {
	cdr := c.cdr
	if s := c.plain(c.ring); s != "" {
		ring, ok := ringSeconds(s)
		if ok {
			cdr.RingSeconds = ring
		} else {
			kit.Attribute(cdr, "ring", s)
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
		if ring == 9*60+59 {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
		}
	}
	role := trunklinev1.RecordRole_RECORD_ROLE_CALL
	switch {
	case c.cd == "RC" || c.cd == "AN":
		role = trunklinev1.RecordRole_RECORD_ROLE_COPY
	case cdr.RecordRole != 0, c.cd == "TR", c.cd == "FW", len(c.cd) == 2 && c.cd[0] == 'D' && kit.Digits(c.cd[1:]),
		cdr.Direction == trunklinev1.Direction_DIRECTION_INBOUND && c.seconds == 0 && c.cd != "NA":
		role = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	cdr.RecordRole = role
	switch {
	case c.cd == "AN":
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
	case c.cd == "RC" || !c.timed:
	case c.cd == "NA":
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
		if c.seconds > 0 {
			cdr.LineSeconds = c.seconds
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
	case c.seconds == 0:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	default:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
		cdr.TalkSeconds = c.seconds
	}
}

// rest sets account and charge, and looks behind the last column.
func (c *call) rest() {
	cdr := c.cdr
	cdr.AccountCode = c.plain(c.account)
	if cost := c.decoded(c.cost); cost != "" {
		amount, currency, ok := charge(cost)
		switch {
		case !ok || len(c.text) >= c.cost.to && !c.full(c.cost): // it ends in the last column
			kit.Attribute(cdr, "cost", cost)
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		case amount != "":
			cdr.ChargeAmount = amount
			if cdr.ChargeCurrency = currencyCode(currency); cdr.ChargeCurrency == "" {
				cdr.ChargeCurrency = c.link.Parse.Currency
				kit.Attribute(cdr, "cost_currency", currency)
			}
		}
	}
	if end := c.layout.cd.to; len(c.line.text) > end && strings.Trim(c.line.text[end:], " ") != "" {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
	}
	if c.short() {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
}

// short tells a line that was cut. The PBX prints the blanks at its end or not:
// a shorter line that ends in one is neither. Type B always prints the cost of a
// call that has a duration.
func (c *call) short() bool {
	end := len(c.text)
	switch {
	case end < c.layout.cd.to && c.text[end-1] == ' ':
		return true
	case c.timed && c.name == 'B' && end <= c.cost.from:
		return true
	}
	return end > c.cost.from && end < c.cost.to
}
