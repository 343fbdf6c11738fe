package api

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/icholy/digest"

	"trunkline.internal/pbx/row"
)

// call of a UCM: records that share a session, the first of which began at start
// and which are there from end on.
type ucmCall struct {
	start, end time.Time
	session    string
	records    []string
}

// fakeUCM is cdrapi as Grandstream's guides say, the old one and the new one.
type fakeUCM struct {
	mu    sync.Mutex
	now   func() time.Time
	zone  *time.Location
	calls []ucmCall
	id    int

	old bool
	// utc: the times of a query are UTC, else the PBX's clock.
	utc bool
	// rows: numRecords and offset count records, else calls.
	rows bool
	// most records that it gives at once; 0: as many as it was asked for.
	most int
	// deaf: it does not go by startTime and endTime.
	deaf bool
	// inside: the list stands in "response".
	inside bool
	// before is called before each answer.
	before func()

	challenge string
	cookies   map[string]time.Time
	logins    int
	nonce     string
	statuses  []int // of the next answers of the new API
	asked     []string
	// sorted: calls are in the order of their begin.
	sorted bool
}

func newFakeUCM(zone *time.Location) *fakeUCM {
	return &fakeUCM{now: time.Now, zone: zone, cookies: map[string]time.Time{}, id: 4000}
}

func (f *fakeUCM) isCalls(r *http.Request) bool {
	if r.Method == http.MethodGet {
		return r.Header.Get("Authorization") != ""
	}
	return r.ContentLength > 100 // the only long request
}

// call adds a call of so many records.
func (f *fakeUCM) call(start time.Time, lasts time.Duration, records int) ucmCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := ucmCall{start: start, end: start.Add(lasts), session: fmt.Sprintf("%d-201", start.UnixMicro())}
	for range records {
		f.id++
		c.records = append(c.records, fmt.Sprintf(`{"AcctId":"%d","src":"201","dst":"0199002002","clid":"\"Zo\u00e9\" <201>","channel":"PJSIP\/201-1","start":"%s","answer":"","end":"%s","duration":"%d","billsec":"0","disposition":"NO ANSWER","uniqueid":"%d.%d","session":"%s","action_type":"DIAL"}`,
			f.id, start.In(f.zone).Format(time.DateTime), c.end.In(f.zone).Format(time.DateTime), int(lasts.Seconds()), start.Unix(), f.id, c.session))
	}
	f.calls = append(f.calls, c)
	return c
}

// lines are the tickets of a call.
func (c ucmCall) lines() []string {
	if len(c.records) == 1 {
		return c.records
	}
	lines := []string{`{"cdr":"main_cdr",` + c.records[0][1:]}
	for i, r := range c.records {
		lines = append(lines, fmt.Sprintf(`{"cdr":"sub_cdr_%d",%s`, i+1, r[1:]))
	}
	return lines
}

func (c ucmCall) element() string {
	if len(c.records) == 1 {
		return c.records[0]
	}
	text := fmt.Sprintf(`{"cdr":"%s","main_cdr":%s`, c.session, c.records[0])
	for i, r := range c.records {
		text += fmt.Sprintf(`,"sub_cdr_%d": %s`, i+1, r)
	}
	return text + "}"
}

func (f *fakeUCM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	switch {
	case f.old && r.URL.Path == "/cdrapi":
		if !f.digest(w, r) {
			return
		}
		p := map[string]string{}
		for k, v := range r.URL.Query() {
			p[k] = v[0]
		}
		fmt.Fprint(w, f.list(p))
	case !f.old && r.URL.Path == "/api" && r.Method == http.MethodPost:
		f.api(w, r)
	default:
		http.NotFound(w, r)
	}
}

func sum(parts ...string) string {
	s := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(s[:])
}

