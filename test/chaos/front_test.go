package chaos

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// front stands between the sinks and ClickHouse, and answers in its place.
type front struct {
	*httptest.Server
	to string

	mu     sync.Mutex
	faults []answer // of the next requests
	slow   time.Duration
	broke  map[string]int // faults that met a request, by name
}

// answer is what a request meets.
type answer struct {
	name   string
	insert bool // only an insert meets it
	code   int
	status int
	text   string
	after  bool // it takes effect, and the answer is lost
}

var answers = []answer{
	{name: "too-many-parts", insert: true, code: 252, status: 500, text: "Too many parts (3001 with average size of 4.27 KiB) in table 'trunkline.cdrs'. Merges are processing significantly slower than inserts. (TOO_MANY_PARTS)"},
	{name: "memory", code: 241, status: 500, text: "(total) memory limit exceeded: would use 700.31 MiB (attempt to allocate chunk of 4.00 MiB bytes), maximum: 700.00 MiB. (MEMORY_LIMIT_EXCEEDED)"},
	{name: "wrong-password", code: 516, status: 403, text: "trunkline: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"},
	{name: "unknown-table", code: 60, status: 404, text: "Table trunkline.cdrs does not exist. (UNKNOWN_TABLE)"},
	{name: "no-answer"},
	{name: "lost-answer", insert: true, after: true},
}

func newFront(t *testing.T, to string) *front {
	t.Helper()
	f := &front{to: to, broke: make(map[string]int)}
	target := &url.URL{Scheme: "http", Host: to}
	through := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		// Who is away does not answer for a gateway.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		it, slow := f.take(strings.HasPrefix(r.URL.Query().Get("query"), "INSERT"))
		time.Sleep(slow)
		switch {
		case it == nil:
			through.ServeHTTP(w, r)
		case it.code != 0:
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(it.code))
			w.WriteHeader(it.status)
			fmt.Fprintf(w, "Code: %d. DB::Exception: %s (version 26.7.3.1)", it.code, it.text)
		case it.after:
			through.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *front) take(insert bool) (*answer, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.faults {
		if it := f.faults[i]; insert || !it.insert {
			f.faults = append(f.faults[:i:i], f.faults[i+1:]...)
			f.broke[it.name]++
			return &it, f.slow
		}
	}
	return nil, f.slow
}

// fail lets the next n requests meet a fault.
func (f *front) fail(it answer, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.faults = append(f.faults, it)
	}
}

func (f *front) delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = d
}

func (f *front) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.slow = nil, 0
}
