package oxo

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// call is what every kind of ticket tells.
type call struct {
	callType
	user, initial party
	// line is the outside line: a letter and a number.
	line string

	at       kit.Wall
	instant  time.Time // in place of at, where the ticket prints a zone
	minutes  bool      // the clock resolves no seconds
	duration uint32
	ring     uint32
	missed   bool // marked as not answered

	number  string // the outside party
	name    string // of the user, or of the account code
	account string
	units   uint32
	cost    string
	// services are letters as V24 prints them, see [serviceLetters].
	services string
}

// callType is what the code of a call says.
type callType struct {
	ignored string // a reason, where it is no call
	known   bool
	out     bool // else in
	transit bool // lines joined, unless the user is a set
	part    bool // of a call that has other tickets
	private bool
	data    bool
}

// callTypes by the code of a native record.
var callTypes = [...]callType{
	0:  {known: true, out: true},
	1:  {known: true},
	2:  {known: true, out: true, part: true},                // transfer of outgoing
	3:  {known: true, part: true},                           // transfer of incoming
	4:  {known: true, out: true, transit: true, part: true}, // outgoing in transit
	5:  {known: true, transit: true, part: true},            // incoming in transit
	6:  {known: true, transit: true, part: true},            // lines joined after incoming
	7:  {known: true, out: true, transit: true, part: true}, // lines joined after outgoing
	8:  {known: true, ignored: "supplementary_service"},     // request
	9:  {known: true, ignored: "supplementary_service"},     // cancel
	10: {known: true, out: true, data: true},
	11: {known: true, data: true},
	12: {known: true, out: true, part: true}, // joining
	13: {known: true, out: true, private: true},
	14: {known: true, private: true},
	15: {known: true, out: true},     // break-out: leased line to public line
	16: {known: true, private: true}, // break-in: public line to leased line
}

// party is a user: A a set, G a group, L N P V a line, 0 nobody.
type party struct {
	kind byte
	id   string
}

func (p party) line() bool { return p.kind != 0 && p.kind != 'A' && p.kind != 'G' }

// code is a line as V24 prints it.
func (p party) code() string {
	if p.line() {
		return string(rune(p.kind)) + p.id
	}
	return ""
}

// userTypes by the number in a record: subscriber, analogue line, T0, T2, group,
// T1, IP trunk. lineTypes are the lines alone.
const (
	userTypes    = "ALNPGPV"
	lineTypes    = " LNPPV"
	lastUserType = len(userTypes) - 1
)

// serviceLetters are the bits of a record's complementary services from the
// lowest: user-to-user signalling, external forwarding, on-line metering, -,
// forwarding inside, transfer, transit by DISA.
const serviceLetters = "IRT-NXS"

