package kit

import "strings"

// SplitCSV appends the columns of one line to dst. A column in quotes may hold
// the separator; a quote in it is doubled. A quote in the middle of an unquoted
// column is a character like any other, and a quoted column without an end goes
// to the end of the line: ok is false then. Columns are sub-strings of the line
// unless they hold doubled quotes.
func SplitCSV(dst []string, line string, separator byte) (columns []string, ok bool) {
	ok = true
	for {
		if len(line) == 0 || line[0] != '"' {
			i := strings.IndexByte(line, separator)
			if i < 0 {
				return append(dst, line), ok
			}
			dst, line = append(dst, line[:i]), line[i+1:]
			continue
		}
		var column string
		column, line, ok = quoted(line[1:], ok)
		// What stands between the closing quote and the separator belongs to it.
		i := strings.IndexByte(line, separator)
		if i < 0 {
			return append(dst, column+line), ok
		}
		dst, line = append(dst, column+line[:i]), line[i+1:]
	}
}

func quoted(s string, ok bool) (column, rest string, stillOK bool) {
	i := strings.IndexByte(s, '"')
	if i < 0 {
		return s, "", false
	}
	if i+1 >= len(s) || s[i+1] != '"' {
		return s[:i], s[i+1:], ok
	}
	var b strings.Builder
	for {
		b.WriteString(s[:i])
		s = s[i+1:]
		if s == "" || s[0] != '"' {
			return b.String(), s, ok
		}
		b.WriteByte('"')
		s = s[1:]
		if i = strings.IndexByte(s, '"'); i < 0 {
			b.WriteString(s)
			return b.String(), "", false
		}
	}
}
