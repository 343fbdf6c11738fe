package asterisk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline.internal/services/parser/formats/kit"
)

// side of the PBX on which a party is.
type side uint8

const (
	unknown side = iota
	inside
	outside
)

// Without settings a number of so many digits is inside or outside; between them
// the country's plan decides.
const longestInside, shortestOutside = 5, 7

// look tells on which side a number is by the look of it. Text that is no number
// says nothing, unless parse.inside.numbers has it.
func (m *Mapping) look(number string) side {
	if number == "" {
		return unknown
	}
	own, decided := m.link.Extension(number)
	if own {
		return inside
	}
	switch {
	case kit.Digits(number):
		n := len(number)
		switch {
		case decided || n >= shortestOutside:
			return outside
		case n <= longestInside:
			return inside
		case m.link.Numbers.E164(number) != "":
			return outside
		}
		return inside
	case number[0] == '+':
		return outside
	case number[0] == '*' || number[0] == '#':
		return inside
	}
	digits, masks, ok := countDigits(number)
	switch {
	case !ok:
		return unknown
	case digits+masks >= shortestOutside:
		return outside
	}
	return inside
}

// countDigits counts the digits of any script and the masks of a number; ok is
// false for other text.
func countDigits(s string) (digits, masks int, ok bool) {
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			digits++
		case isMask(r) && digits >= 3:
			masks++
		case r == '+' && digits == 0:
		default:
			return digits, masks, false
		}
	}
	return digits, masks, digits > 0
}

func isMask(r rune) bool { return r == 'X' || r == 'x' || r == '*' || r == '?' }

// looksLikeNumber: digits of any script, keys of a telephone, masks.
func looksLikeNumber(s string) bool {
	if kit.Dialable(s) {
		return true
	}
	_, _, ok := countDigits(s)
	return ok
}

// readNumber takes the decorations off a number: a URI's scheme and host, blanks
// and other signs that only part it. isNumber is false for other text, which is
// given as it came.
func readNumber(s string) (number string, isNumber bool) {
	s = strings.TrimSpace(s)
	if kit.Dialable(s) {
		return s, true
	}
	n, _ := cutScheme(s)
	n, _, _ = strings.Cut(n, "@")
	if strings.ContainsAny(n, " -./()") {
		n = strings.Map(func(r rune) rune {
			if strings.ContainsRune(" -./()", r) {
				return -1
			}
			return r
		}, n)
	}
	if looksLikeNumber(n) {
		return n, true
	}
	return s, false
}

// showMasks writes `?` for each masked digit at the end of an outside number.
func showMasks(number string) (shown string, masked bool) {
	head := strings.TrimRight(number, "Xx*?")
	if head == number {
		return number, false
	}
	if digits, _, ok := countDigits(head); !ok || digits < 3 {
		return number, false
	}
	return head + strings.Repeat("?", len(number)-len(head)), true
}

var hiddenWords = []string{
	"anonymous", "unknown", "private", "restricted", "unavailable", "withheld", "blocked", "hidden", "unknown caller", "anonyme",
}

// hidden tells whether a caller did not show a number.
func hidden(src string) bool { return oneOf(src, hiddenWords) }

// readClid splits a caller id: `"Name" <number>`, `<number>`, a bare number or
// name, with stray quotes around the name. A name that repeats the number is
// none.
func readClid(clid string) (name, number string) {
	clid = strings.TrimSpace(clid)
	open := strings.LastIndexByte(clid, '<')
	if open < 0 {
		bare := strings.Trim(clid, `"\ `)
		if looksLikeNumber(bare) {
			return "", bare
		}
		return bare, ""
	}
	number = strings.TrimSpace(strings.TrimSuffix(strings.TrimRight(clid[open+1:], `"\ `), ">"))
	name = strings.Trim(clid[:open], `"\ `)
	if name == number {
		name = ""
	}
	return name, number
}

// quote shows a value in an error: short, and of its digits the first four, for it
// may be a telephone number. A time of day is none.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	digits, isTime := 0, strings.Count(s, ":") > 1
	for i, r := range s {
		if i > 30 {
			b.WriteString("…")
			break
		}
		if unicode.IsDigit(r) {
			if digits++; digits > 4 && !isTime {
				r = 'x'
			}
		}
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}
