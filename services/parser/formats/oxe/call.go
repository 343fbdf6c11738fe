package oxe

import (
	"fmt"
	"strconv"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

const (
	inbound  = trunklinev1.Direction_DIRECTION_INBOUND
	outbound = trunklinev1.Direction_DIRECTION_OUTBOUND
	internal = trunklinev1.Direction_DIRECTION_INTERNAL
	transit  = trunklinev1.Direction_DIRECTION_TRANSIT
	public   = trunklinev1.Network_NETWORK_PUBLIC
	private  = trunklinev1.Network_NETWORK_PRIVATE

	answered  = trunklinev1.Disposition_DISPOSITION_ANSWERED
	noAnswer  = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	abandoned = trunklinev1.Disposition_DISPOSITION_ABANDONED
	voicemail = trunklinev1.Disposition_DISPOSITION_VOICEMAIL
)

// callTypes as in the OmniVista 8770 accounting manual. incoming tells on which
// side of the call the charged party is: it answered or rang. departing tells
// that the trunk is the one by which the call left.
var callTypes = [...]struct {
	name                string
	direction           trunklinev1.Direction
	network             trunklinev1.Network
	incoming, departing bool
}{
	{"PublicNetworkOutgoingCall", outbound, public, false, false},
	{"PublicNetworkOutgoingCallThroughPrivateNetwork", outbound, public, false, false},
	{"PrivateNetworkOutgoingCall", outbound, private, false, false},
	{"LocalNetworkCall", internal, 0, false, false},
	{"PublicNetworkIncomingCall", inbound, public, true, false},
	{"PublicNetworkIncomingCallThroughPrivateNetwork", inbound, public, true, false},
	{"Unspecified", transit, 0, false, true}, // trunk to trunk
	{"PrivateNetworkOutgoingCallToPublicNetwork", transit, public, false, true},
	{"PrivateNetworkOutgoingCallToPrivateNetwork", transit, private, false, true},
	{"PublicNetworkIncomingCallToPrivateNetwork", transit, private, true, false},
	{"PrivateNetworkIncomingCallToPrivateNetwork", transit, private, true, false},
	{"PublicOrPrivateNetworkOutgoingCallThroughPrivateNetwork", outbound, 0, false, false},
	{"PublicOrPrivateNetworkIncomingCallThroughPrivateNetwork", inbound, 0, true, false},
	{"PrivateNetworkIncomingCall", inbound, private, true, false},
	{"LocalCall", internal, 0, false, false},
	{"LocalTransit", transit, private, false, false},
}

// figures are the times of a ticket in seconds.
type figures struct{ duration, waiting, effective uint32 }

func (p *parser) call(t *formats.Ticket, cdr *trunklinev1.Cdr, live bool) formats.Result {
	switch p.col[comType] {
	case "3":
		return formats.Ignore("facility_activation")
	case "4":
		return formats.Ignore("facility_deactivation")
	}
	which, ok := kit.Uint(p.col[callType])
	if !ok || int(which) >= len(callTypes) {
		return p.bad("bad_call_type", callType, "0 to 15")
	}
	kind := &callTypes[which]
	var f figures
	for _, seconds := range [...]struct {
		column column
		to     *uint32
	}{{durationColumn, &f.duration}, {waitingDuration, &f.waiting}, {effectiveDuration, &f.effective}} {
		if p.col[seconds.column] == "" && seconds.column != durationColumn {
			continue
		}
		if *seconds.to, ok = kit.Uint(p.col[seconds.column]); !ok {
			return p.bad("bad_number", seconds.column, "seconds")
		}
	}
	if f.waiting == 99999 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}

	cdr.Direction, cdr.Network = kind.direction, kind.network
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	p.parties(cdr, kind.incoming)
	moved := used(p.col[internFacilities], transfer) || cdr.TransferredFrom != ""
	if moved {
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	p.trunks(cdr, kind.departing || kind.direction == outbound && cdr.Direction == transit)

	span, r, ok := p.times(t, cdr, f, kind.incoming, live)
	if !ok {
		return r
	}
	if kind.incoming {
		p.arrived(cdr, f, span)
	} else {
		p.left(cdr, f)
		if !moved && !near(span, f.duration) {
			p.odd(cdr, durationColumn)
		}
	}
	if f.duration > 24*3600 {
		p.odd(cdr, durationColumn)
	}
	p.charges(cdr)
	p.attributes(cdr)
	return formats.Result{}
}

// near tells whether a span between two clock readings is a duration; the clock
// may have been put forward or back between them.
func near(span int64, duration uint32) bool {
	d := span - int64(duration)
	return d >= -2 && d <= 2 || d >= 3598 && d <= 3602 || d >= -3602 && d <= -3598
}

// arrived tells what became of an incoming call.
func (p *parser) arrived(cdr *trunklinev1.Cdr, f figures, span int64) {
	cdr.RingSeconds = f.waiting
	charged := partyOf(p.col[chargedNumber])
	switch {
	case f.effective > 0:
		cdr.Disposition, cdr.TalkSeconds = answered, f.effective
		if used(p.col[internFacilities], voiceMail) {
			cdr.Disposition = voicemail
		} else if charged == nobody || charged == line {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
		}
		if f.duration > f.effective {
			cdr.LineSeconds = f.duration
		}
	case f.duration > 0:
		// A guide or a queue answered. Where the wait is not the whole of it the
		// ticket does not tell what was in the rest.
		cdr.LineSeconds = f.duration
		if f.waiting+2 >= f.duration {
			cdr.Disposition = abandoned
		}
	case f.waiting == 0 && (charged == nobody || charged == attendant) && p.col[initialDialled] == "" &&
		(span > 5 || used(p.col[internFacilities], operator)):
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
	default:
		cdr.Disposition = noAnswer
	}
}

// left tells what became of an outgoing or internal call.
func (p *parser) left(cdr *trunklinev1.Cdr, f figures) {
	cdr.TalkSeconds = f.duration
	switch {
	case f.duration == 0:
		cdr.Disposition = noAnswer
	case cdr.Direction == internal && used(p.col[internFacilities], voiceMail):
		cdr.Disposition = voicemail
	default:
		cdr.Disposition = answered
	}
	if f.waiting > 0 {
		kit.Attribute(cdr, snakes[waitingDuration], p.col[waitingDuration])
	}
	if f.effective > 0 && f.effective != f.duration {
		kit.Attribute(cdr, snakes[effectiveDuration], p.col[effectiveDuration])
	}
}

// odd keeps a column that is not what it should be.
func (p *parser) odd(cdr *trunklinev1.Cdr, c column) {
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(cdr, snakes[c], p.col[c])
}

func (p *parser) bad(reason string, c column, expected string) formats.Result {
	at := builtIn.places[c]
	for i := range p.layout.places {
		if p.layout.places[i].column == c {
			at = p.layout.places[i]
		}
	}
	quoted := kit.Quote(p.col[c])
	if v := p.col[c]; ed52[c].kind == stamp && len(v) == 17 && v[11] == ':' && v[14] == ':' {
		quoted = strconv.Quote(v) // a time, and no number to hide
	}
	return formats.Die(reason, fmt.Sprintf("%s: %s; expected %s", where(&at), quoted, expected))
}