func (f *fakeUCM) digest(w http.ResponseWriter, r *http.Request) bool {
	if f.nonce == "" {
		f.nonce = fmt.Sprintf("nonce-%d", f.logins)
	}
	c, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	if err == nil {
		want := sum(sum("cdr", "PBX", secret), f.nonce, fmt.Sprintf("%08x", c.Nc), c.Cnonce, "auth", sum("GET", r.URL.RequestURI()))
		if c.Nonce == f.nonce && c.Response == want && c.Username == "cdr" {
			return true
		}
		f.logins++
	}
	stale := ""
	if err == nil && c.Nonce != f.nonce {
		stale = ", stale=true"
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest algorithm=MD5, realm="PBX", nonce="%s", qop="auth", opaque="1"%s`, f.nonce, stale))
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

func (f *fakeUCM) api(w http.ResponseWriter, r *http.Request) {
	var body struct{ Request map[string]string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !r.Close {
		fmt.Fprint(w, `{"response":{},"status":-1}`)
		return
	}
	p := body.Request
	if len(f.statuses) > 0 {
		s := f.statuses[0]
		if f.statuses = f.statuses[1:]; s != 0 {
			fmt.Fprintf(w, `{"response":{},"status":%d}`, s)
			return
		}
	}
	switch p["action"] {
	case "challenge":
		f.challenge = fmt.Sprintf("%016d", 1496038514+f.logins)
		fmt.Fprintf(w, `{"response":{"challenge":%q},"status":0}`, f.challenge)
	case "login":
		f.logins++
		if sum := md5.Sum([]byte(f.challenge + secret)); p["user"] != "cdr" || f.challenge == "" || p["token"] != hex.EncodeToString(sum[:]) {
			fmt.Fprint(w, `{"response":{"remain_num":4},"status":-37}`)
			return
		}
		f.challenge = ""
		cookie := fmt.Sprintf("canary-sid-%d", f.logins)
		f.cookies[cookie] = f.now().Add(600 * time.Second)
		fmt.Fprintf(w, `{"response":{"cookie":%q},"status":0}`, cookie)
	case "cdrapi":
		if end, ok := f.cookies[p["cookie"]]; !ok || f.now().After(end) {
			fmt.Fprint(w, `{"response":"cookie error","status":-6}`)
			return
		}
		delete(p, "action")
		delete(p, "cookie")
		fmt.Fprint(w, f.list(p))
	default:
		fmt.Fprint(w, `{"response":{},"status":-9}`)
	}
}

// list is an empty one for a query that is not understood.
func (f *fakeUCM) list(p map[string]string) string {
	if f.before != nil {
		f.before()
	}
	f.asked = append(f.asked, p["startTime"]+" "+p["endTime"]+" "+p["offset"])
	zone := f.zone
	if f.utc {
		zone = time.UTC
	}
	from, err1 := time.ParseInLocation("2006-01-02T15:04:05", p["startTime"], zone)
	to, err2 := time.ParseInLocation("2006-01-02T15:04:05", p["endTime"], zone)
	limit, err3 := strconv.Atoi(p["numRecords"])
	offset, err4 := strconv.Atoi(p["offset"])
	empty := `{"cdr_root":[]}`
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || limit > 1000 || p["format"] != "json" || len(p) != 5 {
		return empty
	}
	if f.most > 0 {
		limit = min(limit, f.most)
	}
	var found []ucmCall
	calls := f.calls
	if f.sorted {
		first, _ := slices.BinarySearchFunc(calls, from, func(c ucmCall, t time.Time) int { return c.start.Compare(t) })
		last, _ := slices.BinarySearchFunc(calls, to, func(c ucmCall, t time.Time) int { return c.start.Compare(t.Add(1)) })
		calls = calls[first:last]
	}
	for _, c := range calls {
		if !c.end.After(f.now()) && (f.deaf || !c.start.Before(from) && !c.start.After(to)) {
			found = append(found, c)
		}
	}
	if begun := func(a, b ucmCall) int { return a.start.Compare(b.start) }; !slices.IsSortedFunc(found, begun) {
		slices.SortStableFunc(found, begun)
	}
	var elements []string
	passed, given := 0, 0
	for _, c := range found {
		size := 1
		if f.rows {
			size = len(c.records)
		}
		if passed += size; passed <= offset {
			continue
		}
		if given += size; given > limit && len(elements) > 0 {
			break
		}
		elements = append(elements, c.element())
	}
	name := "cdr_root"
	if f.old && !f.rows {
		name = "cdr"
	}
	list := fmt.Sprintf(`{"%s":[%s]}`, name, strings.Join(elements, ",\n"))
	if f.inside {
		return `{"response":` + list + `,"status":0}`
	}
	return list
}

func ucmRig(t testing.TB, f *fakeUCM, change ...func(*rig)) *rig {
	t.Helper()
	path := "/api"
	if f.old {
		path = "/cdrapi"
	}
	r := newRig(t, "grandstream-ucm", path, f, change...)
	f.mu.Lock()
	f.now = r.clock.Now
	f.mu.Unlock()
	return r
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// byID orders tickets as records are.
func byID(texts []string) []string {
	type ticket struct {
		id         int
		name, text string
	}
	all := make([]ticket, len(texts))
	for i, text := range texts {
		id, _, _ := row.Get(text, "AcctId")
		name, _, _ := row.Get(text, "cdr")
		n, _ := strconv.Atoi(id)
		all[i] = ticket{n, name, text}
	}
	slices.SortFunc(all, func(a, b ticket) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.name, b.name)) })
	for i, one := range all {
		texts[i] = one.text
	}
	return texts
}

func (r *rig) haveCalls(f *fakeUCM) {
	r.t.Helper()
	var want []string
	f.mu.Lock()
	for _, c := range f.calls {
		if !c.end.After(f.now()) {
			want = append(want, c.lines()...)
		}
	}
	f.mu.Unlock()
	same(r.t, byID(r.texts()), byID(want))
}

// Every shape of the answer, and every way to log in.
func TestUCMCalls(t *testing.T) {
	for name, change := range map[string]func(*fakeUCM){
		"new":                func(*fakeUCM) {},
		"new, in response":   func(f *fakeUCM) { f.inside = true },
		"new, counting rows": func(f *fakeUCM) { f.rows = true },
		"old":                func(f *fakeUCM) { f.old = true },
		"old, counting rows": func(f *fakeUCM) { f.old, f.rows = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeUCM(zone(t, "Europe/Paris"))
			change(f)
			r := ucmRig(t, f)
			r.fails("shows no call at all", "compare with the CDR page")
			start := r.clock.Now().Add(-20 * 24 * time.Hour)
			for i := range 1300 {
				f.call(start.Add(time.Duration(i)*9*time.Minute), 2*time.Minute, 1+i%3)
			}
			r.look()
			r.haveCalls(f)
			asked := len(f.asked)
			for range 30 {
				r.clock.Add(time.Minute)
				f.call(r.clock.Now().Add(-40*time.Second), 30*time.Second, 2)
				r.look()
			}
			r.haveCalls(f)
			if n := len(f.asked) - asked; n > 40 {
				t.Errorf("%d requests of 30 looks", n)
			}
			for _, m := range r.nats.Messages(t) {
				if want := strings.Contains(string(m.Payload), `{"cdr":"main_cdr"`); want != strings.Contains(m.Origin, "/cdrapi.main_cdr#0") {
					t.Errorf("%s holds %.50s", m.Origin, m.Payload)
				}
			}
		})
	}
}

// Whatever zone the PBX is in, and in whatever zone it understands a query: every
// call comes, most of them with the next look.
func TestUCMZones(t *testing.T) {
	for _, name := range []string{"Pacific/Pago_Pago", "America/Los_Angeles", "UTC", "Europe/Paris", "Asia/Kolkata", "Pacific/Kiritimati"} {
		for _, utc := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", name, utc), func(t *testing.T) {
				t.Parallel()
				f := newFakeUCM(zone(t, name))
				f.utc, f.old = utc, true
				r := ucmRig(t, f)
				// Over the end of summer time: 25 October 2026 at 01:00 UTC in Paris.
				r.clock.Add(time.Date(2026, 10, 24, 21, 0, 0, 0, time.UTC).Sub(r.clock.Now()))
				late := 0
				for i := range 8 * 12 {
					f.call(r.clock.Now(), time.Minute, 1+i%2)
					if i%40 == 0 {
						f.call(r.clock.Now(), 23*time.Hour, 2)
					}
					r.clock.Add(5 * time.Minute)
					before := r.link.State().Tickets
					r.look()
					if r.link.State().Tickets == before {
						late++
					}
				}
				for range 24 {
					r.clock.Add(time.Hour)
					r.look()
				}
				r.haveCalls(f)
				if late > 0 {
					t.Errorf("%d calls did not come with the next look", late)
				}
			})
		}
	}
}

// Calls of a clock that is not set, or set wrong.
func TestUCMClock(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	f.call(r.clock.Now().Add(-time.Hour), time.Minute, 1)
	r.look()
	put := func(start time.Time) {
		f.call(start, time.Minute, 2)
		f.calls[len(f.calls)-1].end = r.clock.Now()
	}
	put(time.Unix(3600, 0).UTC())
	put(r.clock.Now().AddDate(8, 0, 0))
	put(r.clock.Now().Add(13 * time.Hour))
	put(r.clock.Now().Add(-10 * time.Hour))
	for i := range 3 {
		r.clock.Add(30 * time.Minute)
		put(r.clock.Now().Add(-time.Duration(i) * time.Minute))
		r.look()
	}
	r.clock.Add(time.Hour)
	r.look()
	r.haveCalls(f)
}

// A record that stood alone stands in a group when its call goes on: one key.
func TestUCMCallGoesOn(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	for i := range 10 {
		f.call(r.clock.Now().Add(-time.Duration(i)*30*time.Hour), time.Minute, 1)
	}
	r.look()
	for i := range 20 {
		r.clock.Add(2 * time.Minute)
		if i%2 == 0 {
			f.call(r.clock.Now().Add(-time.Second), time.Second, 1)
		} else {
			c := &f.calls[len(f.calls)-1]
			next := f.call(c.start.Add(time.Second), time.Second, 1)
			f.calls = f.calls[:len(f.calls)-1]
			c = &f.calls[len(f.calls)-1]
			c.records = append(c.records, next.records[0])
		}
		asked := len(f.asked)
		r.look()
		if n := len(f.asked) - asked; n != 1 {
			t.Errorf("%d requests", n)
		}
	}
	keys := map[string]int{}
	for _, m := range r.nats.Messages(t) {
		for text := range strings.Lines(string(m.Payload)) {
			id, _, _ := row.Get(text, "AcctId")
			name, _, _ := row.Get(text, "cdr")
			if name != "main_cdr" {
				name = ""
			}
			keys[id+" "+name]++
		}
	}
	for key, n := range keys {
		if n > 2 {
			t.Errorf("%s was published %d times", key, n)
		}
	}
	if len(keys) != 10+10*3 {
		t.Errorf("%d keys: %v", len(keys), keys)
	}
}

// Behind a restart the last day is published again, and has the same ids.
func TestUCMRestart(t *testing.T) {
	f := newFakeUCM(zone(t, "Europe/Paris"))
	r := ucmRig(t, f)
	for i := range 200 {
		f.call(r.clock.Now().Add(-time.Duration(i)*time.Hour), time.Minute, 1+i%2)
	}
	r.look()
	r.haveCalls(f)
	r.restart()
	f.call(r.clock.Now(), time.Second, 1)
	r.clock.Add(time.Minute)
	r.look()
	got := r.nats.Collected(t)
	again := 0
	for _, k := range got {
		again += k.Copies - 1
	}
	if len(got) != 200+2*100+1 || again == 0 || again > 80 {
		t.Errorf("%d tickets, %d again", len(got), again)
	}
	if read, err := r.nats.Positions.Keys(t.Context(), "lyon", "pbx"); err != nil || len(read) != 1 {
		t.Errorf("%q, %v", read, err)
	}
}

// Old records are deleted while they are read, and new ones come.
func TestUCMShifts(t *testing.T) {
	for _, old := range []bool{false, true} {
		f := newFakeUCM(time.UTC)
		f.old = old
		r := ucmRig(t, f)
		start := r.clock.Now().Add(-9 * 24 * time.Hour)
		for i := range 6000 {
			f.call(start.Add(time.Duration(i)*2*time.Minute), time.Minute, 1)
		}
		all := slices.Clone(f.calls)
		answers := 0
		f.before = func() {
			if answers++; answers%2 == 0 && answers > 8 && answers < 40 {
				all = append(all, f.shift(r.clock.Now().Add(-30*time.Second)))
				f.calls = f.calls[10:] // what was read, and what was not yet
			}
		}
		r.look()
		f.before = nil
		r.clock.Add(time.Hour)
		r.look()
		have := map[string]bool{}
		for _, text := range r.texts() {
			have[text] = true
		}
		for i, c := range all {
			// The oldest may have been deleted before they were ever asked for.
			if !have[c.records[0]] && i > 200 {
				t.Fatalf("call %d of %d is missing", i, len(all))
			}
		}
	}
}

func (f *fakeUCM) shift(start time.Time) ucmCall {
	f.id++
	c := ucmCall{start: start, end: start.Add(time.Second), records: []string{fmt.Sprintf(`{"AcctId":"%d","start":"%s","uniqueid":"1.%d","billsec":"0","disposition":"BUSY"}`, f.id, start.Format(time.DateTime), f.id)}}
	f.calls = append(f.calls, c)
	return c
}

// Firmware that gives fewer records than it was asked for, and many calls within a
// minute.
func TestUCMPages(t *testing.T) {
	f := newFakeUCM(time.UTC)
	f.most = 200
	r := ucmRig(t, f)
	start := r.clock.Now().Add(-100 * time.Hour)
	for i := range 1100 {
		f.call(start.Add(time.Duration(i)*time.Minute), time.Second, 1)
	}
	for range 1300 {
		f.call(start, time.Second, 1)
	}
	r.look()
	r.haveCalls(f)
}

// Firmware that does not go by the times of a query, from the begin on or later.
func TestUCMDeaf(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			f.call(r.clock.Now().Add(-time.Duration(i)*10*time.Minute), time.Second, 1)
		}
	}
	put(1, 3000)
	f.deaf = true
	r.fails("does not go by startTime and endTime", "firmware")
	f.deaf = false
	r.look()
	r.haveCalls(f)
	f.deaf = true
	r.clock.Add(2 * time.Hour)
	put(0, 5)
	r.server.count()
	r.fails("does not go by startTime and endTime")
	if n := r.server.count(); n > 100 {
		t.Errorf("%d requests", n)
	}
	f.deaf = false
	r.look()
	r.haveCalls(f)
}

// The list is empty: a new PBX, a query that is not understood, a PBX whose
// records were deleted.
func TestUCMEmpty(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	f.call(r.clock.Now().Add(-30*24*time.Hour), time.Minute, 1)
	r.look()
	r.clock.Add(time.Hour) // a quiet month
	r.look()
	all := f.calls
	f.calls = nil
	r.clock.Add(time.Hour)
	r.fails("no call any more", "22 October 2026", "deleted")
	r.clock.Add(40 * 24 * time.Hour)
	r.fails("no call any more")
	f.calls = all
	for i := range 40 {
		f.call(r.clock.Now().Add(-time.Duration(i)*24*time.Hour), time.Minute, 1)
	}
	r.clock.Add(2 * time.Minute)
	r.look()
	r.haveCalls(f)
}

func TestUCMSessions(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	put := func() { f.call(r.clock.Now().Add(-time.Minute), time.Second, 1) }
	put()
	r.look()
	r.clock.Add(8 * time.Minute)
	put()
	r.look()
	if f.logins != 1 {
		t.Errorf("%d log-ins", f.logins)
	}
	r.clock.Add(2 * time.Minute)
	put()
	r.look()
	if f.logins != 2 {
		t.Errorf("%d log-ins", f.logins)
	}
	f.mu.Lock()
	clear(f.cookies) // the PBX started anew
	f.mu.Unlock()
	put()
	r.look()
	r.haveCalls(f)

	f.statuses = []int{-45}
	r.fails("asked too often", "no request before", r.clock.Now().Add(15*time.Second).Format("15:04:05"))
	r.server.count()
	r.fails("asked too often")
	if n := r.server.count(); n != 0 {
		t.Errorf("%d requests", n)
	}
	r.clock.Add(15 * time.Second)
	put()
	r.look()
	f.statuses = []int{-19}
	r.fails("status -19, not allowed", "let user cdr use cdrapi")
	f.statuses = []int{-99}
	r.fails("status -99")
	put()
	r.look()
	r.haveCalls(f)
}

func TestUCMRefused(t *testing.T) {
	for _, old := range []bool{false, true} {
		f := newFakeUCM(time.UTC)
		f.old = old
		r := ucmRig(t, f)
		f.call(r.clock.Now().Add(-time.Minute), time.Second, 2)
		r.password("canary-wrong")
		for range 3 {
			if err := r.fails("user cdr"); !errors.Is(err, errRefused) {
				t.Error(err)
			}
		}
		r.server.count()
		r.clock.Add(59 * time.Second)
		r.fails("user cdr")
		if n := r.server.count(); n != 0 {
			t.Errorf("%d requests within a minute of the third refusal", n)
		}
		r.clock.Add(time.Second)
		r.fails("user cdr")
		if n := r.server.count(); n == 0 {
			t.Error("no request after a minute")
		}
		r.password(secret)
		r.look()
		r.haveCalls(f)
		f.mu.Lock()
		f.nonce = "another" // stale
		f.mu.Unlock()
		f.call(r.clock.Now().Add(-2*time.Minute), time.Second, 1)
		r.look()
		r.haveCalls(f)
	}
}

func TestUCMInBadWeather(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("old %t", old), func(t *testing.T) {
			t.Parallel()
			f := newFakeUCM(zone(t, "Europe/Paris"))
			f.old = old
			r := ucmRig(t, f)
			inWeather(t, r, func() {
				for i := range 20 {
					f.call(r.clock.Now().Add(-time.Duration(i)*time.Minute), time.Second, 1+i%2)
				}
				r.clock.Add(time.Hour) // a deep look
			}, func() { r.haveCalls(f) })
		})
	}
}

// What cdrapi may hold beside records.
func TestUCMRecords(t *testing.T) {
	for in, want := range map[string][]string{
		`{"cdr_root":[]}`:                                               nil,
		`{"cdr":[{"AcctId":"1"}]}`:                                      {`{"AcctId":"1"}`},
		`{"status":0,"response":{"cdr_root":[{}]}}`:                     {`{}`},
		`{"cdr_root":[{"cdr":"s","main_cdr":{}}]}`:                      {`{"cdr":"main_cdr"}`},
		`{"cdr_root":[{"cdr":"s"}]}`:                                    {`{"cdr":"s"}`},
		`{"cdr_root":[5]}`:                                              {`5`},
		`{"cdr_root":[{"AcctId":"1","more":{"a":1}}]}`:                  {`{"AcctId":"1","more":{"a":1}}`},
		`{"cdr_root":[{"x\"y":{ "AcctId":"1"}}]}`:                       {`{"cdr":"x\"y","AcctId":"1"}`},
		"{\"cdr_root\":[{\n\"main_cdr\":\n{\n\"AcctId\": \"1\"\n}\n}]}": {`{"cdr":"main_cdr","AcctId":"1"}`},
	} {
		p, err := readUCM([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		var got []string
		for _, r := range p.records {
			got = append(got, string(r.line))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	c := f.call(r.clock.Now().Add(-time.Hour), time.Minute, 2)
	c.records[0] = `{"session":"1-201","start":"","disposition":"ANSWERED"}` // a main_cdr without AcctId
	c.records[1] = strings.Replace(c.records[1], `"AcctId":"4002"`, `"AcctId":4002`, 1)
	r.look()
	r.clock.Add(time.Hour)
	r.look()
	if got := r.texts(); len(got) != 3 {
		t.Errorf("%q", got)
	}
	for _, k := range r.nats.Collected(t) {
		if other := strings.Contains(k.Origin, "cdrapi.other"); other != !strings.Contains(k.Text, "AcctId") || other != (k.Position == "0") {
			t.Errorf("%s %s: %s", k.Origin, k.Position, k.Text)
		}
	}
}

func TestUCMBacklog(t *testing.T) {
	f := newFakeUCM(zone(t, "Europe/Paris"))
	f.sorted = true
	r := ucmRig(t, f)
	start := r.clock.Now().Add(-400 * 24 * time.Hour)
	for i := range 50_000 { // 100,000 records
		f.call(start.Add(time.Duration(i)*11*time.Minute), time.Minute, 1+i%2*2)
	}
	r.look()
	if n := len(f.asked); n > 500 {
		t.Errorf("%d requests", n)
	}
	r.haveCalls(f)
	u := r.Collector.Collector.(*ucm)
	if n := len(u.seen); n > 3000 {
		t.Errorf("%d records are kept in mind", n)
	}
}
