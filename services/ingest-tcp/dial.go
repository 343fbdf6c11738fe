package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-tcp/internal/login"
	"trunkline.internal/services/ingest-tcp/internal/socket"
)

// dialer keeps a link to a PBX that listens. A lease makes it the only one that
// does, since many PBXs serve one program and forget what they gave it.
type dialer struct {
	*Service
	link *link
}

// fewLines is more than a PBX prints that will not let us in: echo and excuse.
const fewLines = 4

// errLogin marks a failed log-in.
var errLogin = errors.New("log-in failed")

func (d *dialer) run(ctx context.Context) {
	if !d.link.known(ctx) {
		return
	}
	key := wire.LinkKey(d.link.Site.ID, d.link.ID)
	err := d.deps.Bus.Leases.Hold(ctx, key, d.owner, func(leased context.Context) error {
		d.keep(leased, ctx)
		return nil
	})
	if err != nil {
		d.deps.Log.Error("the link is not collected any more", "site", d.link.Site.ID, "link", d.link.ID, "error", err)
	}
}

// keep dials again and again while the lease is held.
func (d *dialer) keep(leased, life context.Context) {
	back := bus.Backoff{Min: d.timing.redial[0], Max: d.timing.redial[1]}
	for leased.Err() == nil {
		delivered, err := d.once(leased, life)
		if leased.Err() != nil {
			return
		}
		d.link.setErr(err)
		if err != nil {
			d.warn.warn(d.link, "the PBX is not reached", "error", err)
		}
		if delivered {
			back.Reset()
		}
		pause := back.Next()
		if errors.Is(err, errLogin) {
			// Many PBXs lock their port after a few wrong passwords.
			pause = max(pause, d.timing.rejected+rand.N(d.timing.rejected/4+1))
		}
		select {
		case <-time.After(pause):
		case <-leased.Done():
		}
	}
}

// once is one connection, from the dialling to its end. delivered tells that
// tickets came.
func (d *dialer) once(leased, life context.Context) (delivered bool, err error) {
	l := d.link
	count := func(result string) { d.metrics.dials.WithLabelValues(l.Site.ID, l.ID, result).Inc() }
	addr := l.TCP.Dial
	password, err := d.password()
	if err != nil {
		count("no_password")
		return false, fmt.Errorf("link %s: %w", l, err)
	}
	conn, err := socket.Dial(leased, addr, d.timing.dialTime)
	if err != nil {
		count(reachable(err))
		return false, fmt.Errorf("link %s: cannot reach the PBX at %s: %w", l, addr, err)
	}
	s := l.newSession(conn, true)
	dialogue := login.Dialogue{Steps: l.model.Login, Password: password, Settle: d.timing.settle}
	early, came, err := dialogue.Run(leased, conn, s.reader)
	if err != nil {
		conn.Close()
		if leased.Err() != nil {
			return false, nil
		}
		count("login_failed")
		return false, fmt.Errorf("link %s at %s: %w: %w", l, addr, errLogin, err)
	}
	count("connected")
	if refused := s.enter(s); refused != "" {
		conn.Close()
		return false, fmt.Errorf("link %s: %s", l, refused)
	}
	defer s.leave(s)
	l.setErr(nil)
	l.count("dialled")
	d.deps.Log.Debug("connected to a PBX", "site", l.Site.ID, "link", l.ID, "peer", s.name)
	begin := time.Now()
	ended := s.serve(leased, life, early, came)
	l.count(ended)
	d.deps.Log.Debug("a PBX has gone", "site", l.Site.ID, "link", l.ID, "peer", s.name, "why", ended)
	if hungUp := ended == "closed_eof" || ended == "closed_reset"; hungUp && time.Since(begin) < d.timing.hangUp && s.acked < fewLines {
		if len(l.model.Login) > 0 {
			return false, fmt.Errorf("link %s at %s: %w: the PBX hung up right after it: is the password right? set password_env or password_file", l, addr, errLogin)
		}
		return s.acked > 0, fmt.Errorf("link %s: the PBX at %s hangs up at once: is another program connected to it?", l, addr)
	}
	return s.acked > 0, nil
}

// password is the configured one, else the factory's.
func (d *dialer) password() (string, error) {
	if !d.link.needsPassword() {
		return "", nil
	}
	if !d.link.TCP.Secret.Set() {
		return d.link.model.DefaultPassword, nil
	}
	return d.link.TCP.Password()
}

// reachable says how a dial went, for the metrics.
func reachable(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return "connected"
	case errors.As(err, &dns):
		return "no_such_host"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded), strings.Contains(err.Error(), "timeout"):
		return "timeout"
	}
	return "unreachable"
}
