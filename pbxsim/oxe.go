package pbxsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// oxe renders tickets ED5.2 of an OmniPCX Enterprise: 525 fixed columns, padded, in a message of 772 bytes. The
// time of an outgoing or internal call is that of its answer, and the clock's end is printed too. Names are in
// capitals without accents.
type oxe struct {
	zone *time.Location
	node string
	file bool // lines of a file, in place of messages
}

// Variants of the same ticket: messages of the real-time link, lines of a file.
const (
	oxeMessages = "ED5.2"
	oxeLines    = "ED5.2-file"
)

func newOXE(o Options) (encoder, error) {
	return &oxe{zone: o.Zone, node: "101", file: o.Variant == oxeLines}, nil
}

// wrap is a text as the wire has it.
func (e *oxe) wrap(text []byte) []byte {
	if e.file {
		return text
	}
	return message(oxeCall, text)
}

const (
	oxeWidth   = 525
	oxeMessage = 772

	oxeEmpty = 1 // types of message
	oxeCall  = 2
	oxeMAO   = 6
	oxeVoIP  = 7

	oxePublicOut = "0" // types of call
	oxePublicIn  = "4"
	oxeLocal     = "14"

	oxeForward   = 5 // facilities
	oxeTransfer  = 8
	oxeVoiceMail = 31

	oxeAttendants = "A800"
)

// message is a message of a type, with its text behind the type.
func message(kind byte, text []byte) []byte {
	m := make([]byte, oxeMessage)
	copy(m, []byte{1, 0, kind, 0})
	copy(m[4:], text)
	return m
}

// oxeTicket is what a ticket prints; a nil line is none.
type oxeTicket struct {
	called, charged, name, calling, kind string
	start, end                           time.Time
	units                                int
	duration, waiting, effective         time.Duration
	line                                 int
	account, dialled, acting, calledNode string
	facility                             int
	redirected                           bool
}

func (e *oxe) print(x oxeTicket) []byte {
	c := newColumns(oxeWidth)
	const stamp = "20060102 15:04:05"
	c.put(1, 5, "ED5.2")
	c.put(6, 30, x.called)
	c.put(36, 30, x.charged)
	c.put(66, 16, x.name)
	c.put(86, 10, "1635")
	c.right(112, 5, e.node)
	c.put(137, 30, x.calling)
	c.right(167, 2, x.kind)
	c.put(170, 17, x.end.In(e.zone).Format(stamp))
	c.right(187, 5, strconv.Itoa(x.units))
	c.right(202, 10, strconv.Itoa(seconds(x.duration)))
	cost, trunk, group, node, who := "0", "65535", "65535", "9999", "2"
	if x.line > 0 {
		cost, trunk, group, node = "2", strconv.Itoa(x.line), "82", e.node
	}
	if x.account != "" {
		who = "1"
	}
	c.put(169, 1, cost)
	c.right(192, 10, strconv.Itoa(x.units*11))
	c.right(212, 5, trunk)
	c.right(217, 5, group)
	c.right(222, 5, node)
	c.put(227, 1, who)
	c.put(228, 16, x.account)
	c.put(244, 7, "0000010")
	c.put(251, 1, "2")
	c.right(252, 2, "1")
	c.right(254, 10, "0")
	c.right(264, 5, "0")
	bits := []byte(strings.Repeat("0", 40))
	c.put(269, 40, string(bits))
	bits[23] = '1' // basic call
	if x.facility > 0 {
		bits[x.facility] = '1'
	}
	c.put(309, 40, string(bits))
	for _, at := range []int{349, 359, 369, 379} {
		c.right(at, 10, "0")
	}
	c.put(389, 1, "1")
	c.right(390, 2, "0")
	c.right(392, 2, "0")
	c.right(394, 2, "0")
	c.put(396, 30, x.dialled)
	c.right(426, 5, strconv.Itoa(seconds(x.waiting)))
	c.right(431, 10, strconv.Itoa(seconds(x.effective)))
	c.put(441, 1, map[bool]string{true: "1", false: "0"}[x.redirected])
	c.put(442, 17, x.start.In(e.zone).Format(stamp))
	c.put(459, 30, x.acting)
	c.right(489, 5, x.calledNode)
	c.right(494, 5, "9999")
	c.right(499, 5, "9999")
	c.right(504, 5, e.node)
	c.right(509, 5, "32767")
	c.right(514, 6, "0")
	c.right(520, 6, "0")
	return e.wrap(c)
}

func (e *oxe) ticket(x oxeTicket, told Call, role string) Ticket {
	_, start := wall(x.start, e.zone)
	_, end := wall(x.end, e.zone)
	return Ticket{
		Bytes: e.print(x), Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: start || end,
	}
}

