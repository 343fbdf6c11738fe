package web

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Examine looks at a web server's folder; nil: there is no ticket to show.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.HTTP) *examine.Newest {
	col, err := New(l, c, "")
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	defer col.Close()
	if _, ok := r.Password(c.User, c.Secret); !ok {
		return nil
	}
	s := col.source
	if !ExamineServer(ctx, r, c, s.base) {
		return nil
	}
	set, err := files.SetOf(l, &config.Files{Pattern: c.Pattern, Grows: c.Grows})
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	s.pattern = "*"
	return files.ExamineFolder(ctx, r, l, files.Folders{
		Source: &look{source: s, r: r, wants: func(name string) bool { return files.Collects(set, name) }}, Where: s.base.String(), Set: set,
	})
}

// look is a folder of which only the last files are asked for.
type look struct {
	*source
	r     *examine.Report
	wants func(name string) bool
}

// most is of how many files the server is asked for size and time.
const most = 20

func (k *look) List(ctx context.Context) ([]files.Entry, error) {
	if err := k.hello(ctx); err != nil {
		return nil, err
	}
	items, err := k.index(ctx)
	if err != nil {
		return nil, err
	}
	// Names of buffered files grow, and a log that is turned over keeps its name
	// and sorts first.
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.name, b.name) })
	var wanted []item
	out := make([]files.Entry, 0, len(items))
	for _, it := range items {
		if k.wants(it.name) {
			wanted = append(wanted, it)
		} else {
			out = append(out, files.Entry{Name: it.name})
		}
	}
	for i, it := range wanted {
		e := files.Entry{Name: it.name}
		if i == 0 || i >= len(wanted)-most {
			known, err := k.examine(ctx, it, nil)
			if errors.Is(err, files.ErrAway) {
				return nil, err
			}
			if err != nil {
				e.Err = err
			} else {
				k.known[it.name] = known
				e = files.Entry{Name: it.name, Size: known.size, Written: known.written, Whole: known.packed, Err: known.err}
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// hello asks for the folder, and tells of the log-in and the clock.
func (k *look) hello(ctx context.Context) error {
	res, err := k.get(ctx, http.MethodGet, k.base.EscapedPath(), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized {
		return k.status(res, k.base.String())
	}
	if k.cfg.User != "" {
		k.r.OK("log-in as "+k.cfg.User, "let in")
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		k.r.Clock("clock", at)
	}
	return nil
}

// ExamineServer finds a web server and looks at its certificate, step by step;
// false: there is none to ask.
func ExamineServer(ctx context.Context, r *examine.Report, c *config.HTTP, u *url.URL) bool {
	port, usual := u.Port(), 80
	if u.Scheme == "https" {
		usual = 443
	}
	if port == "" {
		port = fmt.Sprint(usual)
	}
	conn, ok := r.Dial(ctx, net.JoinHostPort(u.Hostname(), port), usual)
	if !ok {
		return false
	}
	defer conn.Close()
	if u.Scheme != "https" {
		r.Note("encryption", "none: user, password and tickets pass in the clear", "give https:// if the server has it")
		return answers(ctx, r, conn, u)
	}
	secure, err := TLS(c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return false
	}
	t, ok := r.TLS(ctx, conn, secure(net.JoinHostPort(u.Hostname(), port)), func(cert *x509.Certificate) string {
		return "once you have compared it with what the PBX shows, paste: pin: " + examine.Fingerprint(cert) + ", or give tls: {ca: FILE} with who signed it"
	})
	if ok {
		_ = t.Close()
	}
	return ok
}

// answers makes sure that a web server answers, and says what else it is that does.
func answers(ctx context.Context, r *examine.Report, conn *examine.Conn, u *url.URL) bool {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(usual.dial))
	// Only a request makes a web server speak.
	if _, err := fmt.Fprintf(conn, "HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", u.Host); err != nil {
		r.Speaks(conn, "a web server", err)
		return false
	}
	buf := make([]byte, 16)
	n, err := conn.Read(buf)
	if n > 0 && strings.HasPrefix(string(buf[:n]), "HTTP/") {
		return true
	}
	if err == nil {
		err = errors.New("it answers something else")
	}
	r.Speaks(conn, "a web server", err)
	return false
}
