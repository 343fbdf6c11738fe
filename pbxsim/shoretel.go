package pbxsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shore renders text records of a ShoreTel: fixed columns, one for each call over a trunk when it ends. How long it
// rang, or whether anybody answered, they do not tell; the duration holds everything.
type shore struct {
	zone *time.Location
	long bool // extensions of 16, from release 7.5 on
	id   int
}

func newShore(o Options) (encoder, error) {
	return &shore{zone: o.Zone, long: o.Variant == shore75, id: 65_536}, nil
}

const (
	shore75 = "7.5"
	shore61 = "6.1"

	shoreBuffer = 300
)

// Directions.
const (
	shoreIn = iota
	shoreOut
	shoreTandemIn
	shoreTandemOut
)

func (e *shore) ticket(way int, c, told Call, set, dialled, caller string, line int, role string) Ticket {
	local, twice := wall(c.Start, e.zone)
	whole := c.Ring + c.Talk + c.TransferTalk
	width := 7
	if e.long {
		width = 16
	}
	told.CallID, told.Trunk = strconv.Itoa(e.id), strconv.Itoa(line)
	if told.Ring, told.Talk, told.Disposition = 0, whole, ""; whole == 0 {
		told.Disposition = NoAnswer
	}
	if way == shoreIn && set == "" {
		told.Talk = 0
	}
	text := fmt.Sprintf("%10s %s %-*s %s %d %-16s %-16s %4d %3d %-20s ", told.CallID, local.Format("01/02/2006 15:04:05"), width, set,
		clock(whole), way, dialled, caller, line, 2, told.Account)
	return Ticket{Bytes: []byte(text), Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: twice}
}

func (e *shore) encode(c Call) []Ticket {
	if c.Direction == Internal {
		return nil
	}
	e.id++
	told := c
	told.Extension.Name, told.External.Name, told.Group, told.DID = "", "", Party{}, ""
	told.Hold, told.Queue, told.Line, told.TransferTo, told.TransferTalk, told.Units = 0, 0, 0, Party{}, 0, 0
	caller := c.External.Number
	if caller == "" {
		caller = []string{"blocked", "unavailable"}[c.Seq%2]
	}
	switch c.Direction {
	case Inbound:
		set := c.Extension.Number
		switch {
		case c.TransferTo != (Party{}):
			set = c.TransferTo.Number
		case c.Disposition == Voicemail, c.Disposition == Abandoned: // the last party was no person
			set = ""
		}
		told.Extension.Number, told.Dialled = set, ""
		return []Ticket{e.ticket(shoreIn, c, told, set, "", caller, c.Line, roleCall)}
	case Outbound:
		set := c.Extension.Number
		if c.TransferTo != (Party{}) {
			set = c.TransferTo.Number
		}
		told.Extension.Number, told.Dialled = set, c.External.Number
		return []Ticket{e.ticket(shoreOut, c, told, set, c.External.Number, "", c.Line, roleCall)}
	}
	told.Extension, told.Dialled, told.Forward.Name = Party{}, c.Forward.Number, ""
	in := e.ticket(shoreTandemIn, c, told, "", c.Forward.Number, caller, c.Line, roleCopy)
	return []Ticket{in, e.ticket(shoreTandemOut, c, told, "", c.Forward.Number, caller, c.Line%8+1, roleCall)}
}

func (e *shore) odd(kind Odd, _ Call) (Ticket, bool) {
	if kind == OddBlank { // as wide as a record
		return Ticket{Bytes: []byte(strings.Repeat(" ", 40)), Want: WantIgnored}, true
	}
	return garbage(kind, fmt.Sprintf("%10d ", e.id), 120)
}

// shoreFolder fills the folder of call records: a log each day, of the day that calls end on.
func shoreFolder(o Options) (*folder, error) {
	f, err := newFolder(shoretel, o, 50)
	if err != nil {
		return nil, err
	}
	f.put = f.log(func(t Ticket) string { return "CDR-" + f.dated(t).In(o.Zone).Format("010206") + ".log" }, "\r\n")
	return f, nil
}
