package ftp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

// Examine looks at an FTP server's folder and changes nothing there; nil: there is
// no ticket to show. temp is the folder of temporary files, empty: the system's.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.FTP, temp string) *examine.Newest {
	s, err := newServer(l, c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	password, ok := r.Password(c.User, c.Secret)
	if !ok {
		return nil
	}
	session, ok := s.examine(ctx, r, password)
	if !ok {
		return nil
	}
	may, sure := session.rights(ctx)
	remote.Rights(r, &c.Remote, may, sure)
	rough := true
	if _, ok := session.features["MLST"]; ok {
		rough = false
	} else {
		// Of a hundred thousand files none but the newest is of interest.
		session.noTimes = true
	}
	scheme := "ftp"
	if c.TLS != nil {
		scheme = "ftps"
	}
	return remote.Examine(ctx, r, l, remote.Options{Config: &c.Remote, URL: scheme + "://" + c.Addr, Dial: s.dial, Temp: temp}, session, rough)
}

// examine connects and logs in, step by step.
func (s *server) examine(ctx context.Context, r *examine.Report, password string) (*session, bool) {
	usual := 21
	if s.cfg.Implicit {
		usual = 990
	}
	raw, ok := r.Dial(ctx, s.cfg.Addr, usual)
	if !ok {
		return nil, false
	}
	c, err := s.over(ctx, raw, password)
	var no *refusal
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		r.Untrusted(raw, err, nil, caHint)
		return nil, false
	case errors.As(err, &no):
		what := "TLS"
		if no.command == "greeting" {
			what = no.command
		}
		r.Fail(what, err.Error(), "")
		return nil, false
	case err != nil:
		r.Speaks(raw, "FTP", err)
		return nil, false
	}
	if t, ok := c.net.(*tls.Conn); ok {
		r.Certificate(t.ConnectionState().PeerCertificates[0])
	} else {
		r.Note("encryption", "none: user, password and tickets pass in the clear", "give tls, if the server has it")
	}
	what := "log-in as " + s.cfg.User
	if err := c.login(ctx); err != nil {
		r.Fail(what, err.Error(), "")
		_ = c.Close()
		return nil, false
	}
	r.OK(what, "let in")
	if err := c.prepare(ctx); err != nil {
		r.Fail("folder "+s.dir, err.Error(), "")
		_ = c.Close()
		return nil, false
	}
	return &session{conn: c}, true
}

func caHint(c *x509.Certificate) string {
	if time.Now().After(c.NotAfter) {
		return "renew it on the server"
	}
	return "give its authority, or the certificate itself where it signed itself, as tls: {ca: FILE}, once you have compared it with the server's"
}

// rights is what the log-in may do beside reading, as the server says of the
// folder (RFC 3659, perm); sure: it says so.
func (s *session) rights(ctx context.Context) (may string, sure bool) {
	if _, ok := s.features["MLST"]; !ok {
		return "", false
	}
	text, err := s.ask(ctx, 2, "MLST")
	if err != nil {
		return "", false
	}
	return permissions(text)
}

func permissions(text string) (may string, sure bool) {
	for line := range strings.Lines(text) {
		facts, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		for fact := range strings.SplitSeq(facts, ";") {
			key, value, _ := strings.Cut(fact, "=")
			if !strings.EqualFold(key, "perm") {
				continue
			}
			var rights []string
			for _, right := range []struct{ letters, what string }{
				{"c", "create files"}, {"m", "make folders"}, {"p", "delete files"}, {"d", "delete the folder"}, {"f", "rename"},
			} {
				if strings.Contains(strings.ToLower(value), right.letters) {
					rights = append(rights, right.what)
				}
			}
			return strings.Join(rights, ", "), true
		}
	}
	return "", false
}
