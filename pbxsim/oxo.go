package pbxsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// oxo renders the tickets of an OmniPCX Office as the Office Link Driver writes them: an XML element for each part
// of a call over a line. The driver's schema is not published: names and codes are those of the native ticket in
// the vendor's manuals. Internal calls give none.
type oxo struct{ zone *time.Location }

func newOXO(o Options) (encoder, error) { return &oxo{o.Zone}, nil }

// Types of call.
const (
	oxoOut = iota
	oxoIn
	oxoOutMoved
	oxoInMoved
	oxoOutTransit
	oxoInTransit
	oxoFacility = 8
)

// Types of user.
const (
	oxoSet   = 0
	oxoT2    = 3 // also as a type of trunk
	oxoGroup = 4
)

type oxoTicket struct {
	userType                 int
	user, name               string
	kind, line               int
	at                       time.Time
	talk, ring               time.Duration
	units                    int
	number, account, letters string
	initialType              int
	initial                  string
	missed                   bool
}

func (e *oxo) ticket(x oxoTicket, told Call, role string) Ticket {
	local, twice := wall(x.at, e.zone)
	var b strings.Builder
	leaf := func(name, value string) { fmt.Fprintf(&b, "\n    <%s>%s</%s>", name, value, name) }
	cost := fmt.Sprintf("%d.%04d", x.units*1180/10_000, x.units*1180%10_000)
	node := "1"
	if x.missed {
		node = "255"
	}
	b.WriteString("<Ticket>")
	leaf("ChargedUserType", strconv.Itoa(x.userType))
	leaf("ChargedUserID", x.user)
	leaf("SubscriberName", strings.ReplaceAll(x.name, "'", "&apos;"))
	leaf("CommunicationType", strconv.Itoa(x.kind))
	leaf("TrunkType", strconv.Itoa(oxoT2))
	leaf("TrunkIdentity", fmt.Sprintf("%02d", x.line))
	leaf("Date", local.Format("02/01/2006"))
	leaf("Time", local.Format("15:04:05"))
	leaf("CallDuration", clock(x.talk))
	leaf("TaxPulses", strconv.Itoa(x.units))
	leaf("Services", "0")
	if x.letters != "" {
		leaf("FacilitiesUsed", x.letters)
	}
	leaf("DialledNumber", x.number)
	leaf("DialingMode", "0")
	leaf("RingDuration", clock(x.ring))
	leaf("Cost", cost)
	leaf("Currency", "EUR")
	if x.account != "" {
		leaf("AccountCode", x.account)
	}
	leaf("NodeNumber", node)
	leaf("CarrierIdentity", "0")
	if x.initial != "" {
		leaf("InitialUserType", strconv.Itoa(x.initialType))
		leaf("InitialUserID", x.initial)
	}
	b.WriteString("\n  </Ticket>")
	told.Start, told.Ring, told.Talk, told.Units = x.at, x.ring, x.talk, x.units
	if told.Trunk = fmt.Sprintf("P%02d", x.line); x.units > 0 {
		told.Charge, told.Currency = strings.TrimRight(strings.TrimRight(cost, "0"), "."), "EUR"
	}
	return Ticket{Bytes: []byte(b.String()), Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: twice}
}

func (e *oxo) encode(c Call) []Ticket {
	told := c
	told.Extension.Name, told.External.Name, told.Group = capitals(c.Extension.Name), "", Party{}
	told.Hold, told.Queue, told.Line, told.TransferTo, told.TransferTalk = 0, 0, 0, Party{}, 0
	if told.Disposition = NoAnswer; c.connected() {
		told.Disposition = Answered
	}
	x := oxoTicket{user: c.Extension.Number, name: told.Extension.Name, line: c.Line, at: c.Start, talk: c.Talk}
	switch c.Direction {
	case Internal:
		return nil
	case Transit:
		return e.forwarded(c, told, x)
	case Inbound:
		x.kind, x.ring, x.number, x.missed = oxoIn, c.Ring, c.External.Number, !c.connected()
		x.initial = c.Extension.Number
		if c.Group != (Party{}) {
			x.initialType, x.initial = oxoGroup, c.Group.Number
			told.Group.Number = x.initial
		}
		told.DID, told.Dialled = x.initial, ""
	case Outbound:
		x.kind, x.number, x.units, x.account = oxoOut, c.External.Number, c.Units, c.Account
		told.Dialled = x.number
		if c.connected() {
			x.at = x.at.Add(c.Ring)
		}
		if c.External.Masked {
			x.number = x.number[:len(x.number)-4] + "****"
			told.Dialled = x.number[:len(x.number)-4] + "????"
			told.External = Outside{Number: told.Dialled, Masked: true}
		}
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket(x, told, roleCall)}
	}
	first := e.ticket(x, told, roleLeg)
	x.kind, x.user, x.name, x.letters = x.kind+oxoOutMoved, c.TransferTo.Number, capitals(c.TransferTo.Name), "X"
	x.at, x.ring, x.talk, x.units, x.account = c.Start.Add(c.Ring+c.Talk), 0, c.TransferTalk, 0, ""
	told.Extension, told.Account = Party{x.user, x.name}, ""
	return []Ticket{first, e.ticket(x, told, roleLeg)}
}

// forwarded is a call that a set sends on to a mobile: both of its lines are charged to the other.
func (e *oxo) forwarded(c, told Call, x oxoTicket) []Ticket {
	out := c.Line%8 + 1
	told.Extension, told.DID = Party{}, ""
	x.userType, x.name, x.letters = oxoT2, "", "R"
	in := x
	in.kind, in.user, in.ring, in.number, in.missed = oxoInTransit, fmt.Sprintf("%02d", out), c.Ring, c.External.Number, !c.connected()
	arrived, left := told, told
	arrived.Forward, arrived.Dialled = Outside{}, ""
	x.kind, x.user, x.number, x.line = oxoOutTransit, fmt.Sprintf("%02d", c.Line), c.Forward.Number, out
	if c.connected() {
		x.at = x.at.Add(c.Ring)
	}
	left.External, left.Dialled, left.Forward.Name = Outside{}, c.Forward.Number, ""
	return []Ticket{e.ticket(in, arrived, roleLeg), e.ticket(x, left, roleLeg)}
}

func (e *oxo) odd(kind Odd, c Call) (Ticket, bool) {
	switch kind {
	case OddEvent: // a facility is asked for
		t := e.ticket(oxoTicket{user: c.Extension.Number, kind: oxoFacility, line: 1, at: c.Start}, Call{}, "")
		return Ticket{Bytes: t.Bytes, Want: WantIgnored}, true
	case OddGarbage:
		return dead("<Ticket>\n    <ChargedUserID>~#@</ChargedUserID>\n    <CallDuration>?</CallDuration>\n  </Ticket>"), true
	case OddMasked:
		return Ticket{}, true
	}
	return Ticket{}, false
}

// oxoFolder fills the driver's folder: a file each ticket, as METERING_COLLECTOR_MAX_TICKET=1 makes it.
func oxoFolder(o Options) (*folder, error) {
	f, err := newFolder(alcatelOXO, o, 1)
	if err != nil {
		return nil, err
	}
	n := 0
	f.put = f.one(func(t Ticket) string {
		at := f.dated(t).In(o.Zone).Format("20060102150405")
		return f.next(&n, func(n int) string { return fmt.Sprintf("TicketCollector%s_%05d.xml", at, n) })
	}, func(b []byte) []byte {
		return fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<TicketCollector>\r\n  %s\r\n</TicketCollector>\r\n", b)
	})
	return f, nil
}
