package asterisk

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// call is one record on its way to a CDR.
type call struct {
	src, dst string
	context  *planContext
	// srcIsNumber, dstIsNumber: else they are names, words or steps of the dial
	// plan.
	srcIsNumber, dstIsNumber bool
	clidName                 string
	cnum                     string
	lastapp, lastdata        string
	a, b                     channel
	dial                     dialled
	isDial, answered         bool
	// noDstchannel: the record has no such column, so that an empty one tells
	// nothing.
	noDstchannel bool

	aSide, bSide side
}

// place decides on which side the two ends are.
func (m *Mapping) place(c *Columns, r *call) {
	if d := directionWord(c.values[colDirection]); d != 0 {
		r.aSide, r.bSide = sides(d)
		return
	}
	if d := directionWord(c.values[colUserfield]); d != 0 {
		r.aSide, r.bSide = sides(d)
		return
	}
	r.aSide, r.bSide = m.device(&r.a), m.device(&r.b)
	if r.aSide == unknown && r.a.tech != techLocal {
		r.aSide = r.context.caller
	}
	if r.bSide == unknown && m.throughTrunk(r) {
		r.bSide = outside
	}
	if r.bSide == unknown && r.context.leaving {
		r.bSide = outside
	}
	if r.aSide == unknown && r.a.tech != techLocal && r.context.ownPhones && !m.passesThrough(r) {
		r.aSide = inside
	}
	if r.bSide == unknown && r.aSide != outside && r.b.tech != techNone {
		r.bSide = m.called(r)
	}
	if r.aSide == unknown {
		b := r.bSide
		if b == unknown && !r.answered { // nobody was reached: what was dialled tells
			b = m.look(r.dst)
		}
		r.aSide = m.calling(r, b)
	}
	if r.aSide == unknown {
		if d, ok := m.amaflags[strings.ToUpper(strings.TrimSpace(c.values[colAMAFlags]))]; ok {
			r.aSide, r.bSide = sides(d)
			return
		}
		r.aSide = inside
		if r.src == "" && r.dst == "s" && r.bSide != outside {
			r.aSide = outside
		}
	}
	if r.bSide == unknown {
		if r.bSide = inside; r.aSide == inside {
			r.bSide = m.called(r)
		}
	}
}

// device is what the settings, or the technology, say of a channel.
func (m *Mapping) device(c *channel) side {
	in, trunks := &m.link.Parse.Inside, &m.link.Parse.Trunks
	switch {
	case c.tech == techNone:
		return unknown
	case c.tech != techLocal && kit.MatchesAny(trunks.Names, c.peer), kit.BeginsWithAny(trunks.Devices, c.name):
		return outside
	case kit.BeginsWithAny(in.Devices, c.name):
		return inside
	case c.tech == techGSM:
		return outside
	}
	return unknown
}

// passesThrough tells whether an outside caller stands in a context of the site's
// own phones, whither a transfer or a menu sent him.
func (m *Mapping) passesThrough(r *call) bool {
	return r.bSide != outside && (hidden(r.src) || m.look(r.src) == outside) &&
		(r.a.tech != techPhone || m.look(r.a.peer) != inside && r.a.peer != r.src) && m.look(r.cnum) != inside
}

// throughTrunk tells whether Dial sent a number to the device that was reached.
func (m *Mapping) throughTrunk(r *call) bool {
	if r.dial.number == "" || len(m.link.Parse.Trunks.Names)+len(m.link.Parse.Trunks.Devices) > 0 {
		return false
	}
	return !r.dial.uri || m.look(r.dial.device) != inside
}

// called is the side of the end that a party inside reached.
func (m *Mapping) called(r *call) side {
	if r.b.tech == techLocal {
		if m.look(r.b.peer) == outside {
			return outside
		}
		return inside
	}
	if r.b.tech == techPhone && m.look(r.b.peer) == inside {
		return inside
	}
	reachedDevice := r.isDial && r.dial.device != "" && r.dial.number == ""
	switch s := m.look(r.dst); {
	case s != outside:
		return inside
	case r.b.tech == techPhone && reachedDevice:
		return inside // dialled without a number: a phone, if with a long name
	case len(r.dst) < shortestOutside && r.b.tech == techNone && !r.isDial:
		return inside // the site's own service, whose number parse.inside does not have
	}
	return outside
}

// calling is the side of the caller, given that of the called end as far as known.
func (m *Mapping) calling(r *call, b side) side {
	own := unknown
	if r.a.tech == techPhone {
		own = m.look(r.a.peer)
	}
	if m.look(r.cnum) == inside {
		return inside
	}
	if hidden(r.src) {
		if own == inside && b == outside {
			return inside
		}
		return outside
	}
	if r.src != "" && strings.EqualFold(r.a.peer, r.src) && r.a.tech == techPhone {
		return inside
	}
	switch m.look(r.src) {
	case outside:
		if own == inside && b == outside {
			return inside // a phone that shows the site's public number
		}
		return outside
	case inside:
		return inside
	}
	if own == inside {
		return inside
	}
	return unknown
}

func sides(d trunklinev1.Direction) (a, b side) {
	switch d {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		return outside, inside
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		return inside, outside
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		return outside, outside
	}
	return inside, inside
}

func (r *call) direction() trunklinev1.Direction {
	switch {
	case r.aSide == outside && r.bSide == outside:
		return trunklinev1.Direction_DIRECTION_TRANSIT
	case r.aSide == outside:
		return trunklinev1.Direction_DIRECTION_INBOUND
	case r.bSide == outside:
		return trunklinev1.Direction_DIRECTION_OUTBOUND
	}
	return trunklinev1.Direction_DIRECTION_INTERNAL
}

var directionWords = []struct {
	word string
	is   trunklinev1.Direction
}{
	{"inbound", trunklinev1.Direction_DIRECTION_INBOUND},
	{"incoming", trunklinev1.Direction_DIRECTION_INBOUND},
	{"in", trunklinev1.Direction_DIRECTION_INBOUND},
	{"outbound", trunklinev1.Direction_DIRECTION_OUTBOUND},
	{"outgoing", trunklinev1.Direction_DIRECTION_OUTBOUND},
	{"out", trunklinev1.Direction_DIRECTION_OUTBOUND},
	{"internal", trunklinev1.Direction_DIRECTION_INTERNAL},
	{"transit", trunklinev1.Direction_DIRECTION_TRANSIT},
}

func directionWord(s string) trunklinev1.Direction {
	if s == "" || len(s) > 10 {
		return 0
	}
	s = strings.TrimSpace(s)
	for _, w := range directionWords {
		if len(w.word) == len(s) && strings.EqualFold(w.word, s) {
			return w.is
		}
	}
	return 0
}

// role tells how the record counts.
func (r *call) role(linked bool) trunklinev1.RecordRole {
	switch {
	case strings.EqualFold(r.lastapp, "ForkCDR"):
		return trunklinev1.RecordRole_RECORD_ROLE_COPY
	case r.a.tech == techLocal:
		if r.bSide == outside && r.b.tech != techLocal && r.b.tech != techNone {
			break // the only record that has the trunk
		}
		return trunklinev1.RecordRole_RECORD_ROLE_COPY
	case r.b.tech == techLocal && r.bSide == outside:
		return trunklinev1.RecordRole_RECORD_ROLE_COPY // the record of the trunk counts
	case r.b.tech != techLocal && !linked:
		return trunklinev1.RecordRole_RECORD_ROLE_CALL
	}
	return trunklinev1.RecordRole_RECORD_ROLE_LEG
}
