package examine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"trunkline.internal/platform/probe"
)

const dialTimeout = 10 * time.Second

// Conn is a connection that remembers how its peer began.
type Conn struct {
	net.Conn
	// Wants refuses a peer by its first bytes, which would be waited for in vain;
	// nil: nobody is refused.
	Wants func(first []byte) bool
	mu    sync.Mutex
	first []byte
}

func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Wants != nil && n > 0 && len(c.first) == 0 && !c.Wants(p[:n]) {
		c.first = append(c.first, p[:min(n, probe.MaxDump)]...)
		return 0, errOther
	}
	if room := probe.MaxDump - len(c.first); room > 0 {
		c.first = append(c.first, p[:min(n, room)]...)
	}
	return n, err
}

var errOther = errors.New("it speaks something else")

// First are the first bytes that came, at most 256.
func (c *Conn) First() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.first...)
}

// Dial resolves the name and connects: two steps. What failed is told; usual is
// the service's usual port, 0: there is none.
func (r *Report) Dial(ctx context.Context, addr string, usual int) (*Conn, bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		r.Fail("address", err.Error(), "give host:port")
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if net.ParseIP(host) == nil {
		found, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			r.Fail("name "+host, err.Error(), "is the name right, and does this machine's name server know it? An IP address does as well")
			return nil, false
		}
		r.OK("name "+host, strings.Join(found, ", "))
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		r.Fail("port "+port, err.Error(), portRemedy(err, port, usual))
		return nil, false
	}
	r.OK("port "+port, "open")
	return &Conn{Conn: raw}, true
}

func portRemedy(err error, port string, usual int) string {
	other := ""
	if usual != 0 && port != fmt.Sprint(usual) {
		other = fmt.Sprintf("; the usual port is %d", usual)
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "refused"):
		return "the machine is there and nothing listens on this port: is it the right one, and is the service started?" + other
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer at all: is it on, is the address right, and does a firewall between let us through to this port?" + other
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to this address: look at the route, the VPN or the cable"
	}
	return "is the address right, and does the firewall let us through?" + other
}

// Speaks tells of a peer that does not speak what it should: what it looks like.
func (r *Report) Speaks(c *Conn, want string, err error) {
	_, port, _ := net.SplitHostPort(c.RemoteAddr().String())
	first := c.First()
	switch guess := probe.Guess(first); {
	case guess != "":
		r.Fail("service on port "+port, fmt.Sprintf("not %s: it looks like %s", want, guess), "give the port of "+want)
	case len(first) == 0:
		r.Fail("service on port "+port, fmt.Sprintf("it is open and says nothing: %v", err), "is this the port of "+want+", and does the server let our address in?")
	default:
		r.Fail("service on port "+port, fmt.Sprintf("not %s: %v. It begins with\n%s", want, err, probe.Dump(first)), "give the port of "+want)
	}
}

// TLS shakes hands as the link would, and tells of the certificate. The hint says
// what to write for a certificate that is not trusted.
func (r *Report) TLS(ctx context.Context, c *Conn, cfg *tls.Config, hint func(*x509.Certificate) string) (*tls.Conn, bool) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var shown *x509.Certificate
	cfg = cfg.Clone()
	cfg.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) > 0 {
			shown, _ = x509.ParseCertificate(raw[0])
		}
		return nil
	}
	t := tls.Client(c, cfg)
	err := t.HandshakeContext(ctx)
	if err == nil {
		r.Certificate(t.ConnectionState().PeerCertificates[0])
		return t, true
	}
	r.Untrusted(c, err, shown, hint)
	return nil, false
}

// Untrusted tells why a handshake failed.
func (r *Report) Untrusted(c *Conn, err error, shown *x509.Certificate, hint func(*x509.Certificate) string) {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0 {
		shown = untrusted.UnverifiedCertificates[0]
	}
	switch guess := probe.Guess(c.First()); {
	case shown != nil:
		r.Fail("certificate", fmt.Sprintf("%v; it is %s", err, Describe(shown)), hint(shown))
	case guess != "" && !strings.HasPrefix(guess, "TLS"):
		r.Fail("TLS", "there is none on this port: it looks like "+guess, "give the port that speaks TLS, or leave TLS out of the link's configuration")
	default:
		r.Fail("TLS", err.Error(), "does the server speak TLS on this port, in version 1.2 or later?")
	}
}
