package cut

import "bytes"

// Documents cuts what may be lines, JSON or XML, or all of them one behind the
// other. A ticket is one record, byte for byte as it came:
//
//   - a JSON object that holds values: `{"AcctId":"1",…}`, on one line or many;
//   - the same with its name, where it stands in an object: `"main_cdr":{…}`;
//   - an XML element that holds elements with values: `<main_cdr><AcctId>…</main_cdr>`;
//   - else a line, as of [Lines].
//
// What only holds records is skipped: an object, array or element whose first
// nested one comes before any field of a record (`{"status":0,"cdr_root":[`,
// `<root>`), its own values, and all that closes it. Each step is decided by the
// bytes from there on alone, so cutting may begin anew at any ticket.
//
// A record that breaks off where another begins ends there: the next is whole.
func Documents(data []byte, atEOF bool) (advance int, ticket []byte, err error) {
	for at := 0; ; {
		for at < len(data) && docSpace(data[at]) {
			at++
		}
		if at == len(data) {
			return at, nil, nil
		}
		p := document(data[at:]).look(atEOF)
		switch {
		case p.more && !atEOF:
			return at, nil, nil
		case p.more:
			p.ticket, p.end = true, len(data)-at
		}
		end := at + p.end
		if !p.ticket {
			at = end
			continue
		}
		next := end
		for next < len(data) && docSpace(data[next]) {
			next++
		}
		return next, bytes.TrimRight(data[at:end], docSpaces), nil
	}
}

const docSpaces = " \t\r\n\x00\f"

func docSpace(b byte) bool { return b == ' ' || b == '\t' || terminator(b) }

// docRecords are names of fields that only a record has: a nested value behind one
// of them is part of it.
var docRecords = []string{
	"AcctId", "accountcode", "src", "dst", "dcontext", "clid", "channel", "start", "uniqueid", "disposition",
	"id", "tenant_uuid", "answer", "answered", "call_direction",
}

func ofRecord(name []byte) bool {
	for _, r := range docRecords {
		if len(r) == len(name) && bytes.EqualFold(name, []byte(r)) {
			return true
		}
	}
	return false
}

// document is what is left to cut.
type document []byte

// docFound is what stands at the begin: a ticket or something to skip, and
// where it ends; more: that cannot be told yet.
type docFound struct {
	end          int
	ticket, more bool
}

var docUnfinished = docFound{more: true}

func (d document) look(atEOF bool) docFound {
	switch d[0] {
	case '[', ']', '}':
		return docFound{end: 1}
	case '{':
		return d.object(0)
	case '"':
		return d.member(atEOF)
	case ',':
		i := d.skipSpace(1)
		switch {
		case i == len(d) && !atEOF:
			return docUnfinished
		case i == len(d) || bytes.IndexByte([]byte(`{["]}`), d[i]) >= 0:
			return docFound{end: i}
		}
	case '<':
		return d.element(atEOF)
	}
	return d.line(atEOF)
}

func (d document) line(atEOF bool) docFound {
	for i, b := range d {
		if terminator(b) {
			return docFound{end: i, ticket: true}
		}
	}
	return docFound{end: len(d), ticket: true, more: !atEOF}
}

// torn is a record that has a fault at the given place.
func (d document) torn(fault int) docFound {
	if b := d[fault]; b == '{' || b == '<' || terminator(b) {
		return docFound{end: fault, ticket: true}
	}
	for i := fault; i < len(d); i++ {
		if terminator(d[i]) {
			return docFound{end: i, ticket: true}
		}
	}
	return docUnfinished
}

func (d document) skipSpace(i int) int {
	for i < len(d) && docSpace(d[i]) {
		i++
	}
	return i
}
