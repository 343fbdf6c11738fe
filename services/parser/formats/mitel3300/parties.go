package mitel3300

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// ends are the parties of a record and what decides about them.
type ends struct {
	calling, called, third string
	status                 byte // completion status, a blank where there is none
	duration               uint32
	ring                   uint32
	unanswered, rang       bool // Time To Answer is `***`, or a number
}

// isTrunk tells T and X and a number from a station (`2034`) and an attendant
// (`ATT2`).
func isTrunk(party string) bool {
	return len(party) > 1 && (party[0] == 'T' || party[0] == 'X') && kit.Digits(party[1:])
}

// isParty tells what can be one, none included.
func isParty(s string) bool {
	return s == "" || isTrunk(s) || kit.Dialable(s) || len(s) > 3 && s[:3] == "ATT" && kit.Digits(s[3:])
}

// private tells a trunk of the private network: X, a tie line or the IP network,
// unless the settings say that it leads outside.
func (p *parser) private(trunk string) bool {
	return trunk[0] == 'X' && !kit.MatchesAny(p.link.Parse.Trunks.Names, trunk)
}

// answered reads the attendant's flag and Time To Answer: three digits, or four
// with the flag one column to the left.
func (e *ends) answered(cdr *trunklinev1.Cdr, line string, l *layout) {
	before, first := at(line, l.answer.first-1), at(line, l.answer.first)
	ttt := get(line, span{l.answer.first + 1, l.answer.last})
	attendant := before == '*' || first == '*'
	number := kit.Digits(ttt) && len(ttt) == 3
	switch {
	case ttt == "***" && (first == '*' || first == ' '):
		// Of four `*` the first may be the flag or the fourth digit.
		e.unanswered, attendant = true, before == '*'
	case number && (first == '*' || first == ' '):
		e.ring, _ = kit.Uint(ttt)
		e.rang = true
	case number && first >= '0' && first <= '9':
		e.ring, _ = kit.Uint(get(line, l.answer))
		e.rang = true
	case ttt == "" && (first == '*' || first == ' '):
	default:
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		kit.Attribute(cdr, "time_to_answer", get(line, l.answer))
	}
	if e.ring == 9999 || e.ring == 999 && first != '0' {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	if attendant {
		kit.Attribute(cdr, "attendant", "*")
	}
}

// parties sets direction and network, who spoke with whom, and what became of it.
func (p *parser) parties(cdr *trunklinev1.Cdr, line string, l *layout, e *ends) {
	const inbound, outbound = trunklinev1.Direction_DIRECTION_INBOUND, trunklinev1.Direction_DIRECTION_OUTBOUND
	const internal, transit = trunklinev1.Direction_DIRECTION_INTERNAL, trunklinev1.Direction_DIRECTION_TRANSIT
	switch in, out := isTrunk(e.calling), isTrunk(e.called); {
	case in && out:
		cdr.Direction = transit
	case in:
		cdr.Direction = inbound
	case out, e.called == "" && !strings.ContainsRune(internalStatus, rune(e.status)):
		cdr.Direction = outbound
	default:
		cdr.Direction = internal
	}
	outside := e.called
	if cdr.Direction == inbound {
		outside = e.calling
	}
	if isTrunk(outside) {
		cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
		if p.private(outside) {
			cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
		}
	}
	cdr.Disposition = e.disposition(cdr)
	switch cdr.Disposition {
	case trunklinev1.Disposition_DISPOSITION_ANSWERED, trunklinev1.Disposition_DISPOSITION_UNSPECIFIED:
		cdr.TalkSeconds = e.duration
	default:
		cdr.LineSeconds = e.duration
	}

	oli, digits := p.digits(cdr, line, l, e)
	ani, dnis := get(line, l.ani), get(line, l.dnis)
	from := first(ani, oli)
	if isTrunk(ani) { // seen where the IP network brought the call
		from = oli
		kit.Attribute(cdr, "ani", ani)
	}
	switch cdr.Direction {
	case inbound:
		cdr.Trunk = e.calling
		cdr.CallingNumber, cdr.CalledNumber = from, e.called
		cdr.Extension = e.called
		cdr.DialedNumber, cdr.Did = first(digits, dnis), first(dnis, digits)
		p.link.SetExternal(cdr, from, false)
	case outbound:
		cdr.Trunk = e.called
		cdr.CallingNumber, cdr.Extension = e.calling, e.calling
		cdr.CalledNumber, cdr.DialedNumber = digits, digits
		p.link.SetExternal(cdr, strings.TrimRight(digits, "#"), true)
	case transit:
		cdr.Trunk, cdr.TrunkOut = e.calling, e.called
		cdr.CallingNumber = from
		cdr.CalledNumber, cdr.DialedNumber, cdr.Did = digits, digits, dnis
		p.link.SetExternal(cdr, strings.TrimRight(digits, "#"), true)
	case internal:
		cdr.CallingNumber, cdr.Extension = e.calling, e.calling
		cdr.CalledNumber, cdr.DialedNumber = first(e.called, digits), digits
	}
	if oli != "" && oli != cdr.CallingNumber {
		kit.Attribute(cdr, "oli", oli)
	}
	if (cdr.Direction == outbound || cdr.Direction == internal) && ani+dnis != "" {
		kit.Attribute(cdr, "ani", ani)
		kit.Attribute(cdr, "dnis", dnis)
	}
	e.transfer(cdr, line, l)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// digits reads the field of the digits dialled: the digits, with network format
// before them who called, and at the end the meter pulses where they are
// reported.
func (p *parser) digits(cdr *trunklinev1.Cdr, line string, l *layout, e *ends) (oli, digits string) {
	place := l.digits
	toTrunk := cdr.Direction == trunklinev1.Direction_DIRECTION_OUTBOUND || cdr.Direction == trunklinev1.Direction_DIRECTION_TRANSIT
	// The pulses have five digits and a blank before them; digits do not.
	if m := l.meter; toTrunk && at(line, m.first-1) == ' ' && len(line) >= m.last && kit.Digits(line[m.first-1:m.last]) {
		cdr.ChargeUnits, _ = kit.Uint(line[m.first-1 : m.last])
		place.last = m.first - 2
	}
	digits = get(line, place)
	if len(digits) == place.last-place.first+1 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	if i := strings.LastIndexByte(digits, ' '); i >= 0 {
		return strings.TrimRight(digits[:i], " "), digits[i+1:]
	}
	// `#` is also a key. Going out, what stands before it is the caller only if it
	// ends in his number.
	if i := strings.LastIndexByte(digits, '#'); i > 0 && i+1 < len(digits) && (!toTrunk || e.calledBy(digits[:i])) {
		return digits[:i], digits[i+1:]
	}
	return "", digits
}

func (e *ends) calledBy(oli string) bool {
	return isTrunk(e.calling) || e.calling != "" && strings.HasSuffix(oli, e.calling)
}

// Letters of the completion status. Internal calls that nobody answered are
// reported where an option says so.
const (
	internalStatus = "IODSU" // internal, occupied, do not disturb, out of service, unanswered
	anyStatus      = " ABET-" + internalStatus
)

func (e *ends) disposition(cdr *trunklinev1.Cdr) trunklinev1.Disposition {
	const unknown, answered, noAnswer = trunklinev1.Disposition_DISPOSITION_UNSPECIFIED, trunklinev1.Disposition_DISPOSITION_ANSWERED, trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	switch e.status {
	case ' ', 'A', 'I':
	default:
		kit.Attribute(cdr, "completion_status", string(rune(e.status)))
	}
	if !strings.ContainsRune(anyStatus, rune(e.status)) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	internal := cdr.Direction == trunklinev1.Direction_DIRECTION_INTERNAL
	switch {
	case e.status == 'B', internal && e.status == 'O':
		return trunklinev1.Disposition_DISPOSITION_BUSY
	case e.status == 'E', internal && e.status == 'S':
		return trunklinev1.Disposition_DISPOSITION_FAILED
	case e.status == '-', internal && e.status == 'D':
		return trunklinev1.Disposition_DISPOSITION_REJECTED
	case e.unanswered, internal && e.status == 'U':
		return noAnswer
	case e.status == 'A', e.status == 'T':
		return answered
	case e.duration == 0:
		return noAnswer
	case internal, e.rang:
		return answered
	}
	return unknown
}

// transfer reads the transfer flag and the third party.
func (e *ends) transfer(cdr *trunklinev1.Cdr, line string, l *layout) {
	flag, listed := get(line, l.transfer), get(line, l.listed)
	if n := len(listed); n > 0 { // with Extended Reporting: on either side of the listed number
		switch {
		case !digit(listed[0]):
			flag, listed = listed[:1], strings.TrimLeft(listed[1:], " ")
		case !digit(listed[n-1]):
			flag, listed = listed[n-1:], strings.TrimRight(listed[:n-1], " ")
		}
	}
	kit.Attribute(cdr, "ldn_called", listed)
	if flag == "T" && e.third != "" && !isTrunk(e.third) {
		cdr.TransferredTo = e.third
		switch cdr.Direction {
		case trunklinev1.Direction_DIRECTION_INBOUND:
			cdr.TransferredFrom, cdr.Extension = e.called, e.third
		case trunklinev1.Direction_DIRECTION_OUTBOUND:
			cdr.TransferredFrom = e.calling
		}
		return
	}
	kit.Attribute(cdr, "transfer_conference", flag)
	kit.Attribute(cdr, "third_party", e.third)
}
