// Package certs reads certificates, keys and authorities from files that may
// change under a running process: a renewed one counts at the next handshake. One
// that cannot be read does not: what was read before stays, which is said once and
// counted.
//
// The files of a process are its own, whoever opened them: each is read once, and
// Collector tells when it expires.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// file is one certificate with its key, or a bundle of authorities.
type file struct {
	cert, key string // key is empty for authorities

	mu       sync.Mutex
	seen     [2]stamp // of what is loaded, or was refused
	broken   bool     // the newest is refused
	pair     *tls.Certificate
	pool     *x509.CertPool
	expires  time.Time
	failures atomic.Int64
}

// stamp tells whether a file was written anew.
type stamp struct {
	written time.Time
	size    int64
}

// open are the files in use. Whoever uses one keeps it; a link that goes away
// takes its certificate out of the metrics.
var open struct {
	sync.Mutex
	files map[[2]string]weak.Pointer[file]
}

// logger says what becomes of a changed file.
var logger atomic.Pointer[slog.Logger]

// SetLogger names who is told of files that change.
func SetLogger(l *slog.Logger) { logger.Store(l) }

func log() *slog.Logger {
	if l := logger.Load(); l != nil {
		return l
	}
	return slog.New(slog.DiscardHandler)
}

// get opens a file, which must be right, or the same one again.
func get(cert, key string) (*file, error) {
	open.Lock()
	defer open.Unlock()
	f := open.files[[2]string{cert, key}].Value()
	if f == nil {
		f = &file{cert: cert, key: key}
		f.seen = [2]stamp{stampOf(cert), stampOf(key)}
		if err := f.load(); err != nil {
			return nil, err
		}
		if open.files == nil {
			open.files = make(map[[2]string]weak.Pointer[file])
		}
		open.files[[2]string{cert, key}] = weak.Make(f)
	}
	return f, nil
}

// used lists the files in use.
func used() (out []*file) {
	open.Lock()
	defer open.Unlock()
	for key, p := range open.files {
		if f := p.Value(); f != nil {
			out = append(out, f)
		} else {
			delete(open.files, key)
		}
	}
	return out
}

func stampOf(name string) stamp {
	if name == "" {
		return stamp{}
	}
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// look reads the files again when they were written.
func (f *file) look() {
	now := [2]stamp{stampOf(f.cert), stampOf(f.key)}
	if now == f.seen && !f.broken {
		return
	}
	again := now == f.seen
	f.seen = now
	err := f.load()
	switch {
	case err == nil:
		f.broken = false
		log().Info("a changed certificate counts from now on", "file", f.cert, "expires", f.expires.UTC().Format(time.RFC3339))
	case again: // said already
	default:
		f.failures.Add(1)
		if !f.broken {
			log().Error("a changed certificate cannot be used, the one before stays in use", "file", f.cert, "error", err)
		}
		f.broken = true
	}
}

func (f *file) load() error {
	if f.key == "" {
		return f.loadPool()
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		// A pair of which only one file is written yet does not fit together.
		return fmt.Errorf("cert and key: %s: %w", f.cert, err)
	}
	f.pair, f.expires = &pair, pair.Leaf.NotAfter
	return nil
}

func (f *file) loadPool() error {
	text, err := os.ReadFile(f.cert)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	pool, n := x509.NewCertPool(), 0
	var expires time.Time
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("ca: %s: %w", f.cert, err)
		}
		pool.AddCert(cert)
		if n++; expires.IsZero() || cert.NotAfter.Before(expires) {
			expires = cert.NotAfter
		}
	}
	if n == 0 {
		return fmt.Errorf("ca: %s holds no certificate in PEM", f.cert)
	}
	f.pool, f.expires = pool, expires
	return nil
}

func (f *file) certificate() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	return f.pair
}

func (f *file) authorities() *x509.CertPool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	return f.pool
}

// Files are what a side of TLS reads, PEM. All may be empty.
type Files struct {
	CA, Cert, Key string
	// Insecure takes any certificate of the other side.
	Insecure bool
}

type files struct {
	ca, own *file // nil: none
	Files
}

func (c Files) open() (f files, err error) {
	f.Files = c
	if (c.Cert == "") != (c.Key == "") {
		return f, errors.New("give cert and key together: our certificate and its key, or none of them")
	}
	if c.CA != "" {
		if f.ca, err = get(c.CA, ""); err != nil {
			return f, err
		}
	}
	if c.Cert != "" {
		f.own, err = get(c.Cert, c.Key)
	}
	return f, err
}

// Client is our side where we connect.
type Client struct{ files }

// NewClient reads the files of a client; all that are named must be right.
func NewClient(c Files) (*Client, error) {
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	return &Client{f}, nil
}

// Config is for one connection, with the files as they are now. The other side is
// checked by its CA where there is one, else by the system's.
func (c *Client) Config() *tls.Config {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure, RootCAs: c.Roots()}
	if c.own != nil {
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.own.certificate(), nil }
	}
	return t
}

// ConfigFor is Config for a server's host:port.
func (c *Client) ConfigFor(addr string) *tls.Config {
	t := c.Config()
	t.ServerName = addr
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		t.ServerName = strings.Trim(addr[:i], "[]")
	}
	return t
}

// Roots are the authorities as they are now; nil: the system's.
func (c *Client) Roots() *x509.CertPool {
	if c.ca == nil {
		return nil
	}
	return c.ca.authorities()
}

// NewServer is our side where others connect: it needs a certificate. With a CA
// only clients with a certificate of its are let in.
func NewServer(c Files) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, errors.New("give our certificate (cert) and its key (key)")
	}
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	t := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.own.certificate(), nil },
	}
	if f.ca != nil {
		t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, f.ca.authorities()
		t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := t.Clone()
			now.GetConfigForClient, now.ClientCAs = nil, f.ca.authorities()
			return now, nil
		}
	}
	return t, nil
}
