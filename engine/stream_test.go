package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

func itoa(i int) string { return strconv.Itoa(i) }

// begin starts a request and gives its response as soon as the head is there.
func begin(t testing.TB, token, sql string, settings ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+shared.Addr()+"/?"+values(settings).Encode(), strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// running waits until so many queries bear the mark.
func awaitQueries(t *testing.T, id string, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := write(t, "SELECT count() FROM system.processes WHERE startsWith(Settings['log_comment'], {id:String})", "param_id", id+"/")
		if got == itoa(n)+"\n" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s queries of %s run, want %d", strings.TrimSpace(got), id, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestResultComesAsItIsMade reads the first rows of a result that has no end, and then goes away.
func TestResultComesAsItIsMade(t *testing.T) {
	for _, format := range []string{"TSV", "JSON", "Native", "CSVWithNames"} {
		id := "endless-" + format
		resp := begin(t, "", "SELECT number, sleepEachRow(0.001) FROM numbers(1000000000) SETTINGS max_block_size = 10 FORMAT "+format, "query_id", id)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Fatal("a reader set max_block_size")
		}
		resp = begin(t, "", "SELECT number FROM numbers(1000000000000) FORMAT "+format, "query_id", id)
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 100_000)); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		awaitQueries(t, id, 1)
		_ = resp.Body.Close() // the client goes away, and its query with it
		awaitQueries(t, id, 0)
	}
}

// TestClientGoesAwayBeforeTheFirstRow kills a query that has given nothing yet.
func TestClientGoesAwayBeforeTheFirstRow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+shared.Addr()+"/?query_id=silent", strings.NewReader("SELECT sum(cityHash64(number)) FROM numbers(1000000000000)"))
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req) //nolint:bodyclose // there is none
		failed <- err
	}()
	awaitQueries(t, "silent", 1)
	cancel()
	if err := <-failed; err == nil {
		t.Error("an answer came")
	}
	awaitQueries(t, "silent", 0)
}

// TestMemoryOfLargeResult reads 800 MB, which must pass through and not pile up.
func TestMemoryOfLargeResult(t *testing.T) {
	resp := begin(t, "", "SELECT number FROM numbers(100000000) FORMAT RowBinary")
	defer resp.Body.Close()
	before := rss(t)
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != 800_000_000 {
		t.Errorf("got %d bytes, %v", n, err)
	}
	if after := rss(t); after > before+150<<20 {
		t.Errorf("memory went from %d to %d MiB", before>>20, after>>20)
	}
}

func rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func TestExceptionAmidResult(t *testing.T) {
	for _, settings := range [][]string{nil, {"compress", "1"}, {"client_protocol_version", "54460", "default_format", "Native"}} {
		resp := begin(t, "", "SELECT number, throwIf(number = 500000) FROM numbers(1000000)", settings...)
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || err == nil {
			t.Fatalf("%v: got %s and %v, want 200 and a broken body", settings, resp.Status, err)
		}
		if len(settings) > 0 && settings[0] == "compress" {
			if body, err = io.ReadAll(newFrames(bytes.NewReader(body))); err != nil {
				t.Fatal(err)
			}
		}
		tag := resp.Header.Get("X-ClickHouse-Exception-Tag")
		tail := string(body[max(0, len(body)-1000):])
		_, tail, ok := strings.Cut(tail, "\r\n__exception__\r\n"+tag+"\r\n")
		if !ok || tag == "" || !strings.HasPrefix(tail, "Code: 395.") {
			t.Fatalf("%v: got %q", settings, tail)
		}
		text, tail, _ := strings.Cut(tail, "\n")
		if want := fmt.Sprintf("%d %s\r\n__exception__\r\n", len(text)+1, tag); tail != want {
			t.Errorf("%v: got %q, want %q", settings, tail, want)
		}
		// Waiting for the end, the status tells.
		a := read(t, "SELECT number, throwIf(number = 500000) FROM numbers(1000000)", append(settings, "wait_end_of_query", "1")...)
		if a.status != http.StatusInternalServerError || a.header.Get("X-ClickHouse-Exception-Code") != "395" {
			t.Errorf("%v: got %d", settings, a.status)
		}
	}
}

