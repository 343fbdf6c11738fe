package ingesttcp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-tcp/internal/socket"
)

// listener is one listening socket. Links with disjoint allow ranges share it:
// the peer's address tells whose tickets come.
type listener struct {
	*Service
	listen string
	free   bool // port 0: a new one each time, and never shared
	cancel context.CancelFunc
	closed chan struct{} // when its socket is

	mu    sync.Mutex
	links []*link
	bound net.Addr
}

// apart tells which listening links nobody could tell apart.
func apart(links []*link) []error {
	var wrong []error
	for i, l := range links {
		if l.way != nil {
			continue
		}
		for _, other := range links[:i] {
			if other.way == nil && sameSocket(l.TCP.Listen, other.TCP.Listen) && overlap(l, other) {
				wrong = append(wrong, fmt.Errorf("links %s and %s both listen on %s: give each its own port, or allow ranges that do not overlap", other, l, l.TCP.Listen))
			}
		}
	}
	return wrong
}

func sameSocket(a, b string) bool {
	return config.Canonical(a) == config.Canonical(b) && !anyPort(a)
}

// anyPort tells an address whose port the system chooses, another one each time.
func anyPort(listen string) bool {
	_, port, _ := net.SplitHostPort(listen)
	return port == "0" || port == ""
}

// join gives a link its listener.
func (s *Service) join(l *link) {
	key, free := config.Canonical(l.TCP.Listen), anyPort(l.TCP.Listen)
	i := slices.IndexFunc(s.listeners, func(o *listener) bool { return o.listen == key && !o.free })
	if free || i < 0 {
		i = len(s.listeners)
		s.listeners = append(s.listeners, &listener{Service: s, listen: key, free: free})
	}
	l.listener = s.listeners[i]
	l.listener.mu.Lock()
	defer l.listener.mu.Unlock()
	l.listener.links = append(l.listener.links, l)
}

// part takes a link from its listener, whose socket is closed with the last one.
func (s *Service) part(l *link) {
	of := l.listener
	of.mu.Lock()
	of.links = slices.DeleteFunc(of.links, func(one *link) bool { return one == l })
	last := len(of.links) == 0
	of.mu.Unlock()
	if !last {
		return
	}
	s.listeners = slices.DeleteFunc(s.listeners, func(one *listener) bool { return one == of })
	if of.cancel != nil {
		of.cancel()
		<-of.closed
	}
	s.deps.SetHealth("ingest-tcp listen "+of.listen, nil)
}

// listen opens a listener's socket, once.
func (s *Service) listen(l *listener) {
	if l.cancel != nil {
		return
	}
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(s.life)
	l.closed = make(chan struct{})
	sock := l.bind(ctx)
	s.all.Go(func() {
		defer close(l.closed)
		l.run(ctx, sock)
	})
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

// all are the listener's links at the moment.
func (l *listener) all() []*link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.links)
}

// bind opens the socket; nil if that failed, which is told.
func (l *listener) bind(ctx context.Context) *net.TCPListener {
	sock, err := socket.Listen(ctx, l.listen)
	l.mu.Lock()
	if err == nil {
		l.bound = sock.Addr()
	}
	l.mu.Unlock()
	links := l.all()
	if err != nil && ctx.Err() == nil && len(links) > 0 {
		err = fmt.Errorf("cannot listen on %q for link %s: %w; is another program, or another Trunkline, using the port?", l.listen, links[0], err)
		l.warn.warn(links[0], "a listening link is not bound", "error", err)
	}
	for _, one := range links {
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
	woken := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(woken)
		sock.SetDeadline(time.Now())
	})()
	defer sock.Close()
	_ = l.deps.Bus.Ready(ctx) // until then PBXs wait in the kernel
	back = bus.Backoff{Max: back.Min}
	var last sync.WaitGroup
	defer last.Wait()
	for ctx.Err() == nil {
		conn, err := sock.AcceptTCP()
		switch {
		case err == nil:
			back.Reset()
			if s := l.sessionOf(conn); s != nil && !l.admit(s) {
				last.Go(func() { s.empty(s.ctx) })
			}
		case ctx.Err() != nil:
		default:
			l.warn.warn(nil, "cannot accept connections: are there too many open files?", "listen", l.listen, "error", err)
			_ = back.Wait(ctx)
		}
	}
	<-woken
	// Who stands before the socket thinks that it is connected, and may have sent
	// tickets.
	for end := time.Now().Add(l.timing.drain); time.Now().Before(end); {
		sock.SetDeadline(time.Now().Add(lull))
		conn, err := sock.AcceptTCP()
		if err != nil {
			break
		}
		if s := l.sessionOf(conn); s != nil {
			last.Go(func() { s.empty(ctx) })
		}
	}
	sock.Close()
}

// lull is how long nobody must come before a socket is closed for good.
const lull = 10 * time.Millisecond

// empty takes what a PBX sent to a link that has ended, as ended says.
func (s *session) empty(ended context.Context) { s.count(s.serve(ended, s.life, nil, time.Time{})) }

// collect takes a PBX's tickets until one of us ends the connection.
func (s *session) collect() {
	defer s.leave(s)
	// At the end what has come is taken all the same: its parser waits for the settings.
	s.known(s.ctx)
	ended := s.serve(s.ctx, s.life, nil, time.Time{})
	s.count(ended)
	if s.err != nil {
		s.setErr(fmt.Errorf("link %s: the connection of %s was closed: %w", s.link, s.name, s.err))
	}
	s.deps.Log.Debug("a PBX has gone", "site", s.Site.ID, "link", s.ID, "peer", s.name, "why", ended)
}

// sessionOf finds the link of a peer; nil when no link allows it, and the
// connection was closed.
func (l *listener) sessionOf(conn *net.TCPConn) *session {
	peer := peerOf(conn)
	links := l.all()
	if i := slices.IndexFunc(links, func(one *link) bool { return one.allows(peer) }); i >= 0 {
		return links[i].newSession(conn, links[i].newStream(conn, false))
	}
	for _, one := range links {
		one.refuse(peer.String(), "no `allow` range of a link on this port holds the address")
	}
	if len(links) > 0 {
		links[0].count("refused_not_allowed")
		l.warn.warn(links[0], "connection refused: no link on this port allows the address", "listen", l.listen, "peer", peer)
	}
	conn.Close()
	return nil
}

func peerOf(conn *net.TCPConn) netip.Addr {
	return conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
}

// admit begins to collect, or refuses the connection and closes it; false when the
// link is being stopped.
func (l *listener) admit(s *session) bool {
	refused := s.enter(s)
	switch refused {
	case "":
		s.count("accepted")
		s.deps.Log.Debug("a PBX connected", "site", s.Site.ID, "link", s.ID, "peer", s.name)
		go s.collect()
		return true
	case refusedStopped:
		return false
	}
	why := map[string]string{
		"refused_limit":   "max_connections are open",
		"refused_by_nats": "NATS refuses the link's tickets",
	}[refused]
	peer := peerOf(s.conn).String()
	s.count(refused)
	s.refuse(peer, why)
	s.warn.warn(s.link, "connection refused: "+why, "peer", peer)
	s.conn.Close()
	return true
}
