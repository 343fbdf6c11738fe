package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx/row"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const tenant = "4eb57648-b914-446b-a69f-58643ae08dd4"

// fakeWazo is wazo-auth and call-logd as their API descriptions say.
type fakeWazo struct {
	mu     sync.Mutex
	now    func() time.Time
	calls  map[int64]string
	tokens map[string]time.Time
	logins int
	life   time.Duration
	denied bool // the user has no access to call-logd
	// query changes what call-logd understands.
	query   func(url.Values)
	ids     []int64 // of all calls, where they do not change
	queries []url.Values
	tenants []string
}

func newFakeWazo() *fakeWazo {
	return &fakeWazo{now: time.Now, calls: map[int64]string{}, tokens: map[string]time.Time{}, life: 2 * time.Hour}
}

func (f *fakeWazo) isCalls(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/cdr") }

func (f *fakeWazo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	switch {
	case r.Method == http.MethodPost && r.URL.Path == wazoToken:
		f.token(w, r)
	case r.Method == http.MethodGet && r.URL.Path == wazoCalls:
		f.list(w, r)
	default:
		http.Error(w, "<html>nginx</html>", http.StatusNotFound)
	}
}

func (f *fakeWazo) token(w http.ResponseWriter, r *http.Request) {
	f.logins++
	var body struct{ Expiration int }
	user, password, _ := r.BasicAuth()
	if user != "cdr" || password != secret || json.NewDecoder(r.Body).Decode(&body) != nil || body.Expiration != 7200 {
		http.Error(w, `{"message": "Authentication Failed"}`, http.StatusUnauthorized)
		return
	}
	token := fmt.Sprintf("canary-token-%d", f.logins)
	f.tokens[token] = f.now().Add(f.life)
	const form = "2006-01-02T15:04:05.000000"
	clock := f.now().Add(-5 * time.Hour) // another one than ours
	fmt.Fprintf(w, `{"data": {"token": %q, "utc_issued_at": %q, "utc_expires_at": %q, "acl": ["call-logd.#"]}}`, token, clock.Format(form), clock.Add(f.life).Format(form))
}

func (f *fakeWazo) list(w http.ResponseWriter, r *http.Request) {
	if end, ok := f.tokens[r.Header.Get("X-Auth-Token")]; !ok || f.denied || f.now().After(end) {
		http.Error(w, `{"message": "Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	f.queries, f.tenants = append(f.queries, q), append(f.tenants, r.Header.Get("Wazo-Tenant"))
	for k := range q {
		if !slices.Contains([]string{"from_id", "order", "direction", "limit", "recurse"}, k) {
			http.Error(w, `{"message": "bad parameter"}`, http.StatusBadRequest)
			return
		}
	}
	if f.query != nil {
		f.query(q)
	}
	from, _ := strconv.ParseInt(q.Get("from_id"), 10, 64)
	limit, _ := strconv.Atoi(q.Get("limit"))
	ids := f.ids
	if ids == nil {
		ids = slices.Sorted(maps.Keys(f.calls))
	}
	total := len(ids)
	at, _ := slices.BinarySearch(ids, from)
	if ids = ids[at:]; q.Get("direction") != "asc" {
		slices.Reverse(ids)
	}
	filtered := len(ids)
	if limit > 0 && len(ids) > limit {
		ids = ids[:limit]
	}
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = f.calls[id]
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"items": [%s], "total": %d, "filtered": %d}`, strings.Join(items, ", "), total, filtered)
}

// put adds a call that ended at a time.
func (f *fakeWazo) put(id int64, ended time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	const form = "2006-01-02T15:04:05.000000-07:00"
	text := fmt.Sprintf(`{"id": %d, "tenant_uuid": %q, "start": %q, "answer": null, "end": %q, "answered": false, "duration": null, "call_direction": "outbound", "conversation_id": "17950104%06d.71", "destination_details": {"type": "unknown"}, "requested_extension": "0199002002", "source_extension": "201", "source_name": "Zo\u00e9, Ünal", "tags": ["rh", "B"], "recordings": []}`,
		id, tenant, ended.Add(-time.Minute).Format(form), ended.Format(form), id)
	f.calls[id] = text
	return text
}

func wazoRig(t testing.TB, change ...func(*rig)) (*rig, *fakeWazo) {
	t.Helper()
	f := newFakeWazo()
	r := newRig(t, "wazo", "", f, change...)
	f.mu.Lock()
	f.now = r.clock.Now
	f.mu.Unlock()
	return r, f
}

// some adds calls that ended long ago.
func (f *fakeWazo) some(from, to int64) (texts []string) {
	for id := from; id < to; id++ {
		texts = append(texts, f.put(id, f.now().Add(-time.Hour)))
	}
	return texts
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%d tickets, want %d:\n%.300q\nwant\n%.300q", len(got), len(want), got, want)
	}
}

func TestWazoCalls(t *testing.T) {
	r, f := wazoRig(t)
	r.look() // there is none
	all := f.some(100, 1600)
	all = append(all, f.some(5000, 6100)...) // other tenants' ids between
	r.look()
	same(t, r.texts(), all)
	for _, m := range r.nats.Messages(t) {
		first, _, _ := strings.Cut(string(m.Payload), "\n")
		id, _, _ := row.Get(first, "id")
		if m.Origin != "table:"+strings.TrimPrefix(r.server.URL, "https://")+"/call-logd#0" || m.Offset != "id="+id || !m.Received.Equal(r.clock.Now()) {
			t.Errorf("%s %s %s", m.Origin, m.Offset, m.Received)
		}
	}
	before := len(r.nats.Messages(t))
	r.look() // nothing new
	r.restart()
	r.look()
	if n := len(r.nats.Messages(t)); n != before {
		t.Errorf("%d messages of nothing new", n-before)
	}
	all = append(all, f.some(6102, 6103)...)
	visibleLate := f.calls[6102]
	f.mu.Lock()
	delete(f.calls, 6102)
	delete(f.calls, 6050) // and what is deleted is no trouble
	f.mu.Unlock()
	all = append(all, f.some(6105, 6106)...)
	r.look()
	f.mu.Lock()
	f.calls[6102] = visibleLate
	f.mu.Unlock()
	r.look()
	r.look()
	same(t, r.texts(), all)
	if s := r.link.State(); s.Position != 6105 || s.Newest != 6105 {
		t.Errorf("%+v", s)
	}
	for _, q := range f.queries {
		if q.Get("recurse") != "true" || q.Get("order") != "id" {
			t.Errorf("query %v", q)
		}
	}
}

// What the API gives is published byte for byte, on one line.
func TestWazoBytes(t *testing.T) {
	r, f := wazoRig(t)
	long := fmt.Sprintf(`{"id": 9, "tags": ["%s"]}`, strings.Repeat("x", wire.MaxTicket+100))
	f.calls = map[int64]string{
		1: `{  "id" : 1,"tags":["a\u00e9\/ \ud83d"],"n":12345678901234567890.0e1, "x":"<&>` + "\u2028" + `"}`,
		2: "{\n  \"id\": 2,\r\n  \"name\": \"a\\nb  c\"\n}",
		3: "{\"id\": 3, \"name\": \"Zo\xe9\"}",
		9: long,
	}
	r.look()
	same(t, r.texts(), []string{f.calls[1], `{"id":2,"name":"a\nb  c"}`, f.calls[3], long[:wire.MaxTicket], long[wire.MaxTicket:]})
}

func TestWazoTokens(t *testing.T) {
	r, f := wazoRig(t)
	expire := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		clear(f.tokens)
		return false
	}
	want := f.some(1, 2501)
	r.server.next(nil, expire, nil, expire) // inside of the pages
	r.look()
	same(t, r.texts(), want)
	if f.logins != 3 {
		t.Errorf("%d log-ins, want 3", f.logins)
	}
	r.clock.Add(95 * time.Minute)
	r.look()
	if f.logins != 3 {
		t.Error("the token is renewed too early")
	}
	r.clock.Add(2 * time.Minute)
	r.look()
	if f.logins != 4 {
		t.Error("the token is not renewed before its end")
	}
	f.mu.Lock()
	f.life = time.Minute
	clear(f.tokens)
	f.mu.Unlock()
	r.look()
	for range 5 {
		r.clock.Add(50 * time.Second)
		r.look()
	}
	if f.logins != 10 {
		t.Errorf("%d log-ins with tokens of a minute, want 10", f.logins)
	}
}