func TestWaitForLargeResult(t *testing.T) {
	a := read(t, "SELECT number FROM numbers(2000000) FORMAT RowBinary", "wait_end_of_query", "1")
	if len(a.body) != 16_000_000 || a.err != nil {
		t.Errorf("got %d bytes, %v", len(a.body), a.err)
	}
}

// nativeBlock is a block of two columns in the Native format of no revision.
func nativeBlock(t testing.TB, from, rows int) []byte {
	t.Helper()
	var id proto.ColUInt64
	var name proto.ColStr
	for i := range rows {
		id.Append(uint64(from + i))
		name.Append("ticket " + strconv.Itoa(from+i))
	}
	input := proto.Input{{Name: "id", Data: &id}, {Name: "name", Data: &name}}
	var b proto.Buffer
	block := proto.Block{Columns: len(input), Rows: rows}
	if err := block.EncodeRawBlock(&b, 0, input); err != nil {
		t.Fatal(err)
	}
	return b.Buf
}

func TestInsertMillionRows(t *testing.T) {
	const rows, chunk = 1_000_000, 50_000
	db := database(t)
	for format, piece := range map[string]func(from int) []byte{
		"Native": func(from int) []byte { return nativeBlock(t, from, chunk) },
		"JSONEachRow": func(from int) []byte {
			var b bytes.Buffer
			for i := range chunk {
				fmt.Fprintf(&b, "{\"id\":%d,\"name\":\"ticket %d\"}\n", from+i, from+i)
			}
			return b.Bytes()
		},
	} {
		t.Run(format, func(t *testing.T) {
			write(t, "CREATE OR REPLACE TABLE "+db+".t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
			r, w := io.Pipe()
			go func() {
				for from := 0; from < rows; from += chunk {
					if _, err := w.Write(piece(from)); err != nil {
						return
					}
				}
				w.Close()
			}()
			started := time.Now()
			a := call(t, http.MethodPost, shared.Token(), values([]string{"query", "INSERT INTO " + db + ".t (id, name) FORMAT " + format}), r)
			if a.status != http.StatusOK || !strings.Contains(a.header.Get("X-ClickHouse-Summary"), `"written_rows":"1000000"`) {
				t.Fatalf("%d %s %s", a.status, a.body, a.header.Get("X-ClickHouse-Summary"))
			}
			t.Logf("%.0f rows/s, %d MiB resident", rows/time.Since(started).Seconds(), rss(t)>>20)
			want := "1000000\t499999500000\t1000000\n"
			if got := read(t, "SELECT count(), sum(id), countIf(name = 'ticket ' || toString(id)) FROM "+db+".t").body; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestInsertCutOff breaks the connection amid the data: none of them may stay.
func TestInsertCutOff(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
	for name, head := range map[string]string{
		"length": "Content-Length: 1000000\r\n\r\n{\"id\":1,\"name\":\"a\"}\n",
		"chunks": "Transfer-Encoding: chunked\r\n\r\n14\r\n{\"id\":1,\"name\":\"a\"}\n\r\n",
	} {
		conn, err := net.Dial("tcp", shared.Addr())
		if err != nil {
			t.Fatal(err)
		}
		q := values([]string{"query", "INSERT INTO " + db + ".t FORMAT JSONEachRow", "query_id", "cut-" + name}).Encode()
		fmt.Fprintf(conn, "POST /?%s HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-Key: %s\r\n%s", q, shared.Token(), head)
		awaitQueries(t, "cut-"+name, 1)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 500") || !strings.Contains(string(answer), "CANNOT_READ_ALL_DATA") {
			t.Errorf("%s: got %q %v", name, answer, err)
		}
		_ = conn.Close()
		awaitQueries(t, "cut-"+name, 0)
	}
	if got := write(t, "SELECT count() FROM "+db+".t"); got != "0\n" {
		t.Errorf("%s rows stayed", got)
	}
}

func TestInsertExceptions(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
	for _, c := range []struct{ sql, name string }{
		{"INSERT INTO " + db + ".nosuch FORMAT CSV\n1\n", "UNKNOWN_TABLE"},
		{"INSERT INTO " + db + ".t (nosuch) FORMAT CSV\n1\n", "NO_SUCH_COLUMN_IN_TABLE"},
		{"INSERT INTO " + db + ".t FORMAT NoSuch\n1\n", "UNKNOWN_FORMAT"},
		{"INSERT INTO " + db + ".t FORMAT JSONEachRow\n{\"id\":1,\"name\":\"a\"}\n{\"id\":\"x\"}\n", "(CANNOT_PARSE_"},
		{"INSERT INTO " + db + ".t FORMAT Native\n\x01", "(ATTEMPT_TO_READ_AFTER_EOF)"},
		{"INSERT INTO " + db + ".t VALUES (1, 'a'), (2", "(SYNTAX_ERROR)"},
		{"INSERT INTO", "SYNTAX_ERROR"},
		{"INSERT INTO " + db + ".t SELECT", "SYNTAX_ERROR"},
	} {
		a := call(t, http.MethodPost, shared.Token(), nil, strings.NewReader(c.sql))
		if a.status == http.StatusOK || !strings.Contains(a.body, c.name) {
			t.Errorf("%.60q: got %d %q, want %s", c.sql, a.status, a.body, c.name)
		}
	}
	if got := write(t, "SELECT count() FROM "+db+".t"); got != "0\n" {
		t.Errorf("%s rows stayed", got)
	}
}

// TestReadersLeaveRoom has readers take all the time, and then all the memory they can get, and writes all the same.
func TestReadersLeaveRoom(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
	for name, greedy := range map[string]string{
		"time":   "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
		"memory": "SELECT length(groupArray(toString(number))) FROM numbers(1000000000)",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var readers sync.WaitGroup
			for range shared.cfg.Readers {
				readers.Go(func() {
					for ctx.Err() == nil {
						req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+shared.Addr()+"/?query_id=greedy-"+name, strings.NewReader(greedy))
						if err != nil {
							t.Error(err)
							return
						}
						if resp, err := http.DefaultClient.Do(req); err == nil {
							_ = resp.Body.Close()
						}
					}
				})
			}
			for range 15 {
				a := call(t, http.MethodPost, shared.Token(), values([]string{"query", "INSERT INTO " + db + ".t FORMAT Native"}), bytes.NewReader(nativeBlock(t, 0, 50_000)))
				if a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			cancel()
			readers.Wait()
			awaitQueries(t, "greedy-"+name, 0)
		})
	}
}

func TestReaderLimits(t *testing.T) {
	a := read(t, "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)", "max_execution_time", "0.2")
	if a.status != http.StatusRequestTimeout || a.header.Get("X-ClickHouse-Exception-Code") != "159" {
		t.Errorf("time: got %d %s", a.status, a.body)
	}
	a = read(t, "SELECT length(groupArray(toString(number))) FROM numbers(1000000000)")
	if a.status == http.StatusOK || a.header.Get("X-ClickHouse-Exception-Code") != "241" {
		t.Errorf("memory: got %d %s", a.status, a.body)
	}
	a = read(t, "SELECT value FROM system.settings WHERE name IN ('readonly', 'max_threads', 'async_insert') ORDER BY name", "max_threads", "64")
	if want := "0\n" + itoa(max(1, runtime.NumCPU()/2)) + "\n1\n"; a.body != want {
		t.Errorf("got %q, want %q", a.body, want)
	}
}

// TestInsertToken sends a block twice under one token, as a sink does that does not know whether the first arrived.
func TestInsertToken(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (id UInt64, name String) ENGINE = ReplacingMergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	for _, c := range []struct{ token, rows string }{{"a", "1000\n"}, {"a", "1000\n"}, {"b", "2000\n"}, {"a", "2000\n"}} {
		a := call(t, http.MethodPost, shared.Token(), values([]string{
			"query", "INSERT INTO " + db + ".t (id, name) FORMAT Native", "insert_deduplication_token", c.token, "async_insert", "0", "insert_deduplicate", "1",
		}), bytes.NewReader(nativeBlock(t, 0, 1000)))
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if got := read(t, "SELECT count() FROM "+db+".t").body; got != c.rows {
			t.Errorf("after token %s: got %q rows, want %q", c.token, got, c.rows)
		}
	}
}
