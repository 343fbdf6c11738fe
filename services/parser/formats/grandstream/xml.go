package grandstream

import (
	"errors"
	"fmt"
	"html"
	"strings"
)

// scanXML gives the name of an element, and calls yield for each element in it.
// Those hold text; attributes are passed over.
func scanXML(s string, yield func(name, value string)) (root string, err error) {
	root, s, open, err := startTag(s)
	if err != nil {
		return "", err
	}
	if !open {
		return root, nil
	}
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if rest, ok := strings.CutPrefix(s, "<!--"); ok {
			if _, s, ok = strings.Cut(rest, "-->"); !ok {
				return "", errors.New("a comment without end")
			}
			continue
		}
		if rest, ok := endTag(s, root); ok {
			if strings.TrimSpace(rest) != "" {
				return "", fmt.Errorf("text behind </%s>", root)
			}
			return root, nil
		}
		name, rest, open, err := startTag(s)
		if err != nil {
			return "", err
		}
		value := ""
		if s = rest; open {
			if value, s, err = content(s, name); err != nil {
				return "", err
			}
		}
		yield(name, value)
	}
}

// startTag reads `<name …>`; open: an end tag follows.
func startTag(s string) (name, rest string, open bool, err error) {
	inside, rest, ok := strings.Cut(s, ">")
	if !ok || !strings.HasPrefix(inside, "<") || strings.HasPrefix(inside, "</") {
		return "", "", false, errors.New("no element where one should be")
	}
	inside, empty := strings.CutSuffix(inside[1:], "/")
	name, _, _ = strings.Cut(inside, " ")
	if name = strings.TrimSpace(name); !isWord(name) {
		return "", "", false, errors.New("an element without a name")
	}
	return name, rest, !empty, nil
}

func endTag(s, name string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "</"); !ok {
		return s, false
	}
	if rest, ok = strings.CutPrefix(rest, name); !ok {
		return s, false
	}
	return strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), ">")
}

// content reads text up to the end tag.
func content(s, name string) (value, rest string, err error) {
	if cdata, ok := strings.CutPrefix(s, "<![CDATA["); ok {
		if value, s, ok = strings.Cut(cdata, "]]>"); !ok {
			return "", "", fmt.Errorf("CDATA of %s without end", name)
		}
	} else if i := strings.IndexByte(s, '<'); i >= 0 {
		value, s = s[:i], s[i:]
		if strings.IndexByte(value, '&') >= 0 {
			value = html.UnescapeString(value)
		}
	}
	rest, ok := endTag(s, name)
	if !ok {
		return "", "", fmt.Errorf("%s does not end with </%s>", name, name)
	}
	return value, rest, nil
}
