package cut

import "bytes"

// OXORecord is the length of a native ticket of an OmniPCX Office.
const OXORecord = 122

// OXO cuts what an OmniPCX Office and its drivers write. Each ticket is told by
// its first bytes:
//
//   - an XML element that holds a ticket. Its name ends in ticket, record, cdr,
//     call or communication; or it has another name, its first child is a leaf,
//     and it holds no element of such a name. Prolog, comments and the tags of
//     the elements around belong to no ticket. A ticket without its end ends
//     where the next begins, or an element around it ends. A leaf outside of all
//     tickets is cut as if it were one, so that nothing is lost unseen;
//   - a native record of 122 bytes, see [oxoRecord];
//   - else a line, as [Lines] does it; it also ends where one of the others
//     begins. Lines of nothing but blanks are no tickets.
//
// What it decides does not depend on what stands before the ticket, nor on what
// comes behind it.
func OXO(data []byte, atEOF bool) (advance int, ticket []byte, err error) {
	for i := 0; ; {
		var sure bool
		if i, sure = oxoBetween(data, i, atEOF); !sure || i == len(data) {
			return i, nil, nil
		}
		rest := data[i:]
		n, next := 0, 0
		switch {
		case oxoRecord(rest) == oxoYes:
			n = OXORecord
			if len(rest) < n {
				n = orAll(rest, atEOF)
			}
			next = n
		case markupAt(rest):
			var skip int
			if n, skip = oxoElement(rest, atEOF); skip > 0 {
				i += skip
				continue
			}
			next = n
		default:
			n, next = oxoLine(rest, atEOF)
			if n > 0 && len(bytes.Trim(rest[:n], " \t")) == 0 {
				i += next
				continue
			}
		}
		if n == 0 {
			return i, nil, nil
		}
		return i + next, data[i : i+n], nil
	}
}

// orAll is the length of what is a ticket only if nothing comes behind it.
func orAll(rest []byte, atEOF bool) int {
	if atEOF {
		return len(rest)
	}
	return 0
}

var bom = []byte("\xef\xbb\xbf")

// oxoBetween skips what stands between tickets. sure is false where more bytes are
// needed to tell.
func oxoBetween(data []byte, i int, atEOF bool) (at int, sure bool) {
	for i < len(data) {
		switch c := data[i]; {
		case c == 0:
			switch r := oxoRecord(data[i:]); {
			case r == oxoYes:
				return i, true
			case r == oxoMaybe && !atEOF:
				return i, false
			}
			i++
		case terminator(c):
			i++
		case c == bom[0] && bytes.HasPrefix(data[i:], bom):
			i += len(bom)
		case c == bom[0] && !atEOF && bytes.HasPrefix(bom, data[i:]):
			return i, false
		case c <= oxoUserTypes:
			return i, atEOF || oxoRecord(data[i:]) != oxoMaybe
		case c == '<':
			return i, atEOF || i+1 < len(data)
		default:
			return i, true
		}
	}
	return i, true
}

// oxoLine is the length of a line, and of the line with its end; 0: the end is not
// there.
func oxoLine(s []byte, atEOF bool) (n, next int) {
	for i, c := range s {
		switch {
		case c == 0:
			return i, i // it may be padding, or begin a record
		case terminator(c):
			next = i
			for next < len(s) && s[next] != 0 && terminator(s[next]) {
				next++
			}
			return i, next
		case i == 0:
		case c == '<' && markupAt(s[i:]):
			return i, i
		case c <= oxoUserTypes:
			switch r := oxoRecord(s[i:]); {
			case r == oxoYes:
				return i, i
			case r == oxoMaybe && !atEOF:
				return 0, 0
			}
		}
	}
	n = orAll(s, atEOF)
	return n, n
}

// oxoUserTypes is the largest first byte of a record: an IP trunk.
const oxoUserTypes = 6

type oxoAnswer uint8

const (
	oxoNo oxoAnswer = iota
	oxoMaybe
	oxoYes
)

// oxoRecord tells a native record by its first 20 bytes: a small number, 8 printable
// characters, call and trunk type, 3 printable characters, and a date and time
// in small numbers. No text has such bytes.
func oxoRecord(s []byte) oxoAnswer {
	for i, c := range s[:min(len(s), 20)] {
		ok := true
		switch {
		case i == 0:
			ok = c <= oxoUserTypes
		case i <= 8, i >= 11 && i <= 13:
			ok = c >= ' ' && c <= '~'
		case i == 9, i == 10: // types; FF is undefined
			ok = c < ' ' || c == 0xff
		case i == 14, i == 15, i == 19: // day, month, hour
			ok = c <= 31
		default: // year, second, minute
			ok = c <= 99
		}
		if !ok {
			return oxoNo
		}
	}
	if len(s) < 20 {
		return oxoMaybe
	}
	return oxoYes
}

// oxoElement decides about a piece of markup: it is a ticket of n bytes, or belongs
// to none and is skipped. Both are 0 where more bytes are needed.
func oxoElement(s []byte, atEOF bool) (n, skip int) {
	kind, size := NextMarkup(s)
	switch {
	case size == 0:
		return orAll(s, atEOF), 0
	case kind == MarkupEnd, kind == MarkupOther:
		return 0, size
	case kind != MarkupStart:
		return size, 0
	}
	name, _ := MarkupName(s[:size])
	named := oxoHolds(name)
	// The open elements inside: how many, and what is known of the last.
	depth, first, inTicket := 0, true, false
	for i := size; ; {
		kind, k := NextMarkup(s[i:])
		if k == 0 {
			switch {
			case !atEOF:
				return 0, 0
			case named:
				return len(s), 0
			}
			return 0, size
		}
		switch kind {
		case MarkupStart, MarkupEmpty:
			child, attributes := MarkupName(s[i : i+k])
			if named && bytes.Equal(child, name) {
				return i, 0
			}
			ticket := oxoHolds(child)
			if !named && (first && depth == 1 || inTicket || ticket && len(bytes.TrimSpace(attributes)) > 0) {
				return 0, size
			}
			if kind == MarkupStart {
				depth, inTicket = depth+1, ticket
			} else if depth == 0 {
				first = false
			}
		case MarkupEnd:
			ends, _ := MarkupName(s[i : i+k])
			switch {
			case bytes.Equal(ends, name):
				return i + k, 0
			case depth == 0 && named:
				return i, 0
			case depth == 0:
				return 0, size
			}
			if depth--; depth == 0 {
				first = false
			}
			inTicket = false
		case MarkupOther:
			if named && bytes.HasPrefix(s[i:], []byte("<?xml ")) {
				return i, 0
			}
		}
		i += k
	}
}

// Endings of the names of elements that hold a ticket.
var oxoEndings = [...]string{"ticket", "record", "cdr", "call", "communication"}

func oxoHolds(name []byte) bool {
	for _, end := range oxoEndings {
		if n := len(name) - len(end); n >= 0 && bytes.EqualFold(name[n:], []byte(end)) {
			return true
		}
	}
	return false
}
