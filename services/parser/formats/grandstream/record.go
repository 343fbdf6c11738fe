package grandstream

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

const (
	inbound  = "inbound"
	outbound = "outbound"
	internal = "internal"
	transit  = "transit"
)

// asteriskColumns are those that a UCM has of Asterisk. They are handed over in
// this order, direction and what has another name there behind them.
var asteriskColumns = [...]column{
	accountCode, src, dst, dContext, clid, channel, dstChannel, lastApp, lastData, start, answer, end, duration,
	billSec, disposition, amaFlags, uniqueID,
}

// fill lets package asterisk read what is Asterisk's, and sets what a UCM knows
// better.
func (p *parser) fill(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	if result := p.check(); result.Outcome != formats.CDR {
		return result
	}
	v := &p.rec.value
	direction := p.rec.direction()
	p.asterisk.Reset()
	for _, c := range asteriskColumns {
		p.asterisk.Set(columnNames[c], v[c])
	}
	p.asterisk.Set("linkedid", v[session])
	p.asterisk.Set("sequence", v[acctID])
	p.asterisk.Set("cnam", v[callerName])
	p.asterisk.Set("direction", direction)
	if result := p.mapping.Fill(&p.asterisk, t.Near, cdr); result.Outcome != formats.CDR {
		return result
	}
	switch {
	case p.rec.group == mainCDR:
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
	case isGroupName(p.rec.group) && cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_CALL:
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	cdr.Node = v[serialNumber]
	p.group(cdr)
	p.parties(cdr)
	p.trunks(cdr)
	p.attributes(cdr, direction)
	if v[acctID] == "" {
		return formats.Result{}
	}
	p.key = [4]string{v[acctID], v[uniqueID], v[start], mainCDR}
	if p.rec.group == mainCDR {
		return formats.Result{Key: p.key[:4]}
	}
	return formats.Result{Key: p.key[:3]}
}

// check looks at the times, which no call is without.
func (p *parser) check() formats.Result {
	v := &p.rec.value
	if noDate(v[start]) {
		return formats.Die("no_start", "start is empty")
	}
	for _, c := range [...]column{start, answer, end} {
		if !noDate(v[c]) && !isDate(v[c]) {
			return p.bad("bad_start", c, "YYYY-MM-DD hh:mm:ss")
		}
	}
	for _, c := range [...]column{duration, billSec} {
		if _, ok := kit.Uint(v[c]); !ok {
			return p.bad("bad_duration", c, "seconds")
		}
	}
	return formats.Result{}
}

func noDate(s string) bool { return s == "" || strings.HasPrefix(s, "0000-00-00") }

// isDate: `2026-01-26 12:07:08`.
func isDate(s string) bool {
	const shape = "dddd-dd-dd dd:dd:dd"
	if len(s) != len(shape) {
		return false
	}
	for i := range len(shape) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (shape[i] == 'd') || !digit && s[i] != shape[i] {
			return false
		}
	}
	n := func(from, to int) int {
		u, _ := kit.Uint(s[from:to])
		return int(u)
	}
	w := kit.Wall{Year: n(0, 4), Month: n(5, 7), Day: n(8, 10), Hour: n(11, 13), Minute: n(14, 16), Second: n(17, 19)}
	return w.Year >= 1980 && w.Valid()
}

// direction is Asterisk's word for it, empty where the record does not tell.
func (r *record) direction() string {
	v := &r.value
	from := v[srcTrunkName] != "" || isTrunk(v[channelExt]) || isTrunk(v[chanExt]) || isTrunkChannel(v[channel])
	to := v[dstTrunkName] != "" || isTrunk(v[dstChannelExt]) || isTrunk(v[dstChanExt]) || isTrunkChannel(v[dstChannel])
	switch {
	case from && to:
		return transit
	case from:
		return inbound
	case to:
		return outbound
	}
	for _, word := range [...]string{inbound, outbound, internal} {
		if strings.EqualFold(v[userField], word) {
			return word
		}
	}
	switch {
	case strings.EqualFold(v[userField], "EXT"):
		return internal
	case !strings.EqualFold(v[userField], "External"):
		return ""
	case kit.Digits(v[channelExt]):
		return outbound
	}
	return transit
}

// isTrunk: `trunk_1` stands where an extension else does.
func isTrunk(ext string) bool { return strings.HasPrefix(ext, "trunk_") }

func isTrunkChannel(name string) bool {
	_, peer, _ := strings.Cut(name, "/")
	return isTrunk(peer)
}

