package oxo

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/cut"
)

// leaf is an element that holds text, or an attribute.
type leaf struct{ name, value string }

// document takes an XML element apart into leaves. Names lose their namespace.
type document struct {
	leaves []leaf
	open   []element
	// odd tells text that stands between elements, or an entity nobody declared.
	odd bool
}

type element struct {
	name   string
	text   string
	filled bool // it holds elements
}

// Bounds of a document, far beyond any ticket.
const (
	deepest    = 32
	mostLeaves = 512
)

// fault is why a document is none.
type fault struct{ reason, text string }

// read fills the leaves. The text is one element: nothing else may stand before
// or behind it. nested tells whether it holds elements or attributes.
func (d *document) read(text string) (nested bool, f *fault) {
	d.leaves, d.open, d.odd = d.leaves[:0], d.open[:0], false
	for rest := text; rest != ""; {
		kind, n := cut.NextMarkup(rest)
		if n == 0 {
			return false, &fault{"xml_unclosed", "the ticket ends inside a tag or comment"}
		}
		piece := rest[:n]
		rest = rest[n:]
		if len(d.open) == 0 && len(rest)+n < len(text) && strings.TrimSpace(piece) != "" {
			return false, &fault{"xml_broken", "something stands behind the end of the ticket's element"}
		}
		switch kind {
		case cut.MarkupStart, cut.MarkupEmpty:
			if len(d.open) == deepest || len(d.leaves) > mostLeaves {
				return false, &fault{"xml_broken", "more than " + strconv.Itoa(mostLeaves) + " fields, or elements deeper than " + strconv.Itoa(deepest)}
			}
			nested = d.start(piece) || len(d.open) > 1 || nested
			if kind == cut.MarkupEmpty {
				d.end()
			}
		case cut.MarkupEnd:
			name, _ := cut.MarkupName(piece)
			if len(d.open) == 0 || d.open[len(d.open)-1].name != name {
				return false, &fault{"xml_broken", "</" + shown(name) + "> ends an element that is not open"}
			}
			d.end()
		case cut.MarkupCDATA:
			d.text(piece[len("<![CDATA["):len(piece)-len("]]>")], true)
		case cut.MarkupText:
			d.text(piece, false)
		}
	}
	if len(d.open) > 0 {
		return false, &fault{"xml_unclosed", "the ticket ends before </" + shown(d.open[0].name) + ">"}
	}
	return nested, nil
}

// start opens an element; attributes tells whether it has any that count. Those
// of the outermost are leaves; those inside have its name before theirs.
func (d *document) start(tag string) (attributes bool) {
	name, rest := cut.MarkupName(tag)
	if n := len(d.open); n > 0 {
		d.open[n-1].filled = true
	}
	for {
		var key, value string
		if key, rest, _ = strings.Cut(strings.TrimLeft(rest, " \t\r\n"), "="); rest == "" {
			break
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" || rest[0] != '"' && rest[0] != '\'' {
			d.odd = true
			break
		}
		value, rest, _ = strings.Cut(rest[1:], rest[:1])
		key = strings.TrimRight(key, " \t\r\n")
		space, local, spaced := strings.Cut(key, ":")
		switch {
		case key == "xmlns" || space == "xmlns" || space == "xsi" || space == "xml":
			continue
		case spaced:
			key = local
		}
		if len(d.open) > 0 {
			key = name + "_" + key
		}
		attributes = true
		d.leaves = append(d.leaves, leaf{key, d.unescape(value)})
	}
	d.open = append(d.open, element{name: name})
	return attributes
}

func (d *document) end() {
	last := d.open[len(d.open)-1]
	d.open = d.open[:len(d.open)-1]
	value := strings.TrimSpace(last.text)
	if last.filled {
		d.odd = d.odd || value != ""
		return
	}
	d.leaves = append(d.leaves, leaf{last.name, value})
}

func (d *document) text(s string, literal bool) {
	if len(d.open) == 0 {
		return
	}
	if !literal {
		s = d.unescape(s)
	}
	d.open[len(d.open)-1].text += s
}

// unescape resolves the entities that XML knows; another stays as it is.
func (d *document) unescape(s string) string {
	at := strings.IndexByte(s, '&')
	if at < 0 {
		return s
	}
	var b strings.Builder
	for ; at >= 0; at = strings.IndexByte(s, '&') {
		b.WriteString(s[:at])
		s = s[at:]
		r, n := entity(s)
		if n == 0 {
			d.odd = true
			r, n = '&', 1
		}
		b.WriteRune(r)
		s = s[n:]
	}
	b.WriteString(s)
	return b.String()
}

// entity reads `&amp;`, `&#65;` or `&#x41;`; length 0: it is none.
func entity(s string) (r rune, n int) {
	name, _, ok := strings.Cut(s[1:min(len(s), 12)], ";")
	if !ok {
		return 0, 0
	}
	n = len(name) + 2
	switch name {
	case "amp":
		return '&', n
	case "lt":
		return '<', n
	case "gt":
		return '>', n
	case "quot":
		return '"', n
	case "apos":
		return '\'', n
	}
	digits, base := strings.TrimPrefix(name, "#"), 10
	if len(digits) == len(name) {
		return 0, 0
	}
	if hex := strings.TrimPrefix(strings.ToLower(digits), "x"); len(hex) < len(digits) {
		digits, base = hex, 16
	}
	code, err := strconv.ParseUint(digits, base, 21)
	if r := rune(code); err == nil && code > 0 && utf8.ValidRune(r) {
		return r, n
	}
	return 0, 0
}

// shown is a name in an error: cut where it is long.
func shown(name string) string {
	const longest = 40
	if len(name) > longest {
		return strings.ToValidUTF8(name[:longest], "") + "…"
	}
	return name
}
