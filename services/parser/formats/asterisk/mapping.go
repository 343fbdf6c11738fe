package asterisk

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Mapping turns an Asterisk record into a CDR. It serves one goroutine at a
// time.
type Mapping struct {
	link     *kit.Link
	zone     kit.Zone // of the PBX's clock
	site     kit.Zone
	atEnd    bool
	amaflags map[string]trunklinev1.Direction
	contexts map[string]*planContext
	call     call
}

var amaNames = [...]string{"UNKNOWN", "OMIT", "BILLING", "DOCUMENTATION"}

// NewMapping makes the mapping of a link. The error names the key of parse that
// cannot be.
func NewMapping(link *kit.Link) (*Mapping, error) {
	m := &Mapping{link: link, zone: kit.NewZone(link.Zone), site: kit.NewZone(link.Zone), contexts: map[string]*planContext{}}
	if zone, err := pbx.Location(link.Timezone); err == nil && link.Timezone != "" && link.Timezone != "Local" {
		m.site = kit.NewZone(zone)
	}
	switch link.Parse.TimeIs {
	case "", "start":
	case "end":
		m.atEnd = true
	default:
		return nil, fmt.Errorf("parse.time_is %q: give start, or end where calldate is when the row was posted", link.Parse.TimeIs)
	}
	for _, n := range link.Parse.Inside.Lengths {
		if n < 1 {
			return nil, errors.New("parse.inside.lengths: a number has one digit or more")
		}
	}
	for flag, word := range link.Parse.AMAFlags {
		d := directionWord(word)
		if flag < 0 || flag >= len(amaNames) {
			return nil, fmt.Errorf("parse.amaflags: no flag %d: Asterisk has 0 (none), 1 (omit), 2 (billing) and 3 (documentation)", flag)
		}
		if d == 0 {
			return nil, fmt.Errorf("parse.amaflags %d: %q: give inbound, outbound or internal", flag, word)
		}
		if m.amaflags == nil {
			m.amaflags = map[string]trunklinev1.Direction{}
		}
		m.amaflags[fmt.Sprint(flag)], m.amaflags[amaNames[flag]] = d, d
	}
	return m, nil
}

// Fill maps the columns. near is as in formats.Ticket. Columns that no field of
// the CDR holds become attributes; a caller that knows better takes them out
// before or overwrites fields after.
func (m *Mapping) Fill(c *Columns, near time.Time, cdr *trunklinev1.Cdr) formats.Result {
	if missing := c.missing(); missing != "" {
		return formats.Die("missing_columns", "no Asterisk record: missing "+missing)
	}
	r := &m.call
	m.read(c, r)
	d, plain, known := readDisposition(c.values[colDisposition])
	r.answered = d == answered
	t, result := m.times(c, r, near, cdr)
	if result.Outcome != formats.CDR {
		return result
	}
	m.place(c, r)
	cdr.Direction = r.direction()
	cdr.RecordRole = r.role(c.values[colLinkedid] != "")
	cdr.Disposition = d
	m.outcome(r, t, cdr)
	m.parties(c, r, cdr)
	m.identity(c, cdr)
	if !known {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	if !plain {
		kit.Attribute(cdr, "disposition", c.values[colDisposition])
	}
	if t.billed != cdr.TalkSeconds {
		kit.Attribute(cdr, "billsec", c.values[colBillsec])
	}
	m.attributes(c, r, cdr)
	return formats.Result{}
}

// read takes the columns apart.
func (m *Mapping) read(c *Columns, r *call) {
	v := &c.values
	*r = call{
		context: m.context(v[colDcontext]), lastapp: v[colLastapp], lastdata: v[colLastdata],
		a: newChannel(v[colChannel]), b: newChannel(v[colDstchannel]), noDstchannel: !c.has(colDstchannel),
	}
	var clidNumber string
	r.clidName, clidNumber = readClid(v[colClid])
	r.src, r.srcIsNumber = readNumber(v[colSrc])
	if r.src == "" {
		r.src, r.srcIsNumber = readNumber(clidNumber)
	}
	r.dst, r.dstIsNumber = readNumber(v[colDst])
	r.cnum, _ = readNumber(v[colCnum])
	if r.src == "" {
		r.src, r.srcIsNumber = readNumber(r.cnum)
	}
	if r.isDial = strings.EqualFold(r.lastapp, "Dial"); r.isDial {
		r.dial = readDial(r.lastdata, &r.b)
	}
}

// outcome sets disposition, ring and talk.
func (m *Mapping) outcome(r *call, t spans, cdr *trunklinev1.Cdr) {
	if !r.answered {
		cdr.RingSeconds = t.total
		return
	}
	d, sure := r.whoAnswered()
	cdr.Disposition = d
	if d == abandoned || d == announced {
		cdr.RingSeconds = t.total
		return
	}
	cdr.RingSeconds, cdr.TalkSeconds = t.ring, t.billed
	toInside := r.bSide == inside && d == answered
	if !sure || toInside && (t.billed == 0 || t.ring == 0) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
	}
}

