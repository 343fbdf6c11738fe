package kit

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Charset decodes a PBX's text.
type Charset struct {
	enc  encoding.Encoding
	utf8 bool
}

var ianaASCII, _ = ianaindex.IANA.Encoding("us-ascii")

// NewCharset knows the IANA names.
func NewCharset(name string) (*Charset, error) {
	enc, err := ianaindex.IANA.Encoding(name)
	switch {
	case err != nil || enc == nil:
		return nil, fmt.Errorf("charset %q: give an IANA name such as utf-8, iso-8859-1 or windows-1252", name)
	case enc == unicode.UTF8 || enc == ianaASCII:
		// PBXs that speak UTF-8 or ASCII carry names typed long ago in the code
		// page of somebody's PC: what is neither is read as that.
		return &Charset{utf8: true, enc: charmap.Windows1252}, nil
	}
	return &Charset{enc: enc}, nil
}

// Decode turns bytes into text. ok is false where bytes had to be replaced.
func (c *Charset) Decode(raw []byte) (text string, ok bool) {
	if ASCII(raw) || c.utf8 && utf8.Valid(raw) {
		return string(raw), true
	}
	out, err := c.enc.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD"), false
	}
	text = string(out)
	return text, !strings.ContainsRune(text, utf8.RuneError)
}

// Decode is the text of a ticket, with a warning where bytes had to be replaced.
func (l *Link) Decode(cdr *trunklinev1.Cdr, raw []byte) string {
	text, ok := l.Text.Decode(raw)
	if !ok {
		Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	return text
}

// DecodeField is the text of a field that may hold more than ASCII, cut out of a
// ticket whose columns are bytes.
func (l *Link) DecodeField(cdr *trunklinev1.Cdr, field string) string {
	for i := range len(field) {
		if field[i] >= utf8.RuneSelf {
			return l.Decode(cdr, []byte(field))
		}
	}
	return field
}

// ASCII tells that no byte is above 0x7f.
func ASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Digits tells whether s is one ASCII digit or more.
func Digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Dialable tells whether s is one key of a telephone or more: digits, `*`, `#`,
// a leading `+`.
func Dialable(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && c != '*' && c != '#' && (c != '+' || i > 0) {
			return false
		}
	}
	return s != ""
}

// Columns returns the text of the columns from first to last, counted from 1 and
// inclusive as vendors print them, without blanks around. A line that was
// trimmed at its end has empty columns there.
func Columns(line string, first, last int) string {
	if first > len(line) {
		return ""
	}
	return strings.Trim(line[first-1:min(last, len(line))], " ")
}

// Uint reads a whole number of at most 9 digits, blanks around allowed.
func Uint(s string) (n uint32, ok bool) {
	s = strings.Trim(s, " ")
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint32(s[i]-'0')
	}
	return n, true
}

// Clock reads `hh:mm:ss`, hours of one digit or more, into seconds.
func Clock(s string) (seconds uint32, ok bool) {
	s = strings.Trim(s, " ")
	if len(s) < 7 || s[len(s)-3] != ':' || s[len(s)-6] != ':' {
		return 0, false
	}
	h, ok1 := Uint(s[:len(s)-6])
	m, ok2 := Uint(s[len(s)-5 : len(s)-3])
	sec, ok3 := Uint(s[len(s)-2:])
	if !ok1 || !ok2 || !ok3 || h > 1<<20 || m > 59 || sec > 59 {
		return 0, false
	}
	return h*3600 + m*60 + sec, true
}

// Trim takes the blanks off; written out, for it is asked of each column.
func Trim(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}
