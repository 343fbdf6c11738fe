package mitela400

import (
	"strings"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// call is a record on its way into a CDR.
type call struct {
	*parser
	*layout
	line string
	cdr  *trunklinev1.Cdr
	// x, y, z are the digits of the sort character; x is 0 where it is not printed.
	x, y, z  byte
	incoming bool
	// seconds is the printed duration, ring the time to answer.
	seconds, ring uint32
}

// field is the text of a field with its blanks.
func (c *call) field(s span) string { return c.line[s.at : s.at+s.n] }

// get is the text of a field without blanks around; empty where the layout has
// no such field.
func (c *call) get(s span) string { return strings.Trim(c.field(s), " ") }

// sorted takes the sort character apart. It is false where it contradicts
// itself, or names a network and direction that there are not.
func (c *call) sorted() bool {
	code := c.field(c.sort)
	if c.narrow {
		c.y, c.z = code[0], code[1]
		c.incoming = c.y == '2' || c.y == '3'
		return true
	}
	c.x, c.y, c.z = code[0], code[1], code[2]
	switch c.x {
	case '0', '1':
		return c.y != '2' && c.y != '3'
	case '3', '4':
		c.incoming = true
		return c.y >= '2' && c.y <= '5'
	}
	return false
}

func (c *call) transit() bool { return c.y == '4' }

// fill sets everything but the start.
func (c *call) fill(day kit.Wall) {
	cdr := c.cdr
	c.network()
	c.outcome()
	c.parties()
	c.role()
	if v := c.get(c.charges); strings.Trim(v, "0.") != "" {
		cdr.ChargeAmount, cdr.ChargeCurrency = v, c.link.Parse.Currency
	}
	cdr.ChargeUnits, _ = kit.Uint(c.get(c.pulses))
	if c.seconds == 99*3600+59*60+59 || cdr.ChargeAmount == "9999999.99" || cdr.ChargeUnits == 99999 || c.ring == 999 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	cdr.Sequence = c.get(c.serial)
	if id := c.get(c.sequence); strings.Trim(id, "0") != "" {
		cdr.CallId = id
		var key [16]byte
		date := time.Date(day.Year, time.Month(day.Month), day.Day, 0, 0, 0, 0, time.UTC)
		cdr.CallKey = string(date.AppendFormat(append(append(key[:0], id...), '@'), time.DateOnly))
	}
	if !c.plain() {
		kit.Attribute(cdr, "sort_character", c.get(c.sort))
	}
}

// plain tells a sort character of which direction, network, disposition and
// charge class say everything: dialled by the user, answered, not answered.
func (c *call) plain() bool {
	return c.y == '1' && c.z == '0' || c.y == '2' && (c.z == '1' || c.z == '2')
}

// network sets direction and network.
func (c *call) network() {
	cdr := c.cdr
	switch {
	case c.transit():
		cdr.Direction = trunklinev1.Direction_DIRECTION_TRANSIT
	case c.incoming:
		cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
	default:
		cdr.Direction = trunklinev1.Direction_DIRECTION_OUTBOUND
	}
	switch {
	case c.narrow:
	case c.x == '1', c.x == '4', c.incoming && c.transit(): // what comes in and is in transit leaves on the private network
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	default:
		cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	}
}

// outcome sets what became of the call, and whose it was.
func (c *call) outcome() {
	cdr := c.cdr
	known := "045678"
	if c.incoming {
		known = "0123469"
		cdr.RingSeconds = c.ring
	}
	if strings.IndexByte(known, c.z) < 0 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	const answered = trunklinev1.Disposition_DISPOSITION_ANSWERED
	switch {
	case c.incoming && c.z == '2':
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	case c.incoming && c.z == '9':
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_REJECTED
	case c.incoming && c.z == '1', c.seconds > 0:
		cdr.Disposition = answered
	case !c.incoming:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	}
	if cdr.Disposition == answered {
		cdr.TalkSeconds = c.seconds
	} else if cdr.LineSeconds = c.seconds; c.seconds > 0 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}

	switch {
	case c.y == '5':
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	case c.incoming || c.transit():
	case c.z == '7':
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_BOOTH
	case c.z == '8':
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_GUEST
	case c.y >= '8':
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_PRIVATE
	default:
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_BUSINESS
	}
}

// role tells parts of a call, and who handed it to whom.
func (c *call) role() {
	cdr := c.cdr
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	switch {
	case c.incoming && c.z == '0':
		cdr.TransferredTo = cdr.Extension
	case c.incoming && c.z == '4', !c.incoming && c.z == '5':
		cdr.TransferredFrom = cdr.Extension
	case !c.incoming && c.z == '4':
		cdr.RedirectedFrom = cdr.Extension
	case !c.incoming && (c.y == '0' || c.y == '6' || c.y == '8'):
		cdr.TransferredTo = cdr.Extension
	default:
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	}
}