func TestWazoRefused(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 3)
	r.password("canary-wrong")
	for range 3 {
		if err := r.fails("does not take user cdr with this password", "refused"); !errors.Is(err, errRefused) {
			t.Error(err)
		}
	}
	r.server.count()
	r.fails("does not take user cdr with this password")
	r.clock.Add(59 * time.Second)
	r.fails("does not take")
	if n := r.server.count(); n != 0 {
		t.Errorf("%d requests within a minute of the third refusal", n)
	}
	r.clock.Add(time.Second)
	r.fails("does not take")
	r.fails("does not take")
	if n := r.server.count(); n != 1 {
		t.Errorf("%d requests in a minute", n)
	}
	r.password(secret) // changed: at once
	r.look()
	same(t, r.texts(), want)

	f.denied = true
	for range 3 {
		r.fails("call-logd does not take the token", "call-logd.cdr.read", "tenant")
	}
	r.server.count()
	r.fails("call-logd.cdr.read")
	if n := r.server.count(); n != 0 {
		t.Errorf("%d requests within a minute of the third refusal", n)
	}
	f.denied = false
	r.clock.Add(time.Minute)
	want = append(want, f.some(3, 4)...)
	r.look()
	same(t, r.texts(), want)
}

func TestWazoInBadWeather(t *testing.T) {
	r, f := wazoRig(t)
	f.query = func(q url.Values) { // small pages
		if n, _ := strconv.Atoi(q.Get("limit")); n > 20 {
			q.Set("limit", "20")
		}
	}
	var all []string
	last := int64(1)
	inWeather(t, r, func() {
		all = append(all, f.some(last, last+70)...)
		last += 73
	}, func() { same(t, r.texts(), all) })
}

