package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		status       int
		header, body string
		code         int
		name, says   string
	}{
		{404, "60", "Code: 60. DB::Exception: Table t.x does not exist. (UNKNOWN_TABLE) (version 26.7.2.1 (official build))\n", 60, "UNKNOWN_TABLE", "Table t.x does not exist."},
		{500, "", "Code: 252. DB::Exception: Too many parts (3000). Merges are processing significantly slower than inserts. (TOO_MANY_PARTS) (version 24.8.1.1)", 252, "TOO_MANY_PARTS", "Too many parts (3000). Merges are processing significantly slower than inserts."},
		{500, "241", "something cut", 241, "MEMORY_LIMIT_EXCEEDED", "something cut"},
		{500, "98765", "", 98765, "UNKNOWN", ""},
		{200, "159", "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", 159, "TIMEOUT_EXCEEDED", "Timeout exceeded."},
	} {
		var e *Error
		if err := ofHTTP(c.status, c.header, c.body); !errors.As(err, &e) || e.Code != c.code || e.Name != c.name || e.Message != c.says {
			t.Errorf("%q gives %#v", c.body, err)
		}
	}
	for _, body := range []string{"", "<html>bad gateway</html>", "Code: x"} {
		if err := ofHTTP(502, "", body); !unreachable(err) || CodeOf(err) != 0 {
			t.Errorf("%q gives %v", body, err)
		}
	}
	if err := ofNative(fmt.Errorf("query: %w", &ch.Exception{Code: proto.ErrTooManyParts, Name: "DB::Exception", Message: "Too many"})); err == nil || err.Error() != "clickhouse: code 252, TOO_MANY_PARTS: Too many" {
		t.Errorf("%v", err)
	}
	if err := ofNative(io.ErrUnexpectedEOF); !unreachable(err) {
		t.Errorf("%v", err)
	}
}

// TestErrorsHoldNoNumbers: what ClickHouse says may quote a row.
func TestErrorsHoldNoNumbers(t *testing.T) {
	for _, message := range []string{
		"Constraint `c` for table t.cdrs is violated at row 1. Expression: (x). Column values: external_number = '0199001234'",
		"Cannot parse string '+33199001234' as UInt32",
		strings.Repeat("x", 299) + "é0199001234",
	} {
		e := newError(469, "", message)
		if s := e.Error(); strings.Contains(s, "0199001234") || strings.Contains(s, "199001234") || strings.ContainsRune(s, '\uFFFD') {
			t.Errorf("it says %q", s)
		}
		if e.Message != message {
			t.Error("the message itself is changed")
		}
	}
}

func FuzzException(f *testing.F) {
	f.Add(500, "60", "Code: 60. DB::Exception: a. (UNKNOWN_TABLE) (version 26.7.2.1)")
	f.Add(200, "", "Code: 99999999999999999999. DB::Exception: (")
	f.Fuzz(func(t *testing.T, status int, header, body string) {
		if err := ofHTTP(status, header, body); err == nil || err.Error() == "" {
			t.Errorf("no error: %v", err)
		}
	})
}

func input(values ...string) proto.Input {
	var c proto.ColStr
	for _, v := range values {
		c.Append(v)
	}
	return proto.Input{{Name: "a`b", Data: &c}}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func newConn(t *testing.T, cfg Config) Conn {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestHTTPInsert(t *testing.T) {
	var tokens []string
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		tokens = append(tokens, q.Get(tokenSetting))
		var column proto.ColStr
		var block proto.Block
		if err := block.DecodeRawBlock(proto.NewReader(r.Body), 0, proto.Results{{Name: "a`b", Data: &column}}); err != nil || column.Rows() != 2 {
			t.Errorf("body: %v, %d rows", err, column.Rows())
		}
		if got, want := q.Get("query"), "INSERT INTO `d`.`t` (`a\\`b`) FORMAT Native"; got != want {
			t.Errorf("query %q, want %q", got, want)
		}
		if r.Header.Get("X-ClickHouse-User") != "u" || r.Header.Get("X-ClickHouse-Key") != "p" || q.Get("async_insert") != "0" {
			t.Errorf("headers %v, parameters %v", r.Header, q)
		}
	})
	password := func() (string, error) { return "p", nil }
	c := newConn(t, Config{Addr: []string{addr}, Protocol: HTTP, User: "u", Password: password})
	for _, in := range []proto.Input{input("1", "2"), input("1", "2"), input("1", "3")} {
		if n, err := c.Insert(t.Context(), Name("d", "t"), in, Setting{"async_insert", "0"}); err != nil || n == 0 {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if len(tokens) != 3 || tokens[0] == "" || tokens[0] != tokens[1] || tokens[1] == tokens[2] {
		t.Errorf("tokens %q", tokens)
	}
}

func TestAddressesAreTriedInOrder(t *testing.T) {
	var asked []string
	answer := func(name string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, name)
			if status == 500 {
				w.Header().Set("X-ClickHouse-Exception-Code", "252")
			}
			w.WriteHeader(status)
		}
	}
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down.Close()
	proxy, full, good := serve(t, answer("proxy", 503)), serve(t, answer("full", 500)), serve(t, answer("good", 200))
	c := newConn(t, Config{Addr: []string{down.Addr().String(), proxy, good}, Protocol: HTTP})
	if err := c.Exec(t.Context(), "SELECT 1"); err != nil || strings.Join(asked, " ") != "proxy good" {
		t.Errorf("asked %v: %v", asked, err)
	}
	// An exception is an answer.
	asked = nil
	c = newConn(t, Config{Addr: []string{full, good}, Protocol: HTTP})
	if err := c.Exec(t.Context(), "SELECT 1"); CodeOf(err) != 252 || strings.Join(asked, " ") != "full" {
		t.Errorf("asked %v: %v", asked, err)
	}
	for _, protocol := range []string{HTTP, Native} {
		c = newConn(t, Config{Addr: []string{down.Addr().String()}, Protocol: protocol})
		if err := c.Exec(t.Context(), "SELECT 1"); !unreachable(err) || strings.Contains(err.Error(), "SELECT") {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	// A redirect would carry the password elsewhere.
	moved := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+good, http.StatusTemporaryRedirect)
	})
	asked = nil
	c = newConn(t, Config{Addr: []string{moved}, Protocol: HTTP})
	if err := c.Exec(t.Context(), "SELECT 1"); err == nil || len(asked) > 0 {
		t.Errorf("asked %v: %v", asked, err)
	}
}

func TestPasswordIsReadAnew(t *testing.T) {
	secret, seen := "one", ""
	addr := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("X-ClickHouse-Key") })
	c := newConn(t, Config{Addr: []string{addr}, Protocol: HTTP, Password: func() (string, error) { return secret, nil }})
	for _, secret = range []string{"one", "two"} {
		if err := c.Exec(context.Background(), "SELECT 1"); err != nil || seen != secret {
			t.Errorf("password %q, want %q: %v", seen, secret, err)
		}
	}
}

func TestQuoting(t *testing.T) {
	if got := Name("a", "b`c\\"); got != "`a`.`b\\`c\\\\`" {
		t.Error(got)
	}
	if got := Text("it's\n\\"); got != `'it\'s\n\\'` {
		t.Error(got)
	}
}
