package engine

import "strings"

// selection is a statement with output, in the engine's own spelling.
type selection struct {
	head, tail string // before and after the place for INTO OUTFILE
	format     string
}

// into is the statement with its result going to a file. The tail says the format.
func (s selection) into(file string) string {
	return s.head + " INTO OUTFILE '" + file + "' APPEND" + s.tail
}

// parseSelection finds the format of a statement. The text is what the engine's formatter prints, where a FORMAT at the end
// is nothing but the clause.
func parseSelection(sql, defaultFormat string) selection {
	list := tokens(sql)
	depth, last := 0, -1
	for i, t := range list {
		switch {
		case t.symbol('('), t.symbol('['), t.symbol('{'):
			depth++
		case t.symbol(')'), t.symbol(']'), t.symbol('}'):
			depth--
		case depth == 0 && t.is("FORMAT") && i+1 < len(list) && (list[i+1].kind == tokenWord || list[i+1].kind == tokenQuoted) &&
			(i+2 == len(list) || list[i+2].is("SETTINGS")):
			last = i
		}
	}
	if last < 0 {
		return selection{head: sql, tail: " FORMAT " + defaultFormat, format: defaultFormat}
	}
	at := list[last].pos
	return selection{head: strings.TrimSpace(sql[:at]), tail: " " + sql[at:], format: list[last+1].text}
}

// insertion is an INSERT whose data follow.
type insertion struct {
	sql    string // without FORMAT
	format string // "" where the statement does not tell
	data   int    // where the data begin
}

// parseInsertion reads the head of a text. It says whether the statement is an INSERT with data, and false for INSERT … SELECT and
// everything else. A head that was cut off (more is to come) may not be decidable yet: then neither is true.
func parseInsertion(s string, more bool) (ins insertion, is, undecided bool) {
	l := lexer{s: s}
	first, ok := l.next()
	if !ok {
		return insertion{}, false, more
	}
	if !first.is("INSERT") {
		return insertion{}, false, more && first.end == len(s)
	}
	depth, last := 0, first
	for {
		t, ok := l.next()
		if !ok {
			break
		}
		if more && t.end == len(s) {
			return insertion{}, false, true
		}
		prev := last
		last = t
		switch {
		case t.symbol('('):
			depth++
		case t.symbol(')'):
			depth--
		case depth > 0:
			if prev.symbol('(') && (t.is("SELECT") || t.is("WITH")) {
				return insertion{}, false, false
			}
		case prev.is("INTO") && !t.is("TABLE") && !t.is("FUNCTION"), prev.is("TABLE"), prev.is("FUNCTION"), prev.symbol('.'):
			// a name, whatever it looks like
		case t.symbol(';'):
			return insertion{sql: s[:t.pos], data: t.end}, true, false
		case t.is("SELECT"), t.is("WITH"), t.is("FROM"), t.is("WATCH"), t.is("EXPLAIN"):
			return insertion{}, false, false
		case t.is("VALUES"):
			return insertion{sql: s[:t.pos], format: "Values", data: t.end}, true, false
		case t.is("FORMAT"):
			name, ok := l.next()
			if !ok || more && name.end == len(s) {
				return insertion{}, false, more
			}
			at := name.end
			if at < len(s) && s[at] == ';' {
				at++
			}
			for at < len(s) && (s[at] == ' ' || s[at] == '\t' || s[at] == '\f') {
				at++
			}
			// The data begin on the next line, or right here.
			if more && (at == len(s) || at+1 == len(s) && s[at] == '\r') {
				return insertion{}, false, true
			}
			if at < len(s) && s[at] == '\r' {
				at++
			}
			if at < len(s) && s[at] == '\n' {
				at++
			}
			return insertion{sql: s[:t.pos], format: name.text, data: at}, true, false
		}
	}
	if depth > 0 {
		return insertion{}, false, more
	}
	whole := !more && !last.is("INSERT") && !last.is("INTO") && !last.is("TABLE") && !last.is("FUNCTION")
	return insertion{sql: s[:last.end], data: len(s)}, whole, more
}

// quoteString and quoteName write text as SQL.
func quoteString(s string) string { return "'" + sqlEscape.Replace(s) + "'" }
func quoteName(s string) string   { return "`" + sqlEscape.Replace(s) + "`" }

var sqlEscape = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "`", "\\`")

// contentType is the media type that ClickHouse gives to a format.
func contentType(format string) string {
	switch {
	case format == "JSONEachRow", format == "JSONStringsEachRow", format == "JSONLines", format == "NDJSON",
		strings.HasPrefix(format, "JSONCompactEachRow"), strings.HasPrefix(format, "JSONCompactStringsEachRow"), format == "JSONEachRowWithProgress":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSVWithNames"):
		return "text/csv; charset=UTF-8; header=present"
	case format == "CSV":
		return "text/csv; charset=UTF-8; header=absent"
	case strings.HasPrefix(format, "TSV"), strings.HasPrefix(format, "TabSeparated"):
		return "text/tab-separated-values; charset=UTF-8"
	case format == "XML":
		return "application/xml; charset=UTF-8"
	case format == "Markdown":
		return "text/markdown; charset=UTF-8"
	case format == "Native", strings.HasPrefix(format, "RowBinary"), strings.HasPrefix(format, "Arrow"), format == "Parquet", format == "ORC",
		format == "Avro", format == "MsgPack", format == "Npy", format == "BSONEachRow", strings.HasPrefix(format, "Protobuf"), format == "RawBLOB":
		return "application/octet-stream"
	default:
		return "text/plain; charset=UTF-8"
	}
}
