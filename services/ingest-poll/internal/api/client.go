package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/web"
)

// timing bounds every step.
type timing struct {
	dial time.Duration // also of the TLS handshake
	// header bounds the wait for an answer to begin. Wazo's own proxy waits 300 s
	// for a large database.
	header time.Duration
	// body must come in with at least minBody bytes every stall, and be there after
	// whole.
	stall   time.Duration
	minBody int
	whole   time.Duration
	// refused is the pause between log-ins once three were refused.
	refused time.Duration
	// wait is the longest pause that a server's wish is granted.
	wait time.Duration
}

var usual = timing{
	dial: 10 * time.Second, header: 310 * time.Second, stall: 30 * time.Second, minBody: 8 << 10, whole: 15 * time.Minute,
	refused: time.Minute, wait: time.Hour,
}

// maxBody bounds an answer: what is larger is asked for in smaller pages.
const maxBody = 16 << 20

// Errors by what they mean for the next request.
var (
	// errRefused: the PBX does not take user and password, or token.
	errRefused = errors.New("the log-in is refused")
	// errWait: the PBX wants to be left alone for a while.
	errWait = errors.New("the PBX asks us to wait")

	errTooMuch = heavy(fmt.Errorf("its answer is larger than %d MiB", maxBody>>20))
	errSlow    = heavy(errors.New("next to nothing of its answer comes, less than 273 bytes a second"))
)

// heavyError is trouble that smaller pages may avoid.
type heavyError struct{ error }

func heavy(err error) error             { return &heavyError{err} }
func (e *heavyError) Unwrap() error     { return e.error }
func (e *heavyError) Is(err error) bool { return err == errHeavy }

var errHeavy = errors.New("heavy")

func broken(err error) error {
	return heavy(fmt.Errorf("its answer is no JSON, or breaks off: %w", err))
}

// client speaks to the API of one PBX.
type client struct {
	*link.Link
	cfg    *config.HTTP
	base   *url.URL
	http   *http.Client
	timing timing
	gate   link.Gate

	until   time.Time // the server wants no request before
	waiting error
	session string // the newest token or cookie
}

