package cut

import "bytes"

// element is what begins with `<`: an element, or a declaration or end tag to
// skip.
func (d document) element(atEOF bool) docFound {
	t, s := d.readTag(0)
	if s != docDone {
		return d.broken(t.end, s)
	}
	if t.kind != docStart {
		return docFound{end: t.end}
	}
	record, elements := false, false
	for i := t.end; ; {
		from, s := d.nextTag(i)
		if s != docDone {
			return d.broken(from, s)
		}
		child, s := d.readTag(from)
		if s != docDone {
			return d.broken(child.end, s)
		}
		i = child.end
		switch child.kind {
		case docEnd:
			switch {
			case !bytes.Equal(child.name, t.name):
				return d.torn(from)
			case !elements && ofRecord(t.name):
				return d.line(atEOF) // the rest of a record whose begin is lost
			}
			return docFound{end: i, ticket: elements}
		case docStart:
			elements = true
			end, leaf, s := d.skipElement(child)
			if !leaf && !record {
				return docFound{end: from}
			}
			if s != docDone {
				return d.broken(end, s)
			}
			record = record || ofRecord(child.name)
			i = end
		case docEmpty:
			elements = true
			record = record || ofRecord(child.name)
		}
	}
}

// skipElement gives the place behind the end tag of a start tag. leaf: as far as
// was read it holds no elements.
func (d document) skipElement(t docTag) (end int, leaf bool, s docState) {
	leaf = true
	i := t.end
	for depth := 1; depth > 0; {
		from, s := d.nextTag(i)
		if s != docDone {
			return from, leaf, s
		}
		child, s := d.readTag(from)
		if s != docDone {
			return child.end, leaf, s
		}
		i = child.end
		switch child.kind {
		case docEnd:
			if depth--; depth == 0 && !bytes.Equal(child.name, t.name) {
				return from, leaf, docFaulty
			}
		case docStart:
			leaf = false
			if depth++; depth > docDeepest {
				return from, leaf, docFaulty
			}
		case docEmpty:
			leaf = false
		}
	}
	return i, leaf, docDone
}

func (d document) nextTag(i int) (int, docState) {
	n := bytes.IndexByte(d[i:], '<')
	if n < 0 {
		return len(d), docShort
	}
	return i + n, docDone
}

type docTagKind uint8

const (
	docStart docTagKind = iota
	docEnd
	docEmpty
	docOther // a declaration, comment or CDATA
)

type docTag struct {
	kind docTagKind
	name []byte
	end  int // behind it; where it is faulty, the place
}

var docOthers = []struct{ begin, end string }{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}}

// readTag reads what begins with `<` at the given place.
func (d document) readTag(at int) (docTag, docState) {
	rest := d[at:]
	for _, o := range docOthers {
		if len(rest) < len(o.begin) && bytes.HasPrefix([]byte(o.begin), rest) {
			return docTag{end: len(d)}, docShort
		}
		if bytes.HasPrefix(rest, []byte(o.begin)) {
			n := bytes.Index(rest[len(o.begin):], []byte(o.end))
			if n < 0 {
				return docTag{end: len(d)}, docShort
			}
			return docTag{kind: docOther, end: at + len(o.begin) + n + len(o.end)}, docDone
		}
	}
	i, t := at+1, docTag{}
	if i < len(d) && d[i] == '/' {
		t.kind = docEnd
		i++
	}
	from := i
	for i < len(d) && docNameByte(d[i]) {
		i++
	}
	t.name = d[from:i]
	if i < len(d) && i == from {
		return docTag{end: i}, docFaulty
	}
	for quote := byte(0); i < len(d); i++ {
		switch b := d[i]; {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '<':
			return docTag{end: i}, docFaulty
		case b == '>':
			if d[i-1] == '/' && t.kind == docStart {
				t.kind = docEmpty
			}
			t.end = i + 1
			return t, docDone
		}
	}
	return docTag{end: len(d)}, docShort
}

func docNameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-' || b == '.' || b == ':' || b >= 0x80
}
