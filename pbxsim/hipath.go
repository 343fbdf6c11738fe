package pbxsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// hipath renders call charge records of a HiPath 3000 or OpenScape Business: a record for each part of a call over a
// line, with the time of its end. Internal calls give none.
type hipath struct {
	zone    *time.Location
	variant string
}

// Variants: separated by bars, with the number that was rung first or really dialled or without; in fixed columns.
const (
	hipathDialled = "14"
	hipathBars    = "13"
	hipathColumns = "112"
)

func newHipath(o Options) (encoder, error) { return &hipath{o.Zone, o.Variant}, nil }

const hipathBuffer = 1_000

// Kinds of record: the information element.
const (
	hipathRinging   = 0
	hipathIn        = 1
	hipathOut       = 2
	hipathInMoved   = 5
	hipathOutMoved  = 6
	hipathInPassed  = 7
	hipathForwarded = 9
)

type hipathRecord struct {
	end                             time.Time
	line                            int
	station, ring, talk, number     string
	units, kind                     int
	account, msn, access, firstRung string
}

func (e *hipath) print(x hipathRecord) []byte {
	local := x.end.In(e.zone)
	units := ""
	if x.units > 0 {
		units = strconv.Itoa(x.units)
	}
	if e.variant == hipathColumns {
		t := newColumns(112)
		t.put(1, 16, local.Format("02.01.0615:04:05"))
		t.right(17, 3, strconv.Itoa(200+x.line))
		t.right(20, 6, x.station)
		t.put(26, 5, x.ring)
		t.put(31, 8, x.talk)
		t.put(39, 25, x.number)
		t.right(64, 11, units)
		t.right(75, 2, strconv.Itoa(x.kind))
		t.put(77, 11, x.account)
		t.right(88, 11, x.msn)
		t.right(99, 5, x.access)
		return t
	}
	fields := []string{
		local.Format("02.01.06|15:04:05"), strconv.Itoa(200 + x.line), x.station, x.ring, x.talk, x.number, units,
		strconv.Itoa(x.kind), x.account, x.msn, x.access, "",
	}
	if e.variant == hipathDialled {
		fields = append(fields, x.firstRung)
	}
	return []byte(strings.Join(fields, "|") + "|")
}

func (e *hipath) ticket(x hipathRecord, told Call, role string) Ticket {
	_, twice := wall(x.end, e.zone)
	told.Trunk, told.Units = strconv.Itoa(200+x.line), x.units
	return Ticket{Bytes: e.print(x), Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: twice}
}

// ringing prints mm:ss.
func ringing(d time.Duration) string { return clock(d)[3:] }

func (e *hipath) encode(c Call) []Ticket {
	told := c
	told.Extension.Name, told.External.Name, told.Group, told.Line = "", "", Party{}, 0
	told.Hold, told.Queue, told.TransferTo, told.TransferTalk = 0, 0, Party{}, 0
	if told.Disposition = NoAnswer; c.connected() {
		told.Disposition = Answered
	}
	x := hipathRecord{end: c.Start.Add(c.Ring + c.Talk), line: c.Line, station: c.Extension.Number}
	switch c.Direction {
	case Inbound:
		return e.arrived(c, told, x)
	case Outbound:
		return e.left(c, told, x)
	case Transit:
		return e.forwarded(c, told, x)
	}
	return nil
}

func (e *hipath) arrived(c, told Call, x hipathRecord) []Ticket {
	x.kind, x.number, x.ring, x.msn, x.firstRung = hipathIn, c.External.Number, ringing(c.Ring), c.DID, c.Extension.Number
	if c.Group != (Party{}) {
		x.firstRung = c.Group.Number
	}
	switch {
	case c.connected():
		x.talk = clock(c.Talk)
	case c.Disposition == Busy:
		if e.variant != hipathDialled { // whose option it is to print it
			return nil
		}
		x.ring, x.talk = ringing(0), clock(0)
		told.Disposition, told.Ring, told.Start = Busy, 0, x.end
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket(x, told, roleCall)}
	}
	first := e.ticket(x, told, roleLeg)
	return []Ticket{first, e.moved(c, told, x, hipathInMoved)}
}

