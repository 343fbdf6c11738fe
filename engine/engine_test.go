package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The library has one engine in a process, so the tests share one; each has a database of its own.
var (
	shared        *Engine
	sharedMetrics prometheus.Gatherer
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if script, ok := os.LookupEnv(childVariable); ok {
		if err := runChild(script); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "engine-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	registry := prometheus.NewRegistry()
	sharedMetrics = registry
	shared, err = Open(Config{DataDir: dir, Listen: "127.0.0.1:0", Registerer: registry})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- shared.Run(ctx) }()
	code := m.Run()
	cancel()
	if err := <-ran; err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error // while reading the body
}

// call makes a request: the statement in the URL, data in the body.
func call(t testing.TB, method, token string, q url.Values, body io.Reader, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, "http://"+shared.Addr()+"/?"+q.Encode(), body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.SetBasicAuth(WriterUser, token)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

// read runs a statement as a reader.
func read(t testing.TB, sql string, settings ...string) answer {
	t.Helper()
	return call(t, http.MethodPost, "", values(settings), strings.NewReader(sql))
}

// write runs a statement as a writer, who must succeed.
func write(t testing.TB, sql string, settings ...string) string {
	t.Helper()
	a := call(t, http.MethodPost, shared.Token(), values(settings), strings.NewReader(sql))
	if a.status != http.StatusOK || a.err != nil {
		t.Fatalf("%.200s\n%d %s %v", sql, a.status, a.body, a.err)
	}
	return a.body
}

func values(pairs []string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

// database makes a database for one test.
func database(t testing.TB) string {
	t.Helper()
	name := "t_" + strings.ToLower(strings.NewReplacer("/", "_", "-", "_").Replace(t.Name()))
	write(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { write(t, "DROP DATABASE IF EXISTS "+name+" SYNC") })
	return name
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		settings  []string
		want      string
	}{
		{"plain", "SELECT 1, 'a'", nil, "1\ta\n"},
		{"format", "SELECT 1 AS x FORMAT JSONEachRow", nil, "{\"x\":1}\n"},
		{"default format", "SELECT 1 AS x, 'y' AS s", []string{"default_format", "CSVWithNames"}, "\"x\",\"s\"\n1,\"y\"\n"},
		{"parameters", "SELECT {a:UInt8} + 1, {b:String}, {c:Array(String)}", []string{"param_a", "3", "param_b", `x\ty`, "param_c", "['q','r']"}, "4\tx\\ty\t['q','r']\n"},
		{"setting", "SELECT toTypeName(a) FROM (SELECT 1 AS k) AS l LEFT JOIN (SELECT 2 AS k, 'x' AS a) AS r USING k", []string{"join_use_nulls", "1"}, "Nullable(String)\n"},
		{"time zone", "SELECT toDateTime(0)", []string{"session_timezone", "Europe/Paris"}, "1970-01-01 01:00:00\n"},
		{
			"many blocks in one document", "SELECT number FROM numbers(3) FORMAT JSONCompact",
			[]string{"output_format_write_statistics", "0", "output_format_json_quote_64bit_integers", "0"},
			"{\n\t\"meta\":\n\t[\n\t\t{\n\t\t\t\"name\": \"number\",\n\t\t\t\"type\": \"UInt64\"\n\t\t}\n\t],\n\n\t\"data\":\n\t[\n\t\t[0],\n\t\t[1],\n\t\t[2]\n\t],\n\n\t\"rows\": 3\n}\n",
		},
		{"database", "SELECT currentDatabase()", []string{"database", "system"}, "system\n"},
		{"names that look like clauses", "SELECT 1 AS format, 2 AS settings", nil, "1\t2\n"},
		{"comment and semicolon", "-- it's\nSELECT /* ; */ ';' ; ", nil, ";\n"},
		{"show", "SHOW DATABASES LIKE 'system' FORMAT CSV", nil, "\"system\"\n"},
		{"wait", "SELECT number FROM numbers(3)", []string{"wait_end_of_query", "1"}, "0\n1\n2\n"},
		{"no rows", "SELECT 1 WHERE 0", nil, ""},
		{"no output", "SELECT number FROM numbers(100) FORMAT Null", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := read(t, c.sql, c.settings...)
			if a.status != http.StatusOK || a.body != c.want || a.err != nil {
				t.Errorf("got %d %q %v, want %q", a.status, a.body, a.err, c.want)
			}
			a = call(t, http.MethodGet, "", addQuery(values(c.settings), c.sql), nil)
			if a.status != http.StatusOK || a.body != c.want {
				t.Errorf("GET: got %d %q, want %q", a.status, a.body, c.want)
			}
			a = call(t, http.MethodPost, shared.Token(), values(c.settings), strings.NewReader(c.sql))
			if a.status != http.StatusOK || a.body != c.want {
				t.Errorf("writer: got %d %q, want %q", a.status, a.body, c.want)
			}
		})
	}
}