// Answers to another question than was asked move no position.
func TestWazoWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		query func(url.Values)
		want  string
	}{
		"newest first":   {func(q url.Values) { q.Set("direction", "desc") }, "in the order of their ids"},
		"a cached page":  {func(q url.Values) { q.Set("from_id", "1") }, "from id"},
		"from_id is off": {func(q url.Values) { q.Del("from_id") }, "from id"},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := wazoRig(t)
			want := f.some(1, 1200)
			r.look()
			want = append(want, f.some(1200, 2500)...)
			f.mu.Lock()
			f.query = c.query
			f.mu.Unlock()
			r.fails(c.want, "cache")
			f.mu.Lock()
			f.query = nil
			f.mu.Unlock()
			r.look()
			same(t, r.texts(), want)
		})
	}
}

// A record that is there twice in a page, and a server that gives less than it
// was asked for.
func TestWazoPages(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 700)
	r.server.next(body(func(s string) string { return strings.Replace(s, `"items": [`, `"items": [`+want[0]+", ", 1) }))
	f.query = func(q url.Values) { q.Set("limit", "100") }
	r.look()
	same(t, r.texts(), want)
	r.server.next(body(func(string) string { return `{"items": [{"tenant_uuid": "x"}], "total": 1, "filtered": 1}` }))
	r.fails("has no id")
}

func TestWazoSettle(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 3)
	made := f.put(3, r.clock.Now().Add(-50*time.Second))
	f.some(4, 5) // behind one that may still be made anew
	r.look()
	same(t, r.texts(), want)
	f.mu.Lock()
	delete(f.calls, 3) // and it is, under another id
	anew := strings.Replace(made, `"id": 3`, `"id": 5`, 1)
	f.calls[5] = anew
	f.mu.Unlock()
	r.look()
	want = append(want, f.calls[4])
	same(t, r.texts(), want)
	r.clock.Add(10 * time.Second)
	r.look()
	want = append(want, anew)
	same(t, r.texts(), want)

	// Made anew behind the settle time: the key is the same, the id another.
	f.mu.Lock()
	delete(f.calls, 5)
	f.calls[6] = strings.Replace(anew, `"id": 5`, `"id": 6`, 1)
	f.mu.Unlock()
	r.look()
	want = append(want, f.calls[6])
	same(t, r.texts(), want)
	a, _, _ := row.Get(want[3], "conversation_id")
	b, _, _ := row.Get(want[4], "conversation_id")
	if a == "" || a != b {
		t.Errorf("conversations %s and %s", a, b)
	}

	want = append(want, f.put(7, r.clock.Now().Add(10*time.Minute))) // a clock that is wrong
	r.look()
	same(t, r.texts(), want)
}

