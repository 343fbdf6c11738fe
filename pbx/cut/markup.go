package cut

// Markup is a kind of piece that XML text is made of.
type Markup uint8

// Kinds of pieces.
const (
	// MarkupText is what stands between tags, entities and all. A `<` that
	// begins no whole piece is text too.
	MarkupText Markup = iota
	MarkupStart
	MarkupEmpty
	MarkupEnd
	MarkupCDATA
	// MarkupOther is a comment, an instruction or a document type.
	MarkupOther
)

// NextMarkup tells what piece of XML text begins s, and its length in bytes.
// Length 0: its end is not there. Text ends before the next `<`, or with s.
func NextMarkup[T ~string | ~[]byte](s T) (kind Markup, n int) {
	if len(s) == 0 {
		return MarkupText, 0
	}
	if s[0] != '<' {
		return MarkupText, markupText(s, 0)
	}
	if len(s) == 1 {
		return MarkupOther, 0
	}
	switch c := s[1]; {
	case c == '?':
		return MarkupOther, markupUntil(s, 2, "?>")
	case markupBegins(s, "<!--"):
		return MarkupOther, markupUntil(s, 4, "-->")
	case markupBegins(s, "<![CDATA["):
		return MarkupCDATA, markupUntil(s, 9, "]]>")
	case c == '!':
		if len(s) < len("<![CDATA[") && (markupBegins(T("<!--"), string(s)) || markupBegins(T("<![CDATA["), string(s))) {
			return MarkupOther, 0
		}
		return markupDeclaration(s)
	case c == '/':
		return markupTag(s, MarkupEnd)
	case markupLetter(c):
		return markupTag(s, MarkupStart)
	}
	return MarkupText, markupText(s, 1)
}

// MarkupName is the name of a start, empty or end tag without its namespace
// prefix, and what stands behind the name up to the tag's end.
func MarkupName[T ~string | ~[]byte](tag T) (name, rest T) {
	from := 1
	if tag[1] == '/' {
		from = 2
	}
	to := from
	for to < len(tag) && !markupBlank(tag[to]) && tag[to] != '>' && tag[to] != '/' {
		if tag[to] == ':' {
			from = to + 1
		}
		to++
	}
	end := len(tag) - 1
	if end > to && tag[end-1] == '/' {
		end--
	}
	return tag[from:to], tag[to:end]
}

// markupAt tells a `<` that begins markup from the arrow of a printed line: `<--`.
func markupAt(s []byte) bool {
	return len(s) > 1 && s[0] == '<' && (markupLetter(s[1]) || s[1] == '/' || s[1] == '?' || s[1] == '!')
}

func markupLetter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80
}

func markupBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func markupBegins[T ~string | ~[]byte](s T, head string) bool {
	return len(s) >= len(head) && string(s[:len(head)]) == head
}

func markupText[T ~string | ~[]byte](s T, from int) int {
	for i := from; i < len(s); i++ {
		if s[i] == '<' {
			return i
		}
	}
	return len(s)
}

func markupUntil[T ~string | ~[]byte](s T, from int, end string) int {
	for i := from; i+len(end) <= len(s); i++ {
		if s[i] == end[0] && markupBegins(s[i:], end) {
			return i + len(end)
		}
	}
	return 0
}

// markupTag finds the end of a tag. `<` stands in no tag, quoted or not: where one
// comes first, the tag is broken and is text.
func markupTag[T ~string | ~[]byte](s T, kind Markup) (Markup, int) {
	quote := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<':
			return MarkupText, i
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			if kind == MarkupStart && s[i-1] == '/' {
				kind = MarkupEmpty
			}
			return kind, i + 1
		}
	}
	return kind, 0
}

// markupDeclaration finds the end of `<!DOCTYPE … [ … ]>`.
func markupDeclaration[T ~string | ~[]byte](s T) (Markup, int) {
	inside := false
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == '>' && !inside:
			return MarkupOther, i + 1
		}
	}
	return MarkupOther, 0
}