// identity sets what joins records.
func (m *Mapping) identity(c *Columns, cdr *trunklinev1.Cdr) {
	unique, linked := c.values[colUniqueid], c.values[colLinkedid]
	cdr.Sequence = c.values[colSequence]
	cdr.LegId = unique
	if unique != "" && cdr.Sequence != "" {
		cdr.LegId = unique + ":" + cdr.Sequence
	}
	if cdr.CallId = linked; linked == "" {
		cdr.CallId = unique
	}
	cdr.CallKey = cdr.CallId
	if _, ok := epoch(cdr.CallId); !ok && cdr.CallId != "" && len(cdr.CallId) < len("1234567890.1") {
		cdr.CallKey = cdr.CallId + "@" + cdr.StartTime.AsTime().Format(time.RFC3339)
	}
	cdr.Node = c.values[colTenantid]
	if cdr.Node == "" {
		if dash := strings.LastIndexByte(unique, '-'); dash > 0 {
			if _, ok := epoch(unique); ok {
				cdr.Node = unique[:dash]
			}
		}
	}
	cdr.AccountCode = c.values[colAccountcode]
	if cause, ok := kit.Uint(c.values[colHangupcause]); ok && cause >= 1 && cause <= 127 {
		cdr.HangupCause = cause
	}
	if who := c.values[colTransferer]; who != "" {
		from := newChannel(who)
		if cdr.TransferredFrom = from.peer; from.peer == "" {
			cdr.TransferredFrom = who
		}
	}
	cdr.RedirectedFrom, _ = readNumber(c.values[colRDNIS])
}

// attributes keeps the columns that no field holds.
func (m *Mapping) attributes(c *Columns, r *call, cdr *trunklinev1.Cdr) {
	v := &c.values
	if n := len(c.custom) + 6; n > 8 && cdr.Attributes == nil {
		cdr.Attributes = make(map[string]string, n)
	}
	kit.Attribute(cdr, "dcontext", v[colDcontext])
	kit.Attribute(cdr, "channel", v[colChannel])
	kit.Attribute(cdr, "dstchannel", v[colDstchannel])
	kit.Attribute(cdr, "lastapp", r.lastapp)
	kit.Attribute(cdr, "lastdata", withoutSecrets(r.lastapp, r.lastdata))
	kit.Attribute(cdr, "peeraccount", v[colPeeraccount])
	kit.Attribute(cdr, "peertenantid", v[colPeertenantid])
	if v[colUserfield] != cdr.Did {
		kit.Attribute(cdr, "userfield", v[colUserfield])
	}
	if v[colStart] != "" && v[colCalldate] != v[colStart] {
		kit.Attribute(cdr, "calldate", v[colCalldate])
	}
	if dst := r.dst; dst != cdr.DialedNumber && dst != cdr.CalledNumber {
		kit.Attribute(cdr, "dst", dst)
	}
	if r.cnum != cdr.CallingNumber && r.cnum != cdr.Extension {
		kit.Attribute(cdr, "cnum", r.cnum)
	}
	if flag := v[colAMAFlags]; len(m.amaflags) > 0 || !defaultFlag(flag) {
		kit.Attribute(cdr, "amaflags", flag)
	}
	if directionWord(v[colDirection]) == 0 {
		kit.Attribute(cdr, "direction", v[colDirection])
	}
	if cdr.HangupCause == 0 {
		kit.Attribute(cdr, "hangupcause", v[colHangupcause])
	}
	for _, n := range c.custom {
		kit.Attribute(cdr, n.name, n.value)
	}
}

