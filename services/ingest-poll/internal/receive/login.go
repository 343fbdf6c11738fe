package receive

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// errLogin is all that a peer hears of a refused log-in.
var errLogin = errors.New("wrong user or password")

// errResting is what a peer hears that was refused too often.
var errResting = errors.New("refused too often: try again in a minute")

// login checks who a peer says it is.
func (c *conn) login(user string, check func(*account) error) (*account, error) {
	l := c.listener
	a := l.account(user)
	if a != nil && !a.allows(c.peer) {
		a = nil
	}
	key := tryKey{peer: network(c.peer)}
	counts := l.first()
	if a != nil {
		key.user, counts = user, a
	}
	if !l.tries.take(key) {
		counts.count("resting")
		return nil, errResting
	}
	var err error
	if a == nil {
		_ = check(nil) // takes about as long as for a user there is
		err = errLogin
	} else {
		err = check(a)
	}
	if err != nil {
		l.tries.failed(key)
		counts.count("refused")
		if a == nil {
			l.strangers(c.peer)
		} else {
			a.raiseNow("login", fmt.Errorf("user %s was refused from %s: %w", user, c.peer, err), longTrouble)
		}
		return nil, errLogin
	}
	l.tries.succeeded(key)
	a.count("ok")
	a.mu.Lock()
	a.settle("login")
	a.settle("stranger")
	a.seen.Peer, a.seen.At = c.peer.String(), a.l.Now()
	a.mu.Unlock()
	c.loggedIn(a)
	return a, nil
}

func (a *account) count(result string) {
	if a != nil {
		a.l.Metrics.Login(result)
	}
}

// strangers tells the links that the peer could be of that it gave another user.
// Which one is not told: people type passwords into the wrong field.
func (l *listener) strangers(peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		if a.allows(peer) {
			a.stranger(fmt.Errorf("a log-in from %s was refused: there is no such user; if it is the PBX, let it log in as %s", peer, a.user))
		}
	}
}

// stranger tells of a refused peer, as long as the link's own has never been seen:
// later it is hardly the PBX.
func (a *account) stranger(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen.At.IsZero() {
		a.raise("stranger", err, longTrouble)
	}
}

// password compares in a time that does not depend on how much is right.
func (a *account) password(given string) error {
	want, err := "", error(nil)
	if a != nil && a.secret.Set() {
		want, err = a.secret.Password()
	}
	if err != nil {
		return err
	}
	x, y := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	equal := subtle.ConstantTimeCompare(x[:], y[:]) == 1
	switch {
	case a == nil:
		return errLogin
	case want == "" && a.secret.Set():
		return errors.New("the link's password is empty")
	case want == "":
		return errors.New("it gave a password, but the link has only authorized_keys")
	case !equal:
		return errors.New("the PBX has another password than the link")
	}
	return nil
}

// tries counts refused log-ins. After three, a peer may try once a minute: a user
// of its own, so that a PBX with an old password does not shut out others behind
// the same address.
type tries struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[tryKey]try
}

type tryKey struct {
	peer netip.Prefix
	user string // that there is; others count together
}

type try struct {
	refused int
	last    time.Time
}

const (
	freeTries = 3
	tryPause  = time.Minute
	tryForget = time.Hour
	maxTries  = 4096
)

func newTries(now func() time.Time) *tries { return &tries{now: now, of: make(map[tryKey]try)} }

// network is who a peer is: an IPv6 peer has many addresses.
func network(peer netip.Addr) netip.Prefix {
	bits := 32
	if peer.Is6() {
		bits = 64
	}
	p, _ := peer.Prefix(bits)
	return p
}

// take tells whether a log-in may be tried now.
func (t *tries) take(key tryKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	it, now := t.of[key], t.now()
	if it.refused < freeTries || now.Sub(it.last) >= tryForget {
		return true
	}
	if now.Sub(it.last) < tryPause {
		return false
	}
	it.last = now
	t.of[key] = it
	return true
}

func (t *tries) failed(key tryKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if _, ok := t.of[key]; !ok && len(t.of) >= maxTries {
		for some := range t.of {
			delete(t.of, some)
			break
		}
	}
	it := t.of[key]
	if now.Sub(it.last) >= tryForget {
		it.refused = 0
	}
	t.of[key] = try{it.refused + 1, now}
}

func (t *tries) succeeded(key tryKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, key)
}
