package avaya

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// kind of a party, from its device: E and the extension; T and 9000 + line; V
// and 9500 + channel for voicemail, 11000 + channel (early releases 9550) for a
// conference, 8000 + number for anything else, of which 8000 itself is a tone.
// The name tells voicemail and conferences more surely than the number: manuals
// and systems differ in those.
type kind uint8

const (
	nobody kind = iota
	extension
	trunk
	voicemail
	conference
	automat
	unknown
)

type party struct {
	kind         kind
	device, name string
}

func partyOf(device, name string) party {
	p := party{kind: unknown, device: device, name: name}
	switch {
	case device == "" && name == "":
		p.kind = nobody
	case hasPrefixFold(name, "VM Channel"):
		p.kind = voicemail
	case hasPrefixFold(name, "CO Channel"):
		p.kind = conference
	case device == "" || !isDevice(device) || len(device) < 2:
	case device[0] == 'E':
		p.kind = extension
	case device[0] == 'T':
		p.kind = trunk
	case device[0] == 'V':
		switch n, _ := kit.Uint(device[1:]); {
		case n > 9500 && n <= 9550:
			p.kind = voicemail
		case n > 9550 && n < 9600 || n >= 11000 && n < 12000:
			p.kind = conference
		default:
			p.kind = automat
		}
	}
	return p
}

func (p *party) number() string {
	if p.kind == extension {
		return p.device[1:]
	}
	return ""
}

// line is what to call a trunk: `Line 1.2` is channel 2 of line 1.
func (p *party) line() string {
	if p.name != "" {
		return p.name
	}
	return p.device
}

func hasPrefixFold(s, head string) bool {
	return len(s) >= len(head) && strings.EqualFold(s[:len(head)], head)
}

// targeters are who may cause a call to the outside, as External Targeting Cause
// begins: line, remote access, incoming call route, hunt group, auto-attendant,
// user.
var targeters = [...]string{"LINE", "RAS", "ICR", "HG", "AA", "U"}

// cause splits the External Targeting Cause into who and why (`fu` forwarded
// unconditionally, `fb` on busy, `fnr` on no response, `fdnd` on do not disturb;
// `XfP` and `Xfd` transfer proposed and done, `CfP` and `Cfd` the same of a
// conference, `MT` mobile twin, `TW` twin). Between them stands a blank, in some
// places a colon, or nothing.
func cause(s string) (who, why string) {
	for _, t := range targeters {
		if strings.HasPrefix(s, t) {
			return t, strings.Trim(s[len(t):], " :")
		}
	}
	return s, ""
}

// part tells a cause that only a part of a call has.
func part(why string) bool {
	return strings.EqualFold(why, "XfP") || strings.EqualFold(why, "Xfd") ||
		strings.EqualFold(why, "CfP") || strings.EqualFold(why, "Cfd") || strings.EqualFold(why, "MT")
}

// ends sets direction and network, who spoke with whom, and what became of it.
func (p *parser) ends(cdr *trunklinev1.Cdr, internal bool, f figures) {
	c := &p.col
	one, two := partyOf(c[party1Device], c[party1Name]), partyOf(c[party2Device], c[party2Name])
	who, why := cause(c[targetingCause])

	from, host, _ := strings.Cut(strings.TrimPrefix(c[caller], "sip:"), "@")
	if host != "" {
		kit.Attribute(cdr, "caller", c[caller])
	}

	// set is the set of ours, other the set at the other end of an internal call,
	// line the trunk.
	set, other, line := &party{}, &party{}, &party{}
	for _, x := range [...]*party{&one, &two} {
		switch {
		case x.kind == extension && set.kind == nobody:
			set = x
		case x.kind == extension:
			other = x
		case x.kind == trunk && line.kind == nobody:
			line = x
		}
	}
	if other.kind != nobody && from != "" && from == other.number() {
		set, other = other, set
	}

	cdr.Direction, cdr.Network = p.direction(internal, from, &one, &two, set)
	cdr.RecordRole = p.role(cdr, from, why, &one, &two, f)
	cdr.Disposition = disposition(&one, &two, f)
	if line.kind == trunk {
		cdr.Trunk, cdr.TrunkGroup = line.line(), line.device
	}
	cdr.Extension, cdr.ExtensionName = set.number(), set.name
	cdr.CallingNumber, cdr.CalledNumber, cdr.DialedNumber = from, c[calledNumber], c[dialedNumber]

	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		cdr.Did = c[dialedNumber]
		if set.kind == extension {
			cdr.CalledNumber, cdr.CalledName = set.number(), set.name
		} else if inside, _ := p.link.Extension(c[calledNumber]); inside {
			cdr.Extension = c[calledNumber]
		}
		if kit.Dialable(from) {
			p.link.SetExternal(cdr, from, false)
		}
	case trunklinev1.Direction_DIRECTION_INTERNAL:
		if from == "" {
			cdr.CallingNumber = set.number()
		}
		if cdr.CallingNumber == set.number() {
			cdr.CallingName = set.name
		}
		if other.kind == extension {
			cdr.CalledNumber, cdr.CalledName = other.number(), other.name
		}
	default: // to the outside, or through us
		if from == "" {
			cdr.CallingNumber = set.number()
		}
		if set.kind == extension && cdr.CallingNumber == set.number() {
			cdr.CallingName = set.name
		}
		if one.kind == trunk && two.kind == trunk {
			cdr.TrunkOut = two.line()
		} else if cdr.Direction == trunklinev1.Direction_DIRECTION_TRANSIT {
			// The arriving trunk is in the caller's own ticket.
			cdr.TrunkOut, cdr.Trunk, cdr.TrunkGroup = cdr.Trunk, "", ""
		}
		cdr.CalledNumber, cdr.DialedNumber = p.sent()
		if n := strings.TrimRight(cdr.CalledNumber, "#"); kit.Dialable(n) {
			p.link.SetExternal(cdr, n, true)
		}
	}

	p.targeter(cdr, who, why)
	p.rest(cdr, &one, 1)
	p.rest(cdr, &two, 2)
	if one.kind == automat || two.kind == automat {
		if cdr.Disposition == trunklinev1.Disposition_DISPOSITION_ANSWERED {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
		}
	}
}

