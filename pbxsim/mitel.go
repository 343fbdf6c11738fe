package pbxsim

import (
	"fmt"
	"strings"
	"time"
)

// mitelLayout gives the first column, from 1, of each field of a 3300 record.
type mitelLayout struct {
	width, hours, party, dnisWidth, digits                                   int
	calling, answer, dialled, status, flag, called, transfer, third, account int
	system, ani, dnis, callID, sequence                                      int
}

var (
	mitelStandard = mitelLayout{
		width: 90, hours: 2, party: 4, dnisWidth: 10, digits: 26,
		calling: 24, answer: 30, dialled: 34, status: 60, flag: 61, called: 62, transfer: 66, third: 68, account: 73,
		system: 86, ani: 92, dnis: 103, callID: 114, sequence: 122,
	}
	mitelExtended = mitelLayout{
		width: 101, hours: 4, party: 7, dnisWidth: 7, digits: 26,
		calling: 26, answer: 35, dialled: 39, status: 65, flag: 66, called: 67, transfer: 74, third: 76, account: 84,
		system: 97, ani: 103, dnis: 114, callID: 122, sequence: 130,
	}
)

// mitel renders the SMDR records of a Mitel 3300: fixed columns, no year, a clock in minutes.
type mitel struct {
	mitelLayout
	zone         *time.Location
	clock12      bool
	numbers, oli bool // ANI and DNIS; and network OLI with call ids
	nextID       int
}

func newMitel(o Options) (encoder, error) {
	e := &mitel{zone: o.Zone, clock12: o.Clock12, mitelLayout: mitelStandard}
	if strings.HasPrefix(o.Variant, "extended") {
		e.mitelLayout = mitelExtended
	}
	switch strings.TrimPrefix(strings.TrimPrefix(o.Variant, "extended"), "-") {
	case "ani":
		e.numbers = true
		e.width = e.dnis + e.dnisWidth - 1
	case "network":
		e.numbers, e.oli = true, true
		e.width = e.sequence + 9
	}
	return e, nil
}

func (e *mitel) trunk(n int) string {
	return fmt.Sprintf("T%0*d", min(e.party-1, 4), n)
}

func (e *mitel) date(line columns, at time.Time) {
	line.put(2, 5, at.Format("01/02"))
	if !e.clock12 {
		line.put(8, 5, at.Format("15:04"))
		return
	}
	line.put(8, 5, at.Format("03:04"))
	if at.Hour() >= 12 {
		line.put(13, 1, "P")
	}
}

func (e *mitel) duration(d time.Duration) string {
	s := seconds(d)
	if e.hours == 2 && s >= 100*3600 {
		return "99:99:99"
	}
	return fmt.Sprintf("%0*d:%02d:%02d", e.hours, s/3600, s/60%60, s%60)
}

// long is the mark in column 1.
func long(d time.Duration) string {
	switch {
	case d >= 30*time.Minute:
		return "+"
	case d >= 10*time.Minute:
		return "%"
	case d >= 5*time.Minute:
		return "-"
	}
	return " "
}

