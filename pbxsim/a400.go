package pbxsim

import (
	"fmt"
	"strconv"
	"time"
)

// a400 renders call logging records PC5 of a MiVoice Office 400: a tabulator and 208 columns, a record for each part
// of a call over an exchange line. Internal calls give none. Its clock has no seconds.
type a400 struct {
	zone        *time.Location
	serial, seq int
}

func newA400(o Options) (encoder, error) { return &a400{zone: o.Zone, serial: 9_900, seq: 900}, nil }

const (
	a400Width  = 209
	a400Buffer = 1_000
)

// a400Record is one record. The sort character tells direction, kind and outcome.
type a400Record struct {
	user, center, sort string
	at                 time.Time
	talk, ring         time.Duration
	units, line        int
	id1, id2           string
	sent, dialled      string
	masked             bool // the last four digits are blank
	seq                int
}

func (e *a400) ticket(x a400Record, told Call, role string) Ticket {
	local, twice := wall(x.at, e.zone)
	// Columns count from 1, the tabulator being the first.
	t := newColumns(a400Width)
	t[0] = '\t'
	t.right(2, 12, x.user)
	t.right(15, 9, x.center)
	t.right(25, 3, x.sort)
	t.put(29, 12, local.Format("060102 15:04"))
	s := seconds(x.talk)
	t.put(42, 8, fmt.Sprintf("%02dH%02dM%02d", s/3600, s/60%60, s%60))
	if x.units > 0 {
		told.Charge = fmt.Sprintf("%d.%02d", x.units*9/100, x.units*9%100)
		t.right(51, 10, told.Charge)
		t.put(62, 5, fmt.Sprintf("%05d", x.units))
	}
	told.Trunk = fmt.Sprintf("002%02d", x.line)
	t.put(68, 5, told.Trunk)
	t.right(74, 20, x.id1)
	t.right(95, 20, x.id2)
	hide := func(s string) string {
		if x.masked {
			return s[:len(s)-4] + "    "
		}
		return s
	}
	if x.sent != "" {
		t.right(116, 40, hide(x.sent))
	}
	if x.dialled != "" {
		t.right(157, 40, hide(x.dialled))
	}
	if x.seq > 0 {
		t.put(198, 3, fmt.Sprintf("%03d", seconds(x.ring)))
		told.CallID = fmt.Sprintf("%03d", x.seq)
		t.put(202, 3, told.CallID)
	}
	e.serial = (e.serial + 1) % 10_000
	t.put(206, 4, fmt.Sprintf("%04d", e.serial))
	told.Start, told.Ring, told.Talk, told.Units = x.at.Truncate(time.Minute), x.ring, x.talk, x.units
	return Ticket{Bytes: t, Call: told, Want: WantCDR, Role: role, Precision: time.Minute, Ambiguous: twice}
}

func (e *a400) encode(c Call) []Ticket {
	told := c
	told.Extension.Name, told.External.Name, told.Group, told.Account = "", "", Party{}, ""
	told.Hold, told.Queue, told.Line, told.TransferTo, told.TransferTalk = 0, 0, 0, Party{}, 0
	if c.Direction == Internal {
		return nil
	}
	if told.Disposition = NoAnswer; c.connected() {
		told.Disposition = Answered
	}
	if c.Direction == Outbound {
		return e.outgoing(c, told)
	}
	if e.seq = e.seq%999 + 1; c.Direction == Transit {
		return e.forwarded(c, told)
	}
	x := a400Record{
		user: c.Extension.Number, sort: "321", at: c.Start, talk: c.Talk, ring: c.Ring, line: c.Line,
		id1: c.External.Number, id2: c.External.Number, dialled: c.DID, seq: e.seq,
	}
	if c.Group != (Party{}) {
		x.sort = "331"
	}
	if !c.connected() {
		x.sort = x.sort[:2] + "2"
		switch {
		case c.Disposition == Busy:
			x.ring = 0
		case c.Group != (Party{}): // the queue's number
			x.user = c.Group.Number
			told.Extension, told.Group.Number = Party{}, c.Group.Number
		}
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket(x, told, roleCall)}
	}
	first := e.ticket(x, told, roleLeg)
	x.user, x.sort, x.at, x.ring, x.talk = c.TransferTo.Number, x.sort[:2]+"0", c.Start.Add(c.Ring+c.Talk), 0, c.TransferTalk
	told.Extension = Party{Number: x.user}
	return []Ticket{first, e.ticket(x, told, roleLeg)}
}

func (e *a400) outgoing(c, told Call) []Ticket {
	x := a400Record{
		user: c.Extension.Number, sort: "010", at: c.Start, talk: c.Talk, units: c.Units, line: c.Line,
		id2: c.Extension.Number, sent: c.External.Number, dialled: c.External.Number, masked: c.External.Masked,
	}
	if c.connected() {
		x.at = x.at.Add(c.Ring)
	}
	if c.Account != "" {
		x.center, x.sort = c.Account, "070"
	}
	told.Dialled = x.dialled
	if x.masked {
		n := c.External.Number
		told.External = Outside{Number: n[:len(n)-4] + "????", Masked: true}
		told.Dialled = told.External.Number
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket(x, told, roleCall)}
	}
	first := e.ticket(x, told, roleLeg)
	x.user, x.id2, x.center, x.sort = c.TransferTo.Number, c.TransferTo.Number, "", "000"
	x.at, x.talk, x.units = c.Start.Add(c.Ring+c.Talk), c.TransferTalk, 0
	told.Extension = Party{Number: x.user}
	return []Ticket{first, e.ticket(x, told, roleLeg)}
}

// forwarded is a call that a set sends on to a mobile: one that came in, and one that went out.
func (e *a400) forwarded(c, told Call) []Ticket {
	in := a400Record{
		user: c.Extension.Number, sort: "324", at: c.Start, talk: c.Talk, ring: c.Ring, line: c.Line,
		id1: c.External.Number, id2: c.External.Number, dialled: c.DID, seq: e.seq,
	}
	out := a400Record{
		user: c.Extension.Number, sort: "014", at: c.Start, talk: c.Talk, line: c.Line%8 + 1, id2: c.Extension.Number,
		sent: c.Forward.Number, dialled: c.Forward.Number,
	}
	arrived, left := told, told
	arrived.Direction, arrived.Forward = Inbound, Outside{}
	left.Direction, left.External, left.Forward, left.DID, left.Dialled = Outbound, c.Forward, Outside{}, "", c.Forward.Number
	if !c.connected() {
		arrived.Disposition = "" // it was passed on
	}
	return []Ticket{e.ticket(in, arrived, roleLeg), e.ticket(out, left, roleLeg)}
}

func (e *a400) odd(kind Odd, c Call) (Ticket, bool) {
	switch kind {
	case OddHead:
		return Ticket{Bytes: []byte("  NO    SC DATE   TIME  DURATION   EXCH CHARGES  DIALLED NUMBER   SERIAL NO."), Want: WantIgnored}, true
	case OddEvent: // another job uses the printer
		return Ticket{Bytes: []byte("****************************************"), Want: WantIgnored}, true
	case OddMasked:
		return Ticket{}, true
	}
	return garbage(kind, "\t"+strconv.Itoa(int(c.Seq)), a400Width)
}
