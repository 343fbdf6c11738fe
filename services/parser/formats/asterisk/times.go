package asterisk

import (
	"strings"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// stamp is a time as printed: a wall clock's, or an instant where the record
// gives an offset or seconds since 1970.
type stamp struct {
	wall    kit.Wall
	instant time.Time
}

func (s stamp) exact() bool { return !s.instant.IsZero() }

// seconds since 1970, of a wall clock as if it were on UTC: for differences.
func (s stamp) seconds() int64 {
	if s.exact() {
		return s.instant.Unix()
	}
	return s.wall.Seconds()
}

// isNoDate tells whether a date column says nothing: MySQL prints zeros where
// there is no date.
func isNoDate(s string) bool {
	return s == "" || strings.HasPrefix(s, "0000-00-00") || strings.TrimSpace(s) == ""
}

// isDate tells whether s is a date and time.
func isDate(s string) bool {
	if s == "" || s[0] > '9' {
		return false
	}
	_, ok := readStamp(s)
	return ok
}

const dateLen = len("2006-01-02 15:04:05")

// readStamp reads `YYYY-MM-DD hh:mm:ss` with an optional fraction and offset, and
// what cdr_custom prints for CDR(start,u): seconds since 1970 with a fraction.
// Without one they could be a telephone number.
func readStamp(s string) (stamp, bool) {
	s = strings.TrimSpace(s)
	if len(s) >= dateLen && s[4] == '-' && s[7] == '-' && (s[10] == ' ' || s[10] == 'T') && s[13] == ':' && s[16] == ':' {
		w := kit.Wall{
			Year: number(s[:4]), Month: number(s[5:7]), Day: number(s[8:10]),
			Hour: number(s[11:13]), Minute: number(s[14:16]), Second: number(s[17:19]),
		}
		if w.Year < 1980 || !w.Valid() {
			return stamp{}, false
		}
		rest := s[dateLen:]
		if rest == "" {
			return stamp{wall: w}, true
		}
		if t, err := time.Parse(time.RFC3339Nano, s[:10]+"T"+s[11:]); err == nil {
			return stamp{wall: w, instant: t.Truncate(time.Second)}, true
		}
		return stamp{wall: w}, rest[0] == '.' && kit.Digits(rest[1:])
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if n, ok := seconds(whole); ok && kit.Digits(fraction) {
		return stamp{instant: time.Unix(n, 0).UTC()}, true
	}
	return stamp{}, false
}

// number reads digits; -1 for anything else.
func number(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// seconds reads a Unix time of 9 or 10 digits.
func seconds(s string) (int64, bool) {
	if len(s) != 9 && len(s) != 10 {
		return 0, false
	}
	n := number(s)
	return int64(n), n > 0
}

// epoch is when the channel of a uniqueid was made: `[system-]epoch.counter`.
func epoch(uniqueid string) (int64, bool) {
	dot := strings.LastIndexByte(uniqueid, '.')
	if dot < 0 || !kit.Digits(uniqueid[dot+1:]) {
		return 0, false
	}
	return seconds(uniqueid[strings.LastIndexByte(uniqueid[:dot], '-')+1 : dot])
}

const (
	// samePulse: a channel's first record begins when the channel does.
	samePulse = 2
	// tooEarly: no clock is set back so far between a channel and its record.
	tooEarly = 15 * 60
	hour     = 3600
)

// resolve turns a wall time into an instant. made is when the record's channel
// was, in Unix seconds, 0 if unknown: the record cannot begin before.
func resolve(s stamp, zone *kit.Zone, made int64, near time.Time) (time.Time, []trunklinev1.Warning) {
	if s.exact() {
		return s.instant, nil
	}
	utc := s.seconds()
	if made != 0 && zone.Settled(made) && within(utc-zone.Offset(made)-made, samePulse) { // the usual case, told quickly
		return time.Unix(utc-zone.Offset(made), 0), nil
	}
	t, warnings := zone.Time(s.wall, near)
	offset := utc - made // of the clock, if the channel was made at the start
	if made == 0 || offset < -12*hour-samePulse || offset > 26*hour {
		return t, warnings
	}
	after := t.Unix() - made
	ambiguous := len(warnings) > 0 && warnings[0] == trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS
	if within(after, samePulse) && !ambiguous {
		return t, warnings
	}
	fromID := []trunklinev1.Warning{trunklinev1.Warning_WARNING_ZONE_FROM_ID}
	first, second, doubled := twins(t)
	switch {
	case doubled && within(first.Unix()-made, samePulse):
		return first, fromID
	case doubled && within(second.Unix()-made, samePulse), ambiguous && first.Unix() < made-samePulse && second.Unix() >= made-samePulse:
		return second, fromID
	case within(offset, samePulse):
		return time.Unix(utc, 0), fromID
	case after >= -tooEarly || offset > 14*hour+samePulse:
		return t, warnings
	}
	// By the zone the record begins before its channel: the clock is on another.
	quarter := floor(offset+samePulse, hour/4)
	if within(offset-quarter, samePulse) {
		return time.Unix(utc-quarter, 0), fromID
	}
	// A later record of the channel: the nearest whole hour at which it is one.
	return time.Unix(utc-floor(offset, hour), 0), fromID
}

// twins are the two instants of the doubled hour at which the clock shows the
// time of t.
func twins(t time.Time) (first, second time.Time, doubled bool) {
	_, here := t.Zone()
	_, before := t.Add(-3 * time.Hour).Zone()
	_, after := t.Add(3 * time.Hour).Zone()
	if before <= after {
		return t, t, false
	}
	gap := time.Duration(before-after) * time.Second
	first, second = t, t.Add(gap)
	if here == after {
		first, second = t.Add(-gap), t
	}
	_, o1 := first.Zone()
	_, o2 := second.Zone()
	return first, second, o1 == before && o2 == after
}

func within(n, limit int64) bool { return n >= -limit && n <= limit }

// floor is the largest multiple that is not more than n.
func floor(n, multiple int64) int64 {
	r := n % multiple
	if r < 0 {
		r += multiple
	}
	return n - r
}

// minus is the stamp so many seconds earlier.
func (s stamp) minus(n uint32) stamp {
	if s.exact() {
		return stamp{wall: s.wall, instant: s.instant.Add(-time.Duration(n) * time.Second)}
	}
	t := time.Unix(s.seconds()-int64(n), 0).UTC()
	return stamp{wall: kit.Wall{
		Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second(),
	}}
}
