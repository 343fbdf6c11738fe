package shoretel

import (
	"fmt"
	"slices"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// row reads a row of table `call` with its parties.
func (p *parser) row(t *formats.Ticket, cdr *trunklinev1.Cdr, text string) formats.Result {
	r := &p.rows
	r.text = p.link.Text
	if err := r.read(text); err != nil {
		return formats.Die("not_a_row", "no row: "+err.Error())
	}
	if missing := r.missing(); missing != "" {
		return formats.Die("missing_columns", "a row without columns "+missing+" of shorewarecdr's table call")
	}
	v := &r.values
	wall, ok := readTime(v[colStartTime])
	if !ok || wall.Year < 1990 {
		return formats.Die("bad_start", fmt.Sprintf("column StartTime: %s; expected yyyy-mm-dd hh:mm:ss", kit.Quote(v[colStartTime])))
	}
	if r.has[colLocked] && (v[colLocked] == "0" || v[colLocked] == "false") {
		return formats.Die("call_not_over", "column Locked: 0, the call was not over when the row was read, and nothing in it is final; read rows whose Locked is not 0")
	}
	if cdr.Direction = directions[v[colCallType]]; cdr.Direction == 0 {
		return formats.Die("bad_call_type", fmt.Sprintf("column CallType: %s; expected 1 to 4", kit.Quote(v[colCallType])))
	}
	if wrong := r.readParties(v[colParties]); wrong != "" {
		return formats.Die("bad_parties", fmt.Sprintf("column Parties, party %d: %s", len(r.parties)+1, wrong))
	}
	if count, ok := kit.Uint(v[colPartyCount]); r.has[colPartyCount] && (!ok || int(count) != len(r.parties)) {
		return formats.Die("parties_missing", fmt.Sprintf("column Parties: %d parties; expected %s, as PartyCount says: group_concat_max_len cut it", len(r.parties), kit.Quote(v[colPartyCount])))
	}
	if r.replaced {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}

	c := rowCall{parser: p, rows: r, cdr: cdr, began: wall}
	c.times(t.Near)
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	cdr.Sequence, cdr.CallId = v[colID], v[colCallID]
	cdr.CallKey = callKey(cdr.CallId, wall)
	cdr.AccountCode = v[colBillingCode]
	c.reached()
	c.ends()
	c.trunks()
	c.outcome()
	for _, a := range r.others {
		kit.Attribute(cdr, a.name, a.value)
	}
	return formats.Result{}
}

// directions by CallType.
var directions = map[string]trunklinev1.Direction{
	"1": trunklinev1.Direction_DIRECTION_INTERNAL, "2": trunklinev1.Direction_DIRECTION_INBOUND,
	"3": trunklinev1.Direction_DIRECTION_OUTBOUND, "4": trunklinev1.Direction_DIRECTION_TRANSIT,
}

// rowCall is a row on its way into a CDR.
type rowCall struct {
	*parser
	*rows
	cdr   *trunklinev1.Cdr
	began kit.Wall
	// elapsed from start to end in seconds; shifted tells that clocks were changed
	// meanwhile, ended that there is an end.
	elapsed        uint32
	shifted, ended bool
}

// between is how many seconds a clock that is never changed shows from a to b.
func between(a, b kit.Wall) int64 {
	at := func(w kit.Wall) time.Time {
		return time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, time.UTC)
	}
	return at(b).Unix() - at(a).Unix()
}

// times sets start and end. A row that the server finished after its own restart
// may have no end.
func (c *rowCall) times(near time.Time) {
	cdr, zone := c.cdr, c.link.Zone
	over, ok := readTime(c.values[colEndTime])
	if !ok || over == (kit.Wall{}) {
		start, warnings := c.began.In(zone, near)
		kit.Warn(cdr, warnings...)
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
		c.begin(cdr, start)
		return
	}
	if wall := between(c.began, over); !near.IsZero() && wall > 0 {
		near = near.Add(-time.Duration(wall) * time.Second)
	}
	start, warnings := c.began.In(zone, near)
	kit.Warn(cdr, warnings...)
	c.begin(cdr, start)
	end, doubt := over.In(zone, time.Time{})
	switch doubled := slices.Contains(doubt, trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS); {
	case doubled && (end.Before(start) || end.Sub(start) < c.longest()):
		end = end.Add(time.Hour)
	case end.Before(start):
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		kit.Attribute(cdr, "end_time", c.values[colEndTime])
		return
	default:
		kit.Warn(cdr, doubt...)
	}
	c.ended = true
	c.elapsed = uint32(end.Sub(start) / time.Second)
	c.shifted = int64(c.elapsed) != between(c.began, over)
	c.end(cdr, end)
}

// longest is how long the party that took part longest did.
func (c *rowCall) longest() time.Duration {
	var longest uint32
	for i := range c.parties {
		p := &c.parties[i]
		longest = max(longest, p.ring+p.talk+p.hold)
	}
	return time.Duration(longest) * time.Second
}
