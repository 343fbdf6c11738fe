package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// secret is the password, and part of each token and cookie: it must show up
// nowhere.
const secret = "canary-55501"

// vendorAPI is a server that follows a vendor's API.
type vendorAPI interface {
	http.Handler
	// isCalls tells a request for calls from others.
	isCalls(r *http.Request) bool
}

// fault is done in place of an answer to a request for calls; false: answer it,
// for all that.
type fault func(w http.ResponseWriter, r *http.Request, answer http.Handler) bool

// server is a PBX in bad weather.
type server struct {
	*httptest.Server
	pbx vendorAPI

	mu       sync.Mutex
	faults   []fault // of the next requests for calls; nil: none
	requests []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var f fault
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	if s.pbx.isCalls(r) && len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	if f == nil || !f(w, r, s.pbx) {
		s.pbx.ServeHTTP(w, r)
	}
}

func (s *server) next(f ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// count is how many requests came since the last count.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	s.requests = nil
	return n
}

func pinOf(s *httptest.Server) string {
	sum := sha256.Sum256(s.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

type rig struct {
	*Collector
	t      testing.TB
	nats   *kit.NATS
	clock  *kit.Clock
	server *server
	health kit.Health
	log    strings.Builder
	reg    *prometheus.Registry
	model  string
	cfg    config.HTTP
	timing timing
	link   *link.Link
	said   []string
}

// newRig serves a PBX with a certificate that signed itself, and collects it.
func newRig(t testing.TB, model, path string, p vendorAPI, change ...func(*rig)) *rig {
	t.Helper()
	s := &server{pbx: p}
	s.Server = httptest.NewTLSServer(s)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	r := &rig{t: t, nats: kit.Start(t), clock: kit.NewClock(), server: s, model: model, reg: prometheus.NewRegistry(), timing: usual}
	r.timing.stall, r.timing.header = 10*time.Second, 20*time.Second
	file := filepath.Join(t.TempDir(), "password")
	r.cfg = config.HTTP{URL: s.URL + path, User: "cdr", Secret: config.Secret{PasswordFile: file}, Pin: pinOf(s.Server)}
	r.password(secret)
	for _, c := range change {
		c(r)
	}
	r.restart()
	t.Cleanup(func() {
		families, err := r.reg.Gather()
		if err != nil {
			t.Error(err)
		}
		for _, text := range append(r.said, r.log.String(), r.health.Text(), fmt.Sprint(families)) {
			if strings.Contains(text, "canary") {
				t.Errorf("it tells a secret: %s", text)
			}
		}
	})
	return r
}

func (r *rig) password(p string) {
	r.t.Helper()
	if err := os.WriteFile(r.cfg.PasswordFile, []byte(p+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// restart is a new process.
func (r *rig) restart(change ...func(*link.Options)) {
	r.t.Helper()
	meters, err := link.NewMeters(r.reg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.link = r.nats.Link(r.t, r.model, r.clock.Now, append([]func(*link.Options){func(o *link.Options) {
		o.Health, o.Metrics = r.health.Set, meters.Of("lyon", "pbx")
		o.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	}}, change...)...)
	c, err := newCollector(r.link, &r.cfg, r.timing)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	if err := c.Load(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.Collector = c
}

// try looks once.
func (r *rig) try() error {
	err := kit.Look(context.Background(), r.link, r)
	if err != nil {
		r.said = append(r.said, err.Error())
	}
	return err
}

func (r *rig) look() {
	r.t.Helper()
	if err := r.try(); err != nil {
		r.t.Fatal(err)
	}
}

// fails looks, and wants an error that says all of this.
func (r *rig) fails(want ...string) error {
	r.t.Helper()
	err := r.try()
	if err == nil {
		r.t.Fatalf("no error, want %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			r.t.Errorf("error %q, want %q", err, w)
		}
	}
	return err
}

// texts are the tickets that arrived, each of them once.
func (r *rig) texts() []string {
	r.t.Helper()
	var out []string
	for _, k := range r.nats.Collected(r.t) {
		if k.Copies != 1 {
			r.t.Errorf("%.200s arrived %d times", k.Text, k.Copies)
		}
		out = append(out, k.Text)
	}
	return out
}

func answers(code int, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"message": "%s"}`, http.StatusText(code))
		return true
	}
}

// body answers with the right answer, changed.
func body(change func(answer string) string) fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.Handler) bool {
		rec := httptest.NewRecorder()
		answer.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, change(rec.Body.String()))
		return true
	}
}

// cutOff breaks the connection inside of the answer.
func cutOff(w http.ResponseWriter, r *http.Request, answer http.Handler) bool {
	rec := httptest.NewRecorder()
	answer.ServeHTTP(rec, r)
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// drip gives the answer a byte at a time.
func drip(w http.ResponseWriter, r *http.Request, answer http.Handler) bool {
	rec := httptest.NewRecorder()
	answer.ServeHTTP(rec, r)
	for _, b := range rec.Body.Bytes() {
		if _, err := w.Write([]byte{b}); err != nil || r.Context().Err() != nil {
			return true
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

func reset(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) }

// weather is what goes wrong, and what the error must say.
const slow = "a byte at a time"

const until = "no request before" // 90 s from now

var weather = []struct {
	name  string
	fault fault
	want  []string
}{
	{"forbidden", answers(403), []string{"403", "let the user use the API", "permitted"}},
	{"not found", answers(404), []string{"404", "is url right"}},
	{"too many", answers(429, "Retry-After", "90"), []string{"asks us to wait", "429", until}},
	{"error", answers(500), []string{"500", "does its service run?"}},
	{"away", answers(503), []string{"503"}},
	{"away for a while", answers(503, "Retry-After", "90"), []string{"asks us to wait", "503", until}},
	{"away until", answers(503, "Retry-After", "Sat, 21 Nov 2026 09:01:30 GMT", "Date", "Sat, 21 Nov 2026 09:00:00 GMT"), []string{"wait", until}},
	{"truncated", body(func(s string) string { return s[:len(s)*2/3] }), []string{"breaks off"}},
	{"empty", body(func(string) string { return "" }), []string{"no JSON", "address of its API"}},
	{"a page for people", body(func(string) string { return "<html><body>Log in</body></html>" }), []string{"no JSON", "page to log in"}},
	{"another API's answer", body(func(string) string { return `{"version": "26.01"}` }), []string{"no list of calls", "is url the address"}},
	{"cut off", cutOff, []string{"breaks off"}},
	{slow, drip, []string{"next to nothing"}},
	{"reset", reset, []string{"EOF"}},
	{"too large", body(func(string) string { return `{"items": [` + strings.Repeat(" ", maxBody) }), nil},
}

// inWeather runs everything that can go wrong, in the first and in later answers,
// again and again. add makes new calls, all has what must have arrived.
func inWeather(t *testing.T, r *rig, add func(), have func()) {
	for _, w := range weather {
		for _, good := range []int{0, 1} {
			add()
			r.server.next(append(make([]fault, good), w.fault, w.fault)...)
			r.client.timing.stall = 10 * time.Second
			if w.name == slow {
				r.client.timing.stall = 200 * time.Millisecond
			}
			failed := 0
			for {
				err := r.try()
				if err == nil {
					break
				}
				if failed++; failed > 5 {
					t.Fatalf("%s: it does not recover: %v", w.name, err)
				}
				for _, want := range append(w.want, strings.TrimPrefix(r.server.URL, "https://")) {
					if want == until {
						want += " " + r.clock.Now().Add(90*time.Second).Format("15:04:05")
					}
					if good == 0 && !strings.Contains(err.Error(), want) {
						t.Errorf("%s: error %q, want %q", w.name, err, want)
					}
				}
				if errors.Is(err, errWait) {
					r.server.count()
					if err := r.try(); !errors.Is(err, errWait) || r.server.count() != 0 {
						t.Errorf("%s: it asks again: %v", w.name, err)
					}
				}
				r.clock.Add(90 * time.Second)
			}
			if failed == 0 && w.want != nil && good == 0 {
				t.Errorf("%s: no error", w.name)
			}
			have()
			r.server.next()
		}
	}
}