func TestWazoReset(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1000, 1100)
	r.look()
	old := f.calls
	f.calls = map[int64]string{}
	r.fails("up to id 1099", "shows none", "user cdr")
	f.some(1, 6) // a restored copy, or ids that began again
	r.fails("the largest id is 5", "raise epoch to 1")
	f.calls = old
	r.look()
	same(t, r.texts(), want)

	f.calls = map[int64]string{}
	f.some(1, 500)
	r.fails("the largest id is 499")
	f.mu.Lock()
	clear(f.calls)
	f.mu.Unlock()
	r.clock.Add(24 * time.Hour)
	again := f.some(1, 1200)
	r.restart()
	r.fails("id 1099 is not the one that was collected", "raise epoch to 1")
	same(t, r.texts(), want)
	r.cfg.Epoch = 1
	r.restart()
	r.look()
	same(t, r.texts(), append(want, again...))
}

func TestWazoTenant(t *testing.T) {
	no := false
	elsewhere := newFakeWazo()
	tokens := httptest.NewServer(elsewhere)
	t.Cleanup(tokens.Close)
	r, f := wazoRig(t, func(r *rig) {
		r.cfg.Tenant, r.cfg.Recurse = tenant, &no
		r.cfg.URL += "/api/call-logd/1.0/cdr"
		r.cfg.TokenURL = tokens.URL + wazoToken
	})
	want := f.some(1, 3)
	f.tokens = elsewhere.tokens
	elsewhere.now = r.clock.Now
	r.look()
	same(t, r.texts(), want)
	if elsewhere.logins != 1 || f.logins != 0 || f.tenants[0] != tenant || f.queries[0].Get("recurse") != "false" {
		t.Errorf("%d %d %q %v", elsewhere.logins, f.logins, f.tenants, f.queries)
	}
}

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"https://w.example":                         "https://w.example/api/call-logd/1.0/cdr https://w.example/api/auth/0.1/token",
		"https://w.example/":                        "https://w.example/api/call-logd/1.0/cdr https://w.example/api/auth/0.1/token",
		"https://w.example/api":                     "https://w.example/api/call-logd/1.0/cdr https://w.example/api/auth/0.1/token",
		"https://w.example/api/call-logd/1.0/cdr":   "https://w.example/api/call-logd/1.0/cdr https://w.example/api/auth/0.1/token",
		"https://p.example/wazo/7/api/call-logd/":   "https://p.example/wazo/7/api/call-logd/1.0/cdr https://p.example/wazo/7/api/auth/0.1/token",
		"http://w.example:8080/wazo":                "http://w.example:8080/wazo/api/call-logd/1.0/cdr http://w.example:8080/wazo/api/auth/0.1/token",
		"https://w.example/?a":                      "",
		"ftp://w.example":                           "",
		"https://cdr:" + secret + "@w.example/api/": "",
	} {
		l := (&kit.NATS{}).Link(t, "wazo", time.Now)
		c, err := New(l, &config.HTTP{URL: given, User: "cdr", Secret: config.Secret{PasswordEnv: "X"}})
		got := ""
		if err == nil {
			w := c.Collector.(*wazo)
			got = w.calls.String() + " " + w.tokens
		} else if strings.Contains(err.Error(), secret) {
			t.Error(err)
		}
		if got != want {
			t.Errorf("%s: %s, %v, want %s", given, got, err, want)
		}
	}
}

// A batch that is not acknowledged moves nothing.
func TestWazoWithoutAcknowledgement(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 1500)
	var times int
	r.restart(func(o *link.Options) {
		o.Publisher = publisher(func(ctx context.Context, msgs ...*nats.Msg) error {
			if times++; times == 2 {
				return errors.New("nats is away")
			}
			return r.nats.Tickets.Publish(ctx, msgs...)
		})
	})
	if err := r.try(); err == nil || err.Error() != "nats is away" {
		t.Fatal(err)
	}
	same(t, r.texts(), want[:1000])
	r.restart()
	r.look()
	same(t, r.texts(), want)
}

type publisher func(context.Context, ...*nats.Msg) error

func (p publisher) Publish(ctx context.Context, msgs ...*nats.Msg) error { return p(ctx, msgs...) }

func TestWazoOfTwoOwners(t *testing.T) {
	r, f := wazoRig(t)
	f.some(1, 10)
	r.look()
	paused := r.Collector
	r.restart()
	f.some(10, 20)
	r.look()
	f.some(20, 30)
	if err := paused.Look(t.Context()); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("%v", err)
	}
}

func TestWazoBacklog(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 100_001)
	f.ids = slices.Sorted(maps.Keys(f.calls))
	r.look()
	same(t, r.texts(), want)
}
