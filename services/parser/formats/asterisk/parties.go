package asterisk

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// parties sets the two ends, what was dialled, and the lines between.
func (m *Mapping) parties(c *Columns, r *call, cdr *trunklinev1.Cdr) {
	cdr.CallingNumber, cdr.CallingName = r.src, callingName(c, r)
	if r.dstIsNumber {
		cdr.DialedNumber = r.dst
	}
	called := m.calledParty(r)
	m.group(r, cdr)
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		cdr.Extension, cdr.ExtensionName = called, c.values[colDstCnam]
		cdr.CalledName = c.values[colDstCnam]
		cdr.CalledNumber = firstOf(called, cdr.GroupNumber, cdr.DialedNumber)
		m.did(c, r, cdr)
		cdr.Trunk = trunk(&r.a)
		m.external(cdr, r.src, r.srcIsNumber)
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		cdr.Extension, cdr.ExtensionName = m.callingParty(r), cdr.CallingName
		cdr.CalledNumber, cdr.CalledName = firstOf(r.dial.number, cdr.DialedNumber), c.values[colDstCnam]
		cdr.Trunk, cdr.TrunkGroup = departing(r)
		m.external(cdr, m.sent(r), true)
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		cdr.CalledNumber, cdr.CalledName = firstOf(r.dial.number, cdr.DialedNumber), c.values[colDstCnam]
		m.did(c, r, cdr)
		cdr.Trunk = trunk(&r.a)
		cdr.TrunkOut, cdr.TrunkGroup = departing(r)
		m.external(cdr, m.sent(r), true)
	default:
		cdr.Extension, cdr.ExtensionName = m.callingParty(r), cdr.CallingName
		cdr.CalledNumber, cdr.CalledName = firstOf(called, cdr.DialedNumber), c.values[colDstCnam]
		kit.Attribute(cdr, "did", c.values[colDID])
	}
	if cdr.CalledName == cdr.CalledNumber {
		cdr.CalledName = ""
	}
}

func callingName(c *Columns, r *call) string {
	name := strings.TrimSpace(firstOf(c.values[colCnam], r.clidName))
	if name == r.src || name == c.values[colSrc] {
		return ""
	}
	return name
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// callingParty is the site's party that called.
func (m *Mapping) callingParty(r *call) string {
	if r.a.tech == techPhone && (m.look(r.a.peer) == inside || r.a.peer == r.src) {
		return r.a.peer
	}
	if m.look(r.cnum) == inside {
		return r.cnum
	}
	if m.look(r.src) == inside {
		return r.src
	}
	switch r.a.tech {
	case techPhone:
		return r.a.peer
	case techLocal:
		if m.look(r.a.peer) == inside {
			return r.a.peer
		}
	}
	return ""
}

// calledParty is the site's party that answered or rang; empty where only a
// group, queue or automat was reached.
func (m *Mapping) calledParty(r *call) string {
	if box := mailbox(r.dst); box != "" {
		return box
	}
	dstIsInside := r.dstIsNumber && m.look(r.dst) == inside && kit.Digits(r.dst)
	switch r.b.tech {
	case techLocal:
		if m.look(r.b.peer) == inside {
			return r.b.peer
		}
		return ""
	case techNone:
		switch {
		case oneOf(r.lastapp, voicemailApps):
			box, _, _ := strings.Cut(firstArgument(r.lastdata), "@")
			return box
		case r.isDial && r.dial.targets == 1 && m.look(r.dial.device) == inside:
			return r.dial.device
		case dstIsInside && (r.isDial && r.dial.targets <= 1 || r.context.toExtension) && !oneOf(r.lastapp, menuApps[:1]):
			return r.dst
		}
		return ""
	case techPhone:
		if m.look(r.b.peer) == inside {
			return r.b.peer
		}
	}
	if dstIsInside && r.isDial && r.dial.targets == 1 {
		return r.dst
	}
	if r.b.tech == techPhone {
		return r.b.peer
	}
	return ""
}

// group sets the queue or ring group passed.
func (m *Mapping) group(r *call, cdr *trunklinev1.Cdr) {
	switch {
	case strings.EqualFold(r.lastapp, "Queue"):
		if queue := firstArgument(r.lastdata); kit.Digits(queue) {
			cdr.GroupNumber = queue
		} else {
			cdr.GroupName = queue
		}
	case r.dstIsNumber && (r.context.toGroup || r.dial.targets > 1 && m.look(r.dst) == inside):
		cdr.GroupNumber = r.dst
	}
}

// did sets the number of ours that an outside caller dialled: FreePBX's column,
// else dst where the call arrives, or where it is no number of the inside.
func (m *Mapping) did(c *Columns, r *call, cdr *trunklinev1.Cdr) {
	if did, _ := readNumber(c.values[colDID]); did != "" {
		cdr.Did = did
		cdr.DialedNumber = did
		return
	}
	if !r.dstIsNumber {
		return
	}
	if r.bSide == outside && strings.HasSuffix(r.dst, m.sent(r)) { // the number called, not one of ours
		if r.a.tech == techLocal {
			cdr.DialedNumber = ""
		}
		return
	}
	arrives := r.context.caller == outside && !r.context.toExtension
	if arrives || m.look(r.dst) == outside && cdr.GroupNumber != r.dst {
		cdr.Did = r.dst
		return
	}
	// dst is a step on the way: the caller dialled a number that is not printed.
	cdr.DialedNumber = ""
}

// sent is the number that went to the network.
func (m *Mapping) sent(r *call) string {
	if r.dial.number != "" {
		return r.dial.number
	}
	if r.dstIsNumber {
		return m.link.Numbers.Dialed(r.dst)
	}
	return ""
}

// external sets the outside party.
func (m *Mapping) external(cdr *trunklinev1.Cdr, number string, isNumber bool) {
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if !isNumber || number == "" {
		return
	}
	cdr.ExternalNumber, cdr.Masked = showMasks(number)
	if cdr.Masked {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_MASKED)
	}
	cdr.ExternalE164 = m.link.Numbers.E164(number)
	if cdr.ExternalE164 == "" && cdr.Direction != trunklinev1.Direction_DIRECTION_INBOUND {
		cdr.ExternalE164 = m.link.Numbers.E164(m.link.Numbers.Dialed(cdr.DialedNumber))
	}
	if own, decided := m.link.Extension(number); own {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	} else if !decided && len(number) <= longestInside {
		cdr.Network = trunklinev1.Network_NETWORK_UNSPECIFIED
	}
}

// trunk is the line, span or peer that a channel is of.
func trunk(c *channel) string {
	if c.tech == techLocal {
		return ""
	}
	return c.peer
}

// departing is the trunk that a call left by, and its group where the dial plan
// named one.
func departing(r *call) (line, group string) {
	line = trunk(&r.b)
	if line == "" {
		return r.dial.device, ""
	}
	if r.b.tech != techPhone && r.dial.device != line {
		group = r.dial.device
	}
	return line, group
}
