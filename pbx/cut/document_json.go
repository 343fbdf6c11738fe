package cut

import "bytes"

// docState of a scan: its end was found, the data ends before, or a fault was.
type docState uint8

const (
	docDone docState = iota
	docShort
	docFaulty
)

// docDeepest nesting that is followed inside a record.
const docDeepest = 32

// member is one of an object that was skipped into: `"main_cdr":{…}` is a ticket,
// `"status":0` none.
func (d document) member(atEOF bool) docFound {
	colon, s := d.memberName(0)
	if s == docShort && !atEOF {
		return docUnfinished
	}
	if s != docDone {
		return d.line(atEOF)
	}
	i := d.skipSpace(colon + 1)
	if i == len(d) {
		return docFound{end: i, ticket: true, more: true}
	}
	switch d[i] {
	case '{':
		return d.object(i)
	case '[':
		return docFound{end: i + 1}
	}
	name, _ := d.text(0)
	if ofRecord(d[1 : name-1]) {
		return d.line(atEOF) // the rest of a record whose begin is lost
	}
	end, s := d.value(i, 0)
	switch {
	case s == docShort && !atEOF:
		return docUnfinished
	case s == docFaulty || s == docShort && d[i] == '"':
		return d.line(atEOF)
	}
	return docFound{end: end}
}

// object is one whose brace stands at the given place, behind its name.
func (d document) object(brace int) docFound {
	record := false
	for i := d.skipSpace(brace + 1); ; i = d.skipSpace(i + 1) {
		if i < len(d) && d[i] == '}' {
			return docFound{end: i + 1, ticket: true}
		}
		name := i
		colon, s := d.memberName(i)
		if s != docDone {
			return d.broken(colon, s)
		}
		i = d.skipSpace(colon + 1)
		if i == len(d) {
			return docUnfinished
		}
		if nested := d[i] == '{' || d[i] == '['; nested && !record {
			if d[i] == '[' {
				name = i + 1
			}
			return docFound{end: name}
		}
		end, _ := d.text(name)
		record = record || ofRecord(d[name+1:end-1])
		if i, s = d.value(i, 0); s != docDone {
			return d.broken(i, s)
		}
		switch i = d.skipSpace(i); {
		case i == len(d):
			return docUnfinished
		case d[i] == '}':
			return docFound{end: i + 1, ticket: true}
		case d[i] != ',':
			return d.torn(i)
		}
	}
}

func (d document) broken(at int, s docState) docFound {
	if s == docShort {
		return docUnfinished
	}
	return d.torn(at)
}

// memberName scans a name, and gives the place of the colon behind it, or of the
// fault.
func (d document) memberName(i int) (int, docState) {
	i, s := d.text(i)
	if s != docDone {
		return i, s
	}
	switch i = d.skipSpace(i); {
	case i == len(d):
		return i, docShort
	case d[i] != ':':
		return i, docFaulty
	}
	return i, docDone
}

// value scans any value, and gives the place behind it, or of the fault.
func (d document) value(i, depth int) (int, docState) {
	if i == len(d) {
		return i, docShort
	}
	switch d[i] {
	case '"':
		return d.text(i)
	case '{', '[':
		if depth == docDeepest {
			return i, docFaulty
		}
		return d.nested(i, depth+1)
	}
	start := i
	for i < len(d) && bytes.IndexByte([]byte(",]}:{[\"<"), d[i]) < 0 && !docSpace(d[i]) {
		i++
	}
	switch i {
	case len(d):
		return i, docShort
	case start:
		return i, docFaulty
	}
	return i, docDone
}

func (d document) nested(i, depth int) (int, docState) {
	closing := d[i] + 2 // of both brackets, in ASCII
	named := d[i] == '{'
	i = d.skipSpace(i + 1)
	if i < len(d) && d[i] == closing {
		return i + 1, docDone
	}
	for {
		var s docState
		if named {
			if i, s = d.memberName(i); s != docDone {
				return i, s
			}
			i = d.skipSpace(i + 1)
		}
		if i, s = d.value(i, depth); s != docDone {
			return i, s
		}
		switch i = d.skipSpace(i); {
		case i == len(d):
			return i, docShort
		case d[i] == closing:
			return i + 1, docDone
		case d[i] != ',':
			return i, docFaulty
		}
		i = d.skipSpace(i + 1)
	}
}

// text scans a string in quotes: no line ends within.
func (d document) text(i int) (int, docState) {
	if i == len(d) {
		return i, docShort
	}
	if d[i] != '"' {
		return i, docFaulty
	}
	for i++; i < len(d); i++ {
		switch b := d[i]; {
		case b == '"':
			return i + 1, docDone
		case b == '\\':
			i++
		case terminator(b):
			return i, docFaulty
		}
	}
	return len(d), docShort
}
