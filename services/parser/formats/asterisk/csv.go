package asterisk

import (
	"fmt"
	"strings"

	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// cdr_csv's first 16 columns. uniqueid and userfield follow if cdr.conf logs
// them, then the three of newcdrcolumns.
var csvOrder = []column{
	colAccountcode, colSrc, colDst, colDcontext, colClid, colChannel, colDstchannel, colLastapp, colLastdata,
	colStart, colAnswer, colEnd, colDuration, colBillsec, colDisposition, colAMAFlags,
}

const (
	csvLeast, csvMost       = 16, 21
	csvStart                = 9 // index of start
	customLeast, customMost = 16, 19
	customStart             = 8
)

// The order of cdr_custom's sample.
var customOrder = []column{
	colClid, colSrc, colDst, colDcontext, colChannel, colDstchannel, colLastapp, colLastdata, colStart, colAnswer,
	colEnd, colDuration, colBillsec, colDisposition, colAMAFlags, colAccountcode, colUniqueid, colUserfield, colSequence,
}

// separators by how usual they are.
const separators = ",;\t|"

func checkFields(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	var c Columns
	given := map[string]bool{}
	for i, f := range fields {
		name := snake(f)
		if name == "" {
			return fmt.Errorf("parse.fields: entry %d is empty: name the column, or `-` for one to leave out", i+1)
		}
		if f != "-" && given[name] {
			return fmt.Errorf("parse.fields: %q stands there twice", f)
		}
		given[name] = true
		c.Set(f, "")
	}
	if m := c.missing(); m != "" {
		return fmt.Errorf("parse.fields: missing %s", m)
	}
	return nil
}

// line reads a ticket of a file.
func (p *parser) line(raw []byte) formats.Result {
	text := strings.Trim(strings.TrimPrefix(p.decode(raw), "\ufeff"), "\r\n\x00")
	if strings.TrimSpace(text) == "" {
		return formats.Ignore("blank")
	}
	want := csvLeast
	if len(p.fields) > 0 {
		want = len(p.fields)
	}
	whole := p.splitLine(text, want)
	switch {
	case !whole:
		return formats.Die("open_quote", fmt.Sprintf("column %d: a quote without its end: the line was cut", len(p.split)))
	case header(p.split):
		return formats.Ignore("header")
	case len(p.split) < want:
		return formats.Die("too_few_columns", fmt.Sprintf("%d columns, expected %d or more", len(p.split), want))
	case len(p.fields) > 0:
		p.named()
		return formats.Result{}
	}
	return p.detect()
}

// splitLine splits by the first separator that gives enough columns, else by a
// comma. It tells whether every quote ends.
func (p *parser) splitLine(text string, want int) (whole bool) {
	for i := range len(separators) {
		clear(p.split)
		if p.split, whole = kit.SplitCSV(p.split[:0], text, separators[i]); len(p.split) >= want {
			return whole
		}
	}
	clear(p.split)
	p.split, whole = kit.SplitCSV(p.split[:0], text, separators[0])
	return whole
}

// named reads the columns in the order of parse.fields.
func (p *parser) named() {
	for i, value := range p.split {
		if i < len(p.fields) {
			p.columns.Set(p.fields[i], value)
			continue
		}
		p.columns.extraColumns = true
		p.columns.Set(fmt.Sprintf("column_%d", i+1), value)
	}
}

// detect reads the columns in the order that the place of the dates shows.
func (p *parser) detect() formats.Result {
	n := len(p.split)
	switch {
	case isDate(p.split[customStart]):
		if n > customMost {
			return formats.Die("too_many_columns", fmt.Sprintf("%d columns, cdr_custom's sample has %d to %d: give the order in parse.fields", n, customLeast, customMost))
		}
		p.put(0, customOrder[:n]...)
	case isDate(p.split[csvStart]):
		if n > csvMost {
			return formats.Die("too_many_columns", fmt.Sprintf("%d columns, Master.csv has %d to %d: give the order in parse.fields", n, csvLeast, csvMost))
		}
		p.put(0, csvOrder...)
		tail := csvLeast
		switch n {
		case 17, 20: // either of two columns
			if _, ok := epoch(p.split[tail]); ok {
				p.put(tail, colUniqueid)
			} else {
				p.put(tail, colUserfield)
			}
			tail++
		case 18, 21:
			p.put(tail, colUniqueid, colUserfield)
			tail += 2
		}
		if n > tail {
			p.put(tail, colPeeraccount, colLinkedid, colSequence)
		}
	default:
		return formats.Die("unknown_layout", fmt.Sprintf("column %d (start): %s, expected YYYY-MM-DD hh:mm:ss; for another order give parse.fields", csvStart+1, quote(p.split[csvStart])))
	}
	return formats.Result{}
}

func (p *parser) put(first int, columns ...column) {
	for i, c := range columns {
		p.columns.put(c, first+i+1, p.split[first+i])
	}
}

// header tells whether the line holds names of columns.
func header(split []string) bool {
	names := 0
	for _, s := range split {
		if len(s) == 0 || len(s) > 40 || s[0] < 'A' {
			return false
		}
		if c, _ := lookup(s); c < numColumns {
			names++
		}
	}
	return names >= 5
}
