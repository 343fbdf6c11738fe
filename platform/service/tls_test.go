package service

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
)

// A NATS server gets a certificate of another authority, and the client's file
// that authority: the next connect, of the same client, has both.
func TestNATSAuthorityIsReplacedUnderWay(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	stamp := time.Now().Add(-time.Hour)
	move := func(from, name string) {
		t.Helper()
		stamp = stamp.Add(time.Second) // whatever the file system resolves
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(file(name), text, 0o600)
		}
		if err == nil {
			err = os.Chtimes(file(name), stamp, stamp)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	renew := func() (ca string) {
		f, err := access.Create(filepath.Join(t.TempDir(), "operator"), access.Hub{})
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := f.Certificate("nats", []string{"127.0.0.1"}, false)
		if err != nil {
			t.Fatal(err)
		}
		move(key, "key")
		move(cert, "cert")
		return f.CA()
	}
	move(renew(), "ca")
	secure, err := certs.NewServer(certs.Files{Cert: file("cert"), Key: file("key")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", TLS: secure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	opts, err := NATSOptions(config.NATS{TLS: config.TLS{CA: file("ca")}})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.URL(), append(opts, nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	serial := func() string {
		state, err := nc.TLSConnectionState()
		if err != nil || len(state.PeerCertificates) == 0 {
			return ""
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	was := serial()
	ca := renew()
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); nc.LastError() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an authority that it does not know is trusted")
		}
	}
	move(ca, "ca")
	for end := time.Now().Add(20 * time.Second); !nc.IsConnected() || serial() == was; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not connect to the new certificate: %v", nc.LastError())
		}
	}
	// In clear nobody is let in.
	if plain, err := nats.Connect("nats://" + nc.ConnectedAddr()); err == nil {
		plain.Close()
		t.Error("it speaks in clear")
	}
}
