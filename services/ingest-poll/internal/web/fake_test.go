package web

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a web server that does what nginx never would.
type fake struct {
	mu       sync.Mutex
	names    []string
	files    map[string]string
	modified map[string]time.Time
	log      []string

	noRanges, noHead, noLength, noTimes, noTags, noRows bool
	// page is what is given in place of a listing.
	page string
	// cut breaks off the body of a file behind so many bytes, so many times.
	cut, times int
	// drip gives a file a byte at a time.
	drip bool
	// onGet is called before a file is given.
	onGet func(name string)
}

func newFake() *fake {
	return &fake{files: map[string]string{}, modified: map[string]time.Time{}}
}

func (f *fake) put(name, content string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.files[name]; !ok {
		f.names = append(f.names, name)
	}
	f.files[name] = content
	f.modified[name] = time.Now().Add(-time.Hour).Truncate(time.Second)
}

// seen are the requests that hold a text.
func (f *fake) seen(text string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.log {
		if strings.Contains(l, text) {
			out = append(out, l)
		}
	}
	return out
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, folder)
	f.mu.Lock()
	f.log = append(f.log, fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Range"), strings.SplitN(r.Header.Get("Authorization"), " ", 2)[0]))
	onGet, page := f.onGet, f.page
	f.mu.Unlock()
	if name == "" && page != "" {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, page)
		return
	}
	if name == "" {
		f.list(w)
		return
	}
	if onGet != nil && r.Method == http.MethodGet {
		onGet(name)
	}
	f.mu.Lock()
	content, ok := f.files[name]
	modified := f.modified[name]
	cut := 0
	if f.times > 0 && len(content) > f.cut && r.Method == http.MethodGet && r.Header.Get("Range") != "bytes=0-3" {
		f.times--
		cut = f.cut
	}
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !f.noTags {
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(content)))[:18]+`"`)
	}
	if f.noTimes {
		modified = time.Time{}
	}
	if f.noHead && r.Method == http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if f.noRanges {
		r.Header.Del("Range")
	}
	switch {
	case f.noLength:
		if !modified.IsZero() {
			w.Header().Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
		}
		w.(http.Flusher).Flush()
		if r.Method == http.MethodGet {
			io.WriteString(w, content)
		}
	case cut > 0:
		http.ServeContent(&cutter{w, cut}, r, "", modified, strings.NewReader(content))
	case f.drip && r.Method == http.MethodGet && r.Header.Get("Range") != "bytes=0-3":
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Header().Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
		for i := range len(content) {
			if _, err := io.WriteString(w, content[i:i+1]); err != nil || r.Context().Err() != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	default:
		http.ServeContent(w, r, "", modified, strings.NewReader(content))
	}
}

func (f *fake) list(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	io.WriteString(w, "<html><body><a href=\"../\">../</a>\n")
	for _, name := range f.names {
		row := " " + f.modified[name].Format("02-Jan-2006 15:04") + "  1K\n"
		if f.noRows {
			row = "\n"
		}
		fmt.Fprintf(w, "<a href=\"%s\">%s</a>%s", url.PathEscape(name), html.EscapeString(name), row)
	}
}

// cutter breaks the connection behind so many bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 && err == nil {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func serve(t *testing.T, f *fake, change ...func(*rig)) *rig {
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return newRig(t, srv.URL, change...)
}

// Whatever a server does not know: all tickets come, and later once more those
// that are new.
func TestPoorServers(t *testing.T) {
	for name, change := range map[string]func(*fake){
		"all":               func(*fake) {},
		"no ranges":         func(f *fake) { f.noRanges = true },
		"no HEAD":           func(f *fake) { f.noHead = true },
		"no sizes":          func(f *fake) { f.noLength, f.noRanges = true, true },
		"no times":          func(f *fake) { f.noTimes = true },
		"no tags":           func(f *fake) { f.noTags = true },
		"no tags, no times": func(f *fake) { f.noTags, f.noTimes = true, true },
		"no rows":           func(f *fake) { f.noRows = true },
		"nothing of all that": func(f *fake) {
			f.noRanges, f.noHead, f.noLength, f.noTimes, f.noTags, f.noRows = true, true, true, true, true, true
		},
		"cuts":            func(f *fake) { f.cut, f.times = 20_000, 3 },
		"cuts, no ranges": func(f *fake) { f.cut, f.times, f.noRanges = 20_000, 2, true },
		"cuts, no tags":   func(f *fake) { f.cut, f.times, f.noTags = 20_000, 3, true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			change(f)
			// Bytes that do not pack well, so that there is something to cut.
			packed := func(n int) string {
				var b strings.Builder
				for i := range n {
					fmt.Fprintf(&b, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
				}
				return b.String()
			}
			f.put("log", lines("log", 0, 9000))
			f.put("p.gz", gz(packed(3000)))
			r := serve(t, f)
			r.look()
			r.restart()
			r.look()
			f.put("log", lines("log", 0, 9100))
			f.put("p.gz", gz(packed(3100)))
			f.put("next", lines("next", 0, 5))
			r.look()
			want := slices.Concat(texts("log", 0, 9100), texts("next", 0, 5), strings.Split(strings.TrimSpace(packed(3100)), "\n"))
			r.texts(want...)
			if h := r.health.Text(); h != "" {
				t.Error(h)
			}
		})
	}
}

