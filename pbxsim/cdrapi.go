package pbxsim

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cdrapi answers for the calls of a UCM: the old API with Digest at /cdrapi (8443 in the field), the new one with
// challenge and cookie at /api (8089). A query that it does not understand gives an empty list, as the vendor's
// guides have it.
type cdrapi struct {
	*api
	n         int // of nonces, challenges and cookies
	nonces    map[string]time.Time
	challenge string
	cookies   map[string]time.Time
}

const (
	ucmRealm = "PBX"
	ucmMost  = 1000
)

func newCDRAPI(o Options, enc encoder) (*cdrapi, error) {
	o.User, o.Password = cmp.Or(o.User, "cdr"), cmp.Or(o.Password, "cdr")
	o.Life = cmp.Or(o.Life, 10*time.Minute)
	a, err := newAPI(grandstream, o, enc)
	if err != nil {
		return nil, err
	}
	c := &cdrapi{api: a, nonces: map[string]time.Time{}, cookies: map[string]time.Time{}}
	a.answer = c.route
	a.calls = func(r *http.Request) bool {
		return r.URL.Path == "/cdrapi" && r.Header.Get("Authorization") != "" || r.ContentLength > 100 // the only long request
	}
	a.read = func(k *kept) {
		var r struct{ CDR, Session, Start string }
		if json.Unmarshal(k.Bytes, &r) == nil {
			k.name, k.session = r.CDR, r.Session
			k.start, _ = time.ParseInLocation(time.DateTime, r.Start, o.Zone)
		}
	}
	return c, nil
}

func (c *cdrapi) route(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.URL.Path == "/cdrapi" && r.Method == http.MethodGet:
		if c.digest(w, r) {
			q := map[string]string{}
			for name, values := range r.URL.Query() {
				q[name] = values[0]
			}
			c.list(w, q, "cdr")
		}
	case r.URL.Path == "/api" && r.Method == http.MethodPost:
		c.act(w, r)
	default:
		http.NotFound(w, r)
	}
}

func md5Hex(parts ...string) string {
	s := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(s[:])
}

// digest checks who asks (RFC 2617, qop auth), and asks for it otherwise.
func (c *cdrapi) digest(w http.ResponseWriter, r *http.Request) bool {
	told := map[string]string{}
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	for part := range strings.SplitSeq(text, ", ") {
		name, value, _ := strings.Cut(part, "=")
		told[strings.TrimSpace(name)] = strings.Trim(value, `"`)
	}
	end, known := c.nonces[told["nonce"]]
	stale := ok && (!known || c.o.Clock().After(end))
	want := md5Hex(md5Hex(c.o.User, ucmRealm, c.o.Password), told["nonce"], told["nc"], told["cnonce"], "auth", md5Hex(r.Method, r.URL.RequestURI()))
	if ok && !stale && told["username"] == c.o.User && told["response"] == want {
		return true
	}
	c.n++
	nonce := fmt.Sprintf("%08x%04x", c.n, c.o.Seed&0xffff)
	c.nonces[nonce] = c.o.Clock().Add(c.o.Life)
	challenge := fmt.Sprintf(`Digest algorithm=MD5, realm="%s", nonce="%s", qop="auth", opaque="1"`, ucmRealm, nonce)
	if stale {
		challenge += ", stale=true"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

// Answers of the new API other than 0.
const (
	ucmBadRequest  = -1
	ucmNoSession   = -6
	ucmBadAction   = -9
	ucmWrongLogin  = -37
	challengeStart = 1_496_038_514_000_000
)

// act is a request of the new API, which wants a connection each.
func (c *cdrapi) act(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, fields ...any) {
		response := map[string]any{}
		for i := 0; i < len(fields); i += 2 {
			response[fields[i].(string)] = fields[i+1]
		}
		_, _ = w.Write(object("response", response, "status", status))
	}
	var body struct{ Request map[string]string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !r.Close {
		answer(ucmBadRequest)
		return
	}
	q := body.Request
	switch q["action"] {
	case "challenge":
		c.n++
		c.challenge = fmt.Sprintf("%016d", challengeStart+c.n)
		answer(0, "challenge", c.challenge)
	case "login":
		sum := md5.Sum([]byte(c.challenge + c.o.Password))
		if c.challenge == "" || q["user"] != c.o.User || q["token"] != hex.EncodeToString(sum[:]) {
			c.challenge = ""
			answer(ucmWrongLogin, "remain_num", 4)
			return
		}
		c.challenge = ""
		c.n++
		cookie := fmt.Sprintf("sid%d-%d", c.n, c.o.Seed&0xffff)
		c.cookies[cookie] = c.o.Clock().Add(c.o.Life)
		answer(0, "cookie", cookie)
	case "cdrapi":
		if end, ok := c.cookies[q["cookie"]]; !ok || c.o.Clock().After(end) {
			answer(ucmNoSession)
			return
		}
		delete(q, "action")
		delete(q, "cookie")
		c.list(w, q, "cdr_root")
	default:
		answer(ucmBadAction)
	}
}

// element is a call: its records, one or the summary and those that follow it.
type element struct {
	start   time.Time
	records []*kept
}

// list gives the calls that a query asks for.
func (c *cdrapi) list(w http.ResponseWriter, q map[string]string, name string) {
	const form = "2006-01-02T15:04:05"
	from, err1 := time.ParseInLocation(form, q["startTime"], c.o.Zone)
	to, err2 := time.ParseInLocation(form, q["endTime"], c.o.Zone)
	limit, err3 := strconv.Atoi(q["numRecords"])
	offset, err4 := strconv.Atoi(q["offset"])
	understood := err1 == nil && err2 == nil && err3 == nil && err4 == nil && limit >= 0 && limit <= ucmMost && offset >= 0 && q["format"] == "json" && len(q) == 5
	var found []element
	if understood {
		for _, x := range c.elements() {
			if !x.start.Before(from) && !x.start.After(to) {
				found = append(found, x)
			}
		}
		slices.SortStableFunc(found, func(a, b element) int { return a.start.Compare(b.start) })
		found = found[min(offset, len(found)):]
		found = found[:min(limit, len(found))]
	}
	var given []*kept
	texts := make([]string, len(found))
	for i, x := range found {
		texts[i] = x.text()
		given = append(given, x.records...)
	}
	if _, err := fmt.Fprintf(w, `{"%s":[%s]}`, name, strings.Join(texts, ",\n")); err == nil {
		c.gave(given)
	}
}

func (c *cdrapi) elements() []element {
	var all []element
	for _, k := range c.kept {
		if n := len(all) - 1; n >= 0 && strings.HasPrefix(k.name, "sub_cdr_") && all[n].records[0].name == ucmMain && all[n].records[0].session == k.session {
			all[n].records = append(all[n].records, k)
			continue
		}
		all = append(all, element{k.start, []*kept{k}})
	}
	return all
}

// text is the element as JSON: a record, or a call's records by their names.
func (x element) text() string {
	if x.records[0].name == "" {
		return string(x.records[0].Bytes)
	}
	text := fmt.Sprintf(`{"cdr":%q`, x.records[0].session)
	for _, k := range x.records {
		_, fields, _ := strings.Cut(string(k.Bytes), ",") // behind its name
		text += fmt.Sprintf(`,%q:{%s`, k.name, fields)
	}
	return text + "}"
}
