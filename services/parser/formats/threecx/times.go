package threecx

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"trunkline.internal/services/parser/formats/kit"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// readTime reads `YYYY/MM/DD HH:MM:SS`.
func readTime(s string) (w kit.Wall, ok bool) {
	if len(s) != len("2006/01/02 15:04:05") || s[4] != '/' || s[7] != '/' || s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return w, false
	}
	n := [...]int{two(s), two(s[2:]), two(s[5:]), two(s[8:]), two(s[11:]), two(s[14:]), two(s[17:])}
	for _, v := range n {
		if v < 0 {
			return w, false
		}
	}
	w = kit.Wall{Year: n[0]*100 + n[1], Month: n[2], Day: n[3], Hour: n[4], Minute: n[5], Second: n[6]}
	return w, w.Year >= 2000 && w.Year < 2100 && w.Valid()
}

func isTime(s string) bool {
	_, ok := readTime(kit.Trim(s))
	return ok
}

func two(s string) int {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// readDuration reads `HH:MM:SS`, hours of any length, and `d.HH:MM:SS`, which is
// how .NET prints a day or more.
func readDuration(s string) (seconds uint32, ok bool) {
	days, clock, dotted := strings.Cut(s, ".")
	if !dotted {
		return kit.Clock(s)
	}
	d, ok1 := kit.Uint(days)
	seconds, ok2 := kit.Clock(clock)
	return d*86400 + seconds, ok1 && ok2 && d < 10000 && len(clock) == len("15:04:05") && seconds < 86400
}

const (
	// from1601 is what Windows' clock is ahead of Unix time, in milliseconds.
	from1601 = 11644473600000
	year2000 = 946684800000
	year2100 = 4102444800000
)

// readCallID takes `<16 hex digits>_<number>`. made is when the call was created:
// the digits are milliseconds, since 1970 big-endian (Linux, to version 18), since
// 1970 little-endian (version 20), or since 1601 (Windows). It is zero where no
// reading gives a year of this century.
func readCallID(s string) (made time.Time, ok bool) {
	if len(s) < 18 || s[16] != '_' || !kit.Digits(s[17:]) {
		return made, false
	}
	var b [8]byte
	if _, err := hex.Decode(b[:], []byte(s[:16])); err != nil {
		return made, false
	}
	for _, ms := range [...]uint64{binary.BigEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[:])} {
		for _, since := range [...]uint64{0, from1601} {
			if unix := ms - since; unix >= year2000 && unix < year2100 {
				return time.UnixMilli(int64(unix)), true
			}
		}
	}
	return made, true
}

// clock turns what the PBX's clock showed into instants.
type clock struct{ zone *time.Location }

// near is how far time-start may be from the time in callid.
const near = 2 * time.Second

// start finds the clock of a ticket and the instant at which its call began. The
// clock is the configured one unless the time in callid shows that it was another:
// UTC, the site's, or one that is whole quarters of an hour from UTC.
func (p *parser) start(wall kit.Wall, made, received time.Time) (c clock, start time.Time, warnings []trunklinev1.Warning) {
	start, warnings = instant(wall, p.zone, received)
	if made.IsZero() || len(warnings) == 0 && within(start, made) {
		return clock{p.zone}, start, warnings
	}
	fromID := []trunklinev1.Warning{trunklinev1.Warning_WARNING_ZONE_FROM_ID}
	for _, zone := range [...]*time.Location{p.zone, time.UTC, p.link.Zone} {
		if t, _ := instant(wall, zone, made); within(t, made) {
			return clock{zone}, t, fromID
		}
	}
	utc, _ := instant(wall, time.UTC, time.Time{})
	offset := utc.Sub(made).Round(15 * time.Minute)
	if offset < -12*time.Hour || offset > 14*time.Hour || !within(utc.Add(-offset), made) {
		return clock{p.zone}, start, warnings // callid is not of this moment
	}
	return clock{time.FixedZone("", int(offset/time.Second))}, utc.Add(-offset), fromID
}

func within(t, made time.Time) bool {
	d := t.Sub(made)
	return d >= -near && d <= near
}

func instant(w kit.Wall, zone *time.Location, received time.Time) (time.Time, []trunklinev1.Warning) {
	if zone == time.UTC {
		return time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, time.UTC), nil
	}
	return w.In(zone, received)
}

// after is the instant at which the clock showed this, the second of autumn's two
// equal hours where the first had passed.
func (c clock) after(before time.Time, w kit.Wall) time.Time {
	t, _ := instant(w, c.zone, time.Time{})
	if t.Before(before) {
		again := t.Add(time.Hour).In(c.zone)
		if again.Hour() == w.Hour && again.Minute() == w.Minute {
			return again
		}
	}
	return t
}
