package pbxsim

import "time"

// Direction of a call, seen from the office. The words are those of the call detail record.
type Direction string

const (
	Inbound  Direction = "INBOUND"
	Outbound Direction = "OUTBOUND"
	Internal Direction = "INTERNAL"
	Transit  Direction = "TRANSIT"
)

// Disposition is how a call ended.
type Disposition string

const (
	Answered  Disposition = "ANSWERED"
	NoAnswer  Disposition = "NO_ANSWER"
	Busy      Disposition = "BUSY"
	Failed    Disposition = "FAILED"
	Voicemail Disposition = "VOICEMAIL"
	Abandoned Disposition = "ABANDONED"
	Elsewhere Disposition = "ELSEWHERE"
)

// Party is somebody, or a group, inside the office.
type Party struct{ Number, Name string }

// Outside is somebody reached over the public network.
type Outside struct {
	Number string // as a French line shows it: 0199001234, 00441632960123; empty when hidden
	E164   string // +33199001234
	Name   string
	Masked bool // the PBX prints the last digits as X
}

// Call is the truth about one call in neutral terms. In a [Ticket] it is what that ticket tells: a field that
// its layout cannot tell is zero there, so a record made of the ticket can be compared field by field.
type Call struct {
	Seq         uint64 // the simulator's own running number, equal for all tickets of a call
	Start       time.Time
	Ring        time.Duration // to the answer or to giving up; waiting in a queue included
	Talk        time.Duration // answer to hang-up with Extension, holds included; also the message left
	Hold        time.Duration // part of Talk
	Queue       time.Duration // part of Ring
	Direction   Direction
	Disposition Disposition

	Extension Party   // the office's own party: who answered or rang, or who dialled
	Peer      Party   // the called party of an internal call
	External  Outside // the party outside; of a transit call the one who called in
	Forward   Outside // the party outside that a transit call was sent on to
	DID       string  // our number that was dialled
	Dialled   string  // keys pressed by the caller
	Group     Party   // ring group or queue that the call passed

	TransferTo   Party
	TransferTalk time.Duration // talk with TransferTo, after Talk

	Line     int // outside line, from 1
	Account  string
	Units    int    // meter pulses
	Charge   string // decimal; empty for nothing charged
	Currency string

	// Set in tickets only.
	CallID string // the vendor's call id as printed
	Trunk  string // the line as printed
}

// End is the moment of the last hang-up.
func (c Call) End() time.Time { return c.Start.Add(c.Ring + c.Talk + c.TransferTalk) }

func (c Call) answered() bool  { return c.Disposition == Answered }
func (c Call) connected() bool { return c.Talk > 0 }

// Want is the outcome that a collector must give a ticket.
type Want string

const (
	WantCDR     Want = "cdr"
	WantIgnored Want = "ignored"
	WantDead    Want = "dead"
)

// Odd names what is unusual about a line; most have nothing.
type Odd string

const (
	OddHead    Odd = "head"    // page head, or a notice of the PBX
	OddEvent   Odd = "event"   // log-in of an agent and the like
	OddBlank   Odd = "blank"   // a line without anything
	OddGarbage Odd = "garbage" // a date, then noise
	OddLong    Odd = "long"    // the same, twelve times as long as a ticket
	OddComma   Odd = "comma"   // a comma in the extension's name
	OddMasked  Odd = "masked"  // digits replaced by X
	OddCut     Odd = "cut"     // the connection dropped inside this ticket
	OddQuality Odd = "quality" // a record on the quality of a call (Cisco's cmr_ files)
)

// Ticket is one record as the PBX prints it.
type Ticket struct {
	Bytes []byte // without terminator; of a table row one JSON object, columns in table order
	Call  Call   // what the ticket tells; zero unless Want is WantCDR
	Want  Want
	Odd   Odd
	// Role says how the ticket counts: "CALL", "LEG" of a call with several tickets, or "COPY" of what another tells.
	Role string
	// Precision of the printed clock. Call.Start is already cut down to what follows from the ticket.
	Precision time.Duration
	// Ambiguous: the printed wall clock came twice that night, when summer time ended.
	Ambiguous bool
	File      string // name of the file it came in, where it is a file
	Row       int64  // id of the row it came in, where it is a table

	columns []any
}

const (
	roleCall = "CALL"
	roleLeg  = "LEG"
	roleCopy = "COPY"
)

// seconds counts whole seconds.
func seconds(d time.Duration) int { return int(d / time.Second) }

// wall is t on the PBX's clock, and whether that reading comes twice.
func wall(t time.Time, zone *time.Location) (local time.Time, twice bool) {
	local = t.In(zone)
	const reading = "2006-01-02 15:04:05"
	r := local.Format(reading)
	for _, d := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
		if local.Add(d).Format(reading) == r {
			return local, true
		}
	}
	return local, false
}
