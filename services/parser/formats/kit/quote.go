package kit

import (
	"strconv"
	"strings"
)

// Quote shows a piece of a ticket in an error: in quotes, cut after 24
// characters, and with `?` for every digit of a number behind its first four.
// Blanks, dots, hyphens and brackets do not end a number; `/` and `:` do, so that
// dates and times can be read.
func Quote(s string) string {
	const longest, visible = 24, 4
	digits, length := 0, 0
	masked := strings.Map(func(r rune) rune {
		if length++; length > longest {
			return -1
		}
		switch {
		case r >= '0' && r <= '9':
			if digits++; digits > visible {
				return '?'
			}
		case !strings.ContainsRune(" .-()", r):
			digits = 0
		}
		return r
	}, s)
	if length > longest {
		masked += "…"
	}
	return strconv.Quote(masked)
}
