package api

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// explain says what would help.
func explain(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err // without the address, which is told anyway
	}
	var (
		untrusted *tls.CertificateVerificationError
		dns       *net.DNSError
		timeout   net.Error
		remedy    string
	)
	switch {
	case errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0:
		sum := sha256.Sum256(untrusted.UnverifiedCertificates[0].Raw)
		remedy = "give tls: {ca: FILE} with who signed its certificate, or, once you have compared it with what the PBX shows, pin: " + hex.EncodeToString(sum[:])
	case strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		remedy = "it does not speak TLS on this port: is it http:// ?"
	case errors.As(err, &dns):
		remedy = "is the name right, and is the name server there?"
	case errors.Is(err, syscall.ECONNREFUSED):
		remedy = "nothing listens on that port: is it the right one, and is the API switched on?"
	case errors.As(err, &timeout) && timeout.Timeout():
		remedy = "it does not answer: is the PBX on, and does the firewall let us through?"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", remedy, err)
}

// gate holds back log-ins once three were refused: a locked account is worse than
// a late ticket. A changed password may be tried at once.
type gate struct {
	password func() (string, error)
	now      func() time.Time
	pause    time.Duration

	tried    string // the password that open gave last
	refusals int
	with     string // the password that was refused
	last     time.Time
	err      error
}

// open is the password, or why there is no log-in now.
func (g *gate) open() (string, error) {
	password, err := g.password()
	if err != nil {
		return "", err
	}
	if g.refusals >= 3 && password == g.with && g.now().Sub(g.last) < g.pause {
		return "", g.err
	}
	g.tried = password
	return password, nil
}

// refused counts a log-in that failed for its user or password.
func (g *gate) refused(err error) error {
	g.err = fmt.Errorf("%w: %w", errRefused, err)
	if g.tried != g.with {
		g.refusals = 0
	}
	g.refusals++
	g.with, g.last = g.tried, g.now()
	return g.err
}

func (g *gate) accepted() { g.refusals = 0 }
