package oxe

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

const ambiguous = trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS

// times sets start and end, and returns the seconds between them. live tells a
// ticket that came when the call ended; a file is up to 90 minutes older when it
// is written.
func (p *parser) times(t *formats.Ticket, cdr *trunklinev1.Cdr, f figures, incoming, live bool) (span int64, r formats.Result, ok bool) {
	until, ok := readStamp(p.col[endDateTime])
	if !ok {
		return 0, p.bad("bad_end", endDateTime, "YYYYMMDD hh:mm:ss"), false
	}
	from, ok := readStamp(p.col[startDateTime])
	if !ok && p.col[startDateTime] != "" {
		return 0, p.bad("bad_start", startDateTime, "YYYYMMDD hh:mm:ss"), false
	}
	lasted := time.Duration(f.duration) * time.Second
	if incoming {
		lasted = max(lasted, time.Duration(f.waiting+f.effective)*time.Second)
	}
	near := t.Near
	if first, warnings := p.zone.Time(until, time.Time{}); !live && slices.Contains(warnings, ambiguous) && !near.Before(first.Add(59*time.Minute)) {
		near = time.Time{}
	}
	var start, end time.Time
	var warnings []trunklinev1.Warning
	if from.Year == 0 {
		end, warnings = p.zone.Time(until, near)
		start = end.Add(-lasted)
		kit.Warn(cdr, trunklinev1.Warning_WARNING_START_ASSUMED)
	} else {
		start, end, warnings = between(&p.zone, from, until, near, lasted)
		if incoming && f.duration == 0 && f.effective == 0 && f.waiting > 0 && !start.Before(end) {
			// Never answered: the PBX prints the end twice.
			start = end.Add(-lasted)
			kit.Warn(cdr, trunklinev1.Warning_WARNING_START_ASSUMED)
		}
	}
	kit.Warn(cdr, warnings...)
	p.zone.SetStart(cdr, start)
	cdr.TimePrecisionSeconds = 1
	if end.Before(start) {
		p.odd(cdr, endDateTime)
		return 0, formats.Result{}, true
	}
	cdr.EndTime = timestamppb.New(end)
	return int64(end.Sub(start) / time.Second), formats.Result{}, true
}

// between finds the instants of a start and an end. In the doubled hour of
// autumn how long the call lasted lets each decide the other.
func between(zone *kit.Zone, from, until kit.Wall, near time.Time, lasted time.Duration) (start, end time.Time, warnings []trunklinev1.Warning) {
	end, ofEnd := zone.Time(until, time.Time{})
	if !slices.Contains(ofEnd, ambiguous) {
		start, warnings = zone.Time(from, end.Add(-lasted))
		return start, end, append(warnings, ofEnd...)
	}
	start, ofStart := zone.Time(from, time.Time{})
	if !slices.Contains(ofStart, ambiguous) {
		end, warnings = zone.Time(until, start.Add(lasted))
		return start, end, append(warnings, ofStart...)
	}
	if end.Before(start) || lasted > end.Sub(start)+50*time.Minute {
		return start, end.Add(time.Hour), nil // the clock was put back between them
	}
	shown := end.Sub(start)
	end, warnings = zone.Time(until, near)
	return end.Add(-shown), end, warnings
}

// readStamp reads `YYYYMMDD hh:mm:ss`.
func readStamp(s string) (w kit.Wall, ok bool) {
	if len(s) != len("20060102 15:04:05") || s[8] != ' ' || s[11] != ':' || s[14] != ':' {
		return w, false
	}
	var n [7]int
	for i, at := range [...]int{0, 2, 4, 6, 9, 12, 15} {
		if s[at] < '0' || s[at] > '9' || s[at+1] < '0' || s[at+1] > '9' {
			return w, false
		}
		n[i] = int(s[at]-'0')*10 + int(s[at+1]-'0')
	}
	w = kit.Wall{Year: n[0]*100 + n[1], Month: n[2], Day: n[3], Hour: n[4], Minute: n[5], Second: n[6]}
	return w, w.Year >= 1970 && w.Valid()
}
