package hipath

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// The information element: what kind of call or part of a call a record is.
const (
	ringing       = 0 // a call arrives; no record of a call
	incoming      = 1
	outgoing      = 2
	incomingData  = 3 // another service than voice
	outgoingData  = 4
	incomingMoved = 5 // the part behind a transfer
	outgoingMoved = 6
	incomingJoint = 7 // conference, or transferred to the outside
	outgoingJoint = 8
	forwarded     = 9 // out, because a station is forwarded to the outside
	disa          = 50
)

// element reads the information element; ok is false for one that is none.
func element(s string) (kind int, direct, ok bool) {
	n, _ := kit.Uint(s)
	kind = int(n)
	if kind >= disa {
		return kind - disa, true, kind-disa <= forwarded
	}
	return kind, false, kind <= forwarded
}

// call fills the CDR from the columns.
func (p *parser) call(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	c := &p.col
	kind, direct, ok := element(c[information])
	switch {
	case !ok:
		return p.dead(unfit, information)
	case p.layout == getAccount && kind != incoming && kind != outgoing:
		return formats.Die(unfit, p.place(information)+": "+c[information]+"; expected 1 or 2")
	case kind == ringing && c[ring]+c[duration]+c[charge] != "":
		return formats.Die("ringing_with_duration", p.place(information)+": "+c[information]+", a call that arrives; it has no ring, duration or charge yet")
	case kind == ringing:
		return formats.Ignore("ringing_notice")
	}
	wall, reason, err := p.wall(t.Near)
	if reason != "" {
		return formats.Die(reason, p.place(date)+": "+err)
	}
	cdr.Direction = trunklinev1.Direction_DIRECTION_OUTBOUND
	if kind == incoming || kind == incomingData || kind == incomingMoved || kind == incomingJoint {
		cdr.Direction = trunklinev1.Direction_DIRECTION_INBOUND
	}
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	if kind >= incomingMoved || direct {
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	}
	if kind > outgoing || direct {
		kit.Attribute(cdr, "information_element", c[information])
	}
	if r := p.durations(cdr); r.Outcome != formats.CDR {
		return r
	}
	end, warnings := p.zone.Time(wall, t.Near)
	kit.Warn(cdr, warnings...)
	p.zone.SetStart(cdr, end.Add(-time.Duration(cdr.RingSeconds+cdr.TalkSeconds)*time.Second))
	cdr.EndTime = timestamppb.New(end)
	cdr.TimePrecisionSeconds = 1
	p.parties(cdr, kind)
	p.charges(cdr)
	cdr.Trunk, cdr.Node, cdr.AccountCode = c[trunk], c[node], c[account]
	kit.Attribute(cdr, "access_code", c[accessCode])
	kit.Attribute(cdr, "lcr_route", strings.TrimLeft(c[route], "0"))
	kit.Attribute(cdr, "nodal_service", c[nodalService])
	kit.Attribute(cdr, "wats_band", c[watsBand])
	kit.Attribute(cdr, "carrier", c[carrier])
	return formats.Result{}
}

// durations sets how long the call rang and lasted, and what became of it.
func (p *parser) durations(cdr *trunklinev1.Cdr) formats.Result {
	c := &p.col
	const unknown, answered, noAnswer, busy = trunklinev1.Disposition_DISPOSITION_UNSPECIFIED, trunklinev1.Disposition_DISPOSITION_ANSWERED, trunklinev1.Disposition_DISPOSITION_NO_ANSWER, trunklinev1.Disposition_DISPOSITION_BUSY
	rang, lasted, timed := 0, 0, c[duration] != ""
	if timed {
		lasted = clockSeconds(c[duration])
	}
	if s, ok := kit.Uint(c[seconds]); ok {
		// GetAccount prints the duration twice; the one in seconds goes beyond a day.
		if !timed || int(s) != lasted && (lasted < longestDuration || int(s) < lasted) {
			return formats.Die("durations_differ", p.place(seconds)+": "+c[seconds]+"; the duration is "+kit.Quote(c[duration]))
		}
		lasted = int(s)
	}
	if c[ring] != "" {
		rang = ringSeconds(c[ring])
	}
	in := cdr.Direction == trunklinev1.Direction_DIRECTION_INBOUND
	if rang == longestRing || lasted == longestDuration || lasted == 99999 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW, trunklinev1.Warning_WARNING_START_ASSUMED)
	}
	if !timed && (!in || c[ring] == "") || in && timed && c[ring] == "" {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_START_ASSUMED)
	}
	switch {
	case lasted > 0:
		cdr.Disposition = answered
	case !in && strings.Trim(c[charge], "0.,") != "":
		cdr.Disposition = answered
	case !in && timed:
		cdr.Disposition = noAnswer
	case in && !timed && c[ring] != "":
		cdr.Disposition = noAnswer
	case in && timed && rang == 0 && c[dialed] != "":
		cdr.Disposition = busy
	case in && p.layout == getAccount:
		cdr.Disposition = noAnswer
	default:
		cdr.Disposition = unknown
	}
	cdr.RingSeconds, cdr.TalkSeconds = uint32(rang), uint32(lasted)
	return formats.Result{}
}

// parties sets who called whom.
func (p *parser) parties(cdr *trunklinev1.Cdr, kind int) {
	c := &p.col
	outside := p.unmask(cdr, c[number])
	cdr.Extension = c[station]
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if inside, _ := p.link.Extension(outside); inside {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
	if cdr.Direction == trunklinev1.Direction_DIRECTION_INBOUND {
		cdr.CallingNumber, cdr.CalledNumber = outside, c[station]
		cdr.DialedNumber, cdr.Did = first(c[dialed], c[msn]), first(c[msn], c[dialed])
	} else {
		cdr.CallingNumber = c[station]
		if kind == forwarded { // who called the station is not told
			cdr.CallingNumber, cdr.RedirectedFrom = "", c[station]
		}
		cdr.DialedNumber, cdr.CalledNumber = outside, first(c[dialed], outside)
		kit.Attribute(cdr, "msn", c[msn])
	}
	// What was dialled for the line stands in a field of its own.
	p.link.SetExternal(cdr, outside, false)
	if p.layout != nil && len(c[number]) == p.layout.numberWidth() {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
}

// unmask shows each hidden digit as one `?`: some systems print one for all.
func (p *parser) unmask(cdr *trunklinev1.Cdr, number string) string {
	at := strings.IndexByte(number, '?')
	if at < 0 {
		return number
	}
	cdr.Masked = true
	kit.Warn(cdr, trunklinev1.Warning_WARNING_MASKED)
	if n := p.link.Parse.MaskedDigits; n > 1 && at == len(number)-1 {
		return number[:at] + strings.Repeat("?", n)
	}
	return number
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
