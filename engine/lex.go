package engine

import "strings"

type tokenKind uint8

const (
	tokenWord   tokenKind = iota + 1 // a keyword or a bare identifier
	tokenQuoted                      // an identifier in backticks or double quotes
	tokenString
	tokenNumber
	tokenSymbol // one byte of anything else
)

// token is a piece of SQL; pos and end are its place in the text.
type token struct {
	kind     tokenKind
	text     string // without quotes and escapes, where quoted
	pos, end int
}

func (t token) is(word string) bool   { return t.kind == tokenWord && strings.EqualFold(t.text, word) }
func (t token) symbol(c byte) bool    { return t.kind == tokenSymbol && t.text[0] == c }
func (t token) name() (string, bool)  { return t.text, t.kind == tokenWord || t.kind == tokenQuoted }
func isWordByte(c byte) bool          { return isWordStart(c) || isDigit(c) || c == '$' }
func isDigit(c byte) bool             { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool         { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isSpace(c byte) bool             { return c == ' ' || c >= '\t' && c <= '\r' }
func until(s, end string, at int) int { return indexOr(s[at:], end, len(s)-at) + at }

func indexOr(s, sub string, or int) int {
	if i := strings.Index(s, sub); i >= 0 {
		return i
	}
	return or
}

// lexer cuts ClickHouse SQL into tokens, comments left out.
type lexer struct {
	s  string
	at int
}

func (l *lexer) next() (token, bool) {
	s := l.s
	for l.at < len(s) {
		c := s[l.at]
		switch {
		case isSpace(c):
			l.at++
		case strings.HasPrefix(s[l.at:], "--"), strings.HasPrefix(s[l.at:], "# "), strings.HasPrefix(s[l.at:], "#!"):
			l.at = until(s, "\n", l.at)
		case strings.HasPrefix(s[l.at:], "/*"):
			l.at = min(len(s), until(s, "*/", l.at+2)+2)
		default:
			return l.token(), true
		}
	}
	return token{}, false
}

func (l *lexer) token() token {
	s, pos := l.s, l.at
	done := func(k tokenKind, text string, end int) token {
		l.at = end
		return token{k, text, pos, end}
	}
	switch c := s[pos]; {
	case c == '\'':
		text, end := unquote(s, pos)
		return done(tokenString, text, end)
	case c == '`' || c == '"':
		text, end := unquote(s, pos)
		return done(tokenQuoted, text, end)
	case c == '$':
		// $tag$ text $tag$
		n := pos + 1
		for n < len(s) && isWordByte(s[n]) && s[n] != '$' {
			n++
		}
		if n < len(s) && s[n] == '$' {
			tag := s[pos : n+1]
			if i := strings.Index(s[n+1:], tag); i >= 0 {
				return done(tokenString, s[n+1:n+1+i], n+1+i+len(tag))
			}
		}
		return done(tokenSymbol, "$", pos+1)
	case isWordStart(c), isDigit(c):
		n := pos + 1
		for n < len(s) && isWordByte(s[n]) {
			n++
		}
		if isDigit(c) {
			return done(tokenNumber, s[pos:n], n)
		}
		return done(tokenWord, s[pos:n], n)
	default:
		return done(tokenSymbol, s[pos:pos+1], pos+1)
	}
}

// unquote reads what is quoted at pos, by backslashes or doubled quotes escaped, and gives it and its end.
func unquote(s string, pos int) (string, int) {
	q := s[pos]
	var b strings.Builder
	for i := pos + 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
			b.WriteByte(q)
		case s[i] == q:
			return b.String(), i + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), len(s)
}

// tokens are all tokens of a text.
func tokens(s string) []token {
	l := lexer{s: s}
	var list []token
	for {
		t, ok := l.next()
		if !ok {
			return list
		}
		list = append(list, t)
	}
}
