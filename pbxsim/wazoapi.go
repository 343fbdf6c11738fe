package pbxsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Wazo is a Wazo Platform: call-logd 1.0 shows its call logs, page by page, to whoever has a token of wazo-auth 0.1.
type Wazo struct {
	*api
	logins int
	tokens map[string]time.Time
}

// NewWazo opens the listening socket; Run closes it.
func NewWazo(o Options) (*Wazo, error) {
	if err := o.complete(wazo); err != nil {
		return nil, err
	}
	if o.Listen == "" {
		return nil, fmt.Errorf("%s needs Listen", wazo)
	}
	o.User, o.Password = cmp.Or(o.User, "cdr"), cmp.Or(o.Password, "cdr")
	enc, err := newWazo(o)
	if err != nil {
		return nil, err
	}
	a, err := newAPI(wazo, o, enc)
	if err != nil {
		return nil, err
	}
	w := &Wazo{api: a, tokens: map[string]time.Time{}}
	a.answer = w.route
	a.calls = func(r *http.Request) bool { return r.URL.Path == "/api/call-logd/1.0/cdr" }
	a.read = func(k *kept) {
		var log struct{ ID int64 }
		if json.Unmarshal(k.Bytes, &log) == nil {
			k.id = log.ID
		}
	}
	return w, nil
}

func (p *Wazo) route(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /api/auth/0.1/token":
		p.token(w, r)
	case "GET /api/call-logd/1.0/cdr":
		p.list(w, r)
	default:
		http.Error(w, "<html>nginx: not found</html>", http.StatusNotFound)
	}
}

// token is what wazo-auth gives for user and password.
func (p *Wazo) token(w http.ResponseWriter, r *http.Request) {
	var body struct{ Expiration int }
	user, password, _ := r.BasicAuth()
	if user != p.o.User || password != p.o.Password || json.NewDecoder(r.Body).Decode(&body) != nil {
		http.Error(w, `{"message": "Authentication Failed"}`, http.StatusUnauthorized)
		return
	}
	life := time.Duration(body.Expiration) * time.Second
	if life <= 0 {
		life = 2 * time.Hour
	}
	if p.o.Life > 0 {
		life = min(life, p.o.Life)
	}
	p.logins++
	token := fmt.Sprintf("%08x-55501-%04x", p.logins, p.o.Seed&0xffff)
	now := p.o.Clock()
	p.tokens[token] = now.Add(life)
	const form = "2006-01-02T15:04:05.000000"
	fmt.Fprintf(w, `{"data": {"token": %q, "utc_issued_at": %q, "utc_expires_at": %q, "acl": ["call-logd.cdr.read"]}}`,
		token, now.UTC().Format(form), now.Add(life).UTC().Format(form))
}

// list is a page of call logs from an id on.
func (p *Wazo) list(w http.ResponseWriter, r *http.Request) {
	if end, ok := p.tokens[r.Header.Get("X-Auth-Token")]; !ok || p.o.Clock().After(end) {
		http.Error(w, `{"message": "Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	number := func(name string, otherwise int64) int64 {
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil {
			return otherwise
		}
		return n
	}
	if tenant := r.Header.Get("Wazo-Tenant"); tenant != "" && tenant != WazoTenant {
		http.Error(w, `{"message": "Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	if order := q.Get("order"); order != "id" && order != "start" && order != "" || q.Get("from_id") != "" && number("from_id", -1) < 0 {
		http.Error(w, `{"message": "bad parameter"}`, http.StatusBadRequest)
		return
	}
	from, limit := number("from_id", 0), number("limit", 1000)
	var found []*kept
	for _, k := range p.kept {
		if k.id >= from {
			found = append(found, k)
		}
	}
	slices.SortStableFunc(found, func(a, b *kept) int {
		if q.Get("order") == "id" {
			return cmp.Compare(a.id, b.id)
		}
		return a.Call.Start.Compare(b.Call.Start)
	})
	if q.Get("direction") != "asc" {
		slices.Reverse(found)
	}
	filtered := len(found)
	if limit > 0 {
		found = found[:min(len(found), int(limit))]
	}
	items := make([]string, len(found))
	for i, k := range found {
		items[i] = string(k.Bytes)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := fmt.Fprintf(w, `{"items": [%s], "total": %d, "filtered": %d}`, strings.Join(items, ", "), len(p.kept), filtered); err == nil {
		p.gave(found)
	}
}
