package pbxsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// avaya renders SMDR records of an IP Office: CSV without quotes, one record for each segment of a call, UTF-8.
// Internal calls are O with the internal flag; a segment after a transfer repeats the start of the call.
type avaya struct {
	columns int
	zone    *time.Location
	nextID  int
}

func newAvaya(o Options) (encoder, error) {
	n, err := strconv.Atoi(o.Variant)
	if err != nil {
		return nil, fmt.Errorf("%s: variant: %w", avayaIPOffice, err)
	}
	return &avaya{columns: n, zone: o.Zone, nextID: 1_000_000}, nil
}

// Columns of a record, from 0.
const (
	avStart = iota
	avConnected
	avRing
	avCaller
	avDirection
	avCalled
	avDialled
	avAccount
	avInternal
	avCallID
	avMore
	avDevice1
	avName1
	avDevice2
	avName2
	avHold
	avPark
	avAuthValid
	avAuthCode
	avCharged
	avCharge
	avCurrency
	avAmountLast
	avUnits
	avUnitsLast
	avUnitCost
	avMarkUp
	avCause
	avTargeter
	avTargeted
	avCallerIP
	avCallerUnique
	avCalledIP
	avCalledUnique
	avRecorded
)

const avayaUnitCost = 618 // 1/10,000 of the currency

func (e *avaya) encode(c Call) []Ticket {
	e.nextID++
	id := e.nextID
	switch {
	case c.TransferTo != (Party{}):
		return e.transferred(c, id)
	case c.Direction == Transit:
		return []Ticket{e.forwarded(c, id)}
	}
	return []Ticket{e.segment(c, id, roleCall, nil)}
}

// segment is the record of c with its extension; edit may change the columns.
func (e *avaya) segment(c Call, id int, role string, edit func(f []string)) Ticket {
	f := make([]string, avRecorded+1)
	local, twice := wall(c.Start, e.zone)
	told := c
	told.TransferTo, told.TransferTalk, told.Queue, told.Forward = Party{}, 0, 0, Outside{}
	told.External.Name, told.Charge, told.Currency, told.Units = "", "", "", 0
	told.Group, told.Line, told.CallID = Party{}, 0, strconv.Itoa(id)

	f[avStart] = local.Format("2006/01/02 15:04:05")
	f[avConnected] = clock(c.Talk - c.Hold)
	f[avRing] = strconv.Itoa(seconds(c.Ring))
	f[avCallID], f[avMore], f[avHold], f[avPark] = strconv.Itoa(id), "0", strconv.Itoa(seconds(c.Hold)), "0"
	f[avAccount] = c.Account
	f[avDevice1], f[avName1] = "E"+c.Extension.Number, c.Extension.Name
	line := fmt.Sprintf("Line %d.1", c.Line)
	f[avDevice2], f[avName2] = fmt.Sprintf("T%d", 9000+c.Line), line
	f[avInternal] = "0"
	mail := func(i int) { f[i], f[i+1] = fmt.Sprintf("V%d", 9501+id%4), fmt.Sprintf("VM Channel %d", 1+id%4) }
	switch c.Direction {
	case Inbound:
		f[avCaller], f[avDirection], f[avCalled], f[avDialled] = c.External.Number, "I", c.Extension.Number, c.DID
		told.Trunk = line
		if c.Disposition == Voicemail {
			mail(avDevice1)
			told.Extension.Name = ""
		}
	case Outbound:
		f[avCaller], f[avDirection], f[avCalled], f[avDialled] = c.Extension.Number, "O", c.Dialled, c.Dialled
		told.External.Number, told.Trunk = c.Dialled, line
		if c.Units > 0 && e.columns >= 34 {
			charge := fmt.Sprintf("%.4f", float64(c.Units*avayaUnitCost)/10_000)
			f[avCharged], f[avCharge], f[avAmountLast] = c.Extension.Name, fmt.Sprintf("%9s", charge), "0000.00"
			f[avUnits], f[avUnitsLast] = strconv.Itoa(c.Units), "0"
			f[avUnitCost], f[avMarkUp] = strconv.Itoa(avayaUnitCost), "1.00"
			told.Units, told.Charge = c.Units, charge
		}
	case Internal:
		f[avCaller], f[avDirection], f[avCalled], f[avDialled] = c.Extension.Number, "O", c.Peer.Number, c.Peer.Number
		f[avInternal] = "1"
		f[avDevice2], f[avName2] = "E"+c.Peer.Number, c.Peer.Name
		if c.Disposition == Voicemail {
			mail(avDevice2)
			told.Peer.Name = ""
		}
	}
	switch c.Disposition {
	case Busy, Failed, Abandoned: // all that is told is a connected time of zero
		told.Disposition = NoAnswer
	}
	if edit != nil {
		edit(f)
	}
	e.release11(f, c, id)
	return Ticket{
		Bytes: []byte(strings.Join(e.cut(f), ",")), Call: told, Want: WantCDR, Role: role,
		Precision: time.Second, Ambiguous: twice,
	}
}

