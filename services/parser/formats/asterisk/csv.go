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
	separator := p.splitLine(text, want)
	switch {
	case p.csv.Open:
		return formats.Die("open_quote", fmt.Sprintf("column %d: a quote without its end: the line was cut", len(p.split)))
	case header(p.split):
		return formats.Ignore("header")
	case len(p.split) < want:
		return formats.Die("too_few_columns", fmt.Sprintf("%d columns, expected %d or more", len(p.split), want))
	}
	p.odd = p.csv.Stray // the rest of a column that was lost
	if len(p.fields) > 0 {
		p.named()
		return formats.Result{}
	}
	// Texts are in quotes, and the last number is never empty.
	p.short = text[len(text)-1] == separator
	return p.detect(text)
}

// splitLine splits by the first separator that gives enough columns, else by a
// comma.
func (p *parser) splitLine(text string, want int) (separator byte) {
	for i := range len(separators) {
		if strings.Count(text, separators[i:i+1]) < want-1 {
			continue
		}
		p.csv.Split(text, separators[i])
		if p.split = p.csv.Columns; len(p.split) >= want {
			return separators[i]
		}
	}
	p.csv.Split(text, separators[0])
	p.split = p.csv.Columns
	return separators[0]
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
func (p *parser) detect(text string) formats.Result {
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
	p.odd = p.odd || p.shifted(text)
	return formats.Result{}
}

// shifted tells columns that are not where their order says: the columns behind
// amaflags are there or not, and each number of them is a layout.
func (p *parser) shifted(text string) bool {
	v := &p.columns.values
	flag, id, account, own, peer := v[colAMAFlags], v[colUniqueid], v[colAccountcode], v[colUserfield], v[colPeeraccount]
	switch {
	case v[colClid] == "" && v[colSrc] != "" && p.columns.at[colClid] == 1: // accountcode, and the caller id is missing
		return true
	case !isClid(v[colClid]), strings.IndexByte(v[colDcontext], '<') >= 0, !isChannel(v[colChannel]), !isChannel(v[colDstchannel]):
		return true
	case !knownFlag(flag), !isID(id), !isID(v[colLinkedid]):
		return true
	case account != "" && (account == flag || isID(account)), peer != "" && (peer == flag || isID(peer)):
		return true
	case own != "" && (own == flag || own == id || own == peer || id == "" && isID(own)):
		return true
	case p.columns.has(colSequence):
		return v[colSequence] != "" && !kit.Digits(v[colSequence])
	}
	// Where texts are in quotes the last column is in quotes, being no sequence.
	return text[0] == '"' && text[len(text)-1] != '"' && !p.short
}

// isID tells a uniqueid, or none.
func isID(s string) bool {
	_, ok := epoch(s)
	return ok || s == ""
}

// isChannel tells the name of a channel, or none: a technology's name, a slash.
func isChannel(s string) bool {
	return s == "" || (s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 'a' && s[0] <= 'z') && strings.IndexByte(s, '/') > 0
}

// isClid tells a caller id: a name and a number, or a number.
func isClid(s string) bool {
	return s == "" || strings.IndexByte(s, '<') >= 0 || looksLikeNumber(strings.Trim(s, `"\ `))
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
