package pbxsim

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// panasonicLayout gives the columns, from 1, of an SMDR line. A width of zero: the layout has no such field.
type panasonicLayout struct {
	width                    int
	ext, co, dial, ring, dur [2]int // column, width
	cost, account, cd        [2]int
	head                     string
}

var panasonicLayouts = map[string]panasonicLayout{
	"a": {
		80,
		[2]int{18, 5},
		[2]int{24, 2},
		[2]int{27, 25},
		[2]int{53, 4},
		[2]int{58, 8},
		[2]int{},
		[2]int{67, 10},
		[2]int{78, 3},
		"  Date     Time    Ext CO        Dial Number        Ring Duration  Acc code  CD ",
	},
	"b": {
		80,
		[2]int{18, 4},
		[2]int{23, 2},
		[2]int{26, 20},
		[2]int{},
		[2]int{47, 8},
		[2]int{56, 10},
		[2]int{67, 10},
		[2]int{78, 3},
		"  Date     Time   Ext CO Dial Number          Duration Cost       Acc code   CD ",
	},
	"c": {
		120,
		[2]int{18, 5},
		[2]int{24, 4},
		[2]int{29, 50},
		[2]int{80, 4},
		[2]int{85, 8},
		[2]int{94, 11},
		[2]int{106, 10},
		[2]int{117, 3},
		"  Date     Time    Ext CO                Dial Number                           Ring Duration Cost        Acc code   CD  ",
	},
}

const panasonicPage = 60 // lines

// panasonic renders SMDR lines of a KX-TDA: fixed columns, ASCII, the time is the end of the call in minutes, and no
// call id. A transferred call and one sent on to a mobile take two lines.
type panasonic struct {
	panasonicLayout
	zone    *time.Location
	date    string
	clock12 bool
	lines   int
}

func newPanasonic(o Options) (encoder, error) {
	e := &panasonic{panasonicLayout: panasonicLayouts[o.Variant], zone: o.Zone, clock12: o.Clock12}
	e.date = map[string]string{"": "02/01/06", "dmy": "02/01/06", "mdy": "01/02/06", "ymd": "06/01/02"}[o.DateOrder]
	if e.date == "" {
		return nil, fmt.Errorf("%s: date order %q: there are dmy, mdy, ymd", panasonicKX, o.DateOrder)
	}
	return e, nil
}

// heads begin a page.
func (e *panasonic) heads() []Ticket {
	return []Ticket{
		{Bytes: []byte("\f" + e.head), Want: WantIgnored, Odd: OddHead},
		{Bytes: []byte(strings.Repeat("-", e.width)), Want: WantIgnored, Odd: OddHead},
	}
}

// line begins a line of a call that ended at end.
func (e *panasonic) line(end time.Time, ext string) columns {
	l := newColumns(e.width)
	local := end.In(e.zone)
	l.put(1, 8, local.Format(e.date))
	if e.clock12 {
		l.put(10, 7, local.Format("03:04PM"))
	} else {
		l.put(10, 7, local.Format("15:04"))
	}
	l.right(e.ext[0], e.ext[1], ext)
	return l
}

func (e *panasonic) put(l columns, field [2]int, s string) bool {
	if field[1] == 0 || len(s) > field[1] {
		return false
	}
	l.put(field[0], field[1], s)
	return true
}

func (e *panasonic) ticket(l columns, told Call, end time.Time, role string) Ticket {
	local, twice := wall(end, e.zone)
	told.Start = local.Truncate(time.Minute).UTC().Add(-told.Talk - told.Ring)
	return Ticket{Bytes: l, Call: told, Want: WantCDR, Role: role, Precision: time.Minute, Ambiguous: twice}
}

func (e *panasonic) encode(c Call) []Ticket {
	var out []Ticket
	switch {
	case c.Direction == Internal:
		l := e.line(c.End(), c.Extension.Number)
		e.put(l, e.dial, "EXT"+c.Peer.Number)
		told := Call{
			Seq: c.Seq, Direction: Internal, Extension: Party{Number: c.Extension.Number},
			Peer: Party{Number: c.Peer.Number}, Dialled: c.Peer.Number,
		}
		out = append(out, e.ticket(l, told, c.End(), roleCall))
	case c.Direction == Transit:
		in := c
		in.Direction = Inbound
		sent := c
		sent.Direction, sent.External, sent.Ring, sent.Line = Outbound, c.Forward, 0, c.Line%8+1
		a, b := e.segment(in, c.End(), "", roleLeg), e.segment(sent, c.End(), "FW", roleLeg)
		a.Call.Direction, b.Call.Direction = "", "" // inbound and outbound as printed, a transit call together
		out = append(out, a, b)
	case c.TransferTo != (Party{}):
		first, rest := c, c
		rest.Extension, rest.Talk, rest.Ring, rest.Account, rest.TransferTo = c.TransferTo, c.TransferTalk, 0, "", Party{}
		first.Units = 0
		out = append(out,
			e.segment(first, c.End().Add(-c.TransferTalk), "TR", roleLeg),
			e.segment(rest, c.End(), "", roleLeg))
	default:
		out = append(out, e.segment(c, c.End(), "", roleCall))
	}
	for i := 0; i < len(out); i++ {
		if e.lines++; e.lines%panasonicPage == 0 {
			head := e.heads()
			return append(append(out[:i+1:i+1], head...), out[i+1:]...)
		}
	}
	return out
}

