package pbxsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// api is a PBX whose calls are asked for over HTTP. What was given once is given again whenever it is asked for.
type api struct {
	ln  net.Listener
	o   Options
	enc encoder
	pin string
	// answer answers a request; calls tells one for calls, of which some fail.
	answer http.HandlerFunc
	calls  func(*http.Request) bool
	read   func(*kept) // what the answers go by in a ticket

	mu    sync.Mutex
	kept  []*kept
	asked int // requests for calls
}

// kept is a ticket in the PBX's database.
type kept struct {
	Ticket
	id      int64
	start   time.Time
	name    string // of a record in its group
	session string
	given   bool
}

func newAPI(model string, o Options, enc encoder) (*api, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("simulated pbx: %w", err)
	}
	a := &api{ln: ln, o: o, enc: enc}
	if o.TLS {
		cert, err := selfSigned(model)
		if err != nil {
			_ = ln.Close()
			return nil, fmt.Errorf("%s: certificate: %w", model, err)
		}
		sum := sha256.Sum256(cert.Certificate[0])
		a.pin = hex.EncodeToString(sum[:])
		a.ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	return a, nil
}

// Addr is host:port where the PBX listens.
func (a *api) Addr() string { return a.ln.Addr().String() }

// Pin is the SHA-256 of the certificate, in hexadecimal; empty without TLS.
func (a *api) Pin() string { return a.pin }

// Run answers until ctx is done, also when no call will follow: who asks may ask again for what came, and nothing
// tells that it is kept.
func (a *api) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	produced := make(chan error, 1)
	go func() { produced <- a.o.produce(ctx, a.enc, a.keep) }()
	srv := &http.Server{Handler: http.HandlerFunc(a.serve), ReadHeaderTimeout: apiWithin, ErrorLog: log.New(discard{}, "", 0)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(a.ln) }()
	var broken error
	select {
	case <-ctx.Done():
	case broken = <-served:
	}
	stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiWithin)
	defer cancel()
	_ = srv.Shutdown(grace)
	if err := <-produced; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if broken != nil {
		return fmt.Errorf("simulated pbx: %w", broken)
	}
	return nil
}

const apiWithin = 10 * time.Second

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (a *api) keep(_ context.Context, ts ...Ticket) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range ts {
		k := &kept{Ticket: t}
		a.read(k)
		a.kept = append(a.kept, k)
	}
	return nil
}

// gave notes that calls are in an answer; a.mu is held.
func (a *api) gave(given []*kept) {
	now := time.Now()
	for _, k := range given {
		if !k.given {
			k.given = true
			a.o.Sent(k.Ticket, now)
		}
	}
}

// serve answers, or fails as it was asked to.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	if a.calls(r) && a.o.FailEvery > 0 {
		a.mu.Lock()
		a.asked++
		n := a.asked
		a.mu.Unlock()
		if n%a.o.FailEvery == 0 {
			fail(w, n/a.o.FailEvery)
			return
		}
	}
	a.answer(w, r)
}

// fail fails in the n-th way.
func fail(w http.ResponseWriter, n int) {
	switch n % 4 {
	case 0:
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"message": "wait"}`, http.StatusServiceUnavailable)
	case 1:
		http.Error(w, "<html>502</html>", http.StatusBadGateway)
	case 2: // a page for people
		_, _ = w.Write([]byte("<html><body>Log in</body></html>"))
	case 3: // an answer that breaks off
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"items": [{"id": 1, "cdr_root": [{"AcctId`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// selfSigned is a certificate as a PBX makes one for itself.
func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	text := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, &text, &text, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
