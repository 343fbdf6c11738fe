package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
)

func get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+shared.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{"/ping": "Ok.\n", "/replicas_status": "Ok.\n", "/": "Ok.\n", "/?query=SELECT+1": "1\n"} {
		if a := get(t, path); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: got %d %q", path, a.status, a.body)
		}
	}
	if a := get(t, "/play"); a.status != http.StatusNotFound || !strings.Contains(a.body, "There is no handle /play") {
		t.Errorf("got %d %q", a.status, a.body)
	}
	if a := call(t, http.MethodDelete, "", url.Values{}, nil); a.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: got %d %q", a.status, a.body)
	}
}

func TestHost(t *testing.T) {
	for host, status := range map[string]int{
		"localhost": 200, "LOCALHOST:8123": 200, "127.0.0.1:1": 200, "[::1]:8123": 200, "10.0.0.7:8123": 200, "sql.localhost": 200,
		shared.hostname: 200, "evil.example": 403, "evil.example:8123": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403,
	} {
		for _, path := range []string{"/?query=SELECT+1", "/ping"} {
			if a := get(t, path, "Host", host); a.status != status {
				t.Errorf("%s%s: got %d %q, want %d", host, path, a.status, a.body, status)
			}
		}
	}
}

func TestPagesOfOtherSites(t *testing.T) {
	a := call(t, http.MethodPost, "", url.Values{}, strings.NewReader("SELECT 1"), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusForbidden {
		t.Errorf("got %d %q", a.status, a.body)
	}
}

func TestCredentials(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (a UInt8) ENGINE = MergeTree ORDER BY a")
	token := shared.Token()
	const insert = "INSERT INTO {db}.t VALUES (1)"
	for _, c := range []struct {
		name   string
		header []string
		query  []string
		insert int // status of an INSERT
		read   int
	}{
		{"none", nil, nil, 500, 200},
		{"default user", []string{"X-ClickHouse-User", "default"}, nil, 500, 200},
		{"other user", nil, []string{"user", "grafana"}, 500, 200},
		{"headers", []string{"X-ClickHouse-User", WriterUser, "X-ClickHouse-Key", token}, nil, 200, 200},
		{"header without user", []string{"X-ClickHouse-Key", token}, nil, 200, 200},
		{"bearer", []string{"Authorization", "Bearer " + token}, nil, 200, 200},
		{"parameters", nil, []string{"user", WriterUser, "password", token}, 200, 200},
		{"wrong key", []string{"X-ClickHouse-User", WriterUser, "X-ClickHouse-Key", token + "x"}, nil, 403, 403},
		{"wrong bearer", []string{"Authorization", "Bearer x"}, nil, 403, 403},
		{"wrong password", nil, []string{"password", token[1:]}, 403, 403},
		{"wrong password of a reader", nil, []string{"user", "default", "password", "x"}, 403, 403},
		{"writer without token", []string{"X-ClickHouse-User", WriterUser}, nil, 403, 403},
		{"token of another user", nil, []string{"user", "grafana", "password", token}, 403, 403},
		{"unknown scheme", []string{"Authorization", "Digest x"}, nil, 403, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := call(t, http.MethodPost, "", values(c.query), strings.NewReader(strings.ReplaceAll(insert, "{db}", db)), c.header...)
			if a.status != c.insert {
				t.Errorf("INSERT: got %d %q, want %d", a.status, a.body, c.insert)
			}
			if c.insert == 403 && (a.header.Get("X-ClickHouse-Exception-Code") != "516" || !strings.Contains(a.body, "AUTHENTICATION_FAILED")) {
				t.Errorf("INSERT: got %v %q", a.header, a.body)
			}
			if a := call(t, http.MethodPost, "", values(c.query), strings.NewReader("SELECT 1"), c.header...); a.status != c.read {
				t.Errorf("SELECT: got %d %q, want %d", a.status, a.body, c.read)
			}
			q := addQuery(values(c.query), strings.ReplaceAll(insert, "{db}", db))
			if a := call(t, http.MethodGet, "", q, nil, c.header...); a.status == http.StatusOK {
				t.Errorf("GET wrote: %q", a.body)
			}
		})
	}
	if got := write(t, "SELECT count() FROM "+db+".t"); got != "4\n" {
		t.Errorf("%s rows were written, want 4", got)
	}
}

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		sql    string
		status int
		code   string
		end    string
	}{
		{"SELEC 1", 400, "62", "(SYNTAX_ERROR)\n"},
		{"SELECT 1; SELECT 2", 400, "62", "(SYNTAX_ERROR)\n"},
		{"SELECT nosuch", 404, "47", "(UNKNOWN_IDENTIFIER)\n"},
		{"SELECT nosuch()", 404, "46", "(UNKNOWN_FUNCTION)\n"},
		{"SELECT * FROM system.nosuch", 404, "60", "(UNKNOWN_TABLE)\n"},
		{"SELECT * FROM nosuch.t", 404, "81", "(UNKNOWN_DATABASE)\n"},
		{"SELECT 1 FORMAT NoSuch", 404, "73", "(UNKNOWN_FORMAT)\n"},
		{"SELECT {a:UInt8}", 500, "456", "(UNKNOWN_QUERY_PARAMETER)\n"},
		{"SELECT throwIf(1)", 500, "395", "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)\n"},
		{"SELECT toUInt8('x')", 400, "6", "(CANNOT_PARSE_TEXT)\n"},
		{"INSERT INTO system.nosuch VALUES (1)", 500, "164", "(READONLY)\n"},
	} {
		a := read(t, c.sql)
		if a.status != c.status || a.header.Get("X-ClickHouse-Exception-Code") != c.code || !strings.HasPrefix(a.body, "Code: "+c.code+". DB::Exception: ") || !strings.HasSuffix(a.body, c.end) {
			t.Errorf("%s: got %d %s %q", c.sql, a.status, a.header.Get("X-ClickHouse-Exception-Code"), a.body)
		}
	}
	if a := read(t, "SELECT 1", "no_such_setting", "1"); a.status != 500 || a.header.Get("X-ClickHouse-Exception-Code") != "164" {
		t.Errorf("unknown setting of a reader: got %d %q", a.status, a.body)
	}
	a := call(t, http.MethodPost, shared.Token(), values([]string{"no_such_setting", "1"}), strings.NewReader("SELECT 1"))
	if a.status != 404 || a.header.Get("X-ClickHouse-Exception-Code") != "115" {
		t.Errorf("unknown setting of a writer: got %d %q", a.status, a.body)
	}
	if a := read(t, "SELECT 1", "database", "nosuch"); a.status != 404 || a.header.Get("X-ClickHouse-Exception-Code") != "81" {
		t.Errorf("unknown database: got %d %q", a.status, a.body)
	}
	if a := read(t, "SELECT '"+strings.Repeat("x", maxReaderQuery)+"'"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("long query: got %d %q", a.status, a.body)
	}
	a = call(t, http.MethodPost, shared.Token(), values([]string{"session_id", "s"}), strings.NewReader("SET max_threads = 1"))
	if a.status != http.StatusNotImplemented || !strings.Contains(a.body, "Sessions are not kept") {
		t.Errorf("session: got %d %q", a.status, a.body)
	}
}

