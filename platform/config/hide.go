package config

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// Hide takes a password out of a text, also as servers repeat it: in an address,
// or in the header that we logged in with. Less than four bytes are not hidden:
// they stand in other words.
func Hide(text, user, password string) string {
	if len(password) < 4 {
		return text
	}
	basic := user + ":" + password
	quoted := strconv.Quote(password)
	for _, secret := range []string{
		base64.StdEncoding.EncodeToString([]byte(basic)), base64.StdEncoding.EncodeToString([]byte(password)),
		base64.URLEncoding.EncodeToString([]byte(basic)), hex.EncodeToString([]byte(password)),
		password, url.QueryEscape(password), url.PathEscape(password), html.EscapeString(password), quoted[1 : len(quoted)-1],
	} {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}

// Hide takes the password out of a text that a server may have repeated it in.
func (s Secret) Hide(text, user string) string {
	password, err := s.Password()
	if err != nil {
		return text
	}
	return Hide(text, user, password)
}

// HideURL is an address without what stands before its host and behind its path,
// which passwords are typed into.
func HideURL(text string) string {
	text, _, cut := strings.Cut(text, "?")
	if cut {
		text += "?…"
	}
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok {
		return scheme + "://…" + text[at:]
	}
	return "…" + text[at:]
}

// HideURLs is HideURL of addresses with commas between them.
func HideURLs(list string) string {
	parts := strings.Split(list, ",")
	for i, p := range parts {
		parts[i] = HideURL(p)
	}
	return strings.Join(parts, ",")
}