// A file that is replaced by one as long and as old has another entity tag.
func TestReplacedWithinASecond(t *testing.T) {
	f := newFake()
	grows := false
	r := serve(t, f, func(r *rig) { r.cfg.Grows = &grows })
	f.put("a", lines("one", 0, 10))
	at := f.modified["a"].Add(time.Hour) // young
	f.modified["a"] = at
	r.look()
	f.put("a", lines("two", 0, 10))
	f.modified["a"] = at
	r.look()
	r.texts(slices.Concat(texts("one", 0, 10), texts("two", 0, 10))...)
}

// A log grows, shrinks or is replaced while it is read.
func TestChangesWhileItIsRead(t *testing.T) {
	f := newFake()
	r := serve(t, f)
	f.put("log", lines("log", 0, 3000))
	n := 3000
	f.onGet = func(string) {
		if n < 3400 {
			n += 50
			f.put("log", lines("log", 0, n))
		}
	}
	for n < 3400 {
		r.look()
	}
	r.look()
	r.texts(texts("log", 0, n)...)
	f.onGet = func(string) { f.onGet = nil; f.put("log", lines("new", 0, 20)) }
	f.put("log", lines("log", 0, n+10))
	r.look()
	r.look()
	for _, text := range texts("new", 0, 20) {
		if !slices.ContainsFunc(r.collected(), func(s string) bool { return s == text }) {
			t.Fatalf("%s is missing", text)
		}
	}
}

func (r *rig) collected() (out []string) {
	for _, one := range r.nats.Collected(r.t) {
		out = append(out, one.Text)
	}
	return out
}

// What stops a look says why, in good time.
func TestBadServers(t *testing.T) {
	quick := func(r *rig) {
		r.timing.window, r.timing.header = 100*time.Millisecond, 200*time.Millisecond
	}
	for name, tc := range map[string]struct {
		page string
		want string
	}{
		"no list":       {"<html>It works!</html>", "no list of files"},
		"a form":        {`<form><input type="text"><INPUT TYPE=Password></form><a href="x">`, "log-in with a form"},
		"binary":        {"\x00\x01\x02", "no list of files"},
		"an empty list": {`<a href="../">../</a>`, ""},
		"others' files": {`<a href="http://other/trf/backup/pc/tickets/a">a</a><a href="/etc/passwd">`, ""},
	} {
		f := newFake()
		f.page = tc.page
		r := serve(t, f, quick)
		if err := r.try(context.Background()); err == nil && tc.want != "" || err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"hangs":  {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "does not answer"},
		"resets": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be reached"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login?to="+r.URL.Path, http.StatusFound)
		}, "people log in with a form"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1"+folder, http.StatusFound)
		}, "elsewhere"},
		"fails": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "502 Bad Gateway"},
		"list that hangs": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<a href=a>a</a>")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "next to nothing"},
		"list that breaks off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, "<a href=a>a</a>")
		}, "broke off"},
	} {
		srv := httptest.NewServer(tc.handler)
		r := newRig(t, srv.URL, quick)
		if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		srv.Close()
		if name == "fails" {
			if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "nothing listens") {
				t.Errorf("away: %v", err)
			}
		}
	}
}

// A file that drips or always breaks off is told, and the others come.
func TestBadFile(t *testing.T) {
	for name, change := range map[string]func(*fake){
		"drips":      func(f *fake) { f.drip = true },
		"breaks off": func(f *fake) { f.cut, f.times, f.noRanges = 3000, 1<<30, true },
	} {
		f := newFake()
		f.put("bad.gz", "\x1f\x8b"+strings.Repeat("0123456789", 1000))
		change(f)
		r := serve(t, f, func(r *rig) { r.timing.window, r.timing.minRate = 60*time.Millisecond, 2000 })
		f.put("good", "a 1\n") // short enough to drip in time
		r.look()
		r.look()
		r.texts("a 1")
		if h := r.health.Text(); !strings.Contains(h, "file bad.gz") || !strings.Contains(h, "broke off 3 times") {
			t.Errorf("%s: %s", name, h)
		}
		left, err := os.ReadDir(r.source.tmp)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left over: %v, %v", name, left, err)
		}
	}
}

// 100,000 files in a listing are examined once each.
func TestManyFiles(t *testing.T) {
	f := newFake()
	const n = 100_000
	for i := range n {
		f.put(fmt.Sprintf("T%06d.gz", i), "x")
	}
	for name := range f.modified {
		f.modified[name] = time.Now().Add(-48 * time.Hour)
	}
	r := serve(t, f)
	began := time.Now()
	first, err := r.source.List(context.Background())
	took := time.Since(began)
	if err != nil || len(first) != n {
		t.Fatalf("%d, %v", len(first), err)
	}
	requests := len(f.log)
	began = time.Now()
	again, err := r.source.List(context.Background())
	if err != nil || len(again) != n || len(f.log) != requests+1 {
		t.Fatalf("%d, %d more requests, %v", len(again), len(f.log)-requests, err)
	}
	t.Logf("first %s, then %s", took, time.Since(began))
}