// The names of exceptions, by which their status is found, must be those of the engine.
func TestStatusNames(t *testing.T) {
	for name := range statuses {
		if got := write(t, "SELECT count() FROM (SELECT arrayJoin(range(1200)) AS c) WHERE errorCodeToName(c) = '"+name+"'"); got != "1\n" {
			t.Errorf("the engine has no exception %s", name)
		}
	}
	for _, k := range []kind{
		kindCannotReadAll, kindBadArguments, kindNotImplemented, kindSyntaxError, kindReadonly, kindTooManyQueries, kindCannotDecompress,
		kindTooManyBytes, kindAccessDenied, kindAuthentication, kindQueryIsTooLarge, kindUnknown,
	} {
		if got := read(t, "SELECT errorCodeToName({c:UInt32})", "param_c", itoa(k.code)).body; got != k.name+"\n" {
			t.Errorf("exception %d is %s, not %s", k.code, got, k.name)
		}
	}
}

func TestHeaders(t *testing.T) {
	a := read(t, "SELECT number FROM numbers(10) FORMAT JSON", "query_id", "my-query")
	for name, want := range map[string]string{
		"X-ClickHouse-Query-Id": "my-query", "X-ClickHouse-Format": "JSON", "X-ClickHouse-Timezone": "UTC",
		"X-ClickHouse-Server-Display-Name": shared.hostname, "Content-Type": "application/json; charset=UTF-8",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if s := a.header.Get("X-ClickHouse-Summary"); !strings.Contains(s, `"read_rows":"10"`) || !strings.Contains(s, `"result_rows":"10"`) {
		t.Errorf("summary: got %q", s)
	}
	if a := read(t, "SELECT 1"); a.header.Get("X-ClickHouse-Query-Id") == "" {
		t.Error("no query id was given")
	}
	a = call(t, http.MethodPost, "", url.Values{}, strings.NewReader("SELECT currentDatabase() AS d"), "X-ClickHouse-Database", "system", "X-ClickHouse-Format", "JSONEachRow")
	if a.body != "{\"d\":\"system\"}\n" || a.header.Get("Content-Type") != "application/x-ndjson; charset=UTF-8" {
		t.Errorf("got %q %q", a.body, a.header.Get("Content-Type"))
	}
}

func TestCompression(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a")
	const rows = 100_000
	var plain bytes.Buffer
	for i := range rows {
		plain.WriteString(itoa(i/100) + "\n")
	}
	pack := map[string]func([]byte) []byte{
		"gzip": func(b []byte) []byte { return packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, b) },
		"deflate": func(b []byte) []byte {
			return packed(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, b)
		},
		"zstd": func(b []byte) []byte {
			return packed(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }, b)
		},
	}
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"zstd":    func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for name := range pack {
		t.Run(name, func(t *testing.T) {
			write(t, "TRUNCATE TABLE "+db+".t")
			q := values([]string{"query", "INSERT INTO " + db + ".t FORMAT TSV"})
			if a := call(t, http.MethodPost, shared.Token(), q, bytes.NewReader(pack[name](plain.Bytes())), "Content-Encoding", name); a.status != 200 {
				t.Fatalf("insert: %d %s", a.status, a.body)
			}
			a := call(t, http.MethodPost, "", values([]string{"enable_http_compression", "1"}), strings.NewReader("SELECT a FROM "+db+".t ORDER BY a"), "Accept-Encoding", "br, "+name)
			if a.header.Get("Content-Encoding") != name || len(a.body) > plain.Len()*3/4 {
				t.Fatalf("got %d bytes, encoded %q", len(a.body), a.header.Get("Content-Encoding"))
			}
			r, err := unpack[name](strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain.Bytes()) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			cut := pack[name](plain.Bytes())
			a = call(t, http.MethodPost, shared.Token(), q, bytes.NewReader(cut[:len(cut)/2]), "Content-Encoding", name)
			if a.status == 200 {
				t.Error("a body that was cut off passed")
			}
		})
	}
	for _, method := range []string{"LZ4", "ZSTD"} {
		t.Run(method, func(t *testing.T) {
			write(t, "TRUNCATE TABLE "+db+".t")
			m := compress.LZ4
			if method == "ZSTD" {
				m = compress.ZSTD
			}
			var frames []byte
			var last int
			for chunk := range bytes.Lines(plain.Bytes()) {
				if len(frames) > 1000 {
					break // enough of small frames
				}
				w := compress.NewWriter(compress.LevelZero, m)
				if err := w.Compress(chunk); err != nil {
					t.Fatal(err)
				}
				last = len(frames)
				frames = append(frames, w.Data...)
			}
			q := values([]string{"query", "INSERT INTO " + db + ".t FORMAT TSV", "decompress", "1"})
			for _, cut := range []int{last + 3, last + 25, len(frames) - 1} {
				if a := call(t, http.MethodPost, shared.Token(), q, bytes.NewReader(frames[:cut])); a.status == 200 {
					t.Errorf("frames cut off at %d of %d passed", cut, len(frames))
				}
			}
			if got := write(t, "SELECT count() FROM "+db+".t"); got != "0\n" {
				t.Errorf("%s rows of a cut off body were kept", got)
			}
			if a := call(t, http.MethodPost, shared.Token(), q, bytes.NewReader(frames)); a.status != 200 {
				t.Fatalf("insert: %d %s", a.status, a.body)
			}
			a := read(t, "SELECT intDiv(number, 100) FROM numbers(100000)", "compress", "1", "network_compression_method", method)
			got, err := io.ReadAll(newFrames(strings.NewReader(a.body)))
			if err != nil || !bytes.Equal(got, plain.Bytes()) || len(a.body) > plain.Len()*3/4 {
				t.Errorf("got %d bytes, %v, in %d", len(got), err, len(a.body))
			}
			a = read(t, "SELECT nosuch", "compress", "1")
			got, err = io.ReadAll(newFrames(strings.NewReader(a.body)))
			if err != nil || !strings.HasPrefix(string(got), "Code: 47.") {
				t.Errorf("exception: got %q %v", got, err)
			}
		})
	}
	if a := call(t, http.MethodPost, shared.Token(), values([]string{"query", "INSERT INTO " + db + ".t FORMAT TSV"}), strings.NewReader("x"), "Content-Encoding", "br"); a.status != 501 {
		t.Errorf("br: got %d %s", a.status, a.body)
	}
}

func packed(open func(io.Writer) io.WriteCloser, b []byte) []byte {
	var out bytes.Buffer
	w := open(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func TestForm(t *testing.T) {
	body := "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:UInt8} + 1\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\n4\r\n--b--\r\n"
	a := call(t, http.MethodPost, "", url.Values{}, strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=b")
	if a.body != "5\n" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	body = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\n1\r\n--b--\r\n"
	a = call(t, http.MethodPost, "", values([]string{"query", "SELECT * FROM x"}), strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=b")
	if a.status != http.StatusNotImplemented {
		t.Errorf("external data: got %d %q", a.status, a.body)
	}
}

func TestTooManyReaders(t *testing.T) {
	s := newSlots(1)
	if err := s.take(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.waiting.Store(maxWaiting)
	err := s.take(t.Context(), false)
	if e := asException(err); e.Code != 202 || e.status() != http.StatusTooManyRequests {
		t.Errorf("got %v", err)
	}
	s.waiting.Store(0)
	took := make(chan error, 1)
	go func() { took <- s.take(t.Context(), true) }()
	for s.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.give()
	if err := <-took; err != nil {
		t.Error(err)
	}
}