func (p *parser) direction(internal bool, from string, one, two, set *party) (trunklinev1.Direction, trunklinev1.Network) {
	const public, private = trunklinev1.Network_NETWORK_PUBLIC, trunklinev1.Network_NETWORK_PRIVATE
	in := p.col[direction] == "I"
	network := public
	if internal {
		network = private
	}
	switch {
	case one.kind == trunk && two.kind == trunk:
		return trunklinev1.Direction_DIRECTION_TRANSIT, network
	case internal && one.kind != trunk && two.kind != trunk:
		return trunklinev1.Direction_DIRECTION_INTERNAL, 0
	case internal:
		// Another node. The letter is `O` whoever called.
		if set.kind == extension && from != "" {
			in = from != set.number()
		}
	case !in && p.forwarded(from, set):
		return trunklinev1.Direction_DIRECTION_TRANSIT, network
	}
	if in {
		return trunklinev1.Direction_DIRECTION_INBOUND, network
	}
	return trunklinev1.Direction_DIRECTION_OUTBOUND, network
}

// forwarded tells an outgoing call that a call from outside caused.
func (p *parser) forwarded(from string, set *party) bool {
	if p.col[targetingCause] == "" || from == "" || from == set.number() {
		return false
	}
	if inside, decided := p.link.Extension(from); decided {
		return !inside
	}
	// Without settings: a number of the public plan, or longer than our own.
	return set.kind == extension && len(from) > len(set.number()) || p.link.Numbers.E164(from) != ""
}

// role tells where the ticket shows that it is one of several of its call.
func (p *parser) role(cdr *trunklinev1.Cdr, from, why string, one, two *party, f figures) trunklinev1.RecordRole {
	const call, leg = trunklinev1.RecordRole_RECORD_ROLE_CALL, trunklinev1.RecordRole_RECORD_ROLE_LEG
	inConference := one.kind == conference || two.kind == conference
	switch {
	case p.col[continuation] == "1", part(why), inConference && from == "":
		return leg
	case f.ring > 0 || f.talk() == 0 || inConference:
		return call
	}
	// Ring times are rounded up: a call that rang anywhere shows a second. One to
	// a short code or to one's own mailbox does not ring.
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		return leg
	case trunklinev1.Direction_DIRECTION_INTERNAL:
		if kit.Digits(p.col[calledNumber]) {
			return leg
		}
	}
	return call
}

func disposition(one, two *party, f figures) trunklinev1.Disposition {
	switch {
	case strings.EqualFold(one.name, "barred"), strings.EqualFold(two.name, "barred"):
		return trunklinev1.Disposition_DISPOSITION_REJECTED
	case f.talk() == 0:
		return trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	case one.kind == voicemail, two.kind == voicemail:
		return trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	}
	return trunklinev1.Disposition_DISPOSITION_ANSWERED
}

// sent tells the number that went to the network from the keys pressed.
func (p *parser) sent() (called, dialed string) {
	called, dialed = p.col[calledNumber], p.col[dialedNumber]
	if target := p.col[targetedNumber]; target != "" {
		return target, dialed
	}
	if called != dialed && !p.public(called) && p.public(dialed) {
		return dialed, called
	}
	return called, dialed
}

func (p *parser) public(number string) bool {
	n := &p.link.Numbers
	return n.E164(n.Dialed(number)) != ""
}

// targeter reads who sent the call outside, and why.
func (p *parser) targeter(cdr *trunklinev1.Cdr, who, why string) {
	id := p.col[targeterID]
	switch {
	case strings.EqualFold(why, "XfP"):
		cdr.TransferredTo = id
	case strings.EqualFold(why, "Xfd"):
		cdr.TransferredFrom = id
	case who == "HG":
		cdr.GroupName = id
	case who == "U" && len(why) > 1 && (why[0] == 'f' || why[0] == 'F'):
		cdr.RedirectedFrom = id
	}
}

// rest keeps what a party tells and no field has taken.
func (p *parser) rest(cdr *trunklinev1.Cdr, x *party, which int) {
	device, name := "party1_device", "party1_name"
	if which == 2 {
		device, name = "party2_device", "party2_name"
	}
	switch x.kind {
	case voicemail, conference, automat, unknown:
		kit.Attribute(cdr, device, x.device)
		kit.Attribute(cdr, name, x.name)
		if x.kind == unknown {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
	case extension:
		if n := x.number(); n != cdr.Extension && n != cdr.CallingNumber && n != cdr.CalledNumber {
			kit.Attribute(cdr, device, x.device)
			kit.Attribute(cdr, name, x.name)
		}
	case trunk:
		if x.line() != cdr.Trunk {
			kit.Attribute(cdr, device, x.device)
		}
	}
	if which == 2 && p.col[calledNumber] != cdr.CalledNumber && p.col[calledNumber] != cdr.DialedNumber {
		kit.Attribute(cdr, "called_number", p.col[calledNumber])
	}
}
