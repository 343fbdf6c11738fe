package grandstream

import (
	"fmt"
	"slices"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// line reads a ticket of columns.
func (p *parser) line(text string, cdr *trunklinev1.Cdr) formats.Result {
	quote := text[0]
	if quote != '\'' && quote != '"' {
		quote = 0
	}
	var ok bool
	if p.split, ok = splitQuoted(p.split[:0], text, quote); !ok {
		return formats.Die("open_quote", fmt.Sprintf("column %d: a quote without its end: the ticket was cut", len(p.split)+1))
	}
	if header(p.split) {
		return formats.Ignore("header")
	}
	switch {
	case len(p.order) > 0:
		return p.ordered(cdr)
	case quote == 0:
		return p.plain(cdr)
	}
	return p.quoted(cdr)
}

// splitQuoted appends the columns to dst. How the PBX writes a quote inside a
// column is not known: a quote ends one only before a comma or at the end of the
// line, and a doubled or escaped one is one.
func splitQuoted(dst []string, s string, quote byte) (columns []string, ok bool) {
	for {
		if quote == 0 || s == "" || s[0] != quote {
			column, rest, more := strings.Cut(s, ",")
			if quote != 0 && (strings.IndexByte(column, quote) >= 0 || s == "") {
				return dst, false
			}
			dst = append(dst, column)
			if !more {
				return dst, true
			}
			s = rest
			continue
		}
		end := 1
		for ; end < len(s); end++ {
			if s[end] == quote && (end+1 == len(s) || s[end+1] == ',') {
				break
			}
		}
		if end >= len(s) {
			return dst, false
		}
		column := s[1:end]
		if strings.IndexByte(column, quote) >= 0 {
			q := string(quote)
			column = strings.ReplaceAll(strings.ReplaceAll(column, q+q, q), `\`+q, q)
		}
		dst = append(dst, column)
		if end+1 == len(s) {
			return dst, true
		}
		s = s[end+2:]
	}
}

// header tells whether the line holds names of columns.
func header(split []string) bool {
	for _, s := range split[:min(3, len(split))] {
		if _, ok := lookup(s); !ok {
			return false
		}
	}
	return len(split) > 10
}

// quoted reads the real-time CSV: 32 columns, or 31 without AcctId.
func (p *parser) quoted(cdr *trunklinev1.Cdr) formats.Result {
	first := acctID
	switch n := len(p.split); {
	case n == realTime-1:
		first = accountCode
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	case n < realTime, n > realTime+mostExtra:
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns; a UCM's ticket has %d, or %d without AcctId", n, realTime, realTime-1))
	}
	for i, value := range p.split {
		if c := first + column(i); c <= dstTrunkName {
			p.rec.put(c, i+1, value)
		}
	}
	p.extra(realTime-int(first), cdr)
	return p.checkColumns()
}

// mostExtra columns that a coming firmware may add: more are another ticket, that
// ran into this one.
const mostExtra = 8

// extra keeps what stands behind the columns that are known.
func (p *parser) extra(known int, cdr *trunklinev1.Cdr) {
	if len(p.split) > known {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
		p.rec.others = append(p.rec.others, other{"extra_columns", strings.Join(p.split[known:], ",")})
	}
}

// ordered reads the columns in the order of parse.fields.
func (p *parser) ordered(cdr *trunklinev1.Cdr) formats.Result {
	if n := len(p.split); n < len(p.order) || n > len(p.order)+mostExtra {
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns; parse.fields has %d", len(p.split), len(p.order)))
	}
	for i, c := range p.order {
		if c < numColumns {
			p.rec.put(c, i+1, p.split[i])
		}
	}
	p.extra(len(p.order), cdr)
	return p.checkColumns()
}

// plain reads cdrapi's CSV, which quotes nothing: there are commas in lastdata as
// a rule and in clid where a name has one. What stands around them tells where
// they end: the dates, and the channels `SIP/5301-00000001`. lastdata itself is
// not kept, for nothing tells whether it is whole.
func (p *parser) plain(cdr *trunklinev1.Cdr) formats.Result {
	s := p.split
	dates := len(s) - (api - int(start))
	if dates < int(start) || !isDate(s[dates]) || isDate(s[dates-1]) {
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns; those of a UCM that quotes nothing have start, a date, as the %dth before the end", len(s), api-int(start)))
	}
	channels := int(channel)
	for !isChannel(s[channels]) || s[channels+1] != "" && !isChannel(s[channels+1]) {
		if channels++; channels+3 >= dates {
			return formats.Die("misaligned_columns", fmt.Sprintf("no column behind %d (clid) is a channel", clid))
		}
	}
	for c := range clid {
		p.rec.put(c, int(c)+1, s[c])
	}
	caller := strings.Join(s[clid:channels], ",")
	p.rec.put(clid, int(clid)+1, caller)
	if quotes := strings.Count(caller, `"`); quotes%2 != 0 || quotes > 0 && caller[0] != '"' {
		return p.bad("misaligned_columns", clid, `"name" <number>`)
	}
	if channels > int(channel) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR)
	}
	for i, c := range []column{channel, dstChannel, lastApp} {
		p.rec.put(c, channels+i+1, s[channels+i])
	}
	for i := dates; i < len(s); i++ {
		p.rec.put(start+column(i-dates), i+1, s[i])
	}
	if p.rec.value[lastApp] == "" || !isWord(p.rec.value[lastApp]) {
		return p.bad("misaligned_columns", lastApp, "an application")
	}
	return p.checkColumns()
}

var amaNames = []string{"", "DOCUMENTATION", "BILLING", "OMIT", "DEFAULT", "Unknown", "0", "1", "2", "3"}

// checkColumns looks whether the columns hold what their places say, so that one
// too many or too few is not taken for another call.
func (p *parser) checkColumns() formats.Result {
	v := &p.rec.value
	for _, check := range [...]struct {
		column   column
		ok       bool
		expected string
	}{
		{acctID, p.rec.at[acctID] == 0 || kit.Digits(v[acctID]), "a whole number"},
		{dContext, v[dContext] == "" || isWord(v[dContext]) && !kit.Digits(v[dContext]), "a context"},
		{channel, v[channel] == "" || isChannel(v[channel]), "a channel"},
		{dstChannel, v[dstChannel] == "" || isChannel(v[dstChannel]), "a channel"},
		{disposition, v[disposition] != "" && !kit.Digits(v[disposition]), "a disposition"},
		{amaFlags, slices.Contains(amaNames, v[amaFlags]), "DOCUMENTATION, BILLING or OMIT"},
		{uniqueID, v[uniqueID] == "" || isUniqueID(v[uniqueID]), "seconds.counter"},
		{userField, isWord(v[userField]) && !kit.Digits(v[userField]) || v[userField] == "", "a word such as Inbound"},
		{service, v[service] == "" || isWord(v[service]) && !kit.Digits(v[service]) && !isTrunk(v[service]), "a word such as s"},
		{session, v[session] == "" || isSession(v[session]), "microseconds-number"},
	} {
		if !check.ok {
			return p.bad("misaligned_columns", check.column, check.expected)
		}
	}
	return formats.Result{}
}

// isChannel: `PJSIP/331-00000a52`.
func isChannel(s string) bool {
	technology, rest, ok := strings.Cut(s, "/")
	return ok && rest != "" && isWord(technology)
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return s != ""
}

// isUniqueID: `1769422021.5655`, with the system's name and a hyphen before.
func isUniqueID(s string) bool {
	i := strings.LastIndexByte(s, '.')
	return i > 0 && kit.Digits(s[i+1:]) && kit.Digits(s[strings.LastIndexByte(s[:i], '-')+1:i])
}

// isSession: `1769422021553915-2310501145`.
func isSession(s string) bool {
	begin, _, ok := strings.Cut(s, "-")
	return ok && kit.Digits(begin) && len(begin) >= len("1769422021")
}
