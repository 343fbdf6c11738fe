package clickhouse

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/certs"
)

// authority makes a certificate for this machine and its authority.
func authority(t *testing.T) (ca, cert, key []byte) {
	t.Helper()
	f, err := access.Create(filepath.Join(t.TempDir(), "operator"), access.Hub{})
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := f.Certificate("x", []string{"127.0.0.1"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for file, to := range map[string]*[]byte{f.CA(): &ca, certFile: &cert, keyFile: &key} {
		if *to, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return ca, cert, key
}

// The server gets a certificate of another authority while both run: the client
// takes the new one from its file, over either protocol.
func TestAuthorityIsReplacedUnderWay(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	stamp := time.Now().Add(-time.Hour)
	put := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		stamp = stamp.Add(time.Second) // whatever the file system resolves
		if err := os.Chtimes(file(name), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	renew := func() (ca []byte) {
		ca, cert, key := authority(t)
		put("key", key)
		put("cert", cert)
		return ca
	}
	put("ca", renew())
	secure, err := certs.NewServer(certs.Files{Cert: file("cert"), Key: file("key")})
	if err != nil {
		t.Fatal(err)
	}
	door, err := tls.Listen("tcp", "127.0.0.1:0", secure)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: log.New(io.Discard, "", 0)}
	web.SetKeepAlivesEnabled(false)
	go func() { _ = web.Serve(door) }()
	t.Cleanup(func() { web.Close() })
	// As far as the native protocol goes: the handshake, and then no answer.
	native, err := tls.Listen("tcp", "127.0.0.1:0", secure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { native.Close() })
	shaken := make(chan error, 10)
	go func() {
		for {
			conn, err := native.Accept()
			if err != nil {
				return
			}
			shaken <- conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	client, err := certs.NewClient(certs.Files{CA: file("ca")})
	if err != nil {
		t.Fatal(err)
	}
	conns := map[string]Conn{
		HTTP:   newConn(t, Config{Addr: []string{door.Addr().String()}, Protocol: HTTP, TLS: client}),
		Native: newConn(t, Config{Addr: []string{native.Addr().String()}, Protocol: Native, TLS: client}),
	}
	expect := func(when string, trusted bool) {
		t.Helper()
		if err := conns[HTTP].Exec(t.Context(), "SELECT 1"); (err == nil) != trusted {
			t.Errorf("%s, http: %v", when, err)
		}
		err := conns[Native].Exec(t.Context(), "SELECT 1")
		if shook := <-shaken; (shook == nil) != trusted || err == nil || !unreachable(err) || strings.Contains(err.Error(), "x509") == trusted {
			t.Errorf("%s, native: %v, %v", when, shook, err)
		}
	}
	expect("at first", true)
	ca := renew()
	expect("of another authority", false)
	put("ca", ca)
	expect("which is told", true)
}
