package panasonic

import (
	"strings"

	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// withoutControls takes off what a terminal session puts before a line: form
// feeds, bells and telnet commands (three bytes, the first 0xFF).
func withoutControls(raw []byte) []byte {
	for len(raw) > 0 {
		switch {
		case raw[0] < ' ' || raw[0] == 0x7f:
			raw = raw[1:]
		case raw[0] == 0xff && len(raw) >= 3 && raw[1] >= 0xfb:
			raw = raw[3:]
		default:
			return raw
		}
	}
	return raw
}

// begin finds where the ticket begins in a line: at its date, which may stand
// behind the prompt and the echo of the log-in. The reason is that of a line
// between tickets; at is -1 where there is neither.
func begin(text string) (at int, reason string) {
	if isDate(text) {
		return 0, ""
	}
	trimmed := strings.Trim(text, " ")
	switch {
	case trimmed == "":
		return 0, "blank"
	case trimmed == "-":
		return 0, "prompt"
	case strings.Trim(trimmed, "-") == "":
		return 0, "rule"
	case strings.Contains(trimmed, "Date ") && strings.Contains(trimmed, " Time ") && strings.Contains(trimmed, "Dial Number"):
		return 0, "page_header"
	}
	if !dialogue(trimmed) {
		return -1, ""
	}
	for i := 1; i < len(text); i++ {
		if isDate(text[i:]) && dialogue(strings.Trim(text[:i], " ")) {
			return i, ""
		}
	}
	return 0, "login_dialogue"
}

// dialogue tells whether a text begins as the log-in does: prompt, user id,
// password prompt, and the echo of what was typed.
func dialogue(s string) bool {
	s = strings.TrimLeft(s, "- ")
	if s == "" || s[0] == '*' && strings.Trim(s, "* ") == "" {
		return true
	}
	for _, head := range [...]string{"SMDR", "PCCSMDR", "Enter Password", "No such command"} {
		if beginsWith(s, head) {
			return true
		}
	}
	return isDate(s) || len(s) < len("SMDR") && strings.EqualFold(s, "SMDR"[:len(s)])
}

func beginsWith(s, head string) bool {
	return len(s) >= len(head) && strings.EqualFold(s[:len(head)], head)
}

// without sorts out a line without duration: an event, which is no call; an
// intercom call or a received or answered line, whose layout it gives.
func (p *parser) without(l line) (lay *layout, result formats.Result, done bool) {
	lay, trunk := withoutDuration(l.text)
	if lay == nil {
		return nil, formats.Die("unknown_layout", "no duration such as 00:12'34 at column 47, 58 or 85, and no text at column 26, 27 or 29: no line of type A, B or C"), true
	}
	if trunk {
		if cd := l.plain(lay.cd); cd == "RC" || cd == "AN" {
			return lay, result, false
		}
		return nil, formats.Die("no_duration", "a call on a trunk without a duration such as 00:12'34 at column 47, 58 or 85: the line was cut, or is of no type A, B or C"), true
	}
	text := l.plain(lay.dial)
	if rest, ok := strings.CutPrefix(text, "EXT"); ok && isExtension(rest) {
		return lay, result, false
	}
	if column := lay.misplaced(l.text); column > 0 || !isExtension(l.plain(lay.ext)) {
		return nil, formats.Die("unknown_layout", "no duration such as 00:12'34 at column 47, 58 or 85, and no event of an extension: no line of type A, B or C"), true
	}
	if reason := event(text); reason != "" {
		return nil, formats.Ignore(reason), true
	}
	return nil, formats.Die("no_duration", "neither a duration such as 00:12'34 at column 47, 58 or 85 nor an event of an extension"), true
}

// event names what an extension did that is no call. What is no call and none of
// the known events is its absence message, a free text of letters.
func event(text string) (reason string) {
	for _, e := range [...]struct{ head, reason string }{
		{"LOG IN", "log_in"},
		{"LOG OUT", "log_out"},
		{"Check in", "check_in"},
		{"Check out", "check_out"},
		{"Timed Reminder", "timed_reminder"},
	} {
		if beginsWith(text, e.head) {
			return e.reason
		}
	}
	if rest, ok := strings.CutPrefix(text, "<I>"); ok {
		if len(rest) > 1 && rest[0] == 'S' && kit.Digits(rest[1:]) {
			return "sensor"
		}
		return ""
	}
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == substitute {
			return "absence"
		}
	}
	return ""
}

// isExtension tells whether s can stand in the extension's columns: digits, and
// before them a D for a doorphone, a T for a group of tie lines, a star for a
// verified call's code.
func isExtension(s string) bool {
	if s != "" && (s[0] == 'D' || s[0] == 'T' || s[0] == '*') {
		s = s[1:]
	}
	return s != "" && len(s) <= 6 && kit.Digits(strings.Trim(s, "*#"))
}