func (e *hipath) left(c, told Call, x hipathRecord) []Ticket {
	x.kind, x.number, x.talk, x.units, x.account = hipathOut, c.External.Number, clock(c.Talk), c.Units, c.Account
	x.access, x.firstRung = OutsidePrefix, c.External.Number
	told.Start, told.Ring, told.Dialled = c.Start.Add(c.Ring), 0, x.number
	if c.External.Masked {
		x.number = x.number[:len(x.number)-4] + "????"
		x.firstRung = x.number
		told.External = Outside{Number: x.number, Masked: true}
		told.Dialled = x.number
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket(x, told, roleCall)}
	}
	first := e.ticket(x, told, roleLeg)
	return []Ticket{first, e.moved(c, told, x, hipathOutMoved)}
}

// moved is the part of a call behind its transfer.
func (e *hipath) moved(c, told Call, x hipathRecord, kind int) Ticket {
	told.Start, told.Ring, told.Talk = x.end, 0, c.TransferTalk
	told.Extension = Party{Number: c.TransferTo.Number}
	x.kind, x.station, x.talk, x.units = kind, c.TransferTo.Number, clock(c.TransferTalk), 0
	x.end = x.end.Add(c.TransferTalk)
	if x.ring != "" {
		x.ring = ringing(0)
	}
	return e.ticket(x, told, roleLeg)
}

// forwarded is a call that a station sends on to a mobile: one that came in, and one that the station made.
func (e *hipath) forwarded(c, told Call, x hipathRecord) []Ticket {
	out := x
	x.kind, x.number, x.ring, x.msn, x.firstRung = hipathInPassed, c.External.Number, ringing(c.Ring), c.DID, c.Extension.Number
	if c.connected() {
		x.talk = clock(c.Talk)
	}
	arrived := told
	arrived.Direction, arrived.Forward = Inbound, Outside{}
	out.kind, out.number, out.talk, out.line, out.access = hipathForwarded, c.Forward.Number, clock(c.Talk), c.Line%8+1, OutsidePrefix
	left := told
	left.Direction, left.External, left.Forward, left.Extension, left.DID = Outbound, Outside{Number: c.Forward.Number, E164: c.Forward.E164}, Outside{}, Party{}, ""
	left.Start, left.Ring, left.Dialled = c.Start.Add(c.Ring), 0, c.Forward.Number
	return []Ticket{e.ticket(x, arrived, roleLeg), e.ticket(out, left, roleLeg)}
}

func (e *hipath) odd(kind Odd, c Call) (Ticket, bool) {
	switch kind {
	case OddEvent: // a call arrives, at a system that tells each ring
		return Ticket{
			Bytes: e.print(hipathRecord{end: c.Start, line: 1, station: c.Extension.Number, number: "0199003000", kind: hipathRinging}), Want: WantIgnored,
		}, true
	case OddMasked:
		return Ticket{}, true
	}
	return garbage(kind, c.Start.In(e.zone).Format("02.01.06|15:04:05"), 110)
}

// hipathFolder fills a folder with what a TFTP server of the site takes from the PBX, or pushes it to the collector's:
// each time a new name.
func hipathFolder(o Options) (*folder, error) {
	if o.FileEvery == 0 {
		o.FileEvery = 10 * time.Minute
	}
	const most = 40
	n, since := 0, o.Clock().UTC().Format("060102150405")
	named := func([]Ticket) string {
		n++
		return fmt.Sprintf("gez%s%04d.txt", since, n)
	}
	if o.URL != "" {
		return newPusher(unifyHiPath, o, most, named)
	}
	f, err := newFolder(unifyHiPath, o, most)
	if err != nil {
		return nil, err
	}
	f.put = f.batch(named, "\r\n")
	return f, nil
}
