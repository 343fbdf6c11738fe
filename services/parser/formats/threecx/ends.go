package threecx

import (
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// ends sets who spoke with whom, over which trunk.
func (p *parser) ends(cdr *trunklinev1.Cdr, c *call) {
	dialed := p.col[dialNo]
	cdr.Direction = c.direction
	cdr.CallingNumber, cdr.CallingName = c.from.number, c.from.name
	cdr.CalledNumber, cdr.CalledName = c.end.number, c.end.name
	for _, x := range [...]*party{&c.to, c.end} {
		if x.group() && cdr.GroupNumber == "" {
			cdr.GroupNumber, cdr.GroupName = x.number, x.name
		}
	}
	switch c.direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		if c.end.number == "" {
			cdr.CalledNumber = dialed
		} else if dialed != c.to.number && dialed != p.col[toDN] && dialed != c.end.number {
			cdr.DialedNumber, cdr.Did = dialed, dialed
		}
		own := c.end
		if own.kind == voicemail && c.to.kind == extension {
			own = &c.to
		}
		if own.kind == extension && !(c.prompt() && own == &c.to) || own.kind == voicemail && !nines(own.number) {
			cdr.Extension, cdr.ExtensionName = own.number, own.name
		}
		p.outside(cdr, &c.from, c.from.number, false)
		cdr.Trunk = c.from.trunk
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		if c.to.kind == extension {
			cdr.Extension, cdr.ExtensionName = c.to.number, c.to.name
		}
		if dialed != c.to.number && dialed != c.end.number {
			cdr.DialedNumber = dialed
		}
		p.outside(cdr, c.end, c.end.number, true)
		cdr.Trunk, cdr.TrunkOut = c.from.trunk, c.end.trunk
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		p.caller(cdr, c)
		far := c.end
		if !far.outside() && c.to.outside() {
			far = &c.to
		}
		cdr.CalledNumber, cdr.CalledName = far.number, far.name
		if far.number == "" { // no route took the call
			cdr.CalledNumber = dialed
		}
		p.outside(cdr, far, cdr.CalledNumber, true)
		cdr.Trunk = far.trunk
	default:
		p.caller(cdr, c)
	}
	p.moves(cdr, c)
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	switch {
	case c.to.kind == pickup:
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
	case c.ended == continued:
		cdr.RecordRole, cdr.MoreLegs = trunklinev1.RecordRole_RECORD_ROLE_LEG, true
	}
}

// caller sets the site's own party of a call that it made.
func (p *parser) caller(cdr *trunklinev1.Cdr, c *call) {
	cdr.DialedNumber = p.col[dialNo]
	if c.from.kind == extension {
		cdr.Extension, cdr.ExtensionName = c.from.number, c.from.name
	}
}

func (p *parser) outside(cdr *trunklinev1.Cdr, x *party, number string, dialed bool) {
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if x.kind == node {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
	if kit.Dialable(number) {
		p.link.SetExternal(cdr, number, dialed)
	}
}

// moves sets who transferred or forwarded the call. A queue's agent is no
// transfer, and neither is a call that came back to one of its ends.
func (p *parser) moves(cdr *trunklinev1.Cdr, c *call) {
	to := c.final.number
	if to == "" || to == c.from.number || to == c.to.number {
		return
	}
	switch c.changed {
	case replacedDst:
		if c.to.kind == extension || c.to.outside() {
			cdr.TransferredFrom, cdr.TransferredTo = c.to.number, to
		}
	case replacedSrc:
		cdr.TransferredFrom, cdr.TransferredTo = c.from.number, to
	case forwarded, pickedUp:
		cdr.RedirectedFrom = c.to.number
	}
}

// prompt tells a call that was answered at once at what the ticket calls `Ext.`
// and nothing more: mostly a queue or a receptionist, at times a quick person.
func (c *call) prompt() bool {
	return c.answered && c.ring <= 1 && !c.to.typed && c.to.kind == extension
}

// outcome sets what became of the call, and its seconds.
func (p *parser) outcome(cdr *trunklinev1.Cdr, c *call) {
	cdr.RingSeconds = c.ring
	if c.to.kind == pickup {
		cdr.TalkSeconds = c.talk
		return
	}
	if !c.answered {
		cdr.Disposition = c.ended.unanswered()
		if c.changed == pickedUp {
			cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ELSEWHERE
		}
		return
	}
	switch c.end.kind {
	case queue:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ABANDONED
		cdr.RingSeconds, cdr.QueueSeconds = c.lasted, c.talk
		return
	case menu, announcement:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ABANDONED
		if c.end.kind == announcement {
			cdr.Disposition = trunklinev1.Disposition_DISPOSITION_AUTO
		}
		cdr.RingSeconds = c.lasted
		kit.Attribute(cdr, "duration", p.col[duration])
		return
	}
	cdr.TalkSeconds = c.talk
	cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
	switch {
	case c.end.kind == voicemail:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	case c.end.kind == place, c.to.kind == queue, c.to.kind == menu,
		c.prompt() && c.direction != trunklinev1.Direction_DIRECTION_OUTBOUND:
		kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
	}
}
