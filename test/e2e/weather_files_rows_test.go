package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// api is a PBX that is asked over HTTP.
type api struct {
	model string
	at    string // host:port
	raws  []string
}

// anAPI is a simulated PBX with so many calls; around may come between.
func anAPI(t *testing.T, model string, calls int, o pbxsim.Options, around func(*httputil.ReverseProxy) http.Handler) *api {
	t.Helper()
	o.Seed, o.Burst, o.Count, o.Zone = 11, true, calls, paris
	if o.To.IsZero() {
		o.From, o.To = longAgo, longAgo.Add(48*time.Hour)
	}
	plain := o
	plain.Life, plain.FailEvery = 0, 0
	if model == "grandstream-ucm" {
		plain.Variant = "cdrapi"
	}
	tickets, err := pbxsim.Tickets(model, plain)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{model: model}
	for x := range tickets {
		a.raws = append(a.raws, string(x.Bytes))
	}
	o.Listen, o.Password = "127.0.0.1:0", db.Password()
	sim, err := pbxsim.New(model, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := sim.Run(ctx); err != nil {
			t.Errorf("%s: %v", model, err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	a.at = sim.Addr()
	if around != nil {
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: a.at})
			r.Out.Close = r.In.Close // which a UCM wants
		}}
		server := httptest.NewServer(around(proxy))
		t.Cleanup(server.Close)
		return &api{model, server.Listener.Addr().String(), a.raws}
	}
	return a
}

func (a *api) wire(at string, more ...string) string {
	if len(more) == 0 {
		more = []string{"password_env: CDR_PASSWORD"}
	}
	if a.model == "wazo" {
		more = append(more, "settle: 200ms")
	}
	return fmt.Sprintf("model: %s, http: {url: %q, user: cdr, every: 200ms, %s}", a.model, "http://"+at, strings.Join(more, ", "))
}

// between lets a test see each request for calls, counted from 1, and answer it.
func between(do func(n int, w http.ResponseWriter, r *http.Request) bool) func(*httputil.ReverseProxy) http.Handler {
	return func(p *httputil.ReverseProxy) http.Handler {
		var n atomic.Int32
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !do(int(n.Add(1)), w, r) {
				p.ServeHTTP(w, r)
			}
		})
	}
}

// The token dies inside a page, again and again.
func wazoToken(t *testing.T) *storm {
	a := anAPI(t, "wazo", 2500, pbxsim.Options{Life: 5 * time.Second}, between(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n%3 != 0 || r.Method != http.MethodGet {
			return false
		}
		http.Error(w, `{"message": "Unauthorized"}`, http.StatusUnauthorized)
		return true
	}))
	return &storm{a.wire(a.at), nil, a.raws}
}

// until calm, answers break off at places of chance.
func tearing(t *testing.T, a *api, seed uint64) *gale {
	return newGale(t, a.at, func(n int) gust { return gust{cut: chance(seed, n, 3000)} })
}

func wazoCut(t *testing.T) *storm {
	a := anAPI(t, "wazo", 300, pbxsim.Options{}, nil)
	g := tearing(t, a, 6)
	return &storm{a.wire(g.addr), g.until("wazo-cut", "Wazo at "+g.addr), a.raws}
}

func wazoLogin(t *testing.T) *storm {
	var refused atomic.Int32
	a := anAPI(t, "wazo", 20, pbxsim.Options{}, func(p *httputil.ReverseProxy) http.Handler {
		p.ModifyResponse = func(res *http.Response) error {
			if res.StatusCode == http.StatusUnauthorized {
				refused.Add(1)
			}
			return nil
		}
		return p
	})
	secret := wrongSecret(t)
	return &storm{a.wire(a.at, fmt.Sprintf("password_file: %q", secret)), func(t *testing.T, s *sky) {
		thrice(t, s, "wazo-login", func() int { return int(refused.Load()) }, "the log-in is refused", "wazo-auth does not take user cdr with this password")
		writeFile(t, secret, db.Password(), 0o600)
		s.over(t, "wazo-login", "the log-in is refused")
	}, a.raws}
}

// anHourAhead is the PBX's clock, and what its calls say.
func anHourAhead(t *testing.T, model string) *storm {
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	a := anAPI(t, model, 100, pbxsim.Options{From: longAgo, To: ahead(), Clock: ahead}, func(p *httputil.ReverseProxy) http.Handler {
		p.ModifyResponse = func(res *http.Response) error {
			res.Header.Set("Date", ahead().UTC().Format(http.TimeFormat))
			return nil
		}
		return p
	})
	return &storm{a.wire(a.at), nil, a.raws}
}

func wazoClockAhead(t *testing.T) *storm { return anHourAhead(t, "wazo") }

func ucmClockAhead(t *testing.T) *storm { return anHourAhead(t, "grandstream-ucm") }

// The session dies inside the pages of a slow PBX, whose answers break off at
// first.
func ucmSession(t *testing.T) *storm {
	a := anAPI(t, "grandstream-ucm", 300, pbxsim.Options{Life: time.Second, FailEvery: 7}, between(func(int, http.ResponseWriter, *http.Request) bool {
		time.Sleep(100 * time.Millisecond) // its own pace
		return false
	}))
	g := tearing(t, a, 7)
	return &storm{a.wire(g.addr), func(t *testing.T, s *sky) {
		s.told(t, "ucm-session", "Grandstream at "+g.addr)
		g.calm()
	}, a.raws}
}

