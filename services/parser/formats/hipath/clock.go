package hipath

import (
	"math"
	"strings"
	"time"

	"trunkline.internal/services/parser/formats/kit"
)

// Values that the PBX prints where its counters overflow.
const (
	longestRing     = 59*60 + 59
	longestDuration = 23*3600 + 59*60 + 59
)

// isDate tells `dd.mm.yy`, or `mm/dd/yy` of North American systems.
func isDate(s string) bool {
	return len(s) == 8 && (s[2] == '.' || s[2] == '/') && s[5] == s[2] && two(s) >= 0 && two(s[3:]) >= 0 && two(s[6:]) >= 0
}

func isClock(s string) bool { return len(s) == 8 && clockSeconds(s) >= 0 }

func isRing(s string) bool { return len(s) == 5 && ringSeconds(s) >= 0 }

// two reads two digits; negative if they are none.
func two(s string) int {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// clockSeconds reads `hh:mm:ss` up to 23:59:59; negative if it is none.
func clockSeconds(s string) int {
	hour, rest := two(s), ringSeconds(s[3:])
	if s[2] != ':' || hour < 0 || hour > 23 || rest < 0 {
		return -1
	}
	return hour*3600 + rest
}

// ringSeconds reads `mm:ss` up to 59:59; negative if it is none.
func ringSeconds(s string) int {
	minute, second := two(s), two(s[3:])
	if s[2] != ':' || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return -1
	}
	return minute*60 + second
}

// How old a record with slashes in its date may be to tell the order of day and
// month by when it was written, and how far ahead a PBX's clock may be.
const (
	recent     = 4 * 24 * time.Hour
	clockError = 24 * time.Hour
)

// wall reads date and time. Dots stand between day, month and year; between
// slashes the month is first on North American systems, of which no record was
// ever seen: without `parse.date_order` such a date must be one in one order
// only, or recent in one only.
func (p *parser) wall(near time.Time) (w kit.Wall, reason, err string) {
	s := p.col[date]
	seconds := clockSeconds(p.col[clock])
	read := func(monthFirst bool) kit.Wall {
		day, month := two(s), two(s[3:])
		if monthFirst {
			day, month = month, day
		}
		year := 2000 + two(s[6:])
		if year >= 2090 {
			year -= 100
		}
		return kit.Wall{Year: year, Month: month, Day: day, Hour: seconds / 3600, Minute: seconds / 60 % 60, Second: seconds % 60}
	}
	w = read(p.monthFirst)
	if !p.ordered && s[2] == '/' {
		other := w
		w = read(true)
		if decided := p.nearer(&w, other, near); !decided {
			return w, "date_ambiguous", "the date " + s + " can be read in two ways; set parse.date_order to dmy or mdy"
		}
	}
	if !w.Valid() {
		return w, "bad_date", "the date " + s + " is none in the order " + p.dateOrder() + ": see parse.date_order"
	}
	return w, "", ""
}

func (p *parser) dateOrder() string {
	if p.monthFirst || !p.ordered && strings.Contains(p.col[date], "/") {
		return "mdy"
	}
	return "dmy"
}

// nearer sets w to the one of two readings that can be; false if both can.
func (p *parser) nearer(w *kit.Wall, other kit.Wall, near time.Time) bool {
	if *w == other {
		return true
	}
	possible := func(w kit.Wall, oldest time.Duration) bool {
		if !w.Valid() || near.IsZero() {
			return w.Valid()
		}
		at, _ := p.zone.Time(w, near)
		age := near.Sub(at)
		return age > -clockError && age < oldest
	}
	for _, oldest := range [...]time.Duration{recent, math.MaxInt64} {
		switch one, two := possible(*w, oldest), possible(other, oldest); {
		case one && two:
			return false
		case two:
			*w = other
			return true
		case one:
			return true
		}
	}
	return !w.Valid() // neither is one: that is told elsewhere
}
