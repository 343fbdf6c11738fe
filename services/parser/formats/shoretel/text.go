package shoretel

import (
	"fmt"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Directions of a text record.
const (
	inbound   = "0"
	outbound  = "1"
	tandemIn  = "2"
	tandemOut = "3"
)

const startShape = "mm/dd/yyyy hh:mm:ss"

// text reads a text record.
func (p *parser) text(t *formats.Ticket, cdr *trunklinev1.Cdr, line string) formats.Result {
	l := layoutOf(line)
	if l == nil {
		return formats.Die("not_a_record", fmt.Sprintf("columns 1 to %d: %s; expected a text record: a direction 0 to 3 in column %d (release 7.5) or %d (6.1), and the duration hh:mm:ss before it",
			min(len(line), release75.direction.at), kit.Quote(line), release75.direction.at, release61.direction.at))
	}
	if result := l.check(line); result.Outcome != formats.CDR {
		return result
	}
	date, clock := field(line, l.date), field(line, l.time)
	wall := kit.Wall{
		Month: number(date[:2]), Day: number(date[3:5]), Year: number(date[6:]),
		Hour: number(clock[:2]), Minute: number(clock[3:5]), Second: number(clock[6:]),
	}
	if !wall.Valid() || wall.Year < 1990 {
		return l.bad("bad_start", "Date and Time", line, span{l.date.at, len(startShape)}, "a date and a time, "+startShape)
	}
	seconds, ok := kit.Clock(field(line, l.duration))
	if !ok {
		return l.bad("bad_duration", "Duration", line, l.duration, "hh:mm:ss")
	}
	if len(line) < l.length {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	if seconds == 99*3600+59*60+59 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	near := t.Near
	if !near.IsZero() {
		near = near.Add(-time.Duration(seconds) * time.Second)
	}
	start, warnings := wall.In(p.link.Zone, near)
	kit.Warn(cdr, warnings...)
	p.begin(cdr, start)
	p.end(cdr, start.Add(time.Duration(seconds)*time.Second))

	cdr.CallId = p.link.DecodeField(cdr, get(line, l.id))
	cdr.CallKey = callKey(cdr.CallId, wall)
	cdr.Extension = p.link.DecodeField(cdr, get(line, l.extension))
	cdr.AccountCode = p.link.DecodeField(cdr, get(line, l.account))
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	dialed, caller := p.link.DecodeField(cdr, get(line, l.dialed)), p.link.DecodeField(cdr, get(line, l.caller))
	trunk := p.link.DecodeField(cdr, get(line, l.member))
	cdr.TrunkGroup = p.link.DecodeField(cdr, get(line, l.group))
	switch get(line, l.direction) {
	case inbound:
		cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
		cdr.Trunk = trunk
		p.arriving(cdr, caller, cdr.Extension)
	case outbound:
		cdr.Direction = trunklinev1.Direction_DIRECTION_OUTBOUND
		cdr.Trunk = trunk
		p.leaving(cdr, cdr.Extension, dialed)
	case tandemIn:
		cdr.Direction, cdr.RecordRole = trunklinev1.Direction_DIRECTION_TRANSIT, trunklinev1.RecordRole_RECORD_ROLE_COPY
		cdr.Trunk = trunk
		p.leaving(cdr, caller, dialed)
	case tandemOut:
		cdr.Direction, cdr.RecordRole = trunklinev1.Direction_DIRECTION_TRANSIT, trunklinev1.RecordRole_RECORD_ROLE_CALL
		cdr.TrunkOut = trunk
		p.leaving(cdr, caller, dialed)
	}
	if len(dialed) == l.dialed.n || len(caller) == l.caller.n || len(cdr.Extension) == l.extension.n || len(cdr.AccountCode) == l.account.n {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
	untold(cdr, seconds)
	return formats.Result{}
}

// untold sets the talk of a call of which only the whole duration is known.
func untold(cdr *trunklinev1.Cdr, seconds uint32) {
	switch {
	case seconds == 0:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	case cdr.Direction == trunklinev1.Direction_DIRECTION_INBOUND && cdr.Extension == "":
		cdr.LineSeconds = seconds // a voicemail, a menu, or nobody
	case cdr.Direction == trunklinev1.Direction_DIRECTION_INBOUND, cdr.Direction == trunklinev1.Direction_DIRECTION_INTERNAL:
		cdr.TalkSeconds = seconds
		kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
	default:
		cdr.TalkSeconds = seconds
	}
}

// check makes sure that every field stands where its layout says.
func (l *layout) check(line string) formats.Result {
	if len(line) > l.length {
		return formats.Die("too_long", fmt.Sprintf("a record of %d columns; expected %d, as in release %s", len(line), l.length, l.name))
	}
	if len(line) < l.group.last() {
		return formats.Die("too_short", fmt.Sprintf("a record of %d columns; expected %d, as in release %s, and no fewer than %d: its end is missing", len(line), l.length, l.name, l.group.last()))
	}
	for _, gap := range l.gaps {
		if gap <= len(line) && line[gap-1] != ' ' {
			return l.bad("misaligned_columns", "", line, span{gap, 1}, "a blank between two fields")
		}
	}
	if !kit.Digits(get(line, l.id)) || line[l.id.last()-1] == ' ' {
		return l.bad("bad_call_id", "Call ID", line, l.id, "digits, justified to the right")
	}
	if !shaped(line[l.date.at-1:l.time.last()], "00/00/0000 00:00:00") {
		return l.bad("bad_start", "Date and Time", line, span{l.date.at, len(startShape)}, startShape)
	}
	if !shaped(field(line, l.duration), "00:00:00") {
		return l.bad("bad_duration", "Duration", line, l.duration, "hh:mm:ss")
	}
	for _, f := range [...]struct {
		name string
		span
	}{{"Extension", l.extension}, {"Dialed Number", l.dialed}, {"Caller ID", l.caller}, {"Account Code", l.account}} {
		if v := field(line, f.span); v != "" && v[0] == ' ' && get(line, f.span) != "" {
			return l.bad("misaligned_columns", f.name, line, f.span, "text justified to the left")
		}
	}
	for _, f := range [...]struct {
		name string
		span
	}{{"Trunk Member", l.member}, {"Trunk Group", l.group}} {
		if v := get(line, f.span); v != "" && (!kit.Digits(v) || line[f.last()-1] == ' ') {
			return l.bad("bad_trunk", f.name, line, f.span, "digits, justified to the right")
		}
	}
	return formats.Result{}
}

func (l *layout) bad(reason, name, line string, s span, expected string) formats.Result {
	where := fmt.Sprintf("columns %d to %d", s.at, s.last())
	if s.n == 1 {
		where = fmt.Sprintf("column %d", s.at)
	}
	if name != "" {
		where += " (" + name + ")"
	}
	return formats.Die(reason, fmt.Sprintf("%s of a record of release %s: %s; expected %s", where, l.name, kit.Quote(field(line, s)), expected))
}
