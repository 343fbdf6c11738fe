// Package avaya reads the SMDR tickets of Avaya IP Office: one line of columns
// separated by commas for each segment of a call between two devices, written
// when the segment ends. Layout as printed in Avaya's manuals of releases 5 to
// 12 (30 to 37 columns); earlier ones end behind column 15 or 17.
//
// What the columns mean is told beside [column] and in parties.go. Some rules
// are worth knowing:
//
//   - All segments of a call print the start of the whole call, so start_time is
//     that too, and call_key is the Call ID with the start as printed: the same
//     for each segment, and distinct although Call IDs begin again at a reboot.
//   - talk_seconds is Connected, Hold and Park Time together; hold_seconds and
//     the attribute park_time tell the parts. IP Office rounds each up to a
//     second. On analogue trunks, which do not tell when the other side
//     answers, an outgoing call is ANSWERED from its first second.
//   - end_time is the SMDR Record Time (column 35) where there is one. Else it is
//     start, ring and talk together, but only where the ticket is the whole
//     call: a later segment does not tell when it began.
//   - record_role is LEG where the ticket itself shows that it is one of several:
//     Continuation 1, a transfer or conference proposed or done (XfP, Xfd, CfP,
//     Cfd), a mobile twin (MT), a conference channel without a caller, or an
//     incoming or internal call connected without any ring. Of a call that was
//     picked up elsewhere the last segment looks like a whole call and is CALL.
//     Sums take both.
//   - Internal calls print `O`; Is Internal tells them. An internal call over a
//     trunk goes to another node of the network and counts as outside, on the
//     private network.
//   - Where an outgoing ticket prints two numbers, called_number is the one that
//     is a number of the public plan, else the Called Number, and dialed_number
//     the other. An External Targeted Number comes before both.
//   - Users are named, not numbered, in the targeting columns: transferred_to,
//     transferred_from and redirected_from then hold the name.
//   - Names are not quoted: a comma in one shifts the columns behind it. They are
//     aligned again by the columns that can be nothing else.
//   - The authorisation code (column 19) is never kept.
//
// Ignored: blank, header (a line of column names).
//
// Dead: too_few_columns, bad_start, bad_duration, bad_direction, bad_flag,
// bad_call_id, misaligned_columns.
//
// Warnings: auto_answer (a tone or an unknown device took the call), charset,
// extra_columns, hour_ambiguous, hour_skipped, name_with_separator, odd_value,
// short_ticket (a number of columns that no layout has; a ticket that was cut
// where a shorter layout ends cannot be told).
package avaya

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link  *kit.Link
	zone  kit.Zone
	csv   kit.CSV
	split []string // the columns as split
	col   [columns]string
	extra []string // what stands behind the last known column
}

// New makes the parser of one link. It fails where the settings ask for a time
// that the tickets do not print.
func New(link *kit.Link) (formats.Parser, error) {
	if t := link.Parse.TimeIs; t != "" && t != "start" {
		return nil, fmt.Errorf("parse.time_is %q: IP Office prints when a call started: leave it out, or give start", t)
	}
	return &parser{link: link, zone: kit.NewZone(link.Zone)}, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text := p.link.Decode(cdr, t.Raw)
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if text == "" {
		return formats.Ignore("blank")
	}
	p.csv.Split(text, ',')
	if p.split = p.csv.Columns; p.csv.Open || p.csv.Behind {
		// A quote that begins a name and is no quoting.
		p.split = strings.Split(text, ",")
	}
	if strings.EqualFold(p.split[0], "call start") || strings.EqualFold(p.split[0], "call start time") {
		return formats.Ignore("header")
	}
	if len(p.split) < fewest {
		return formats.Die("too_few_columns", fmt.Sprintf("%d columns; an IP Office ticket has %d or more", len(p.split), fewest))
	}
	return p.parse(t, cdr)
}

// figures are the times of a ticket in seconds.
type figures struct {
	connected, ring, hold, park uint32
}

func (f figures) talk() uint32 { return f.connected + f.hold + f.park }