// spans of a call in whole seconds.
type spans struct{ total, ring, billed uint32 }

// longest is the longest call that is believed: counters that ran over are far
// beyond it.
const longest = 10_000_000

func readSpan(c *Columns, col column) (n uint32, given bool, result formats.Result) {
	s := strings.TrimSpace(c.values[col])
	if s == "" {
		return 0, false, formats.Result{}
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, ok := kit.Uint(whole)
	if !ok || n > longest || fraction != "" && !kit.Digits(fraction) {
		name := columnNames[col]
		return 0, false, formats.Die("bad_"+name, fmt.Sprintf("column %d (%s): %s, expected seconds", c.at[col], name, quote(s)))
	}
	return n, true, formats.Result{}
}

// times sets start and end and measures the call.
func (m *Mapping) times(c *Columns, r *call, near time.Time, cdr *trunklinev1.Cdr) (t spans, result formats.Result) {
	total, totalGiven, result := readSpan(c, colDuration)
	if result.Outcome != formats.CDR {
		return t, result
	}
	billed, billedGiven, result := readSpan(c, colBillsec)
	if result.Outcome != formats.CDR {
		return t, result
	}
	start, result := m.startColumn(c)
	if result.Outcome != formats.CDR {
		return t, result
	}
	answer, hasAnswer := optionalDate(c, colAnswer, cdr)
	end, hasEnd := optionalDate(c, colEnd, cdr)

	began := start.seconds()
	toEnd := end.seconds() - began
	if m.atEnd {
		hasEnd = false
	}
	if !totalGiven {
		switch {
		case hasEnd && toEnd >= 0 && toEnd <= longest:
			total = uint32(toEnd)
		case billedGiven:
			total = billed
		case r.answered:
			return t, formats.Die("no_duration", "answered, and neither duration nor billsec nor end tells how long")
		}
	}
	if m.atEnd {
		start, began = start.minus(total), began-int64(total)
	}
	toAnswer := answer.seconds() - began
	hasAnswer = hasAnswer && toAnswer >= 0 && toAnswer <= int64(total)
	switch {
	case billedGiven:
	case hasAnswer && r.answered:
		billed = total - uint32(toAnswer)
	case r.answered:
		return t, formats.Die("no_duration", "answered, and neither billsec nor answer tells how long was talked")
	}
	if billed > total+1 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	t = spans{total: total, billed: billed}
	switch {
	case hasAnswer:
		t.ring = uint32(toAnswer)
	case billed < total:
		t.ring = total - billed
	}

	if !near.IsZero() {
		near = near.Add(-time.Duration(total) * time.Second)
	}
	made, _ := epoch(c.values[colUniqueid])
	instant, warnings := resolve(start, &m.zone, made, near)
	kit.Warn(cdr, warnings...)
	m.site.SetStart(cdr, instant)
	cdr.TimePrecisionSeconds = 1
	length := int64(total)
	if hasEnd && within(toEnd-length, 2) && toEnd >= 0 { // the printed one, unless a clock was put on or back in between
		length = toEnd
	}
	if totalGiven || hasEnd || billedGiven {
		cdr.EndTime = timestamppb.New(instant.Add(time.Duration(length) * time.Second))
	}
	return t, formats.Result{}
}

// startColumn reads start, else calldate.
func (m *Mapping) startColumn(c *Columns) (stamp, formats.Result) {
	col := colStart
	if isNoDate(c.values[col]) {
		col = colCalldate
	}
	s := c.values[col]
	if isNoDate(s) {
		return stamp{}, formats.Die("no_start", "start (calldate) is empty")
	}
	at, ok := readStamp(s)
	if !ok {
		return stamp{}, formats.Die("bad_start", fmt.Sprintf("column %d (%s): %s, expected YYYY-MM-DD hh:mm:ss", c.at[col], columnNames[col], quote(s)))
	}
	return at, formats.Result{}
}

// optionalDate reads answer or end; one that cannot be read is kept as an
// attribute.
func optionalDate(c *Columns, col column, cdr *trunklinev1.Cdr) (stamp, bool) {
	s := c.values[col]
	if isNoDate(s) {
		return stamp{}, false
	}
	at, ok := readStamp(s)
	if !ok {
		kit.Attribute(cdr, columnNames[col], s)
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	return at, ok
}
