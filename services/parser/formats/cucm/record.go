package cucm

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// record is a line on its way into a CDR.
type record struct {
	*parser
	*layout
	cdr     *trunklinev1.Cdr
	columns []string
	// number of each numeric field; 0 where it is empty or none.
	number [fields]int64
}

// get is a field's text; empty where the file has no such column.
func (r *record) get(f field) string { return r.column(r.at[f]) }

func (r *record) column(i int) string {
	if uint(i) >= uint(len(r.columns)) {
		return ""
	}
	return r.columns[i]
}

// numbers reads the numeric fields. Where a text stands in one, or in another
// column of numbers, a column may be missing.
func (r *record) numbers() {
	odd := r.csv.Stray || r.csv.Behind
	for _, f := range numeric {
		if s := r.get(f); s != "" && s != "0" {
			n, ok := number(s)
			r.number[f], odd = n, odd || !ok
		}
	}
	for _, i := range r.anchors {
		if s := r.column(i); s != "" && s != "0" {
			_, ok := number(s)
			odd = odd || !ok
		}
	}
	if odd {
		kit.Warn(r.cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
}

// number reads a whole number of at most 10 digits and a sign.
func number(s string) (n int64, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	if s == "" {
		return 0, true
	}
	if len(digits) > 10 || !kit.Digits(digits) {
		return 0, false
	}
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, true
}

// cause is a termination cause: 32 bits without sign, which some documents and
// programs print with one.
func (r *record) cause(f field) uint32 {
	n := r.number[f]
	if n < math.MinInt32 || n > math.MaxUint32 {
		kit.Warn(r.cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		return 0
	}
	return uint32(n)
}

// management tells a line of a cmr file.
func (r *record) management() bool {
	if r.cmr || r.get(recordType) != "2" {
		return r.cmr
	}
	const pkidOfCMR = 14
	return !r.unnamed || isUUID(r.column(pkidOfCMR))
}

func isUUID(s string) bool {
	return len(s) == len("bde20536-1250-4382-af5b-3107ef569ae3") && strings.Count(s, "-") == 4 && hex(strings.ReplaceAll(s, "-", ""))
}

// check tells lines that do not fit their head.
func (r *record) check() formats.Result {
	have := len(r.columns)
	if r.fault != "" {
		return formats.Die("bad_head", r.fault)
	}
	if r.unnamed {
		if have != releases9to11 && have < r.layout.columns || !isUUID(r.get(pkid)) {
			return formats.Die("no_head", fmt.Sprintf("the file has no line of column names, and the line's %d columns are not those of the releases 9 to 15 (129 or 133, pkid the 51st): collect the whole file", have))
		}
	} else if have < r.layout.columns {
		return formats.Die("columns", fmt.Sprintf("%d columns, the head names %d: the line was cut", have, r.layout.columns))
	}
	if have > r.layout.columns {
		kit.Warn(r.cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
	}
	if !kit.Digits(r.get(callID)) {
		return formats.Die("no_call_id", fmt.Sprintf("column %d (globalCallID_callId): expected a number", r.at[callID]+1))
	}
	for _, f := range [...]struct {
		field field
		name  string
	}{{origination, "dateTimeOrigination"}, {connect, "dateTimeConnect"}, {disconnect, "dateTimeDisconnect"}} {
		if n, ok := number(r.get(f.field)); !ok || n < 0 || n > 1<<32 {
			return formats.Die("bad_time", fmt.Sprintf("column %d (%s): expected seconds since 1970", r.at[f.field]+1, f.name))
		}
	}
	return formats.Result{}
}

// releases9to11 is how many columns those print.
const releases9to11 = 129

// read fills the CDR.
func (r *record) read() formats.Result {
	cdr := r.cdr
	start, connected, end := r.number[origination], r.number[connect], r.number[disconnect]
	if start == 0 {
		start = connected
		if start == 0 {
			start = end
		}
		if start == 0 {
			return formats.Die("bad_time", fmt.Sprintf("column %d (dateTimeOrigination): neither this time nor that of connection or disconnection is set", r.at[origination]+1))
		}
		kit.Warn(cdr, trunklinev1.Warning_WARNING_START_ASSUMED)
	}
	s := r.sides()
	if s.from.inside() && s.to.kind == unknown && s.to.party == "" && connected == 0 && r.number[destLeg] == 0 {
		return formats.Ignore("off_hook")
	}
	r.zone.SetStart(cdr, time.Unix(start, 0))
	if end >= start {
		cdr.EndTime = timestamppb.New(time.Unix(end, 0))
	}
	cdr.TimePrecisionSeconds = 1

	cdr.CallId, cdr.LegId = r.get(callID), r.get(origLeg)
	cdr.Node = r.get(cluster)
	cdr.CallKey = cdr.Node + ":" + r.get(callManager) + ":" + cdr.CallId
	cdr.AccountCode = r.get(matterCode)

	r.role()
	r.parties(s)
	r.outcome(start, connected, end, s)
	r.keep()
	if key := r.get(pkid); key != "" {
		return formats.Result{Key: []string{key}}
	}
	return formats.Result{}
}

// role tells whole calls from parts and copies.
func (r *record) role() {
	joined := r.number[joinedBy]
	cdr := r.cdr
	cdr.MoreLegs = isSplit(r.cause(origCause)) || isSplit(r.cause(destCause))
	switch {
	case copies(joined, 0), copies(r.number[origRedirectedBy], r.number[origRedirectReason]), copies(r.number[lastRedirectedBy], r.number[lastRedirectReason]):
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
	case cdr.MoreLegs, partial(joined), partial(r.number[origEndedBy]), partial(r.number[destEndedBy]), partial(r.number[lastRedirectedBy]),
		isBridge(r.get(finalCalled)), isBridge(r.get(calling)):
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_LEG
	default:
		cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	}
}

// seconds is the time from one moment to a later one.
func (r *record) seconds(from, to int64) uint32 {
	if to < from {
		kit.Warn(r.cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		return 0
	}
	return uint32(to - from)
}

// outcome sets disposition, durations and cause.
func (r *record) outcome(start, connected, end int64, s sides) {
	cdr := r.cdr
	if r.number[wasQueued] == 1 {
		cdr.QueueSeconds = uint32(max(0, min(r.number[queueWait], 1<<31)))
	}
	orig, dest := r.cause(origCause), r.cause(destCause)
	cause := dest
	if cause == 0 || q850(cause) == 0 && q850(orig) != 0 {
		cause = orig
	}
	cdr.HangupCause = q850(cause)
	if connected == 0 {
		cdr.RingSeconds = r.seconds(start, end)
		switch {
		case r.number[origEndedBy] == byPickup:
			cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ELSEWHERE
		case cdr.MoreLegs: // handed over while it rang: what became of it is another record's
		default:
			cdr.Disposition = unanswered(cause)
		}
		return
	}
	talk := r.number[duration]
	if _, ok := number(r.get(duration)); !ok || talk < 0 || r.get(duration) == "" {
		talk = int64(r.seconds(connected, end))
	}
	if cdr.QueueSeconds > 0 && r.number[lastRedirectReason] == reasonQueued {
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ABANDONED
		cdr.RingSeconds = r.seconds(start, end)
		cdr.LineSeconds = uint32(min(talk, 1<<31))
		return
	}
	cdr.RingSeconds = r.seconds(start, connected)
	cdr.TalkSeconds = uint32(min(talk, 1<<31))
	cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
	if s.to.kind == voicemail {
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	}
	if cdr.QueueSeconds > cdr.RingSeconds {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
	}
}

// keptValue is an attribute on its way into the CDR.
type keptValue struct{ name, value string }

// keep makes the other columns attributes.
func (r *record) keep() {
	kept := r.kept[:0]
	for i := range r.attributes {
		a := &r.attributes[i]
		value := r.column(a.column)
		if value == "" || len(value) == 1 && value[0] == a.usual {
			continue
		}
		switch a.kind {
		case address:
			if r.column(a.other) != "" {
				continue
			}
			value = dotted(value)
		case unlike:
			if value == r.column(a.other) {
				continue
			}
		}
		kept = append(kept, keptValue{cmp.Or(a.name, kit.Unnamed), value})
	}
	r.kept = kept
	if r.cdr.Attributes == nil && len(kept) > 0 {
		r.cdr.Attributes = make(map[string]string, len(kept))
	}
	for _, k := range kept {
		r.cdr.Attributes[k.name] = k.value
	}
}

// dotted is an IPv4 address that is printed as a number with sign, its first
// byte the lowest.
func dotted(s string) string {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 {
		return s
	}
	b := uint32(n)
	return netip.AddrFrom4([4]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)}).String()
}