func newClient(l *link.Link, c *config.HTTP, base *url.URL, t timing) (*client, error) {
	transport, err := web.Transport(c, t.dial, t.header)
	if err != nil {
		return nil, err
	}
	return &client{
		Link: l, cfg: c, base: base, timing: t,
		gate: link.Gate{Password: c.Password, Now: l.Now, Pause: t.refused},
		http: &http.Client{
			Transport: transport,
			// Whoever it sends us to must not see the password.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// answer is what came, whole.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request and reads its answer. Nothing is sent while the server wants
// to be left alone.
func (c *client) do(req *http.Request) (*answer, error) {
	if c.Now().Before(c.until) {
		return nil, c.waiting
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	whole := time.AfterFunc(c.timing.whole, func() { cancel(errSlow) })
	defer whole.Stop()
	req.Header.Set("User-Agent", "trunkline")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		var timeout net.Error
		var dialing *net.OpError
		if errors.As(err, &timeout) && timeout.Timeout() && !errors.As(err, &dialing) {
			err = heavy(err)
		}
		return nil, c.failed(req, ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized {
		return &answer{Response: res}, nil
	}
	stalled := time.AfterFunc(c.timing.stall, func() { cancel(errSlow) })
	defer stalled.Stop()
	body, err := io.ReadAll(&paced{r: io.LimitReader(res.Body, maxBody+1), timer: stalled, timing: c.timing})
	if err == nil {
		err = context.Cause(ctx) // a body that was given up may look as if it had ended
	}
	switch {
	case err != nil:
		return nil, c.failed(req, ctx, heavy(fmt.Errorf("its answer breaks off: %w", err)))
	case len(body) > maxBody:
		return nil, c.failed(req, ctx, errTooMuch)
	}
	return &answer{res, body}, nil
}

// paced puts off a timer whenever enough has come.
type paced struct {
	r      io.Reader
	timer  *time.Timer
	timing timing
	came   int
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.came += n; p.came >= p.timing.minBody {
		p.came = 0
		p.timer.Reset(p.timing.stall)
	}
	return n, err
}

// failed says what a request failed of.
func (c *client) failed(req *http.Request, ctx context.Context, err error) error {
	if err := req.Context().Err(); err != nil {
		return err
	}
	c.Metrics.Request("error")
	if errors.Is(context.Cause(ctx), errSlow) {
		err = errSlow
	}
	return c.at(req.URL, explain(err))
}

// wrap names the place.
func (c *client) wrap(err error) error { return c.at(c.base, err) }

func (c *client) at(u *url.URL, err error) error {
	return fmt.Errorf("%s at %s: %w", c.PBX.Vendor, u.Host, err)
}

// check makes an error of an answer that is no JSON, and of one that tells of
// trouble; 401 is the caller's.
func (c *client) check(a *answer) error {
	err := c.statusError(a)
	switch {
	case err == nil:
		c.Metrics.Request("ok")
		return nil
	case errors.Is(err, errWait):
		c.Metrics.Request("wait")
	default:
		c.Metrics.Request("error")
	}
	return c.at(a.Request.URL, err)
}

func (c *client) statusError(a *answer) error {
	if pause := c.retryAfter(a); pause > 0 && (a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusServiceUnavailable) {
		return c.leaveAlone(pause, fmt.Sprintf("it answers %s", statusText(a.StatusCode)))
	}
	switch code := a.StatusCode; {
	case code >= 200 && code < 300:
		if t := bytes.TrimLeft(a.body, " \t\r\n\ufeff"); len(t) == 0 || t[0] != '{' {
			return errors.New("it answers a page that is no JSON: is url the address of its API, and is there no page to log in to in front of it?")
		}
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("it sends us elsewhere, to %s, where the password does not follow: if that is the PBX, give its address as url", c.elsewhere(a))
	case code == http.StatusForbidden:
		return errors.New("it answers 403 forbidden: let the user use the API, and let our address in where the PBX has a list of permitted ones")
	case code == http.StatusNotFound:
		return fmt.Errorf("it answers 404: there is no %s: is url right, and is the API switched on?", a.Request.URL.Path)
	case code >= 500:
		return heavy(fmt.Errorf("it answers %s: does its service run?", statusText(code)))
	default:
		return fmt.Errorf("it answers %s", statusText(code))
	}
}

func statusText(code int) string { return fmt.Sprintf("%d %s", code, http.StatusText(code)) }

func (c *client) elsewhere(a *answer) string {
	u, err := a.Location()
	if err != nil {
		return "no address"
	}
	text := u.Scheme + "://" + u.Host + u.EscapedPath()
	return config.Hide(text, "", c.session)
}

// leaveAlone notes that the server wants no request for a while.
func (c *client) leaveAlone(pause time.Duration, why string) error {
	c.until = c.Now().Add(min(pause, c.timing.wait))
	err := fmt.Errorf("%w: %s, and wants no request before %s UTC", errWait, why, c.until.UTC().Format("15:04:05"))
	c.waiting = c.wrap(err)
	return err
}

// retryAfter is the pause that an answer asks for: seconds, or a date by the
// server's own clock.
func (c *client) retryAfter(a *answer) time.Duration {
	text := a.Header.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(c.clock(a))
	}
	return 0
}

// clock is what time the server says it is.
func (c *client) clock(a *answer) time.Time {
	if at, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		return at
	}
	return c.Now()
}

// refused counts a log-in that was refused.
func (c *client) refused(err error) error {
	c.Metrics.Request("refused")
	err = fmt.Errorf("%w: %w", errRefused, err)
	c.gate.Refused(err)
	return c.wrap(err)
}
