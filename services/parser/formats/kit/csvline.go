package kit

import "strings"

// CSV splits lines as [SplitCSV] does, one after the other, and tells what does
// not look like CSV in them.
type CSV struct {
	// Columns of the last line; overwritten by the next one.
	Columns []string
	// Open: a column in quotes has no end; it went to the end of the line.
	Open bool
	// Stray: a quote stands inside a column without quotes.
	Stray bool
	// Behind: something stands behind a closing quote.
	Behind bool
}

// Split takes the columns of one line.
func (c *CSV) Split(line string, separator byte) {
	c.Open, c.Stray, c.Behind = false, false, false
	columns, stray := c.Columns[:0], false
	for at := 0; ; at++ { // at is where a column begins, then where it ends
		from := at
		var column string
		if at < len(line) && line[at] == '"' {
			for at++; at < len(line) && line[at] != '"'; at++ {
			}
			column = line[from+1 : at]
			if at++; at != len(line) && (at > len(line) || line[at] != separator) {
				column, at = c.quoted(line, from+1, separator)
			}
		} else {
			for at < len(line) && line[at] != separator {
				stray = stray || line[at] == '"'
				at++
			}
			column = line[from:at]
		}
		columns = append(columns, column)
		if at >= len(line) {
			c.Columns, c.Stray = columns, stray
			return
		}
	}
}

// quoted takes a column that is more than text in quotes from behind its opening
// quote, and tells where it ends.
func (c *CSV) quoted(line string, from int, separator byte) (column string, end int) {
	at, doubled := from, false
	for ; at < len(line); at++ {
		if line[at] != '"' {
			continue
		}
		if at+1 == len(line) || line[at+1] != '"' {
			break
		}
		doubled = true
		at++
	}
	if column = line[from:min(at, len(line))]; doubled {
		column = strings.ReplaceAll(column, `""`, `"`)
	}
	if at >= len(line) {
		c.Open = true
		return column, len(line)
	}
	at++
	for end = at; end < len(line) && line[end] != separator; end++ {
	}
	if end > at { // what stands between the closing quote and the separator belongs to it
		c.Behind = true
		column += line[at:end]
	}
	return column, end
}