// release11 fills what newer releases add.
func (e *avaya) release11(f []string, c Call, id int) {
	if e.columns < 34 {
		return
	}
	f[avAuthValid], f[avAuthCode] = "0", "n/a"
	f[avCallerIP], f[avCalledIP] = "192.168.42.1", "192.168.42.1"
	f[avCallerUnique], f[avCalledUnique] = strconv.Itoa(id*2-1_900_000), strconv.Itoa(id*2-1_899_999)
	f[avRecorded] = c.End().In(e.zone).Format("2006/01/02 15:04:05")
}

func (e *avaya) cut(f []string) []string { return f[:e.columns] }

// transferred: the first party's segment, the question to the colleague while the caller is held, the rest.
func (e *avaya) transferred(c Call, id int) []Ticket {
	e.nextID++
	first := c
	first.TransferTo, first.TransferTalk, first.Units = Party{}, 0, 0
	ask := Call{
		Seq: c.Seq, Start: c.Start.Add(c.Ring + c.Talk - c.Hold), Ring: 2 * time.Second, Talk: c.Hold - 2*time.Second,
		Direction: Internal, Disposition: Answered, Extension: c.Extension, Peer: c.TransferTo, Dialled: c.TransferTo.Number,
	}
	rest := c
	rest.Extension, rest.Ring, rest.Hold, rest.Talk = c.TransferTo, 0, 0, c.TransferTalk
	rest.TransferTo, rest.TransferTalk, rest.Account = Party{}, 0, ""
	a := e.segment(first, id, roleLeg, func(f []string) {
		f[avMore], f[avCause], f[avTargeter] = "1", "U XfP", c.TransferTo.Name
	})
	a.Call.TransferTo = Party{Name: c.TransferTo.Name}
	b := e.segment(ask, id+1, roleCall, nil)
	d := e.segment(rest, id, roleLeg, func(f []string) {
		f[avCause], f[avTargeter] = "U Xfd", c.Extension.Name
		f[avRecorded] = ""
	})
	return []Ticket{a, b, d}
}

// forwarded is a call from outside that an extension sends on to a mobile: both devices are lines.
func (e *avaya) forwarded(c Call, id int) Ticket {
	out := c.Line%8 + 1
	t := e.segment(c, id, roleCall, func(f []string) {
		f[avCaller], f[avDirection], f[avCalled], f[avDialled] = c.External.Number, "I", c.Extension.Number, c.DID
		f[avDevice1], f[avName1] = fmt.Sprintf("T%d", 9000+out), fmt.Sprintf("Line %d.1", out)
		f[avCause], f[avTargeter], f[avTargeted] = "U fu", c.Extension.Name, OutsidePrefix+c.Forward.Number
	})
	t.Call.Forward = Outside{Number: OutsidePrefix + c.Forward.Number, E164: c.Forward.E164}
	t.Call.Trunk = fmt.Sprintf("Line %d.1", c.Line)
	return t
}

func (e *avaya) odd(kind Odd, c Call) (Ticket, bool) {
	if kind == OddComma {
		return Ticket{}, true
	}
	local, _ := wall(c.Start, e.zone)
	return garbage(kind, local.Format("2006/01/02 15:04:05"), 170)
}

// clock prints hh:mm:ss.
func clock(d time.Duration) string {
	s := seconds(d)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}