func (p *parser) parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	printed := strings.TrimSpace(p.split[callStart])
	wall, precision, ok := readTime(printed)
	if !ok {
		return bad("bad_start", callStart, p.split[callStart], "YYYY/MM/DD HH:MM:SS")
	}
	if r, ok := p.align(cdr); !ok {
		return r
	}
	f, r, ok := p.figures()
	if !ok {
		return r
	}
	c := &p.col
	if c[direction] != "I" && c[direction] != "O" {
		return bad("bad_direction", direction, c[direction], "I or O")
	}
	internal := c[isInternal] == "1" || c[isInternal] == "I"
	if !internal && c[isInternal] != "0" {
		return bad("bad_flag", isInternal, c[isInternal], "0 or 1")
	}
	if c[continuation] != "0" && c[continuation] != "1" {
		return bad("bad_flag", continuation, c[continuation], "0 or 1")
	}
	if !kit.Digits(c[callID]) {
		return bad("bad_call_id", callID, c[callID], "a whole number")
	}

	near := t.Near
	if !near.IsZero() {
		near = near.Add(-time.Duration(f.ring+f.talk()) * time.Second)
	}
	start, warnings := p.zone.Time(wall, near)
	kit.Warn(cdr, warnings...)
	p.zone.SetStart(cdr, start)
	cdr.TimePrecisionSeconds = precision
	cdr.RingSeconds, cdr.TalkSeconds, cdr.HoldSeconds = f.ring, f.talk(), f.hold

	cdr.CallId = c[callID]
	cdr.CallKey = c[callID] + "@" + printed
	cdr.MoreLegs = c[continuation] == "1"
	cdr.AccountCode = c[account]

	p.makeRoom(cdr)
	p.ends(cdr, internal, f)
	p.charges(cdr)
	p.setEnd(cdr, start, f, t.Near)
	p.attributes(cdr)
	return formats.Result{}
}

func (p *parser) figures() (f figures, r formats.Result, ok bool) {
	c := &p.col
	if f.connected, ok = kit.Clock(c[connectedTime]); !ok {
		return f, bad("bad_duration", connectedTime, c[connectedTime], "HH:MM:SS"), false
	}
	for _, seconds := range [...]struct {
		column column
		to     *uint32
	}{{ringTime, &f.ring}, {holdTime, &f.hold}, {parkTime, &f.park}} {
		s := c[seconds.column]
		if s == "" && seconds.column != ringTime {
			continue // the oldest layout ends before
		}
		if *seconds.to, ok = kit.Uint(s); !ok {
			return f, bad("bad_duration", seconds.column, s, "seconds"), false
		}
	}
	return f, formats.Result{}, true
}

// readTime reads `YYYY/MM/DD HH:MM:SS`, or the same without seconds.
func readTime(s string) (w kit.Wall, precision uint32, ok bool) {
	precision = 60
	switch {
	case len(s) == len("2006/01/02 15:04:05") && s[16] == ':':
		precision = 1
		if w.Second, ok = two(s[17:]); !ok {
			return w, 0, false
		}
	case len(s) != len("2006/01/02 15:04"):
		return w, 0, false
	}
	if s[4] != '/' || s[7] != '/' || s[10] != ' ' || s[13] != ':' {
		return w, 0, false
	}
	century, ok0 := two(s[0:])
	year, ok1 := two(s[2:])
	month, ok2 := two(s[5:])
	day, ok3 := two(s[8:])
	hour, ok4 := two(s[11:])
	minute, ok5 := two(s[14:])
	w.Year, w.Month, w.Day, w.Hour, w.Minute = century*100+year, month, day, hour, minute
	// A year before IP Office is a clock that was never set, and year 0 would be
	// one that is not printed.
	return w, precision, ok0 && ok1 && ok2 && ok3 && ok4 && ok5 && w.Year >= 1970 && w.Valid()
}

func two(s string) (int, bool) {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	return int(s[0]-'0')*10 + int(s[1]-'0'), true
}

// rounding is how far the sum of a ticket's times may be ahead of its clock:
// each of the four is rounded up.
const rounding = 5 * time.Second

