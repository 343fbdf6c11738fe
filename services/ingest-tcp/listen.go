package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/services/ingest-tcp/internal/socket"
)

// listener is one listening socket. Links with disjoint allow ranges share it:
// the peer's address tells whose tickets come.
type listener struct {
	*Service
	listen string
	links  []*link

	mu    sync.Mutex
	bound net.Addr
}

// group makes one listener for each address; port 0 is a new one each time.
func (s *Service) group(links []*link) ([]*listener, error) {
	var out []*listener
	var wrong []error
	for _, l := range links {
		if l.TCP == nil || l.TCP.Listen == "" {
			continue
		}
		key, free := canonical(l.TCP.Listen)
		i := slices.IndexFunc(out, func(o *listener) bool { return o.listen == key })
		if free || i < 0 {
			out = append(out, &listener{Service: s, listen: key, links: []*link{l}})
			continue
		}
		for _, other := range out[i].links {
			if overlap(l, other) {
				wrong = append(wrong, fmt.Errorf("links %s and %s both listen on %s: give each its own port, or allow ranges that do not overlap", other, l, l.TCP.Listen))
			}
		}
		out[i].links = append(out[i].links, l)
	}
	return out, errors.Join(wrong...)
}

// canonical makes the ways to write every address equal.
func canonical(listen string) (addr string, free bool) {
	host, port, _ := net.SplitHostPort(listen)
	if host == "0.0.0.0" || host == "::" {
		host = ""
	}
	return net.JoinHostPort(host, port), port == "0" || port == ""
}

func overlap(a, b *link) bool {
	if len(a.allow) == 0 || len(b.allow) == 0 {
		return true
	}
	return slices.ContainsFunc(a.allow, func(p netip.Prefix) bool {
		return slices.ContainsFunc(b.allow, p.Overlaps)
	})
}

func (l *listener) addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bound
}

// bind opens the socket; nil if that failed, which is told.
func (l *listener) bind(ctx context.Context) *net.TCPListener {
	sock, err := socket.Listen(ctx, l.listen)
	l.mu.Lock()
	if err == nil {
		l.bound = sock.Addr()
	}
	l.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("cannot listen on %q for link %s: %w; is another program, or another Trunkline, using the port?", l.listen, l.links[0], err)
		l.warn.warn(l.links[0], "a listening link is not bound", "error", err)
	}
	for _, one := range l.links {
		one.setErr(err)
	}
	l.deps.SetHealth("ingest-tcp listen "+l.listen, err)
	return sock
}

// run accepts from when NATS answers until ctx is done.
func (l *listener) run(ctx context.Context, sock *net.TCPListener) {
	back := bus.Backoff{Min: l.timing.bind[0], Max: l.timing.bind[1]}
	for sock == nil {
		if back.Wait(ctx) != nil {
			return
		}
		sock = l.bind(ctx)
	}
	defer context.AfterFunc(ctx, func() { sock.Close() })()
	defer sock.Close()
	if l.deps.Bus.Ready(ctx) != nil {
		return
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	back = bus.Backoff{Max: back.Min}
	for {
		conn, err := sock.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			l.warn.warn(l.links[0], "cannot accept connections: are there too many open files?", "error", err)
			if back.Wait(ctx) != nil {
				return
			}
			continue
		}
		back.Reset()
		if s := l.admit(conn); s != nil {
			sessions.Go(func() {
				defer s.leave(s)
				if !s.known(ctx) {
					s.conn.Close()
					return
				}
				ended := s.serve(ctx, ctx, nil, time.Time{})
				s.count(ended)
				s.deps.Log.Debug("a PBX has gone", "site", s.Site.ID, "link", s.ID, "peer", s.name, "why", ended)
			})
		}
	}
}

// admit finds the link of a peer; nil when the connection was refused and
// closed.
func (l *listener) admit(conn *net.TCPConn) *session {
	peer := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
	i := slices.IndexFunc(l.links, func(one *link) bool { return one.allows(peer) })
	if i < 0 {
		l.links[0].count("refused_not_allowed")
		l.warn.warn(l.links[0], "connection refused: no link on this port allows the address", "listen", l.listen, "peer", peer)
		conn.Close()
		return nil
	}
	s := l.links[i].newSession(conn, l.links[i].newStream(conn, false))
	if refused := s.enter(s); refused != "" {
		s.count(refused)
		s.warn.warn(s.link, "connection refused: "+map[string]string{
			"refused_limit":   "max_connections are open",
			"refused_by_nats": "NATS refuses the link's tickets",
		}[refused], "peer", peer)
		conn.Close()
		return nil
	}
	s.count("accepted")
	s.deps.Log.Debug("a PBX connected", "site", s.Site.ID, "link", s.ID, "peer", s.name)
	return s
}