// segment is a line about one outside line and one extension.
func (e *panasonic) segment(c Call, end time.Time, cd, role string) Ticket {
	told := Call{
		Seq: c.Seq, Direction: c.Direction, Disposition: c.Disposition, Talk: c.Talk,
		Extension: Party{Number: c.Extension.Number}, Account: c.Account,
	}
	ext := c.Extension.Number
	if c.Disposition == Voicemail { // the mailbox answers as any extension
		ext, told.Extension, told.Disposition = mailbox.Number, Party{Number: mailbox.Number}, Answered
	}
	if !c.connected() && cd == "" && c.Direction == Inbound {
		told.Disposition = NoAnswer
		if c.Disposition == Abandoned { // a line of the group that does not say who gave up
			ext, told.Extension, told.Disposition = c.Group.Number, Party{}, ""
			told.Group = Party{Number: c.Group.Number}
		} else {
			cd = "NA"
		}
	}
	l := e.line(end, ext)
	told.Trunk = fmt.Sprintf("%0*d", e.co[1], c.Line)
	e.put(l, e.co, told.Trunk)
	if c.Direction == Inbound {
		e.inbound(l, &told, c)
	} else {
		e.outbound(l, &told, c)
	}
	s := seconds(c.Talk)
	e.put(l, e.dur, fmt.Sprintf("%02d:%02d'%02d", s/3600, s/60%60, s%60))
	e.put(l, e.account, c.Account)
	e.put(l, e.cd, cd)
	e.charge(l, &told, c)
	return e.ticket(l, told, end, role)
}

func (e *panasonic) inbound(l columns, told *Call, c Call) {
	told.External = c.External
	told.External.Name = ""
	caller := "<I>" + c.External.Number
	if e.width == 120 && c.External.Name != "" {
		if name := ascii(c.External.Name); name != "" {
			caller = "<I>" + name + c.External.Number
			told.External.Name = name
		}
	}
	text := caller
	switch e.dial[1] {
	case 25:
		told.DID = c.DID[len(c.DID)-4:]
		text = "<D>" + told.DID + caller
	case 50:
		told.DID = c.DID
		text = "<D>" + told.DID + caller
	}
	if !e.put(l, e.dial, text) { // too long with the DID
		told.DID = ""
		e.put(l, e.dial, caller)
	}
	told.Dialled = told.DID
	if e.ring[1] > 0 {
		s := min(seconds(c.Ring), 9*60+59)
		l.right(e.ring[0], e.ring[1], fmt.Sprintf("%d'%02d", s/60, s%60))
		told.Ring = time.Duration(s) * time.Second
	}
}

// outbound: the digits without the access code; privacy replaces the last four.
func (e *panasonic) outbound(l columns, told *Call, c Call) {
	told.External = c.External
	told.External.Name = ""
	number := c.External.Number
	if c.External.Masked {
		told.External.Number, told.External.E164 = number[:len(number)-4]+"????", ""
		number = number[:len(number)-4] + "XXXX"
	}
	told.Dialled = told.External.Number
	if c.TransferTo != (Party{}) && len(number) < e.dial[1] {
		number += "-"
	}
	if !c.connected() {
		told.Disposition = NoAnswer
	}
	e.put(l, e.dial, number)
}

// charge: 0.12 a pulse, printed with every call on an outside line.
func (e *panasonic) charge(l columns, told *Call, c Call) {
	cents := 0
	if c.Direction == Outbound {
		cents = c.Units * 12
	}
	amount := fmt.Sprintf("%05d.%02d", cents/100, cents%100)
	switch e.cost[1] {
	case 10:
		e.put(l, e.cost, "EU"+amount)
	case 11:
		e.put(l, e.cost, amount+"EUR")
		told.Currency = "EUR"
	default:
		return
	}
	if cents > 0 {
		told.Charge = fmt.Sprintf("%d.%02d", cents/100, cents%100)
	}
}

func (e *panasonic) odd(kind Odd, c Call) (Ticket, bool) {
	switch kind {
	case OddMasked:
		return Ticket{}, true
	case OddEvent:
		l := e.line(c.End(), c.Extension.Number)
		e.put(l, e.dial, "LOG IN")
		return Ticket{Bytes: l, Want: WantIgnored}, true
	}
	return garbage(kind, c.End().In(e.zone).Format(e.date)+" ", e.width)
}

// ascii writes a name as a PBX with seven bits knows it, without digits at its end.
func ascii(s string) string {
	const from, to = "ÀÂÇÈÉÊËÎÏÔÖÙÛÜàâçèéêëîïôöùûüåñ", "AACEEEEIIOOUUUaaceeeeiioouuuan"
	plain := []rune(to)
	var b strings.Builder
	for _, r := range s {
		if i := strings.IndexRune(from, r); i >= 0 {
			r = plain[len([]rune(from[:i]))]
		}
		if r < 128 && unicode.IsPrint(r) {
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return strings.TrimSpace(b.String())
}
