package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
)

// timing bounds every step.
type timing struct {
	dial   time.Duration // also of the TLS handshake
	header time.Duration // until an answer has begun
	// window is how often it is looked whether a body comes in, with at least so
	// many bytes a second. A PBX behind a modem gives more.
	window  time.Duration
	minRate int64
	// refused is the pause between log-ins once three were refused.
	refused time.Duration
}

var usual = timing{dial: 10 * time.Second, header: 30 * time.Second, window: 30 * time.Second, minRate: 256, refused: time.Minute}

// errSlow says that less came than is of use.
var errSlow = errors.New("the server gives next to nothing: less than 256 bytes a second")

// client speaks to one web server.
type client struct {
	http   *http.Client
	timing timing
}

func newClient(c *config.HTTP, t timing) (*client, error) {
	transport, err := Transport(c, t.dial, t.header)
	if err != nil {
		return nil, err
	}
	transport.MaxResponseHeaderBytes = 256 << 10
	transport.MaxConnsPerHost = 2 // a PBX's web server is a small one
	transport.DisableCompression = true
	return &client{timing: t, http: &http.Client{
		Transport:     &login{base: transport, user: c.User, password: c.Password},
		CheckRedirect: stayThere,
	}}, nil
}

// errElsewhere says that the server sent us away: to a page where people log in,
// for example.
var errElsewhere = errors.New("the server sends us elsewhere")

func stayThere(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	if req.URL.Scheme != from.Scheme || req.URL.Host != from.Host || strings.TrimSuffix(req.URL.Path, "/") != strings.TrimSuffix(from.Path, "/") || len(via) > 3 {
		return fmt.Errorf("%w, to %s://%s%s: is that where people log in with a form? Give the address of the folder itself, as it is in the end", errElsewhere, req.URL.Scheme, req.URL.Host, req.URL.Path)
	}
	return nil
}

// Transport makes connections to a PBX's web server. dial bounds the making of one
// and the TLS handshake, header the wait for an answer to begin.
func Transport(c *config.HTTP, dial, header time.Duration) (*http.Transport, error) {
	secure, err := TLS(c)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dial, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, dial)
			defer cancel()
			t := tls.Client(conn, secure(addr))
			if err := t.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			return t, nil
		},
		ResponseHeaderTimeout:  header,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        90 * time.Second,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1
	}, nil
}

// TLS is how the certificate of a web server at host:port is checked: by its pin,
// by a CA, by the system's, or not at all. The files count as they are at each
// call.
func TLS(c *config.HTTP) (func(addr string) *tls.Config, error) {
	client, err := certs.NewClient(certs.Files(c.TLS))
	if err != nil {
		return nil, fmt.Errorf("tls %w", err)
	}
	return func(addr string) *tls.Config {
		out := client.ConfigFor(addr)
		if c.Pin == "" && !c.TLS.Insecure {
			return out
		}
		// Certificates that people take by hand are those of old systems.
		out.InsecureSkipVerify, out.MinVersion = true, tls.VersionTLS10
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if !strings.Contains(suite.Name, "RC4") {
				out.CipherSuites = append(out.CipherSuites, suite.ID)
			}
		}
		if c.Pin != "" {
			want := strings.ToLower(c.Pin)
			out.VerifyConnection = func(s tls.ConnectionState) error {
				if got := pinOf(s.PeerCertificates[0]); got != want {
					return &pinError{got}
				}
				return nil
			}
		}
		return out
	}, nil
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

type pinError struct{ got string }

func (e *pinError) Error() string {
	return fmt.Sprintf("its certificate is not the pinned one but %s: if it was renewed, and you have seen that one on the PBX, give that as pin", e.got)
}

// do sends a request. The answer's body fails when too little of it comes.
func (c *client) do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "trunkline")
	res, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, explain(req.Context(), err)
	}
	b := &body{ReadCloser: res.Body, parent: req.Context(), ctx: ctx, cancel: cancel}
	b.timer = time.AfterFunc(time.Hour, func() {
		if b.came.Swap(0) < c.timing.minRate*int64(c.timing.window)/int64(time.Second) {
			cancel(errSlow)
			return
		}
		b.timer.Reset(c.timing.window)
	})
	b.timer.Reset(c.timing.window)
	res.Body = b
	return res, nil
}

type body struct {
	io.ReadCloser
	parent, ctx context.Context
	cancel      context.CancelCauseFunc
	timer       *time.Timer
	came        atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.came.Add(int64(n))
	if err != nil && err != io.EOF {
		if errors.Is(context.Cause(b.ctx), errSlow) {
			err = errSlow
		}
		err = explain(b.parent, err)
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// explain says what a connection failed of, and what would help.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var pin *pinError
	if !errors.Is(err, errElsewhere) && !errors.As(err, &pin) {
		if remedy := Remedy(err, "the PBX's web server on"); remedy != "" {
			err = fmt.Errorf("%s: %w", remedy, err)
		}
	}
	return fmt.Errorf("%w: %w", files.ErrAway, err)
}

// Remedy says what would help where a connection failed of err; empty: nothing
// that is known. on is what should be, such as `the API switched on`.
func Remedy(err error, on string) string {
	var (
		untrusted *tls.CertificateVerificationError
		dns       *net.DNSError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0:
		return "give tls: {ca: FILE} with who signed its certificate, or, once you have compared it with what the PBX shows, pin: " + pinOf(untrusted.UnverifiedCertificates[0])
	case strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		return "it does not speak TLS on this port: is it http:// ?"
	case errors.As(err, &dns):
		return "is the name right, and is the name server there?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that port: is it the right one, and is " + on + "?"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer: is the PBX on, and does the firewall let us through?"
	}
	return ""
}
