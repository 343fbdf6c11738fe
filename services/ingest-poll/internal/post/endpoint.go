package post

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"sync"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// Endpoint is a link that tickets are posted to.
type Endpoint struct {
	*link.Link
	cfg   *config.HTTPServer
	allow []netip.Prefix
	book  book

	mu      sync.Mutex
	trouble map[string]problem
}

// problem is what goes wrong at the moment.
type problem struct {
	err   error
	until time.Time // zero: until it is over
}

// New makes an endpoint. An error says what is wrong with the configuration.
func New(l *link.Link, c *config.HTTPServer) (*Endpoint, error) {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return nil, fmt.Errorf("http_server: listen: %q: give an address and a port, such as 0.0.0.0:8080", c.Listen)
	}
	given := *c
	if given.Path == "" {
		given.Path = "/" + l.Site + "/" + l.Link
	}
	if given.Path[0] != '/' || path.Clean(given.Path) != given.Path {
		return nil, fmt.Errorf("http_server: path: %q: give one such as /cdr", given.Path)
	}
	if (given.User == "") == given.Set() {
		return nil, errors.New("http_server: give user together with password_env or password_file, or none of them")
	}
	e := &Endpoint{Link: l, cfg: &given, trouble: make(map[string]problem), book: book{pages: make(map[[sha256.Size]byte]*page)}}
	for _, p := range c.Allow {
		// A peer's address is unmapped; so must be what it is compared with.
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		e.allow = append(e.allow, p.Masked())
	}
	return e, nil
}

func (e *Endpoint) allows(peer netip.Addr) bool {
	return len(e.allow) == 0 || slices.ContainsFunc(e.allow, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// knows compares a log-in in a time that does not depend on how much of it is
// right. The password is read anew, so that a changed one counts.
func (e *Endpoint) knows(user, password string) (bool, error) {
	want, err := e.cfg.Password()
	if err != nil {
		return false, err
	}
	if want == "" {
		return false, errors.New("the password is empty")
	}
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(user, e.cfg.User)&same(password, want) == 1, nil
}

// cut cuts a body into ticket messages.
func (e *Endpoint) cut(body []byte, p *posted, peer string) (*link.Batch, error) {
	// A head that is too long is none: its lines are tickets that nobody can read,
	// and are not lost.
	n, _, err := pack.Head(e.Cutting.Split, e.Cutting.Head, body, true)
	if err != nil {
		n = 0
	}
	packer := pack.Packer{Split: e.Cutting.Split}
	batch := new(link.Batch)
	_, err = packer.Pack(body[n:], int64(n), true, func(one pack.Payload) {
		batch.Add(&bus.TicketMessage{
			Address: e.Address, Received: p.received, Origin: p.origin, Offset: identity.Position(one.Offset),
			Name: peer, Preamble: bytes.Clone(body[:n:n]), Incomplete: one.Incomplete, Payload: one.Data,
		}, one.Tickets)
	})
	return batch, err
}

// raise tells that something is wrong: until clear, or for so long.
func (e *Endpoint) raise(key string, err error, long time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := problem{err: err}
	if long > 0 {
		p.until = e.Now().Add(long)
	}
	e.trouble[key] = p
}

func (e *Endpoint) clear(keys ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range keys {
		delete(e.trouble, key)
	}
}

// tell keeps the link's alarms until ctx is done.
func (e *Endpoint) tell(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		e.Alarms.Begin()
		e.mu.Lock()
		for key, p := range e.trouble {
			if !p.until.IsZero() && e.Now().After(p.until) {
				delete(e.trouble, key)
				continue
			}
			e.Alarms.Raise(key, p.err)
		}
		e.mu.Unlock()
		e.Alarms.End()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
