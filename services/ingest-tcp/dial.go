package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// way is how a PBX is dialled and talked to.
type way interface {
	// once is one connection, from the dialling to its end. leased ends the
	// reading, life the publishing, a while later.
	once(leased, life context.Context) outcome
}

// outcome of a connection.
type outcome struct {
	delivered bool          // tickets came
	pause     time.Duration // at least, before the next one
	err       error
}

// fewLines is more than a PBX prints that will not let us in: echo and excuse.
const fewLines = 4

func (d *dialer) run(ctx context.Context) {
	if !d.link.known(ctx) {
		return
	}
	key := wire.LinkKey(d.link.Site.ID, d.link.ID)
	d.link.stand(true)
	err := d.deps.Bus.Leases.Hold(ctx, key, d.owner, func(leased context.Context) error {
		d.link.stand(false)
		d.keep(leased, d.life)
		d.link.stand(true)
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
		end := d.link.way.once(leased, life)
		if leased.Err() != nil {
			return
		}
		d.link.setErr(end.err)
		if end.err != nil {
			d.warn.warn(d.link, "the PBX is not reached", "error", end.err)
		}
		if end.delivered {
			back.Reset()
		}
		select {
		case <-time.After(max(back.Next(), end.pause)):
		case <-leased.Done():
		}
	}
}

// fewRefusals is how often a PBX may refuse a log-in before it locks us out.
const fewRefusals = 3

// tcpWay is a PBX that gives its tickets at once, or after a log-in.
type tcpWay struct {
	*link
	refusals int // of the log-in, since the last one that went well
}

func (d *tcpWay) once(leased, life context.Context) outcome {
	password, err := d.password()
	if err != nil {
		d.countDial("no_password")
		return outcome{err: fmt.Errorf("link %s: %w", d.link, err)}
	}
	conn, err := d.dial(leased, d.addr)
	if err != nil {
		return outcome{err: err}
	}
	from := d.newStream(conn, true)
	dialogue := login.Dialogue{Steps: d.model.Login, Password: password, Settle: d.timing.settle}
	early, came, err := dialogue.Run(leased, conn, from.Reader)
	if err != nil {
		conn.Close()
		if len(early) > 0 {
			d.newSession(conn, nothing{}).serve(life, life, early, came)
		}
		if leased.Err() != nil {
			return outcome{}
		}
		d.countDial("login_failed")
		return d.loginFailed(err)
	}
	return d.hold(d.newSession(conn, from), func(s *session) (string, outcome) {
		begin := time.Now()
		ended := s.serve(leased, life, early, came)
		switch {
		case s.err != nil:
			return ended, outcome{s.acked > 0, 0, fmt.Errorf("link %s at %s: %w", d.link, s.name, s.err)}
		case !hungUp(ended) || time.Since(begin) >= d.timing.hangUp || s.acked >= fewLines:
			d.refusals = 0
			return ended, outcome{delivered: s.acked > 0}
		case len(d.model.Login) > 0:
			return ended, d.loginFailed(errors.New("the PBX hung up right after it: is the password right? set password_env or password_file"))
		}
		if s.acked > 0 { // it gave what it had
			return ended, outcome{delivered: true}
		}
		return ended, outcome{err: d.hangsUp(s)}
	})
}

// nothing is the source of a connection that has ended.
type nothing struct{}

func (nothing) next(gate) ([]byte, error) { return nil, io.EOF }
func (nothing) whole(string) bool         { return false }

func (d *tcpWay) loginFailed(err error) outcome {
	// Many PBXs lock their port after a few wrong passwords.
	pause := d.timing.rejected
	if d.refusals++; d.refusals >= fewRefusals {
		pause = max(pause, d.timing.locked)
	}
	pause += rand.N(pause/4 + 1)
	return outcome{pause: pause, err: fmt.Errorf("link %s at %s: log-in failed: %w", d.link, d.addr, err)}
}

// password is the configured one, else the factory's.
func (d *tcpWay) password() (string, error) {
	if !d.needsPassword() {
		return "", nil
	}
	if !d.TCP.Secret.Set() {
		return d.model.DefaultPassword, nil
	}
	return d.TCP.Password()
}

// dial connects to a PBX. The error names link and address.
func (l *link) dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	conn, err := socket.Dial(ctx, addr, l.timing.dialTime)
	if err != nil {
		l.countDial(reachable(err))
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // the address is told already
		}
		return nil, fmt.Errorf("link %s: cannot reach the PBX at %s: %w", l, addr, err)
	}
	return conn, nil
}

func (l *link) countDial(result string) {
	l.metrics.dials.WithLabelValues(l.Site.ID, l.ID, result).Inc()
}

// hold takes the session of a PBX that lets us in through to its end.
func (l *link) hold(s *session, serve func(*session) (ended string, o outcome)) outcome {
	l.countDial("connected")
	switch refused := s.enter(s); refused {
	case "":
		defer s.leave(s)
	case refusedStopped: // what it has sent is taken all the same
	default:
		s.conn.Close()
		return outcome{err: fmt.Errorf("link %s: %s", l, refused)}
	}
	l.setErr(nil)
	l.count("dialled")
	l.deps.Log.Debug("connected to a PBX", "site", l.Site.ID, "link", l.ID, "peer", s.name)
	ended, o := serve(s)
	l.count(ended)
	l.deps.Log.Debug("a PBX has gone", "site", l.Site.ID, "link", l.ID, "peer", s.name, "why", ended)
	return o
}

func hungUp(ended string) bool { return ended == closedEOF || ended == closedReset }

func (l *link) hangsUp(s *session) error {
	return fmt.Errorf("link %s: the PBX at %s hangs up at once: is another program connected to it?", l, s.name)
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
