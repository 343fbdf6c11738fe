// Package post takes tickets that a PBX posts over HTTP. A post is answered with
// success only when JetStream has all of its tickets.
package post

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// timing bounds every step.
type timing struct {
	header  time.Duration // a request's head
	quiet   time.Duration // between two parts of a body
	body    time.Duration // a body
	publish time.Duration // what a sender waits for NATS
	idle    time.Duration // between two requests of a connection
	stop    time.Duration // at the end
	bind    time.Duration // between two tries to listen
	alarms  time.Duration
}

var usual = timing{
	header: 10 * time.Second, quiet: 20 * time.Second, body: 2 * time.Minute, publish: 10 * time.Second, idle: 2 * time.Minute,
	stop: 5 * time.Second, bind: 2 * time.Second, alarms: time.Second,
}

// maxConnections of one address.
const maxConnections = 256

// Servers are the addresses that this process listens on. Links share one, each
// with a path of its own.
type Servers struct {
	log    *slog.Logger
	timing timing
	budget budget

	mu        sync.Mutex
	addresses map[string]*address
}

// NewServers makes the servers of a process.
func NewServers(log *slog.Logger) *Servers {
	return &Servers{log: log, timing: usual, budget: budget{left: maxHeld}, addresses: make(map[string]*address)}
}

// Run takes what is posted to an endpoint until ctx is done. prepare is called
// until it succeeds, and nothing is taken before: it publishes the link's settings.
// ready is called once the address is bound, or could not be.
func (s *Servers) Run(ctx context.Context, e *Endpoint, prepare func(context.Context) error, ready func()) {
	e.Metrics.Owned.Set(1)
	e.Update(func(st *link.State) { st.Doing = link.Collecting })
	telling, told := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.tell(telling, s.timing.alarms) })
	defer func() {
		told()
		running.Wait()
		e.Alarms.Clear()
		e.Metrics.Owned.Set(0)
		e.Update(func(st *link.State) { st.Doing = link.Standby })
	}()
	a, err := s.join(ctx, e)
	ready()
	for err != nil {
		e.raise("listen", err, 0)
		if bus.Wait(ctx, s.timing.bind) != nil {
			return
		}
		a, err = s.join(ctx, e)
	}
	e.clear("listen")
	defer s.leave(a, e)
	back := bus.Backoff{Min: 100 * time.Millisecond, Max: 10 * time.Second}
	for prepare != nil {
		if err := prepare(ctx); err == nil {
			break
		} else if ctx.Err() == nil {
			e.raise("settings", fmt.Errorf("the link's settings cannot be published, so its tickets stay at the PBX: %w", err), 0)
		}
		if back.Wait(ctx) != nil {
			return
		}
	}
	e.clear("settings")
	a.open(e)
	<-ctx.Done()
}

// address is one socket and the endpoints behind it.
type address struct {
	*Servers
	key      string
	tls      *config.TLS
	listener net.Listener
	server   *http.Server
	ended    chan struct{}
	life     context.Context // of what is published
	kill     context.CancelFunc

	mu sync.RWMutex
	// paths that are served now (open), will be soon, or were.
	paths map[string]*place
	told  time.Time
}

type place struct {
	*Endpoint      // nil: it was there
	open      bool // its tickets are taken
}

// Addr is what an endpoint's address is bound to; nil while it is not.
func (s *Servers) Addr(e *Endpoint) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.addresses {
		if p := a.place(e.cfg.Path); p != nil && p.Endpoint == e {
			return a.listener.Addr()
		}
	}
	return nil
}

func (s *Servers) join(ctx context.Context, e *Endpoint) (*address, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.addresses[config.Canonical(e.cfg.Listen)]
	if a == nil {
		var err error
		if a, err = s.bind(ctx, e); err != nil {
			return nil, err
		}
		a.key = config.Canonical(a.listener.Addr().String()) // port 0 is another one each time
		s.addresses[a.key] = a
	}
	if (a.tls == nil) != (e.cfg.TLS == nil) || a.tls != nil && *a.tls != *e.cfg.TLS {
		return nil, fmt.Errorf("links that share %s must have the same tls", e.cfg.Listen)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.paths[e.cfg.Path]; p != nil && p.Endpoint != nil {
		return nil, fmt.Errorf("link %s/%s has the path %s on %s already", p.Site, p.Endpoint.Link.Link, e.cfg.Path, e.cfg.Listen)
	}
	a.paths[e.cfg.Path] = &place{Endpoint: e}
	return a, nil
}

func (s *Servers) bind(ctx context.Context, e *Endpoint) (*address, error) {
	a := &address{Servers: s, tls: e.cfg.TLS, ended: make(chan struct{}), paths: make(map[string]*place)}
	a.server = &http.Server{
		Handler: a, ReadHeaderTimeout: s.timing.header, IdleTimeout: s.timing.idle, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if e.cfg.TLS != nil {
		secure, err := certs.NewServer(certs.Files(*e.cfg.TLS))
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		a.server.TLSConfig = secure
		a.server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: is another program, or another trunkline, using the port? %w", e.cfg.Listen, err)
	}
	a.listener = socket
	a.life, a.kill = context.WithCancel(context.Background())
	limited := &limited{Listener: socket, free: make(chan struct{}, maxConnections), closed: make(chan struct{})}
	go func() {
		defer close(a.ended)
		var err error
		if a.server.TLSConfig != nil {
			err = a.server.ServeTLS(limited, "", "")
		} else {
			err = a.server.Serve(limited)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("http_server ended", "listen", e.cfg.Listen, "error", err)
		}
	}()
	return a, nil
}

// leave takes an endpoint away; with the last one the socket is closed.
func (s *Servers) leave(a *address, e *Endpoint) {
	s.mu.Lock()
	a.mu.Lock()
	a.paths[e.cfg.Path] = &place{}
	left := 0
	for _, p := range a.paths {
		if p.Endpoint != nil {
			left++
		}
	}
	a.mu.Unlock()
	if left == 0 {
		delete(s.addresses, a.key)
	}
	s.mu.Unlock()
	if left > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.stop)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
	<-a.ended
	a.kill()
}

func (a *address) place(path string) *place {
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.paths[path]
}

func (a *address) open(e *Endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths[e.cfg.Path] = &place{e, true}
}

// limited bounds the connections of an address.
type limited struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, free: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	free func()
}

func (c *counted) Close() error {
	defer c.free()
	return c.Conn.Close()
}