// group sets the ring group or queue passed: `RINGGROUP[6400]`.
func (p *parser) group(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	if v[actionType] == "" {
		return
	}
	if kind, number, ok := cutAction(v[actionType]); ok && (strings.Contains(kind, "GROUP") || strings.Contains(kind, "QUEUE")) {
		cdr.GroupNumber, cdr.GroupName = number, ""
	} else if !strings.EqualFold(v[lastApp], "Queue") {
		cdr.GroupNumber, cdr.GroupName = "", ""
	}
}

// cutAction splits `KIND[number]`.
func cutAction(s string) (kind, number string, ok bool) {
	kind, number, ok = strings.Cut(s, "[")
	number, closed := strings.CutSuffix(number, "]")
	return strings.ToUpper(kind), number, ok && closed && number != ""
}

// shortestDID in digits: an outside caller dials no less.
const shortestDID = 6

// parties sets the extension that answered or rang, or that called.
func (p *parser) parties(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	answered := cdr.Disposition == trunklinev1.Disposition_DISPOSITION_ANSWERED || cdr.Disposition == trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	rang := p.extension(cdr, v[dstChanExt], v[dstChannelExt])
	reached := rang
	if other := p.extension(cdr, v[dstAnswer]); other != "" && answered {
		reached = other
	} else if other != "" && other != rang && rang != "" && cdr.Disposition == trunklinev1.Disposition_DISPOSITION_NO_ANSWER && p.rec.group != mainCDR {
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ELSEWHERE
	}
	caller := p.extension(cdr, v[chanExt], v[channelExt])
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		if reached == "" && (v[dstChannel] != "" || cdr.Disposition == trunklinev1.Disposition_DISPOSITION_VOICEMAIL) {
			reached = p.extension(cdr, cdr.Extension)
		}
		cdr.Extension = reached
		cdr.CalledNumber = firstOf(reached, cdr.GroupNumber, cdr.CalledNumber)
		if own, _ := p.link.Extension(cdr.Did); own || len(cdr.Did) < shortestDID {
			cdr.Did, cdr.DialedNumber = "", "" // where the call was routed to; what was dialled is not printed
		}
	case trunklinev1.Direction_DIRECTION_INTERNAL:
		cdr.CalledNumber = firstOf(reached, cdr.GroupNumber, cdr.CalledNumber)
		cdr.Extension = firstOf(caller, cdr.Extension)
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		cdr.Extension = firstOf(caller, cdr.Extension)
	}
	if owner := v[actionOwner]; strings.Contains(strings.ToUpper(v[actionType]), "TRANSFER") && owner != v[src] && owner != v[dst] && owner != reached {
		cdr.TransferredFrom = owner
	}
}

// extension is the first that is one: no trunk, no group.
func (p *parser) extension(cdr *trunklinev1.Cdr, candidates ...string) string {
	for _, c := range candidates {
		if kit.Dialable(c) && c != cdr.GroupNumber {
			return c
		}
	}
	return ""
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// trunks sets the lines by the names that people gave them.
func (p *parser) trunks(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		cdr.Trunk = firstOf(v[srcTrunkName], cdr.Trunk)
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		cdr.Trunk = firstOf(v[dstTrunkName], cdr.Trunk)
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		cdr.Trunk = firstOf(v[srcTrunkName], cdr.Trunk)
		cdr.TrunkOut = firstOf(v[dstTrunkName], cdr.TrunkOut)
	}
}

// attributes keeps what has no place of its own and is not told by another field.
func (p *parser) attributes(cdr *trunklinev1.Cdr, direction string) {
	v := &p.rec.value
	for _, c := range [...]column{channelExt, dstChannelExt, chanExt, dstChanExt, dstAnswer, actionOwner, newSrc} {
		switch s := v[c]; {
		case s == cdr.Extension, s == cdr.CallingNumber, s == cdr.CalledNumber, s == cdr.TransferredFrom, isTrunk(s):
		default:
			kit.Attribute(cdr, columnNames[c], s)
		}
	}
	kit.Attribute(cdr, columnNames[actionType], v[actionType])
	kit.Attribute(cdr, columnNames[reason], v[reason])
	kit.Attribute(cdr, columnNames[recordFiles], strings.Trim(v[recordFiles], "@"))
	if v[service] != "s" {
		kit.Attribute(cdr, columnNames[service], v[service])
	}
	if !strings.EqualFold(v[userField], direction) {
		kit.Attribute(cdr, columnNames[userField], v[userField])
	}
	for _, o := range p.rec.others {
		kit.Attribute(cdr, o.name, o.value)
	}
}