// fill turns the call into a CDR.
func (p *parser) fill(t *formats.Ticket, cdr *trunklinev1.Cdr, c *call) formats.Result {
	if c.ignored != "" {
		return formats.Ignore(c.ignored)
	}
	if c.duration == 24*3600-1 || c.duration == 100*3600-1 || c.units == 0xffff {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	p.times(t, cdr, c)
	transfer := strings.IndexByte(c.services, 'X') >= 0
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	if c.part || transfer {
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if c.private {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
	cdr.ChargeUnits, cdr.ChargeAmount = c.units, c.cost
	if c.cost != "" && cdr.ChargeCurrency == "" {
		cdr.ChargeCurrency = p.link.Parse.Currency
	}
	cdr.AccountCode = c.account
	if c.data {
		kit.Attribute(cdr, "service", "data")
	}
	kit.Attribute(cdr, "additional_services", c.services)
	p.outcome(cdr, c)
	p.parties(cdr, c)
	return formats.Result{}
}

func (p *parser) times(t *formats.Ticket, cdr *trunklinev1.Cdr, c *call) {
	before := (time.Duration(c.ring) + time.Duration(c.duration)) * time.Second
	at, near := c.instant, t.Near
	if !near.IsZero() && !p.end {
		near = near.Add(-before)
	}
	if at.IsZero() {
		var warnings []trunklinev1.Warning
		at, warnings = c.at.In(p.link.Zone, near)
		kit.Warn(cdr, warnings...)
	}
	if p.end {
		cdr.EndTime = timestamppb.New(at)
		at = at.Add(-before)
	}
	kit.SetStart(cdr, at, p.link.Zone)
	cdr.TimePrecisionSeconds = 1
	if c.minutes {
		cdr.TimePrecisionSeconds = 60
	}
	cdr.RingSeconds = c.ring
}

// outcome sets disposition and talk.
func (p *parser) outcome(cdr *trunklinev1.Cdr, c *call) {
	switch {
	case c.missed, c.duration == 0:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
		cdr.LineSeconds = c.duration
		return
	case c.out && strings.HasPrefix(c.line, "L") && c.units == 0 && c.cost == "":
	default:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
	}
	cdr.TalkSeconds = c.duration
}

func (p *parser) parties(cdr *trunklinev1.Cdr, c *call) {
	user := c.user
	switch user.kind {
	case 'A':
		cdr.Extension, cdr.ExtensionName = user.id, c.name
	case 'G':
		cdr.GroupNumber = user.id
	}
	if user.kind != 'A' {
		kit.Attribute(cdr, "user_name", c.name)
	}
	if user.line() || c.transit && user.kind != 'A' {
		cdr.Direction = trunklinev1.Direction_DIRECTION_TRANSIT
		if c.out {
			cdr.Trunk, cdr.TrunkOut = user.code(), c.line
			cdr.CalledNumber, cdr.DialedNumber = c.number, c.number
			p.dialed(cdr, c.number)
		} else {
			cdr.Trunk, cdr.TrunkOut = c.line, user.code()
			cdr.CallingNumber = c.number
		}
		return
	}
	cdr.Trunk = c.line
	if c.out {
		cdr.Direction = trunklinev1.Direction_DIRECTION_OUTBOUND
		cdr.CallingNumber, cdr.CallingName = user.id, cdr.ExtensionName
		cdr.CalledNumber, cdr.DialedNumber = c.number, c.number
		if user.kind == 'G' {
			cdr.ChargedTo = user.id
		}
		p.dialed(cdr, c.number)
		return
	}
	cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
	cdr.CallingNumber = c.number
	p.link.SetExternal(cdr, c.number, false)
	cdr.CalledNumber, cdr.CalledName = user.id, cdr.ExtensionName
	if c.initial.line() {
		kit.Attribute(cdr, "initial_user", c.initial.code())
		return
	}
	first := c.initial.id
	if user.kind == 0 {
		cdr.CalledNumber = first
	}
	cdr.DialedNumber, cdr.Did = first, first
	if c.initial.kind == 'G' {
		cdr.GroupNumber = first
	} else if first != "" && first != user.id && strings.ContainsAny(c.services, "RN") {
		cdr.RedirectedFrom = first
	}
}

// dialed sets the outside party to a number that was dialled here. Whether it has
// the outside prefix shows in its digits: without keys pressed behind them, and
// with some in place of the masked.
func (p *parser) dialed(cdr *trunklinev1.Cdr, number string) {
	keys := strings.IndexAny(number, "*#")
	if keys <= 0 && !cdr.Masked {
		p.link.SetExternal(cdr, number, true)
		return
	}
	digits := number
	if keys > 0 {
		digits = number[:keys]
	}
	digits = strings.ReplaceAll(digits, "?", "0")
	n := len(digits) - len(p.link.Numbers.Dialed(digits))
	p.link.SetExternal(cdr, number[n:], false)
}

// outside sets the number of the outside party. Digits that the PBX masks print
// as something else at the end of it.
func (c *call) outside(cdr *trunklinev1.Cdr, number string) (ok bool) {
	visible := strings.TrimRight(number, "*.?xX")
	hidden := len(number) - len(visible)
	if hidden >= 4 || strings.ContainsAny(number[len(visible):], ".?xX") {
		cdr.Masked = true
		kit.Warn(cdr, trunklinev1.Warning_WARNING_MASKED)
		number = visible + strings.Repeat("?", hidden)
	} else {
		visible = number
	}
	c.number = number
	return visible == "" || kit.Dialable(visible)
}

// amount is an exact decimal without superfluous zeros, empty for nothing.
func amount(s string) (decimal string, ok bool) {
	whole, part, _ := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	if whole != "" && !kit.Digits(whole) || part != "" && !kit.Digits(part) || whole+part == "" {
		return "", s == ""
	}
	whole, part = strings.TrimLeft(whole, "0"), strings.TrimRight(part, "0")
	switch {
	case whole+part == "":
		return "", true
	case whole == "":
		whole = "0"
	}
	if part == "" {
		return whole, true
	}
	return whole + "." + part, true
}

// odd keeps a value that is none of its field's.
func odd(cdr *trunklinev1.Cdr, name, value string) {
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(cdr, name, value)
}
