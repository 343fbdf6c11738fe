package panasonic

import "strings"

// party is what the dial number's columns tell of one party.
type party struct {
	number, name string
	// tail is what was dialled behind a transfer, without the hyphen.
	tail string
	// changed: the number is not printed as it stands here.
	masked, transferred, changed bool
}

// shortest is the fewest keys beside a name that are a number.
const shortest = 3

// newParty takes name and number apart, which the PBX prints without anything
// between them: the number is the last run of keys, or the first where the text
// ends in letters, as on older systems.
func newParty(s string) party {
	if s == "" {
		return party{}
	}
	if strings.Trim(s, ".") == "" || len(s) > 1 && strings.Trim(s, "X") == "" {
		return party{number: strings.Repeat("?", len(s)), masked: true, changed: true}
	}
	at := numberAtEnd(s)
	number, name := s[at:], s[:at]
	if name != "" && len(number) < shortest { // a name that ends in a digit
		number, name = "", s
	}
	if number == "" {
		end := 0
		for end < len(s) && isKey(s[end]) {
			end++
		}
		if end >= shortest && end < len(s) && s[end] == ' ' {
			number, name = s[:end], s[end:]
		}
	}
	p := party{name: strings.Trim(name, " ")}
	if i := strings.IndexByte(number, '-'); i >= 0 {
		p.transferred, p.changed = true, true
		number, p.tail = number[:i], keys(number[i+1:])
	}
	p.masked = strings.ContainsAny(number, ".X")
	p.number = keys(number)
	p.changed = p.changed || p.number != number
	return p
}

// numberAtEnd is where the number at the end of the text begins; the length of
// the text if it ends in none.
func numberAtEnd(s string) int {
	at := len(s)
	if i := strings.LastIndexByte(s, '-'); i > 0 && strings.Trim(s[i+1:], "0123456789*#") == "" {
		at = i // what was dialled behind a transfer; digits may be hidden before it
	}
	for at > 0 && s[at-1] == 'X' { // digits hidden by the privacy setting
		at--
	}
	for at > 0 {
		c := s[at-1]
		between := (c == 'P' || c == 'F') && (at == 1 || isKey(s[at-2]) || s[at-2] == '=')
		if !isKey(c) && c != '.' && c != '-' && c != '=' && !between {
			break
		}
		at--
	}
	for at < len(s) && !isKey(s[at]) && s[at] != '=' && (at > 0 || s[at] != 'P' && s[at] != 'F') {
		at++ // a dot, hyphen or X that belongs to the name
	}
	if !strings.ContainsAny(s[at:], "0123456789*#") {
		return len(s)
	}
	return at
}

func isKey(c byte) bool { return c >= '0' && c <= '9' || c == '*' || c == '#' || c == '+' }

// keys are the digits that were sent: hidden ones as `?`; pause, flash and the
// mark of a host PBX's access code are none.
func keys(s string) string {
	if !strings.ContainsAny(s, ".XPF=-") {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.', 'X':
			return '?'
		case 'P', 'F', '=', '-':
			return -1
		}
		return r
	}, s)
}

// incoming are the decorations of a received call; the long one is that of
// older systems.
func incoming(dial string) (ddi, caller string, ok bool) {
	if rest, found := strings.CutPrefix(dial, "<D>"); found {
		if i := strings.Index(rest, "<I>"); i >= 0 {
			return strings.Trim(rest[:i], " "), strings.Trim(rest[i+3:], " "), true
		}
		return rest, "", true
	}
	if rest, found := strings.CutPrefix(dial, "<I>"); found {
		return "", strings.Trim(rest, " "), true
	}
	if rest, found := strings.CutPrefix(dial, "<INCOMING>"); found {
		return "", strings.Trim(rest, " "), true
	}
	return "", "", false
}

// charge takes the cost apart: an amount with the currency's letters on either
// side. amount is empty where the cost is nothing, which the PBX prints on every
// line that it was told no charge for.
func charge(cost string) (amount, currency string, ok bool) {
	first := strings.IndexAny(cost, "0123456789")
	if first < 0 {
		return "", "", false
	}
	last := strings.LastIndexAny(cost, "0123456789") + 1
	amount = cost[first:last]
	before, after := strings.Trim(cost[:first], " "), strings.Trim(cost[last:], " ")
	if before != "" && after != "" {
		return "", "", false
	}
	currency = before + after
	point := strings.IndexAny(amount, ".,")
	for i := range len(amount) {
		if i != point && (amount[i] < '0' || amount[i] > '9') {
			return "", "", false
		}
	}
	if strings.Trim(amount, "0.,") == "" {
		return "", currency, true
	}
	for len(amount) > 1 && amount[0] == '0' && amount[1] >= '0' && amount[1] <= '9' {
		amount = amount[1:]
	}
	return strings.Replace(amount, ",", ".", 1), currency, true
}

// currencyCode is the ISO 4217 code of what the PBX prints; empty where it is
// not decidable. Type B has room for the first two letters only.
func currencyCode(s string) string {
	switch s {
	case "EU", "€":
		return "EUR"
	case "£":
		return "GBP"
	}
	if len(s) == 3 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] >= 'A' && s[2] <= 'Z' {
		return s
	}
	return ""
}