// aTable is a table of n rows, and the link that reads it at addr.
type aTable struct {
	database string
	rows
}

func newTable(t *testing.T, name string, n int) *aTable {
	t.Helper()
	x := &aTable{"weather_" + name, rows{
		table:   catalogue.Table{Name: "cdr", Cursor: "id"},
		columns: []string{"calldate", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata", "duration", "billsec", "disposition", "uniqueid", "id"},
	}}
	for i := range n {
		at := longAgo.Add(time.Duration(i) * time.Second).In(paris)
		row := []string{
			at.Format(time.DateTime), `"Sara" <101>`, "101", "102", "from-internal", fmt.Sprintf("PJSIP/101-%08x", i), fmt.Sprintf("PJSIP/102-%08x", i),
			"Dial", "PJSIP/102", "45", "38", "ANSWERED", fmt.Sprintf("%d.%d", at.Unix(), i), strconv.Itoa(i + 1),
		}
		var values [][]byte
		for _, v := range row {
			values = append(values, []byte(v))
		}
		x.values = append(x.values, values)
	}
	return x
}

func (x *aTable) wire(addr string, more ...string) string {
	if len(more) == 0 {
		more = []string{"password_env: CDR_PASSWORD"}
	}
	return fmt.Sprintf("model: asterisk, mysql: {addr: %q, database: %s, user: %s, every: 200ms, %s}", addr, x.database, db.User(), strings.Join(more, ", "))
}

func (x *aTable) raws() []string { return ticketsOf(string(x.payload())) }

// server is a connection of the PBX's own.
func server(t *testing.T) *sql.DB {
	t.Helper()
	server, err := sql.Open("mysql", db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func exec1(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := server(t).ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Results are reset at places of chance until status tells.
func mysqlCut(t *testing.T) *storm {
	x := newTable(t, "cut", 600)
	x.create(t, x.database)
	g := newGale(t, db.Addr(), func(n int) gust { return gust{cut: 20_000 + chance(8, n, 100_000)} })
	return &storm{x.wire(g.addr), g.until("mysql-cut", "mysql "+g.addr, "the connection broke"), x.raws()}
}

func mysqlBytewise(t *testing.T) *storm {
	x := newTable(t, "bytewise", 30)
	x.create(t, x.database)
	g := newGale(t, db.Addr(), func(int) gust { return gust{bytes: 1} })
	return &storm{x.wire(g.addr), nil, x.raws()}
}

// The server kills connections wherever they are.
func mysqlKilled(t *testing.T) *storm {
	x := newTable(t, "killed", 3000)
	x.create(t, x.database)
	g := newGale(t, db.Addr(), func(int) gust { return gust{bytes: 2048, pause: time.Millisecond} })
	return &storm{x.wire(g.addr), func(t *testing.T, s *sky) {
		admin := server(t)
		for killed := 0; killed < 5; {
			var id int64
			kit.Await(t, "it is connected", func() bool {
				return admin.QueryRow("SELECT id FROM information_schema.processlist WHERE db = ? LIMIT 1", x.database).Scan(&id) == nil
			}, s.in.Log)
			if _, err := admin.Exec("KILL ?", id); err == nil {
				killed++
			}
		}
		g.calm()
	}, x.raws()}
}

func mysqlGreeting(t *testing.T) *storm {
	x := newTable(t, "greeting", 5)
	x.create(t, x.database)
	g := newGale(t, db.Addr(), func(int) gust { return gust{says: "SSH-2.0-OpenSSH_9.6\r\n"} })
	return &storm{x.wire(g.addr), g.until("mysql-greeting", "mysql "+g.addr, "is it the port of a MySQL server?"), x.raws()}
}

func mysqlLogin(t *testing.T) *storm {
	x := newTable(t, "login", 5)
	x.create(t, x.database)
	g := newGale(t, db.Addr(), func(int) gust { return gust{} })
	secret := wrongSecret(t)
	return &storm{x.wire(g.addr, fmt.Sprintf("password_file: %q", secret)), func(t *testing.T, s *sky) {
		thrice(t, s, "mysql-login", func() int { return int(g.conns.Load()) }, "wrong user or password: compare user "+db.User())
		writeFile(t, secret, db.Password(), 0o600)
		s.over(t, "mysql-login", "wrong user or password")
	}, x.raws()}
}

// The table is away for a while, and comes back longer.
func mysqlDropped(t *testing.T) *storm {
	all := newTable(t, "dropped", 30)
	few := *all
	few.values = all.values[:20]
	few.create(t, all.database)
	return &storm{all.wire(db.Addr()), func(t *testing.T, s *sky) {
		const link = "mysql-dropped"
		s.await(t, link, 20)
		exec1(t, "DROP TABLE "+all.database+".cdr")
		s.told(t, link, "there is no such table", "look at table in the link's configuration")
		all.create(t, all.database)
		s.over(t, link, "there is no such table")
	}, all.raws()}
}

// A row shows up behind those that were written after it.
func mysqlLate(t *testing.T) *storm {
	all := newTable(t, "late", 30)
	const late = 14
	some := *all
	some.values = slices.Concat(all.values[:late], all.values[late+1:])
	some.create(t, all.database)
	return &storm{all.wire(db.Addr()), func(t *testing.T, s *sky) {
		s.await(t, "mysql-late", 29)
		var args []any
		for _, v := range all.values[late] {
			args = append(args, string(v))
		}
		exec1(t, "INSERT INTO "+all.database+".cdr VALUES (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}, all.raws()}
}
