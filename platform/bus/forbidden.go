package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrForbidden marks a message on whose subject our user may not publish: it is
// an ErrRefused.
var ErrForbidden = fmt.Errorf("%w: our user may not publish it", ErrRefused)

// errDeaf says that no acknowledgement can reach us.
var errDeaf = errors.New("our NATS user may not subscribe to its own inbox, so no acknowledgement reaches us")

// forbidden connects what NATS says of permissions, which comes by itself and
// names a subject, to the publish that waits for its acknowledgement. Without it
// a forbidden publish looks like a time-out.
type forbidden struct {
	mu      sync.Mutex
	waiting map[*waiting]struct{}
	deaf    error // until the connection is a new one
}

type waiting struct {
	msgs   []*nats.Msg
	cancel context.CancelCauseFunc
}

// await is told of a publish, and returns its end.
func (f *forbidden) await(msgs []*nats.Msg, cancel context.CancelCauseFunc) (done func(), err error) {
	w := &waiting{msgs, cancel}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf != nil {
		return nil, f.deaf
	}
	if f.waiting == nil {
		f.waiting = make(map[*waiting]struct{})
	}
	f.waiting[w] = struct{}{}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.waiting, w)
	}, nil
}

// violation matches what the server says of permissions.
var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription)[^"]* to "([^"]+)"`)

// tell takes an asynchronous error, and whether somebody who waits was told: the
// others must be logged.
func (f *forbidden) tell(err error, inbox string) (told, deaf bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false, false
	}
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return false, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.EqualFold(m[1], "publish") {
		if !strings.HasPrefix(m[2], inbox+".") {
			return false, false
		}
		f.deaf = fmt.Errorf("%w: set nats.inbox_prefix to the prefix that the user's permissions allow, not %s", errDeaf, inbox)
		for w := range f.waiting {
			w.cancel(f.deaf)
		}
		return len(f.waiting) > 0, true
	}
	for w := range f.waiting {
		for _, msg := range w.msgs {
			if msg.Subject == m[2] {
				w.cancel(fmt.Errorf("%w: allow our NATS user to publish on %s", ErrForbidden, m[2]))
				told = true
				break
			}
		}
	}
	return told, false
}

// renew forgets what held for the connection before.
func (f *forbidden) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = nil
}

// listenAgain is when a connection whose inbox was forbidden is made anew:
// permissions are looked at when a subscription begins.
const listenAgain = 30 * time.Second

// failed hears of asynchronous errors of the connection.
func (b *Bus) failed(c *nats.Conn, err error) {
	b.metrics.errors.Inc()
	if errors.Is(err, nats.ErrPermissionViolation) {
		what := "subscribe"
		if m := violation.FindStringSubmatch(err.Error()); m != nil && strings.EqualFold(m[1], "publish") {
			what = "publish"
		}
		b.metrics.forbidden.WithLabelValues(what).Inc()
	}
	told, deaf := b.forbidden.tell(err, b.inbox)
	if deaf {
		time.AfterFunc(listenAgain, func() { _ = c.ForceReconnect() })
	}
	if told {
		return
	}
	b.mu.Lock()
	again := b.said == err.Error() && time.Since(b.saidAt) < time.Minute
	if !again {
		b.said, b.saidAt = err.Error(), time.Now()
	}
	b.mu.Unlock()
	if !again {
		b.log.Warn("nats", "error", err)
	}
}

// Refused tells whether the server did not let us in with our credentials.
func Refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAuthExpired)
}
