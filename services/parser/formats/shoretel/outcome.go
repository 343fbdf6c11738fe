package shoretel

import trunklinev1 "trunkline.internal/proto/trunkline/v1"

func (c *rowCall) is(d trunklinev1.Direction) bool { return c.cdr.Direction == d }

// reached sets the site's own party. Column Extension has who dialled; of an
// incoming call the last party, which is a group where only the group was.
func (c *rowCall) reached() {
	cdr, number := c.cdr, c.values[colExtension]
	party := c.find(number)
	switch {
	case party == nil:
		cdr.Extension = number
	case party.kind == group:
		cdr.GroupNumber, cdr.GroupName = number, party.name
	case party.kind == person, party.kind == unknown:
		cdr.Extension, cdr.ExtensionName = number, party.name
	}
	for i := range c.parties {
		if g := &c.parties[i]; g.kind == group && cdr.GroupNumber == "" {
			cdr.GroupNumber, cdr.GroupName = g.number, g.name
		}
	}
}

// ends sets who spoke with whom.
func (c *rowCall) ends() {
	cdr, v := c.cdr, &c.values
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		c.arriving(cdr, v[colCallerID], v[colExtension])
		cdr.DialedNumber = plain(v[colDialedNumber])
		// Without DID it is the extension where the call arrived first.
		if inside, _ := c.link.Extension(cdr.DialedNumber); !inside && c.find(cdr.DialedNumber) == nil && cdr.DialedNumber != v[colExtension] {
			cdr.Did = cdr.DialedNumber
		}
		for i := range c.parties {
			if t := &c.parties[i]; t.kind == trunk && t.origin {
				cdr.CallingName = t.name
				break
			}
		}
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		c.leaving(cdr, v[colExtension], v[colDialedNumber])
		cdr.CallingName = cdr.ExtensionName
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		c.leaving(cdr, v[colCallerID], v[colDialedNumber])
	case trunklinev1.Direction_DIRECTION_INTERNAL:
		cdr.CallingNumber, cdr.CallingName = v[colExtension], cdr.ExtensionName
		cdr.DialedNumber = plain(v[colDialedNumber])
		cdr.CalledNumber = cdr.DialedNumber
		if called := c.find(cdr.CalledNumber); called != nil {
			cdr.CalledName = called.name
		}
	}
}

// trunks sets the lines: the first one, of a call that leaves the one that was
// answered, and of a tandem call both.
func (c *rowCall) trunks() {
	var first, last *party
	for i := range c.parties {
		t := &c.parties[i]
		if t.kind != trunk {
			continue
		}
		if first == nil {
			first = t
		}
		if last == nil || t.talk > 0 || last.talk == 0 {
			last = t
		}
	}
	cdr := c.cdr
	switch {
	case first == nil:
	case c.is(trunklinev1.Direction_DIRECTION_OUTBOUND):
		cdr.Trunk, cdr.TrunkGroup = last.port, last.group
	default:
		cdr.Trunk, cdr.TrunkGroup = first.port, first.group
		if last != first && c.is(trunklinev1.Direction_DIRECTION_TRANSIT) {
			cdr.TrunkOut = last.port
		}
	}
}

// outcome sets what became of the call: who answered, after how long, and for how
// long.
func (c *rowCall) outcome() {
	cdr := c.cdr
	leaves := c.is(trunklinev1.Direction_DIRECTION_OUTBOUND) || c.is(trunklinev1.Direction_DIRECTION_TRANSIT)
	called, talked := 0, false
	var by [paging + 1]bool // kinds that answered
	for i := range c.parties {
		p := &c.parties[i]
		talked = talked || p.talk > 0
		if p.origin || leaves != (p.kind == trunk) {
			continue
		}
		called++
		by[p.kind] = by[p.kind] || p.talk > 0
	}
	switch {
	case called == 0 && (talked || len(c.parties) == 0 || leaves):
		untold(cdr, c.elapsed) // parties are missing: a switch could not be reached
		return
	case by[trunk]:
		c.answer(trunklinev1.Disposition_DISPOSITION_ANSWERED, trunk)
	case by[person], by[unknown]:
		c.answer(trunklinev1.Disposition_DISPOSITION_ANSWERED, person)
	case by[mailbox]:
		c.answer(trunklinev1.Disposition_DISPOSITION_VOICEMAIL, mailbox)
	case by[group], by[automat]:
		c.unanswered(trunklinev1.Disposition_DISPOSITION_ABANDONED)
	case by[paging]:
		c.unanswered(trunklinev1.Disposition_DISPOSITION_AUTO)
	default:
		c.unanswered(trunklinev1.Disposition_DISPOSITION_NO_ANSWER)
	}
}

func (c *rowCall) unanswered(d trunklinev1.Disposition) {
	c.cdr.Disposition = d
	c.cdr.RingSeconds = c.elapsed
	if d != trunklinev1.Disposition_DISPOSITION_NO_ANSWER && !c.is(trunklinev1.Direction_DIRECTION_INTERNAL) {
		c.cdr.LineSeconds = c.elapsed
	}
}

// answer sets the times of a call that parties of a kind answered.
func (c *rowCall) answer(d trunklinev1.Disposition, by kind) {
	cdr := c.cdr
	cdr.Disposition = d
	var first, last *party
	var talk, hold uint32
	for i := range c.parties {
		p := &c.parties[i]
		if p.talk == 0 || p.origin || p.kind != by && (by != person || p.kind != unknown) {
			continue
		}
		if first == nil {
			first = p
		}
		last = p
		talk += p.answered()
		hold += p.hold
	}
	cdr.RingSeconds = first.ring
	if waited := between(c.began, first.connected); first.connected.Year > 0 && !c.shifted && waited >= 0 && waited < 24*3600 {
		cdr.RingSeconds += uint32(waited) // in a menu or a queue
	}
	cdr.TalkSeconds, cdr.HoldSeconds = talk, hold
	if c.ended && talk > c.elapsed-min(cdr.RingSeconds, c.elapsed) && first != last {
		cdr.TalkSeconds = c.elapsed - min(cdr.RingSeconds, c.elapsed) // several at a time
	}
	if by != person {
		return
	}
	if cdr.Extension == "" {
		cdr.Extension, cdr.ExtensionName = last.number, last.name
	}
	if first.number != last.number && first.gone.Year > 0 && last.connected.Year > 0 && between(first.gone, last.connected)+int64(last.ring) >= 0 {
		cdr.TransferredFrom, cdr.TransferredTo = first.number, last.number
	}
}