func (e *oxe) encode(c Call) []Ticket {
	told := c
	told.Extension.Name = capitals(c.Extension.Name)
	told.Queue, told.Hold, told.Line, told.Group, told.External.Name = 0, 0, 0, Party{}, ""
	told.TransferTo, told.TransferTalk = Party{}, 0
	x := oxeTicket{charged: c.Extension.Number, name: told.Extension.Name, line: c.Line, calledNode: "9999"}
	if c.Line > 0 {
		told.Trunk = strconv.Itoa(c.Line)
	}
	if c.Disposition == Busy || c.Disposition == Failed {
		told.Disposition = NoAnswer
	}
	if c.Direction == Inbound {
		return e.arrived(c, told, x)
	}
	// Duration is that of the talk, and the call begins with it.
	x.duration, x.effective = c.Talk, 0
	x.start = c.Start.Add(c.Ring)
	x.end = x.start.Add(c.Talk)
	told.Start, told.Ring = x.start, 0
	x.acting = c.Extension.Number
	switch c.Direction {
	case Internal:
		x.kind, x.called, x.dialled, x.effective, x.calledNode = oxeLocal, c.Peer.Number, c.Dialled, c.Talk, e.node
		x.name = "" // printed of calls to and from outside only
		told.Extension.Name, told.Peer.Name = "", ""
	case Outbound:
		x.kind, x.called, x.dialled = oxePublicOut, c.External.Number, c.External.Number
		x.units, x.account = c.Units, c.Account
		told.Dialled = x.dialled
	case Transit: // a set that forwards: charged, and the trunk group acts
		x.kind, x.called, x.dialled = oxePublicOut, c.Forward.Number, c.Forward.Number
		x.acting, x.facility = "FS082", oxeForward
		told.External, told.DID, told.Dialled, told.Trunk = Outside{}, "", x.dialled, ""
	}
	if c.Disposition == Voicemail {
		x.facility = oxeVoiceMail
	}
	out := []Ticket{e.ticket(x, told, roleCall)}
	if c.TransferTo == (Party{}) {
		return out
	}
	// A ticket for each charged party.
	rest := x
	rest.charged, rest.name, rest.acting = c.TransferTo.Number, capitals(c.TransferTo.Name), c.TransferTo.Number
	rest.calling, rest.facility, rest.units, rest.account = c.Extension.Number, oxeTransfer, 0, ""
	rest.start, rest.duration = x.end, c.TransferTalk
	rest.end = rest.start.Add(rest.duration)
	told.Extension, told.Start, told.Talk, told.Units, told.Account = Party{rest.charged, rest.name}, rest.start, c.TransferTalk, 0, ""
	return append(out, e.ticket(rest, told, roleLeg))
}

// arrived is an incoming call: the called number is the caller's, and the duration holds the wait.
func (e *oxe) arrived(c, told Call, x oxeTicket) []Ticket {
	x.kind, x.called, x.dialled = oxePublicIn, c.External.Number, c.DID
	x.waiting, x.start, x.end = c.Ring, c.Start, c.Start.Add(c.Ring+c.Talk)
	if c.Group != (Party{}) {
		x.dialled = oxeAttendants
		told.DID, told.Dialled, told.Group = "", "", Party{Number: oxeAttendants}
	}
	switch {
	case c.connected():
		x.duration, x.effective = c.Ring+c.Talk, c.Talk
		if c.Disposition == Voicemail {
			x.facility = oxeVoiceMail
		}
	case c.Disposition == Abandoned: // the attendants' guide answered, and nobody else
		x.duration, x.charged, x.name = c.Ring, oxeAttendants, ""
		told.Extension = Party{}
	default: // the end is printed twice
		x.start = x.end
	}
	out := []Ticket{e.ticket(x, told, roleCall)}
	if c.TransferTo == (Party{}) {
		return out
	}
	rest := x
	rest.charged, rest.name = c.TransferTo.Number, capitals(c.TransferTo.Name)
	rest.calling, rest.facility = c.Extension.Number, oxeTransfer
	rest.waiting, rest.effective, rest.duration = 0, c.TransferTalk, c.TransferTalk
	rest.start = x.end
	rest.end = rest.start.Add(c.TransferTalk)
	told.Extension, told.Start, told.Ring, told.Talk = Party{rest.charged, rest.name}, rest.start, 0, c.TransferTalk
	return append(out, e.ticket(rest, told, roleLeg))
}

func (e *oxe) odd(kind Odd, c Call) (Ticket, bool) {
	if e.file && kind != OddGarbage {
		return Ticket{}, false
	}
	switch kind {
	case OddHead:
		return Ticket{Bytes: message(oxeMAO, fmt.Appendf(nil, "calls=%d;node=%s", c.Seq, e.node)), Want: WantIgnored}, true
	case OddEvent:
		return Ticket{Bytes: message(oxeVoIP, []byte{0xff, 1, 0xfb, 2, byte(c.Seq & 0x7f), 0xff, 0}), Want: WantIgnored}, true
	case OddBlank:
		return Ticket{Bytes: message(oxeEmpty, nil), Want: WantIgnored}, true
	case OddGarbage:
		t, ok := garbage(kind, "ED5.2"+c.Extension.Number, 0)
		t.Bytes = e.wrap(t.Bytes)
		return t, ok
	}
	return Ticket{}, false
}

// capitals is a name as a PBX prints it that has 16 capitals for one.
func capitals(name string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(name) {
		if i := strings.IndexRune("ÀÂÄÅÇÉÈÊËÎÏÑÔÖÙÛÜ", r); i >= 0 {
			r = rune("AAAACEEEEIINOOUUU"[len([]rune("ÀÂÄÅÇÉÈÊËÎÏÑÔÖÙÛÜ"[:i]))])
		}
		b.WriteRune(r)
	}
	s := b.String()
	return strings.TrimRight(s[:min(len(s), 16)], " ")
}
