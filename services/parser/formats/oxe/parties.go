package oxe

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// party is what a number column names.
type party uint8

const (
	nobody    party = iota
	hidden          // all `*` or `-`: the user is not to be told
	set             // a set or user
	attendant       // Annn: an attendant, and as a dialled number their group
	line            // FSnnn, FPnnn, FCnnn: a trunk group; SNnnn: another node
)

func partyOf(s string) party {
	switch {
	case s == "":
		return nobody
	case len(s) >= 4 && (s[0] == '*' || s[0] == '-') && strings.Trim(s, "*-") == "":
		return hidden
	case len(s) > 1 && s[0] == 'A' && kit.Digits(s[1:]):
		return attendant
	case len(s) > 2 && kit.Digits(s[2:]) && (s[0] == 'F' && (s[1] == 'S' || s[1] == 'P' || s[1] == 'C') || s[:2] == "SN"):
		return line
	}
	return set
}

// ours tells a party that can be an extension.
func (x party) ours() bool { return x == set || x == attendant }

// shown is a number column without what the PBX hid.
func (p *parser) shown(cdr *trunklinev1.Cdr, c column) string {
	s := p.col[c]
	if partyOf(s) == hidden {
		mask(cdr)
		return ""
	}
	return s
}

// parties sets who spoke with whom.
func (p *parser) parties(cdr *trunklinev1.Cdr, incoming bool) {
	cdr.TransferredFrom = p.shown(cdr, callingNumber)
	dialled := p.shown(cdr, initialDialled)
	if partyOf(dialled) == attendant {
		cdr.GroupNumber = dialled
	} else {
		cdr.DialedNumber = dialled
	}
	if incoming {
		p.arriving(cdr)
	} else {
		p.leaving(cdr)
	}
	if p.col[redirected] == "1" && cdr.RedirectedFrom == "" && cdr.DialedNumber != cdr.CalledNumber {
		cdr.RedirectedFrom = cdr.DialedNumber
	}
}

// arriving: Called Number is the caller's, Charged Number the party reached.
func (p *parser) arriving(cdr *trunklinev1.Cdr) {
	charged := p.shown(cdr, chargedNumber)
	cdr.CallingNumber = p.shown(cdr, calledNumber)
	if acting := p.shown(cdr, actingExtension); acting != charged {
		kit.Attribute(cdr, snakes[actingExtension], acting)
	}
	reached := partyOf(charged)
	if charged != "" && charged == cdr.GroupNumber {
		reached = nobody // the group itself
	}
	switch {
	case reached.ours():
		cdr.CalledNumber, cdr.CalledName = charged, p.col[chargedUserName]
	default:
		// A trunk group's or the company's name.
		kit.Attribute(cdr, snakes[chargedUserName], p.col[chargedUserName])
		cdr.CalledNumber = cdr.DialedNumber
		if reached == line {
			kit.Attribute(cdr, snakes[chargedNumber], charged)
		}
	}
	if cdr.Direction == transit {
		p.external(cdr, cdr.CalledNumber)
		return
	}
	cdr.Did = cdr.DialedNumber
	if reached.ours() {
		cdr.Extension, cdr.ExtensionName = cdr.CalledNumber, cdr.CalledName
	}
	p.external(cdr, cdr.CallingNumber)
}

// leaving: Charged Number pays, the acting extension dialled where it is told.
func (p *parser) leaving(cdr *trunklinev1.Cdr) {
	bits := p.col[internFacilities]
	charged, acting := p.shown(cdr, chargedNumber), p.shown(cdr, actingExtension)
	caller, actor := charged, partyOf(acting)
	switch {
	case cdr.Direction == internal && !actor.ours():
		// The charged set.
	case actor != nobody && !used(bits, substitution):
		caller = acting
	case charged != "" && charged == p.col[calledNumber]:
		caller = "" // charged is who forwarded the call; who made it is not told
	}
	if caller != acting {
		kit.Attribute(cdr, snakes[actingExtension], acting)
	}
	if cdr.Direction == outbound && p.outside(caller, acting, charged) {
		cdr.Direction = transit
	}
	cdr.CalledNumber = p.shown(cdr, calledNumber)
	if p.col[calledNumber] == "" {
		cdr.CalledNumber = cdr.DialedNumber
	}
	if cdr.Direction == internal && p.elsewhere() {
		cdr.Direction, cdr.Network = outbound, private
	}
	if partyOf(caller) != line {
		cdr.CallingNumber = caller
	}
	if cdr.Direction != transit && partyOf(caller).ours() {
		cdr.Extension = caller
	}
	if cdr.Extension != charged {
		cdr.ChargedTo = charged
	}
	switch {
	case charged != "" && cdr.CallingNumber == charged:
		cdr.CallingName = p.col[chargedUserName]
		if cdr.Extension == charged {
			cdr.ExtensionName = cdr.CallingName
		}
	default:
		kit.Attribute(cdr, snakes[chargedUserName], p.col[chargedUserName])
	}
	forwarded := used(bits, forwardAlways) || used(bits, forwardBusy) || used(bits, forwardNoRing)
	if forwarded && partyOf(charged) == set && charged != cdr.CallingNumber {
		cdr.RedirectedFrom = charged
	}
	if cdr.Direction == internal {
		return
	}
	p.external(cdr, cdr.CalledNumber)
	if p.link.Parse.MaskedDigits > 0 && cdr.Network != private && cdr.ExternalNumber != "" {
		mask(cdr) // also where nothing shows
		cdr.ExternalE164 = ""
	}
}

func mask(cdr *trunklinev1.Cdr) {
	cdr.Masked = true
	kit.Warn(cdr, trunklinev1.Warning_WARNING_MASKED)
}

// outside tells an outgoing call that came from outside.
func (p *parser) outside(caller, acting, charged string) bool {
	if partyOf(caller) == line {
		return true
	}
	if acting == "" || caller != acting || acting == charged {
		return false
	}
	if used(p.col[internFacilities], disa) {
		return true
	}
	inside, decided := p.link.Extension(acting)
	return decided && !inside
}

// elsewhere tells a network call to another node.
func (p *parser) elsewhere() bool {
	here, there := node(p.col[partyNode]), node(p.col[calledNode])
	return p.col[callType] == "3" && here != "" && there != "" && here != there
}

// node is a node's number, empty where it is not known: 9999 and 99999 whole,
// nnn99 in part.
func node(s string) string {
	if s == "0" || s == "9999" || len(s) == 5 && s[3:] == "99" {
		return ""
	}
	return s
}

// external sets the outside party. Private trunks put a letter before the
// digits. Digits that are hidden at the end are `-`. Neither the number sent nor
// the one dialled holds the prefix of an outside line.
func (p *parser) external(cdr *trunklinev1.Cdr, number string) {
	if len(number) > 1 && number[0] >= 'A' && number[0] <= 'Z' && kit.Dialable(number[1:]) {
		number = number[1:]
	}
	if visible := strings.TrimRight(number, "-"); len(visible) < len(number) {
		mask(cdr)
		number = visible + strings.Repeat("?", len(number)-len(visible))
	}
	if number != "" {
		p.link.SetExternal(cdr, number, false)
	}
}

// trunks sets the line and its group: 65535 is none.
func (p *parser) trunks(cdr *trunklinev1.Cdr, departing bool) {
	trunk := numbered(p.col[trunkIdentity])
	cdr.TrunkGroup = numbered(p.col[trunkGroup])
	if departing {
		cdr.TrunkOut = trunk
	} else {
		cdr.Trunk = trunk
	}
}

func numbered(s string) string {
	if s == "65535" || s == "32767" {
		return ""
	}
	return s
}
