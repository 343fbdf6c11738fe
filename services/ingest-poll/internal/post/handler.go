package post

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx/unpack"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const (
	// retryAfter is when a sender whose tickets could not be taken tries again.
	retryAfter = 30 * time.Second
	// refusedFor is how long a refused post shows in the link's state, unless one
	// is taken.
	refusedFor = 15 * time.Minute
)

// answer is what a post is answered with that is not taken.
type answer struct {
	code int
	why  string
}

func (a *answer) Error() string { return a.why }

func (a *address) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	p := a.place(r.URL.Path)
	switch {
	case p == nil:
		a.unknown(r)
		a.refuse(w, rc, r, &answer{http.StatusNotFound, "no link takes tickets at this path: it is the path of the link's http_server, /<site>/<link> unless told otherwise"})
		return
	case !p.open:
		a.refuse(w, rc, r, &answer{http.StatusServiceUnavailable, "the link is not ready: post again later"})
		return
	}
	e := p.Endpoint
	peer := peerOf(r)
	if no := e.admits(r, peer); no != nil {
		if no.code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="trunkline", charset="UTF-8"`)
		}
		e.refused(no, peer)
		a.refuse(w, rc, r, no)
		return
	}
	body, no := a.read(rc, r)
	switch {
	case no == nil:
	case no.code == 0: // nobody is there any more
		a.budget.give(cap(body))
		e.Metrics.File("broken")
		e.raise("broken", fmt.Errorf("a post from %s broke off behind %d bytes: none of it is taken, the PBX has to send it again", peer, len(body)), refusedFor)
		return
	default:
		a.budget.give(cap(body))
		e.refused(no, peer)
		a.refuse(w, rc, r, no)
		return
	}
	sum := sha256.Sum256(body)
	it, anew := e.book.enter(sum, e.Now())
	if anew {
		go a.publish(e, it, body, peer)
	} else {
		a.budget.give(cap(body))
		e.Metrics.File("repeated")
	}
	if a.await(r.Context(), it) {
		e.answered(w, rc, r, it, sum)
		return
	}
	e.book.leave(sum, it)
	if r.Context().Err() == nil {
		a.refuse(w, rc, r, &answer{http.StatusServiceUnavailable, "NATS has not acknowledged the tickets yet: post them again, they count once"})
	}
}

// admits tells why a post is not even read.
func (e *Endpoint) admits(r *http.Request, peer netip.Addr) *answer {
	if !e.allows(peer) {
		return &answer{http.StatusForbidden, "your address is not in the link's allow"}
	}
	if e.cfg.User != "" {
		user, password, _ := r.BasicAuth()
		switch known, err := e.knows(user, password); {
		case err != nil:
			return &answer{http.StatusServiceUnavailable, "the link's own password cannot be read: look at its password_env or password_file"}
		case !known:
			return &answer{http.StatusUnauthorized, "user or password is not the link's"}
		}
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return &answer{http.StatusMethodNotAllowed, "tickets come with POST or PUT"}
	}
	switch c := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); c {
	case "", "identity", "gzip", "x-gzip":
	default:
		return &answer{http.StatusUnsupportedMediaType, "a body comes as it is or with gzip"}
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.HasPrefix(media, "multipart/") {
		return &answer{http.StatusUnsupportedMediaType, "the body is the tickets themselves, not a form with a file in it"}
	}
	if r.ContentLength > MaxBody {
		return &answer{http.StatusRequestEntityTooLarge, errTooLarge.Error()}
	}
	return nil
}

// read reads a body whole and unpacked. A code of 0 says that the sender is gone.
func (a *address) read(rc *http.ResponseController, r *http.Request) ([]byte, *answer) {
	raw := &incoming{r: r.Body, rc: rc, quiet: a.timing.quiet, end: time.Now().Add(a.timing.body), left: MaxBody}
	plain, err := unpack.Reader(raw)
	var body []byte
	if err == nil {
		body, err = a.budget.read(plain)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, raw) // what stands behind packed data
	}
	var damage *unpack.DamageError
	switch {
	case err == nil:
		// From here on the connection tells when the sender goes.
		_ = rc.SetReadDeadline(time.Time{})
		return body, nil
	case errors.Is(err, errTooLarge):
		return body, &answer{http.StatusRequestEntityTooLarge, errTooLarge.Error()}
	case errors.Is(err, errFull):
		return body, &answer{http.StatusServiceUnavailable, errFull.Error()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return body, &answer{http.StatusRequestTimeout, "the body did not come in time"}
	case errors.As(err, &damage) && !errors.Is(raw.failed, io.ErrUnexpectedEOF):
		return body, &answer{http.StatusBadRequest, err.Error()}
	}
	return body, &answer{}
}

// incoming is a body as it comes, each part of it in time.
type incoming struct {
	r      io.Reader
	rc     *http.ResponseController
	quiet  time.Duration
	end    time.Time
	left   int
	failed error
}

func (i *incoming) Read(p []byte) (int, error) {
	until := time.Now().Add(i.quiet)
	if until.After(i.end) {
		until = i.end
	}
	if err := i.rc.SetReadDeadline(until); err != nil {
		return 0, err
	}
	n, err := i.r.Read(p)
	if i.left -= n; i.left < 0 {
		return n, errTooLarge
	}
	if err != nil {
		i.failed = err
	}
	return n, err
}

// publish brings a body to NATS, however long that takes: its sender may be gone
// by then.
func (a *address) publish(e *Endpoint, p *posted, body []byte, peer netip.Addr) {
	defer func() {
		if r := recover(); r != nil {
			p.err = fmt.Errorf("a bug in trunkline, please tell us: %v\n%s", r, debug.Stack())
		}
		if p.err != nil && a.life.Err() == nil {
			e.raise("publish", fmt.Errorf("a post from %s cannot be stored, and the PBX is told to keep it: %w", peer, p.err), refusedFor)
		}
		a.budget.give(cap(body))
		close(p.done)
	}()
	var batch *link.Batch
	if batch, p.err = e.cut(body, p, peer.String()); p.err == nil {
		p.tickets, p.err = batch.Tickets, e.Send(a.life, batch)
	}
	if p.err == nil {
		e.Metrics.File("posted")
		e.clear("publish")
	}
}

// await waits until NATS has a body; false when it does not in time, or will not.
func (a *address) await(ctx context.Context, p *posted) bool {
	timeout := time.NewTimer(a.timing.publish)
	defer timeout.Stop()
	select {
	case <-p.done:
		return p.err == nil
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// answered tells the sender. Who is gone, or cannot be written to, has not heard
// of it, and may send it again.
func (e *Endpoint) answered(w http.ResponseWriter, rc *http.ResponseController, r *http.Request, p *posted, sum [sha256.Size]byte) {
	e.clear("refused", "broken")
	e.Update(func(s *link.State) { s.LastLook = e.Now() })
	if r.Context().Err() != nil {
		e.book.leave(sum, p)
		return
	}
	if reply(w, rc, http.StatusOK, fmt.Sprintf("stored: %d tickets\n", p.tickets)) != nil {
		e.book.leave(sum, p)
	}
}

// refuse answers a post that is not taken. A sender that is not done yet is heard
// to the end, or it would see a reset connection and not the answer.
func (a *address) refuse(w http.ResponseWriter, rc *http.ResponseController, r *http.Request, no *answer) {
	switch no.code {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "POST, PUT")
	case http.StatusRequestTimeout:
		w.Header().Set("Connection", "close")
	}
	_ = rc.EnableFullDuplex()
	_ = rc.SetReadDeadline(time.Now().Add(a.timing.stop))
	if reply(w, rc, no.code, no.why+"\n") == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// reply writes an answer whole.
func reply(w http.ResponseWriter, rc *http.ResponseController, code int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	w.WriteHeader(code)
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return rc.Flush()
}

// refused tells in the link's state what was refused.
func (e *Endpoint) refused(no *answer, peer netip.Addr) {
	e.Metrics.File("refused")
	remedy := ""
	switch no.code {
	case http.StatusUnauthorized:
		remedy = "; set user " + e.cfg.User + " and the link's password on the PBX"
	case http.StatusForbidden:
		remedy = "; add it there if it is the PBX's"
	}
	e.raise("refused", fmt.Errorf("a post from %s was refused with %d: %s%s", peer, no.code, no.why, remedy), refusedFor)
}

// unknown logs a post to a path that no link has, once a minute.
func (a *address) unknown(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.told) >= time.Minute {
		a.told = now
		a.log.Warn("a post was refused: no link has this path", "listen", a.listener.Addr(), "path", fmt.Sprintf("%.100s", r.URL.Path), "peer", peerOf(r))
	}
}

func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