func addQuery(q url.Values, sql string) url.Values {
	q.Set("query", sql)
	return q
}

func TestWriteAndRead(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE calls (id UInt32, name String) ENGINE = MergeTree ORDER BY id", "database", db)
	write(t, "INSERT INTO calls VALUES (1, 'a;b'), (2, 'it''s')", "database", db)
	write(t, "INSERT INTO calls FORMAT JSONEachRow\n{\"id\":3,\"name\":\"x\"}\n{\"id\":4,\"name\":\"y\"}\n", "database", db)
	a := call(t, http.MethodPost, shared.Token(), values([]string{"query", "INSERT INTO " + db + ".calls (name, id) FORMAT CSV"}), strings.NewReader("z,5\n"))
	if a.status != http.StatusOK || !strings.Contains(a.header.Get("X-ClickHouse-Summary"), `"written_rows":"1"`) {
		t.Fatalf("%d %s %s", a.status, a.body, a.header)
	}
	// a head with blanks behind it, and one whose format is in a header
	for _, query := range []string{"INSERT INTO " + db + ".calls (id, name) FORMAT RowBinary \n", "INSERT INTO " + db + ".calls (id, name)"} {
		a := call(t, http.MethodPost, shared.Token(), values([]string{"query", query}), strings.NewReader("\n\x00\x00\x00\x01b"), "X-ClickHouse-Format", "RowBinary")
		if a.status != http.StatusOK {
			t.Errorf("%q: %d %s", query, a.status, a.body)
		}
	}
	write(t, "DELETE FROM calls WHERE id = 10", "database", db)
	write(t, "INSERT INTO calls SELECT id + 10, name FROM calls WHERE id = 1", "database", db)
	got := read(t, "SELECT * FROM calls ORDER BY id", "database", db).body
	if want := "1\ta;b\n2\tit\\'s\n3\tx\n4\ty\n5\tz\n11\ta;b\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sum adds up a metric over the labels that are not given.
func sum(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := sharedMetrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	metrics:
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for i := 0; i < len(labels); i += 2 {
				if have[labels[i]] != labels[i+1] {
					continue metrics
				}
			}
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return total
}

func TestMetrics(t *testing.T) {
	type metric struct {
		name   string
		labels []string
		more   float64
	}
	list := []metric{
		{"trunkline_engine_queries_total", []string{"kind", "read", "result", "ok"}, 1},
		{"trunkline_engine_queries_total", []string{"kind", "read", "result", "exception"}, 2},
		{"trunkline_engine_queries_total", []string{"kind", "write", "result", "ok"}, 1},
		{"trunkline_engine_query_seconds", []string{"kind", "read"}, 3},
		{"trunkline_engine_queries_in_flight", nil, 0},
		{"trunkline_engine_rows_total", []string{"direction", "written"}, 3},
		{"trunkline_engine_http_bytes_total", []string{"direction", "out"}, 2},
		{"trunkline_engine_refused_total", []string{"reason", "forbidden"}, 1},
		{"trunkline_engine_refused_total", []string{"reason", "host"}, 1},
	}
	before := make([]float64, len(list))
	for i, m := range list {
		before[i] = sum(t, m.name, m.labels...)
	}
	read(t, "SELECT 1")
	write(t, "INSERT INTO FUNCTION null('a UInt8') VALUES (1), (2), (3)")
	read(t, "SELECT nosuch")
	read(t, "SELECT file('x')")
	call(t, http.MethodPost, "", nil, strings.NewReader("SELECT 1"), "Host", "evil.example")
	for i, m := range list {
		got := sum(t, m.name, m.labels...) - before[i]
		if got != m.more && (m.labels == nil || m.labels[0] != "direction" || got < m.more) {
			t.Errorf("%s%v grew by %v, want %v", m.name, m.labels, got, m.more)
		}
	}
}
