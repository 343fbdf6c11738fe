package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key, a.pem, _ = a.sign("authority", true, time.Now().Add(time.Hour))
	return a
}

var serial int64

func (a *authority) sign(name string, isCA bool, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IsCA: isCA, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, by := a.cert, a.key
	if isCA {
		template.KeyUsage, parent, by = x509.KeyUsageCertSign, template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// issue writes a certificate and its key.
func (a *authority) issue(f Files, name string, until time.Time) {
	_, _, cert, key := a.sign(name, false, until)
	write(a.t, f.Cert, cert)
	write(a.t, f.Key, key)
}

var written = time.Now().Add(-24 * time.Hour)

// write gives each file another time, whatever the file system resolves.
func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	written = written.Add(time.Second)
	if err := os.Chtimes(file, written, written); err != nil {
		t.Fatal(err)
	}
}

func pair(dir, name string) Files {
	return Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

// handshake is a real one; it tells whom each side saw.
func handshake(t *testing.T, server *tls.Config, client *tls.Config) (ofServer, ofClient string, err error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := make(chan string, 1)
	go func() {
		defer close(seen)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		c := conn.(*tls.Conn)
		if c.Handshake() != nil {
			return
		}
		if peer := c.ConnectionState().PeerCertificates; len(peer) > 0 {
			seen <- peer[0].Subject.CommonName
		}
		_, _ = conn.Write([]byte("x"))
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	// In TLS 1.3 a client hears only now that it was turned away.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return "", "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, <-seen, nil
}

func TestReplacedUnderWay(t *testing.T) {
	var said bytes.Buffer
	SetLogger(slog.New(slog.NewTextHandler(&said, nil)))
	dir, a := t.TempDir(), newAuthority(t)
	server, client := pair(dir, "server"), pair(dir, "client")
	server.CA, client.CA = filepath.Join(dir, "ca"), filepath.Join(dir, "ca")
	write(t, server.CA, a.pem)
	until := time.Now().Add(30 * time.Minute).Truncate(time.Second)
	a.issue(server, "server one", until)
	a.issue(client, "client one", until)
	s, err := NewServer(server)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(client)
	if err != nil {
		t.Fatal(err)
	}
	// As a transport does that was made before.
	was := c.Config()
	expect := func(when, wantServer, wantClient string) {
		t.Helper()
		for name, config := range map[string]*tls.Config{"new": c.Config(), "kept": was} {
			gotServer, gotClient, err := handshake(t, s, config)
			if err != nil || gotServer != wantServer || gotClient != wantClient {
				t.Errorf("%s, %s: %q and %q, %v", when, name, gotServer, gotClient, err)
			}
		}
	}
	expect("at first", "server one", "client one")

	a.issue(server, "server two", until.Add(time.Minute))
	a.issue(client, "client two", until)
	expect("renewed", "server two", "client two")
	if got := metric(t, "trunkline_tls_certificate_expiry_timestamp_seconds", server.Cert); got != float64(until.Add(time.Minute).Unix()) {
		t.Errorf("it expires at %v, want %v", got, until.Add(time.Minute).Unix())
	}

	// Half a renewal, garbage, an empty file, no file: what was stays, is said once
	// and counted once each.
	_, _, cert, key := a.sign("server three", false, until)
	said.Reset()
	write(t, server.Cert, cert)
	expect("half", "server two", "client two")
	expect("half", "server two", "client two")
	write(t, server.Cert, []byte("garbage"))
	expect("garbage", "server two", "client two")
	write(t, server.Cert, nil)
	expect("empty", "server two", "client two")
	if err := os.Remove(server.Cert); err != nil {
		t.Fatal(err)
	}
	expect("gone", "server two", "client two")
	if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), server.Cert) || strings.Contains(said.String(), "PRIVATE") {
		t.Errorf("it says %d times: %s", n, said.String())
	}
	if got := metric(t, "trunkline_tls_reload_failures_total", server.Cert); got != 4 {
		t.Errorf("%v failures", got)
	}
	write(t, server.Key, key)
	write(t, server.Cert, cert)
	expect("whole", "server three", "client two")

	// Another authority, on both sides: it counts at once too.
	b := newAuthority(t)
	b.issue(server, "server four", until)
	b.issue(client, "client four", until)
	if _, _, err := handshake(t, s, c.Config()); err == nil {
		t.Error("a server of another authority is trusted")
	}
	write(t, server.CA, b.pem)
	if gotServer, gotClient, err := handshake(t, s, c.Config()); err != nil || gotServer != "server four" || gotClient != "client four" {
		t.Errorf("another authority: %q and %q, %v", gotServer, gotClient, err)
	}
	// Who has no certificate is not let in.
	nobody, err := NewClient(Files{CA: server.CA})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := handshake(t, s, nobody.Config()); err == nil {
		t.Error("a client without a certificate is let in")
	}
	runtime.KeepAlive(c)
}

func TestNames(t *testing.T) {
	c, err := NewClient(Files{})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{"hub.example:9440": "hub.example", "127.0.0.1:1": "127.0.0.1", "[::1]:9440": "::1"} {
		if got := c.ConfigFor(addr); got.ServerName != want || got.RootCAs != nil || got.MinVersion != tls.VersionTLS12 {
			t.Errorf("%s: %q", addr, got.ServerName)
		}
	}
}

func TestWrongFilesAreTold(t *testing.T) {
	dir, a := t.TempDir(), newAuthority(t)
	good := pair(dir, "good")
	a.issue(good, "x", time.Now().Add(time.Hour))
	garbage := filepath.Join(dir, "garbage")
	write(t, garbage, []byte("garbage"))
	for _, f := range []Files{{Cert: good.Cert}, {Key: good.Key}, {CA: garbage}, {CA: filepath.Join(dir, "none")}, {Cert: garbage, Key: good.Key}, {Cert: good.Key, Key: good.Cert}} {
		if _, err := NewClient(f); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if _, err := NewServer(Files{CA: good.Cert}); err == nil {
		t.Error("a server without a certificate")
	}
}

// A file that nobody uses any more is no alarm.
func TestUnusedFilesAreForgotten(t *testing.T) {
	dir, a := t.TempDir(), newAuthority(t)
	f := pair(dir, "link")
	a.issue(f, "x", time.Now().Add(time.Hour))
	c, err := NewServer(f)
	if err != nil {
		t.Fatal(err)
	}
	if metric(t, "trunkline_tls_certificate_expiry_timestamp_seconds", f.Cert) == 0 {
		t.Error("a file in use is not told")
	}
	runtime.KeepAlive(c)
	c = nil
	for range 100 {
		runtime.GC()
		if metric(t, "trunkline_tls_certificate_expiry_timestamp_seconds", f.Cert) == 0 {
			return
		}
	}
	t.Error("a file is told that nobody uses")
}

// metric is a file's value; 0 when it is not told.
func metric(t *testing.T, name, file string) float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(Collector{})
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && m.Label[0].GetValue() == file {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
