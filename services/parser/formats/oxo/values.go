package oxo

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// xmlParty reads a user: a number with its type beside it, or a letter before it.
func xmlParty(s, kind string) (who party, ok bool) {
	if strings.Trim(s, "*") == "" {
		return party{}, true
	}
	if who, ok := printedParty(s); ok {
		return who, true
	}
	if !kit.Digits(s) {
		return party{}, false
	}
	switch n, number := kit.Uint(kind); {
	case number && int(n) < len(userTypes):
		return party{userTypes[n], s}, true
	case containsAny(kind, "group"):
		return party{'G', s}, true
	case number:
		return party{}, false
	case kind == "", containsAny(kind, "subscriber", "user", "set", "station"):
		return party{'A', s}, true
	}
	letter := lineLetter(kind)
	if letter == "" {
		return party{}, false
	}
	return party{letter[0], s}, true
}

// lineLetter reads a trunk type: its code, or in words. Empty: it is none.
func lineLetter(s string) string {
	if n, ok := kit.Uint(s); ok {
		if n > 0 && int(n) < len(lineTypes) {
			return lineTypes[n : n+1]
		}
		return ""
	}
	switch {
	case s == "":
	case containsAny(s, "analog"):
		return "L"
	case containsAny(s, "t0", "basic", "bri"):
		return "N"
	case containsAny(s, "t2", "t1", "primary", "pri"):
		return "P"
	case containsAny(s, "ip", "sip"):
		return "V"
	}
	return ""
}

// xmlDate reads a date of numbers with `/`, `-` or `.` between. A year of four
// digits in front decides the order.
func xmlDate(s, order string) (w kit.Wall, ok bool) {
	var parts [3]string
	separator := strings.IndexAny(s, "/-.")
	if separator < 0 {
		return w, false
	}
	var rest string
	parts[0], rest, _ = strings.Cut(s, s[separator:separator+1])
	parts[1], parts[2], _ = strings.Cut(rest, s[separator:separator+1])
	if len(parts[0]) == 4 {
		order = "ymd"
	}
	for i, part := range parts {
		n, ok := kit.Uint(part)
		switch {
		case !ok || len(part) > 2 && (order[i] != 'y' || len(part) != 4):
			return w, false
		case order[i] == 'd':
			w.Day = int(n)
		case order[i] == 'm':
			w.Month = int(n)
		case len(part) == 4:
			w.Year = int(n)
		case len(part) == 2:
			w.Year = 2000 + int(n)
		default:
			return w, false
		}
	}
	return w, w.Year > 1990 && w.Valid()
}

// xmlClock reads hh:mm:ss, or hh:mm and then minutes is set.
func xmlClock(s string) (hour, minute, second int, minutes, ok bool) {
	if minutes = len(s) == 5; minutes {
		s += ":00"
	}
	n, ok := kit.Clock(s)
	return int(n / 3600), int(n / 60 % 60), int(n % 60), minutes, ok && len(s) == 8
}

// xmlDuration reads hh:mm:ss or PT1H2M3S. A bare number could be seconds or
// minutes: it is neither.
func xmlDuration(s string) (seconds uint32, ok bool) {
	rest, iso := strings.CutPrefix(s, "PT")
	if !iso {
		return kit.Clock(s)
	}
	for _, unit := range [...]struct {
		letter  string
		seconds uint32
	}{{"H", 3600}, {"M", 60}, {"S", 1}} {
		number, behind, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, digits := kit.Uint(number)
		if !digits || n > 1<<20 {
			return 0, false
		}
		seconds, rest, ok = seconds+n*unit.seconds, behind, true
	}
	return seconds, ok && rest == ""
}