// setEnd sets the end from the SMDR Record Time, which is when the segment
// ended. Avaya calls it the system's time; collectors of release 9.1 call the
// column UTC. Both readings are tried, and the one taken is that nearest behind
// what the ticket itself says to have passed.
func (p *parser) setEnd(cdr *trunklinev1.Cdr, start time.Time, f figures, near time.Time) {
	passed := start.Add(time.Duration(f.ring+f.talk()) * time.Second)
	record := p.col[recordTime]
	if record == "" {
		if cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_CALL && cdr.TimePrecisionSeconds == 1 && !p.movedOn(cdr) {
			cdr.EndTime = timestamppb.New(passed)
		}
		return
	}
	wall, _, ok := readTime(record)
	if ok {
		local, _ := p.zone.Time(wall, near)
		utc := time.Unix(wall.Seconds(), 0)
		end := time.Time{}
		for _, t := range [...]time.Time{local, utc} {
			if !t.Before(passed.Add(-rounding)) && !t.Before(start) && (end.IsZero() || t.Before(end)) {
				end = t
			}
		}
		if ok = !end.IsZero(); ok {
			cdr.EndTime = timestamppb.New(end)
		}
	}
	if !ok {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		kit.Attribute(cdr, "smdr_record_time", record)
	}
}

// movedOn tells an internal call that ended at another set than was called:
// forwarded, or the last segment of one picked up.
func (p *parser) movedOn(cdr *trunklinev1.Cdr) bool {
	return cdr.Direction == trunklinev1.Direction_DIRECTION_INTERNAL && cdr.CalledNumber != p.col[calledNumber]
}

func (p *parser) charges(cdr *trunklinev1.Cdr) {
	c := &p.col
	if c[userCharged] != cdr.ExtensionName {
		cdr.ChargedTo = c[userCharged]
	}
	if c[callUnits] != "" {
		var ok bool
		if cdr.ChargeUnits, ok = kit.Uint(c[callUnits]); !ok {
			p.odd(cdr, "call_units", callUnits)
		}
	}
	switch amount, ok := decimal(c[callCharge]); {
	case c[callCharge] == "":
	case !ok:
		p.odd(cdr, "call_charge", callCharge)
	default:
		cdr.ChargeAmount, cdr.ChargeCurrency = amount, p.link.Parse.Currency
		if isoCurrency(c[currency]) {
			cdr.ChargeCurrency = c[currency]
		}
	}
	if c[currency] != cdr.ChargeCurrency {
		kit.Attribute(cdr, "currency", c[currency])
	}
}

func isoCurrency(s string) bool {
	return len(s) == 3 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] >= 'A' && s[2] <= 'Z'
}

// decimal takes the zeros off that IP Office pads a number with.
func decimal(s string) (string, bool) {
	whole, fraction, dot := strings.Cut(s, ".")
	if !kit.Digits(whole) || dot && !kit.Digits(fraction) || len(s) > 30 {
		return "", false
	}
	for len(whole) > 1 && whole[0] == '0' {
		whole, s = whole[1:], s[1:]
	}
	return s, true
}

// makeRoom makes the attributes where there are many, once in their size.
func (p *parser) makeRoom(cdr *trunklinev1.Cdr) {
	n := 0
	for i := range kept {
		if p.col[kept[i].column] != "" {
			n++
		}
	}
	if n > 7 {
		cdr.Attributes = make(map[string]string, n+2)
	}
}

// attributes keeps what has no place of its own.
func (p *parser) attributes(cdr *trunklinev1.Cdr) {
	for i := range kept {
		if v := p.col[kept[i].column]; v != "" && !strings.EqualFold(v, "n/a") {
			kit.Attribute(cdr, kept[i].name, v)
		}
	}
	if p.col[parkTime] != "0" {
		kit.Attribute(cdr, "park_time", p.col[parkTime])
	}
	if extra := strings.Join(p.extra, ","); strings.Trim(extra, ", ") != "" {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
		kit.Attribute(cdr, "extra_columns", extra)
	}
}

// odd keeps a column that is not what it should be.
func (p *parser) odd(cdr *trunklinev1.Cdr, name string, c column) {
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(cdr, name, p.col[c])
}

func bad(reason string, c column, value, expected string) formats.Result {
	return formats.Die(reason, fmt.Sprintf("column %d (%s) is %s; expected %s", c+1, layout[c].name, kit.Quote(value), expected))
}
