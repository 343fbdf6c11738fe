package pbxsim

import (
	"fmt"
	"strconv"
	"time"
)

// ahl renders frames of a hotel link: STX, text, ETX and check characters. Nobody has published the text of a
// ticket: this one is of our own making, see [AHLLayout].
type ahl struct {
	zone  *time.Location
	check string
}

const (
	ahlSTX = 0x02
	ahlETX = 0x03
	ahlACK = 0x06
	ahlNAK = 0x15

	ahlText = 69 // characters of a text
)

func newAHL(o Options) (encoder, error) {
	switch o.Check {
	case "":
		o.Check = "lrc"
	case "none", "lrc", "lrc-hex":
	default:
		return nil, fmt.Errorf("%s: check characters %q: there are none, lrc, lrc-hex", alcatelAHL, o.Check)
	}
	return &ahl{zone: o.Zone, check: o.Check}, nil
}

// AHLLayout is the layout (parse.layout) of the tickets that a simulated hotel link sends with the given check
// characters: none, lrc or lrc-hex. The fields are invented: a real link's are not published.
func AHLLayout(check string) string {
	size, column := ahlText+2, ""
	switch check {
	case "lrc":
		column = fmt.Sprintf(", check: %d", size+1)
		size++
	case "lrc-hex":
		column = fmt.Sprintf(", check: %d-%d", size+1, size+2)
		size += 2
	}
	return fmt.Sprintf(`# Tickets of the simulated hotel link: STX, text, ETX and check characters. Invented: a real link's are not published.
cut: {length: %d}
columns:
  fixed: {stx: 1, letter: 2, set: 3-10, date: 12-19, time: 21-28, talk: 30-37, ring: 39-43, units: 45-49, kind: 51, number: 53-70, etx: 71%s}
skip:
  - link_test: {letter: L}
check:
  - {letter: T, set: {is: digits}, number: ["", {is: number}]}
start: {date: DD/MM/YY, time: "hh:mm:ss"}
direction:
  - outbound: {kind: O}
  - inbound: {kind: I}
  - internal: {kind: L}
  - transit: {kind: X}
disposition:
  - answered: {talk: {is: nonzero}}
  - no_answer: always
fields:
  talk_seconds: {from: talk, as: "hh:mm:ss"}
  ring_seconds: ring
  charge_units: units
  extension: set
inbound: {calling_number: number, called_number: set, external_number: number}
outbound: {calling_number: set, called_number: number, dialed_number: number, external_number: number}
internal: {calling_number: set, called_number: number, dialed_number: number}
transit: {called_number: number, external_number: number}
`, size, column)
}

// frame puts the text into STX, ETX and the check characters: the exclusive or of all bytes behind STX.
func (e *ahl) frame(text []byte) []byte {
	f := append(append([]byte{ahlSTX}, text...), ahlETX)
	sum := byte(0)
	for _, c := range f[1:] {
		sum ^= c
	}
	switch e.check {
	case "lrc":
		f = append(f, sum)
	case "lrc-hex":
		f = fmt.Appendf(f, "%02X", sum)
	}
	return f
}

func (e *ahl) text(letter string, c Call, number, kind string) []byte {
	t := newColumns(ahlText)
	local, _ := wall(c.Start, e.zone)
	t.put(1, 1, letter)
	t.put(2, 8, c.Extension.Number)
	t.put(11, 17, local.Format("02/01/06 15:04:05"))
	t.put(29, 8, clock(c.Talk+c.TransferTalk))
	t.right(38, 5, strconv.Itoa(seconds(c.Ring)))
	t.right(44, 5, strconv.Itoa(c.Units))
	t.put(50, 1, kind)
	t.put(52, 18, number)
	return t
}

func (e *ahl) encode(c Call) []Ticket {
	_, twice := wall(c.Start, e.zone)
	told := Call{
		Seq: c.Seq, Start: c.Start, Ring: c.Ring, Talk: c.Talk + c.TransferTalk, Direction: c.Direction, Disposition: NoAnswer,
		Extension: Party{Number: c.Extension.Number}, Units: c.Units,
	}
	if c.connected() {
		told.Disposition = Answered
	}
	number, kind := c.Dialled, ""
	switch c.Direction {
	case Inbound:
		number, kind = c.External.Number, "I"
		told.External = c.External
	case Outbound:
		kind = "O"
		told.External, told.Dialled = Outside{Number: c.Dialled, E164: c.External.E164}, c.Dialled
	case Internal:
		kind = "L"
		told.Peer, told.Dialled = Party{Number: c.Peer.Number}, c.Dialled
	case Transit:
		number, kind = OutsidePrefix+c.Forward.Number, "X"
		told.Forward = Outside{Number: number, E164: c.Forward.E164}
	}
	told.External.Name = ""
	return []Ticket{{
		Bytes: e.frame(e.text("T", c, number, kind)), Call: told, Want: WantCDR, Role: roleCall, Precision: time.Second, Ambiguous: twice,
	}}
}

func (e *ahl) odd(kind Odd, c Call) (Ticket, bool) {
	switch kind {
	case OddEvent: // the PBX tests the link
		return Ticket{Bytes: e.frame(e.text("L", Call{Start: c.Start}, "", "")), Want: WantIgnored}, true
	case OddGarbage:
		t, ok := garbage(kind, "T", 0)
		line := newColumns(ahlText)
		line.put(1, ahlText, string(t.Bytes))
		t.Bytes = e.frame(line)
		return t, ok
	}
	return Ticket{}, false
}
