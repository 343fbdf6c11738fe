package oxe

import (
	"bytes"
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// fill puts the columns of a ticket into p.col. Positions count bytes, so each
// column is decoded alone where there is more than ASCII.
func (p *parser) fill(cdr *trunklinev1.Cdr, l *layout, ticket []byte, comma bool) (formats.Result, bool) {
	p.extra = p.extra[:0]
	if l != builtIn { // which has them all
		p.col = [columns]string{}
	}
	if comma {
		if r, ok := p.cells(cdr, l, ticket); !ok {
			return r, false
		}
	}
	plain := kit.ASCII(ticket)
	text := ""
	if plain {
		text = string(ticket)
	}
	for i := range l.places {
		at := &l.places[i]
		from, to := at.from, at.to
		if comma {
			from, to = p.spans[i].from, p.spans[i].to
		}
		var value string
		if plain {
			value = text[from:to]
		} else {
			value = p.link.Decode(cdr, ticket[from:to])
		}
		if at.column == columns {
			p.extra = append(p.extra, extra{at.name, trimLeft(trimRight(value))})
			continue
		}
		value, expected := check(value, ed52[at.column].kind)
		if expected != "" {
			return formats.Die("misaligned_columns", fmt.Sprintf("%s: %s; expected %s", where(at), kit.Quote(value), expected)), false
		}
		p.col[at.column] = value
	}
	return formats.Result{}, true
}

// extra is a column that only the file's # line knows.
type extra struct{ name, value string }

func where(at *place) string {
	title := at.name
	if at.column < columns {
		title = ed52[at.column].name
	}
	if at.to-at.from == 1 {
		return fmt.Sprintf("column %d (%s)", at.to, title)
	}
	return fmt.Sprintf("columns %d to %d (%s)", at.from+1, at.to, title)
}

// check takes the padding off a column. expected says what should be there where
// something else is: columns that moved show by the side on which they are
// padded.
func check(s string, k kind) (value, expected string) {
	switch k {
	case count, signed:
		value = trimLeft(s)
		digits := value
		if k == signed {
			digits = strings.TrimPrefix(value, "-")
		}
		if value != "" && !kit.Digits(digits) {
			return s, "a number, padded at its left"
		}
		return value, ""
	case flags:
		if s == zeros[:min(len(s), len(zeros))] {
			return s, ""
		}
		value = trimRight(s)
		for i := range len(value) {
			if value[i] != '0' && value[i] != '1' {
				return s, "a 0 or 1 for each flag"
			}
		}
		return value, ""
	case number:
		i := strings.IndexByte(s, ' ')
		if i < 0 {
			return s, ""
		}
		if padding := s[i:]; padding != blanks[:min(len(padding), len(blanks))] {
			return s, "one number, padded at its right"
		}
		return s[:i], ""
	case stamp:
		value = trimRight(s)
		if value != "" && (len(value) != len("20060102 15:04:05") || value[8] != ' ') {
			return s, "YYYYMMDD hh:mm:ss"
		}
		return value, ""
	}
	if s == blanks[:min(len(s), len(blanks))] {
		return "", ""
	}
	return trimLeft(trimRight(s)), ""
}

// What most columns hold whole or in part, to compare them with at once.
var (
	zeros  = strings.Repeat("0", 64)
	blanks = strings.Repeat(" ", widest)
)

// trimLeft and trimRight take the blanks off; written out, for they are asked of
// each column.
func trimLeft(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	return s
}

func trimRight(s string) string {
	for s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// span is where a column of the comma variant stands.
type span struct{ from, to int }

// cells finds the columns of the comma variant: each padded as in the fixed one,
// a comma behind each but the last, a blank before the first. Where all commas
// stand in their places a name may hold others. A hand-edited line may have a
// number or a name of another width.
func (p *parser) cells(cdr *trunklinev1.Cdr, l *layout, line []byte) (formats.Result, bool) {
	begin := 0
	if line[0] == ' ' {
		begin = 1
	}
	p.spans = p.spans[:0]
	if len(line) == begin+l.width+len(l.places)-1 {
		for i := range l.places {
			to := begin + l.places[i].to + i
			if to < len(line) && line[to] != ',' {
				break
			}
			p.spans = append(p.spans, span{begin + l.places[i].from + i, to})
		}
		if len(p.spans) == len(l.places) {
			return formats.Result{}, true
		}
		p.spans = p.spans[:0]
	}
	if commas := bytes.Count(line, []byte(",")); commas != len(l.places)-1 {
		return formats.Die("wrong_column_count", fmt.Sprintf("%d commas; a ticket has %d, one behind each column but the last", commas, len(l.places)-1)), false
	}
	for i := range l.places {
		at := &l.places[i]
		to := bytes.IndexByte(line[begin:], ',') + begin
		if i == len(l.places)-1 {
			to = len(line)
		}
		p.spans = append(p.spans, span{begin, to})
		if width := to - begin; width != at.to-at.from {
			if at.column == columns || ed52[at.column].kind > number {
				return formats.Die("misaligned_columns", fmt.Sprintf("column %d (%s) has %d characters; expected %d", i+1, at.name, width, at.to-at.from)), false
			}
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
		begin = to + 1
	}
	return formats.Result{}, true
}
