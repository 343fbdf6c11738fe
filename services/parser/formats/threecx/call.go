package threecx

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// call is what a ticket tells, before it is a CDR.
type call struct {
	from, to, final party
	// end is the party with which the call ended: to, or final in its place.
	end       *party
	ended     ended
	changed   changed
	answered  bool
	ring      uint32 // start to answer, or to the end
	lasted    uint32 // start to end
	talk      uint32 // as billed
	direction trunklinev1.Direction
}

// parse reads the fields.
func (p *parser) parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	c := &p.call
	*c = call{}
	history, r, ok := p.ids(cdr)
	if !ok {
		return r
	}
	if r, ok := p.times(t, cdr, c); !ok {
		return r
	}
	if r, ok := p.reasons(cdr, c); !ok {
		return r
	}
	if p.col[fromNo] == "" && p.col[fromDN] == "" {
		return p.die("bad_party", fromNo, "the caller's number")
	}
	if p.col[toNo] == "" && p.col[toDN] == "" && p.col[dialNo] == "" {
		return p.die("bad_party", toNo, "the called number")
	}
	p.parties(c)
	p.direction(c)
	p.ends(cdr, c)
	p.outcome(cdr, c)
	p.charges(cdr)
	p.attributes(cdr, c)
	if history == "" || cdr.CallId == "" {
		return formats.Result{}
	}
	return formats.Result{Key: []string{history, cdr.CallId}}
}

// ids reads historyid, `Call 4711`, and callid.
func (p *parser) ids(cdr *trunklinev1.Cdr) (history string, r formats.Result, ok bool) {
	if p.order.at[historyID] > 0 {
		history = strings.TrimPrefix(p.col[historyID], "Call ")
		if !kit.Digits(history) {
			return "", p.die("bad_historyid", historyID, "Call and a whole number"), false
		}
		cdr.Sequence = history
	}
	if p.order.at[callID] > 0 {
		cdr.CallId, cdr.CallKey = p.col[callID], p.col[callID]
	}
	return history, r, true
}

// times reads what the PBX's clock showed, and how long the call took.
func (p *parser) times(t *formats.Ticket, cdr *trunklinev1.Cdr, c *call) (r formats.Result, ok bool) {
	const layout = "YYYY/MM/DD HH:MM:SS"
	var made time.Time
	if p.order.at[callID] > 0 {
		if made, ok = readCallID(p.col[callID]); !ok {
			return p.die("bad_callid", callID, "16 hexadecimal digits, _ and a number"), false
		}
	}
	first, ok := readTime(p.col[timeStart])
	if !ok {
		return p.die("bad_time", timeStart, layout), false
	}
	last, ok := readTime(p.col[timeEnd])
	if !ok {
		return p.die("bad_time", timeEnd, layout), false
	}
	received := t.Near
	if !received.IsZero() {
		utc, _ := instant(first, time.UTC, time.Time{})
		until, _ := instant(last, time.UTC, time.Time{})
		received = received.Add(utc.Sub(until))
	}
	clock, start, warnings := p.start(first, made, received)
	kit.Warn(cdr, warnings...)
	answer := start
	if c.answered = p.col[timeAnswered] != ""; c.answered {
		wall, ok := readTime(p.col[timeAnswered])
		if !ok {
			return p.die("bad_time", timeAnswered, layout+" or nothing"), false
		}
		answer = clock.after(start, wall)
	}
	end := clock.after(answer, last)
	if answer.Before(start) || end.Before(answer) {
		return p.die("times_disagree", timeEnd, "an end behind the answer, and an answer behind the start, or `parse.timezone` if the PBX's clock was changed"), false
	}
	c.ring, c.lasted = seconds(answer.Sub(start)), seconds(end.Sub(start))
	if !c.answered {
		c.ring = c.lasted
	}
	if r, ok := p.talked(cdr, c); !ok {
		return r, false
	}
	kit.SetStart(cdr, start, p.link.Zone)
	cdr.EndTime = timestamppb.New(end)
	cdr.TimePrecisionSeconds = 1
	return r, true
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }

// slack is how far duration may be from the difference of two times that were cut
// to seconds, and that 3CX takes a moment apart.
const slack = 2

// talked reads duration, which is what 3CX bills.
func (p *parser) talked(cdr *trunklinev1.Cdr, c *call) (r formats.Result, ok bool) {
	passed := c.lasted - c.ring
	printed := p.col[duration]
	if printed == "" {
		c.talk = passed
		return r, true
	}
	if c.talk, ok = readDuration(printed); !ok {
		return p.die("bad_duration", duration, "HH:MM:SS or nothing"), false
	}
	if !c.answered && c.talk > 0 {
		// Billed, so answered; the column that tells when is empty.
		c.answered, c.ring = true, c.lasted-min(c.talk, c.lasted)
		passed = c.lasted - c.ring
		p.odd(cdr, duration, "duration")
	}
	if c.talk > passed+slack || passed > c.talk+slack {
		c.talk = min(c.talk, passed)
		p.odd(cdr, duration, "duration")
	}
	return r, true
}

func (p *parser) reasons(cdr *trunklinev1.Cdr, c *call) (r formats.Result, ok bool) {
	if !isWord(p.col[reasonTerminated]) {
		return p.die("bad_reason", reasonTerminated, "a word such as TerminatedBySrc"), false
	}
	c.ended, c.changed = endedBy(p.col[reasonTerminated]), changedBy(p.col[reasonChanged])
	if c.ended == endUnknown && p.order.at[reasonTerminated] > 0 || c.changed == changeUnknown {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	return r, true
}

// parties reads the ends, and which of them the call ended with.
func (p *parser) parties(c *call) {
	col := &p.col
	c.from = p.party(col[fromNo], col[fromDN], col[fromName], col[fromType])
	c.to = p.party(col[toNo], col[toDN], col[toName], col[toType])
	if c.changed == overflowed && !c.to.typed {
		c.to.kind = queue
	}
	c.end = &c.to
	if col[finalNumber] == "" && col[finalDN] == "" {
		return
	}
	c.final = p.party(col[finalNumber], col[finalDN], col[finalName], col[finalType])
	// A caller who takes a call back is printed as its destination.
	if c.changed != replacedSrc && c.changed != notMoved && c.final.number != c.from.number {
		c.end = &c.final
	}
}

func (p *parser) direction(c *call) {
	outgoing := c.to.outside() || c.end.outside()
	if c.end.kind == announcement && c.end.number == "" && !c.from.outside() {
		outgoing = p.public(p.col[dialNo])
	}
	switch {
	case c.from.outside() && c.end.outside():
		c.direction = trunklinev1.Direction_DIRECTION_TRANSIT
	case c.from.outside():
		c.direction = trunklinev1.Direction_DIRECTION_INBOUND
	case outgoing:
		c.direction = trunklinev1.Direction_DIRECTION_OUTBOUND
	default:
		c.direction = trunklinev1.Direction_DIRECTION_INTERNAL
	}
}
