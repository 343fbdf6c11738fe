package web

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// login answers a server that asks who we are: with Digest where it offers that,
// else with Basic. Nothing is sent before it asks.
type login struct {
	base     http.RoundTripper
	user     string
	password func() (string, error)

	mu    sync.Mutex
	basic bool
	chal  *digest.Challenge
	count int // of requests that answered the challenge
}

func (l *login) RoundTrip(req *http.Request) (*http.Response, error) {
	first := req.Clone(req.Context())
	if err := l.authorize(first); err != nil {
		return nil, err
	}
	res, err := l.base.RoundTrip(first)
	if err != nil || res.StatusCode != http.StatusUnauthorized || l.user == "" {
		return res, err
	}
	answered := first.Header.Get("Authorization") != ""
	if !l.take(res.Header, answered) {
		return res, nil
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // for the connection to serve again
	res.Body.Close()
	second := req.Clone(req.Context())
	if err := l.authorize(second); err != nil {
		return nil, err
	}
	res, err = l.base.RoundTrip(second)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		l.forget()
	}
	return res, err
}

// take takes what the server asks for; false when it is no use to answer.
func (l *login) take(h http.Header, answered bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	chal, basic := choose(challenges(h))
	old := l.chal
	l.chal, l.basic, l.count = nil, false, 0
	switch {
	case chal == nil && !basic:
		return false
	case answered && (chal == nil || old == nil || !chal.Stale && chal.Nonce == old.Nonce):
		return false // it was the right answer, to the same question, with a wrong password
	}
	l.chal, l.basic = chal, chal == nil
	return true
}

func (l *login) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chal, l.basic = nil, false
}

func (l *login) authorize(req *http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chal == nil && !l.basic {
		return nil
	}
	password, err := l.password()
	if err != nil {
		return err
	}
	if l.basic {
		req.SetBasicAuth(l.user, password)
		return nil
	}
	l.count++
	answer, err := answerOf(l.chal, digest.Options{
		Method: req.Method, URI: req.URL.RequestURI(), Count: l.count, Username: l.user, Password: password, Cnonce: rand.Text(),
	})
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", answer)
	return nil
}

// answerOf answers a challenge, also one of a session (MD5-sess, SHA-256-sess),
// which the library leaves to its caller.
func answerOf(c *digest.Challenge, o digest.Options) (string, error) {
	plain := *c
	algorithm, session := sessionOf(c.Algorithm)
	plain.Algorithm = algorithm
	if session {
		sum := hashes[algorithm]
		o.A1 = join(sum, join(sum, o.Username, c.Realm, o.Password), c.Nonce, o.Cnonce)
	}
	cred, err := digest.Digest(&plain, o)
	if err != nil {
		return "", err
	}
	cred.Algorithm = c.Algorithm
	return cred.String(), nil
}

var hashes = map[string]func() hash.Hash{"MD5": md5.New, "SHA-256": sha256.New, "SHA-512-256": sha512.New512_256}

func sessionOf(algorithm string) (plain string, session bool) {
	plain, session = strings.CutSuffix(strings.ToUpper(algorithm), "-SESS")
	if plain == "" {
		plain = "MD5"
	}
	return plain, session
}

func join(sum func() hash.Hash, parts ...string) string {
	h := sum()
	io.WriteString(h, strings.Join(parts, ":"))
	return hex.EncodeToString(h.Sum(nil))
}

// choose takes the best challenge that we can answer.
func choose(all []string) (best *digest.Challenge, basic bool) {
	for _, one := range all {
		scheme, _, _ := strings.Cut(one, " ")
		switch {
		case strings.EqualFold(scheme, "Basic"):
			basic = true
		case strings.EqualFold(scheme, "Digest"):
			c, err := digest.ParseChallenge(one)
			if err != nil || c.Nonce == "" {
				continue
			}
			for i, q := range c.QOP {
				c.QOP[i] = strings.ToLower(strings.TrimSpace(q))
			}
			algorithm, _ := sessionOf(c.Algorithm)
			if hashes[algorithm] == nil || len(c.QOP) > 0 && !c.SupportsQOP("auth") {
				continue
			}
			if best == nil || algorithm != "MD5" {
				best = c
			}
		}
	}
	return best, basic
}

// challenges lists what stands in WWW-Authenticate, one each. A header may hold
// several, with commas between them as between the parameters of one.
func challenges(h http.Header) []string {
	var out []string
	for _, v := range h.Values("WWW-Authenticate") {
		begin, quoted, escaped := 0, false, false
		for i := 0; i <= len(v); i++ {
			if i < len(v) {
				switch c := v[i]; {
				case escaped:
					escaped = false
				case c == '\\' && quoted:
					escaped = true
				case c == '"':
					quoted = !quoted
				}
				if quoted || v[i] != ',' || !newScheme(v[i+1:]) {
					continue
				}
			}
			if one := strings.Trim(v[begin:i], " \t,"); one != "" {
				out = append(out, one)
			}
			begin = i + 1
		}
	}
	return out
}

// newScheme tells whether a challenge begins here: a word, and no `=` behind it.
func newScheme(s string) bool {
	s = strings.TrimLeft(s, " \t")
	end := strings.IndexAny(s, " \t,=\"")
	return s != "" && (end < 0 || end > 0 && (s[end] == ',' || (s[end] == ' ' || s[end] == '\t') && !strings.HasPrefix(strings.TrimLeft(s[end:], " \t"), "=")))
}

// ways are those to log in that a server may ask for.
var ways = []string{"Basic", "Digest", "NTLM", "Negotiate", "Bearer", "OAuth", "HOBA", "Mutual", "SCRAM-SHA-256"}

// schemes names what the server asks for, for people. Other words than these are
// not repeated: they may be anything.
func schemes(h http.Header) string {
	var names []string
	for _, one := range challenges(h) {
		name, _, _ := strings.Cut(one, " ")
		said := "something unknown"
		if i := slices.IndexFunc(ways, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			said = fmt.Sprintf("%q", ways[i])
		}
		names = append(names, said)
	}
	return strings.Join(names, ", ")
}