func (e *mitel) encode(c Call) []Ticket {
	line := newColumns(e.width)
	local, twice := wall(c.Start, e.zone)
	talk := c.Talk + c.TransferTalk
	told := c
	told.Start = local.Truncate(time.Minute).UTC()
	told.Talk, told.TransferTalk, told.Hold, told.Queue = talk, 0, 0, 0
	told.Extension.Name, told.Peer.Name, told.TransferTo.Name, told.External.Name = "", "", "", ""
	told.Group, told.Line, told.Units, told.Trunk = Party{}, 0, 0, e.trunk(c.Line)

	e.date(line, local)
	line.put(e.account, 12, c.Account)
	line.put(e.system, 3, "010")
	dialled, oli, called := "", "", ""
	switch c.Direction {
	case Inbound:
		oli, dialled, called = c.External.Number, c.DID[len(c.DID)-4:], c.Extension.Number
		told.DID, told.Dialled = dialled, dialled
		line.put(e.calling, e.party, told.Trunk)
		e.inboundNumbers(line, &told, c)
		if c.Disposition == Voicemail { // forwarded to the mailbox, which answers as any extension
			called = mailbox.Number
			line.put(e.flag, 1, "F")
			told.Disposition, told.Extension = Answered, Party{Number: mailbox.Number}
		}
	case Outbound:
		oli, dialled, called = c.Extension.Number, c.Dialled, told.Trunk
		told.External.Number, told.Ring = c.Dialled, 0
		line.put(e.calling, e.party, c.Extension.Number)
		line.put(e.status, 1, map[Disposition]string{Answered: "A", Busy: "B", Failed: "E"}[c.Disposition])
		if c.Disposition == NoAnswer { // a blank status is not known, not unanswered
			told.Disposition = ""
		}
	case Internal:
		oli, dialled, called = "", c.Peer.Number, c.Peer.Number
		told.Ring, told.Trunk, told.Disposition = 0, "", ""
		line.put(e.calling, e.party, c.Extension.Number)
		line.put(e.status, 1, "I")
	case Transit:
		oli, dialled = c.External.Number, OutsidePrefix+c.Forward.Number
		called = e.trunk(c.Line%8 + 1)
		told.Ring, told.Extension, told.DID, told.Dialled = 0, Party{}, "", dialled
		told.Forward.Number = dialled
		line.put(e.calling, e.party, told.Trunk)
		line.put(e.status, 1, map[bool]string{true: "A", false: " "}[c.answered()])
		if !c.answered() {
			told.Disposition = ""
		}
		if !e.oli {
			told.External = Outside{}
		}
	}
	if e.oli && oli != "" {
		dialled = oli + " " + dialled
	}
	line.put(e.dialled, e.digits, dialled)
	line.put(e.called, e.party, called)
	line.put(1, 1, long(talk))
	line.put(15, e.hours+6, e.duration(talk))
	if c.Direction == Inbound {
		e.toAnswer(line, &told, c)
	}
	if c.TransferTo != (Party{}) {
		line.put(e.transfer, 1, "T")
		line.put(e.third, e.party, c.TransferTo.Number)
	}
	if e.oli {
		e.nextID++
		told.CallID = fmt.Sprintf("M010%04d", e.nextID%10_000)
		line.put(e.callID, 8, told.CallID)
		line.put(e.sequence, 1, "A")
	}
	return []Ticket{{
		Bytes: line, Call: told, Want: WantCDR, Role: roleCall, Precision: time.Minute, Ambiguous: twice,
	}}
}

// inboundNumbers prints caller and DID where the layout has room; ten digits, so none for a caller from abroad.
func (e *mitel) inboundNumbers(line columns, told *Call, c Call) {
	tellsCaller := e.oli
	if e.numbers {
		if len(c.External.Number) <= 10 {
			line.put(e.ani, 10, c.External.Number)
			tellsCaller = true
		}
		told.DID = c.DID[max(0, len(c.DID)-e.dnisWidth):]
		if e.dnisWidth < len(c.DID) {
			told.DID = c.DID[len(c.DID)-4:]
		}
		line.put(e.dnis, e.dnisWidth, told.DID)
	}
	if !tellsCaller {
		told.External = Outside{}
	}
}

// toAnswer prints the seconds that an inbound call rang.
func (e *mitel) toAnswer(line columns, told *Call, c Call) {
	if !c.connected() {
		line.put(e.answer, 3, "***")
		told.Ring, told.Disposition = 0, NoAnswer
		return
	}
	ring := min(seconds(c.Ring), 999)
	line.put(e.answer, 3, fmt.Sprintf("%03d", ring))
	told.Ring = time.Duration(ring) * time.Second
}

func (e *mitel) odd(kind Odd, c Call) (Ticket, bool) {
	local, _ := wall(c.Start, e.zone)
	if kind == OddHead {
		return Ticket{Bytes: []byte("CLOCK MALFUNCTION"), Want: WantIgnored}, true
	}
	return garbage(kind, " "+local.Format("01/02"), e.width)
}
