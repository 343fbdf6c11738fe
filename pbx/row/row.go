// Package row writes and reads the rows of tables and APIs as tickets: one JSON
// object a line, every column under its name, values as the source gave them in
// text, NULL kept apart from empty.
package row

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Append writes one row and a line end to dst. A nil value is NULL. Bytes that
// are no UTF-8 are written one by one as U+DC80 to U+DCFF (`\udc80`), so that
// they survive: JSON has no other way to say them.
func Append(dst []byte, columns []string, values [][]byte) []byte {
	dst = append(dst, '{')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, []byte(c))
		dst = append(dst, ':')
		if values[i] == nil {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, values[i])
		}
	}
	return append(dst, '}', '\n')
}

const hexDigits = "0123456789abcdef"

func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			switch {
			case b == '"' || b == '\\':
				dst = append(dst, '\\', b)
			case b < 0x20 || b == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
			default:
				dst = append(dst, b)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, '\\', 'u', 'd', 'c', hexDigits[b>>4], hexDigits[b&15])
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}

// Field is one column of a row.
type Field struct {
	Name, Value string
	// Null tells NULL from empty.
	Null bool
	// Nested marks an object or array; Value is its JSON text.
	Nested bool
}

// Scan reads one flat JSON object and calls yield for each field in order, until
// it returns false. Names and values are sub-strings of s where they hold no
// escapes. Numbers and booleans come as their JSON text, nested values whole.
// The error tells the byte at which s is no such object.
func Scan(s string, yield func(Field) bool) error {
	p := parser{s: s}
	p.space()
	if !p.take('{') {
		return p.errorf("a row is a JSON object and begins with {")
	}
	p.space()
	if p.take('}') {
		return p.end()
	}
	for {
		var f Field
		var err error
		if f.Name, err = p.str(); err != nil {
			return err
		}
		p.space()
		if !p.take(':') {
			return p.errorf("missing colon behind %q", f.Name)
		}
		p.space()
		if err = p.value(&f); err != nil {
			return err
		}
		if !yield(f) {
			return nil
		}
		p.space()
		if p.take('}') {
			return p.end()
		}
		if !p.take(',') {
			return p.errorf("missing comma or }")
		}
		p.space()
	}
}

// Get is the value of one column; ok is false where the row has none or it is
// NULL.
func Get(s, column string) (value string, ok bool, err error) {
	err = Scan(s, func(f Field) bool {
		if f.Name == column {
			value, ok = f.Value, !f.Null
			return false
		}
		return true
	})
	return value, ok, err
}

type parser struct {
	s string
	i int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", p.i, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n' || p.s[p.i] == '\r') {
		p.i++
	}
}

func (p *parser) take(b byte) bool {
	if p.i < len(p.s) && p.s[p.i] == b {
		p.i++
		return true
	}
	return false
}

func (p *parser) end() error {
	p.space()
	if p.i != len(p.s) {
		return p.errorf("text behind the object")
	}
	return nil
}

func (p *parser) str() (string, error) {
	if !p.take('"') {
		return "", p.errorf("missing quote")
	}
	start := p.i
	for p.i < len(p.s) {
		switch b := p.s[p.i]; {
		case b == '"':
			p.i++
			return p.s[start : p.i-1], nil
		case b == '\\':
			return p.escaped(start)
		case b < 0x20:
			return "", p.errorf("control character in a string")
		}
		p.i++
	}
	return "", p.errorf("string without end")
}

// escaped goes on with a string from its first backslash.
func (p *parser) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return b.String(), nil
		case c < 0x20:
			return "", p.errorf("control character in a string")
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		if p.i >= len(p.s) {
			break
		}
		c = p.s[p.i]
		p.i++
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, ok := p.hex4()
			if !ok {
				return "", p.errorf("bad \\u escape")
			}
			p.rune(&b, r)
		default:
			return "", p.errorf("bad escape \\%c", c)
		}
	}
	return "", p.errorf("string without end")
}

func (p *parser) rune(b *strings.Builder, r rune) {
	if r >= 0xdc80 && r <= 0xdcff {
		b.WriteByte(byte(r)) // a byte that was no UTF-8, see Append
		return
	}
	if utf16.IsSurrogate(r) && strings.HasPrefix(p.s[p.i:], `\u`) {
		at := p.i
		p.i += 2
		if low, ok := p.hex4(); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				b.WriteRune(both)
				return
			}
		}
		p.i = at
	}
	b.WriteRune(r)
}

func (p *parser) hex4() (rune, bool) {
	if p.i+4 > len(p.s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.i : p.i+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.i += 4
	return r, true
}

func (p *parser) value(f *Field) (err error) {
	if p.i >= len(p.s) {
		return p.errorf("missing value of %q", f.Name)
	}
	switch p.s[p.i] {
	case '"':
		f.Value, err = p.str()
		return err
	case '{', '[':
		f.Nested = true
		f.Value, err = p.nested()
		return err
	}
	start := p.i
	for p.i < len(p.s) && p.s[p.i] > ' ' && p.s[p.i] != ',' && p.s[p.i] != '}' && p.s[p.i] != ']' {
		p.i++
	}
	f.Value = p.s[start:p.i]
	switch {
	case f.Value == "null":
		f.Value, f.Null = "", true
	case f.Value == "true", f.Value == "false":
	case f.Value == "", !strings.Contains("-0123456789", f.Value[:1]):
		p.i = start
		return p.errorf("bad value of %q", f.Name)
	}
	return nil
}

func (p *parser) nested() (string, error) {
	start, depth := p.i, 0
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case '"':
			if _, err := p.str(); err != nil {
				return "", err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		p.i++
		if depth == 0 {
			return p.s[start:p.i], nil
		}
	}
	return "", p.errorf("nested value without end")
}
