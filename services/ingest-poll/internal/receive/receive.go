// Package receive takes files that a PBX pushes over FTP or SFTP. Each link has a
// user of its own, who delivers into one folder and can do little else; what was
// answered as delivered is on disk, and is collected from there.
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// timing bounds every step.
type timing struct {
	login    time.Duration // from the connection to the log-in
	idle     time.Duration // between two commands
	transfer time.Duration // between two parts of a file, and to begin one
	retry    time.Duration // between two tries to listen
	stop     time.Duration // for connections to end
}

var usual = timing{login: 30 * time.Second, idle: 5 * time.Minute, transfer: time.Minute, retry: 2 * time.Second, stop: 5 * time.Second}

// Connections of one address of ours, and of one peer among them.
const (
	maxConnections     = 128
	maxConnectionsPeer = 16
)

// Servers are the addresses that this process listens on. Links share one, each
// with a user of its own.
type Servers struct {
	data   string
	log    *slog.Logger
	timing timing
	tries  *tries

	mu        sync.Mutex
	listeners map[string]*listener
	told      bool // the host keys
}

// NewServers makes the servers of a process. Below data are the folders of the
// received files, and our host keys.
func NewServers(data string, log *slog.Logger) *Servers {
	return &Servers{data: data, log: log, timing: usual, tries: newTries(time.Now), listeners: make(map[string]*listener)}
}

// account is a link's user.
type account struct {
	*Inbox
	wire   string
	listen string
	user   string
	secret config.Secret
	// keys is a file of public keys; empty: none.
	keys  string
	allow []netip.Prefix
	ftp   config.FTPServer // what all FTP links of an address must have in common
}

// Receiver is a link that files are pushed to.
type Receiver struct {
	*Inbox
	account *account
	servers *Servers
}

// FTP makes the receiver of a link. It touches nothing.
func (s *Servers) FTP(l *link.Link, c *config.FTPServer) (*Receiver, error) {
	a := &account{wire: "ftp_server", ftp: *c}
	if !c.Set() {
		return nil, errors.New("ftp_server: give password_env or password_file: the PBX logs in with it")
	}
	if c.Passive != "" {
		if _, _, err := config.PortRange(c.Passive); err != nil {
			return nil, fmt.Errorf("ftp_server: passive: %w", err)
		}
	}
	if c.Public != "" {
		if ip, err := netip.ParseAddr(c.Public); err != nil || !ip.Is4() {
			return nil, fmt.Errorf("ftp_server: public: %q: give the IPv4 address that the PBX reaches us at", c.Public)
		}
	}
	return s.receiver(l, a, &c.Receiver)
}

// SFTP makes the receiver of a link. It touches nothing.
func (s *Servers) SFTP(l *link.Link, c *config.SFTPServer) (*Receiver, error) {
	if !c.Set() && c.AuthorizedKeys == "" {
		return nil, errors.New("sftp_server: give password_env, password_file or authorized_keys: the PBX logs in with it")
	}
	return s.receiver(l, &account{wire: "sftp_server", keys: c.AuthorizedKeys}, &c.Receiver)
}

func (s *Servers) receiver(l *link.Link, a *account, c *config.Receiver) (*Receiver, error) {
	var err error
	if a.Inbox, err = newInbox(s.data, l, c); err != nil {
		return nil, err
	}
	a.listen, a.user, a.secret, a.allow = c.Listen, c.User, c.Secret, c.Allow
	if a.user == "" {
		a.user = l.Link
	}
	if _, _, err := net.SplitHostPort(a.listen); err != nil {
		return nil, fmt.Errorf("%s: listen: %w", a.wire, err)
	}
	return &Receiver{a.Inbox, a, s}, nil
}

// Serve takes files until ctx is done, and is called once. It needs no NATS: what
// is received waits on disk. ready is called once the address is bound, or could
// not be.
func (r *Receiver) Serve(ctx context.Context, ready func()) {
	ready = sync.OnceFunc(ready)
	defer ready()
	for err := r.open(); err != nil; err = r.open() {
		// Nobody looks yet who could tell.
		r.l.Alarms.Begin()
		r.l.Alarms.Raise("open", err)
		r.l.Alarms.End()
		ready()
		if bus.Wait(ctx, r.servers.timing.retry) != nil {
			return
		}
	}
	l, err := r.servers.join(ctx, r.account)
	for err != nil {
		r.raiseNow("listen", err, dayTrouble)
		ready()
		if bus.Wait(ctx, r.servers.timing.retry) != nil {
			return
		}
		l, err = r.servers.join(ctx, r.account)
	}
	r.settleNow("listen")
	ready()
	<-ctx.Done()
	r.servers.leave(l, r.account)
}

// Addr is what the receiver's address is bound to; nil while it is not.
func (r *Receiver) Addr() net.Addr {
	r.servers.mu.Lock()
	defer r.servers.mu.Unlock()
	for _, l := range r.servers.listeners {
		if slices.Contains(l.accounts, r.account) {
			return l.socket.Addr()
		}
	}
	return nil
}

// join makes an account known at its address, which is bound if it was not.
func (s *Servers) join(ctx context.Context, a *account) (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listeners[config.Canonical(a.listen)]
	if l == nil {
		var err error
		if l, err = s.bind(ctx, a); err != nil {
			return nil, err
		}
		s.listeners[l.key] = l
		return l, nil
	}
	first := l.first()
	switch {
	case first.wire != a.wire:
		return nil, fmt.Errorf("link %s/%s listens on %s with %s: give %s another port", first.l.Site, first.l.Link, a.listen, first.wire, a.wire)
	case first.ftp.Passive != a.ftp.Passive, first.ftp.Public != a.ftp.Public, (first.ftp.TLS == nil) != (a.ftp.TLS == nil),
		a.ftp.TLS != nil && *a.ftp.TLS != *first.ftp.TLS:
		return nil, fmt.Errorf("links that share %s must have the same passive, public and tls", a.listen)
	case l.account(a.user) != nil:
		return nil, fmt.Errorf("link %s/%s has the user %s on %s already", l.account(a.user).l.Site, l.account(a.user).l.Link, a.user, a.listen)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts = append(l.accounts, a)
	return l, nil
}

func (s *Servers) bind(ctx context.Context, a *account) (*listener, error) {
	l := &listener{
		Servers: s, accounts: []*account{a}, steps: a.wire == "sftp_server", ended: make(chan struct{}), conns: make(map[*conn]struct{}), peers: make(map[netip.Addr]int),
	}
	serve, err := l.server(a)
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	socket, err := lc.Listen(ctx, "tcp", a.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: is another program, or another trunkline, using the port? Ports below 1024 need the capability net_bind_service: %w", a.listen, err)
	}
	l.socket, l.key = socket, config.Canonical(socket.Addr().String()) // port 0 is another one each time
	go func() {
		defer close(l.ended)
		serve()
	}()
	return l, nil
}

// server makes the protocol of a listener.
func (l *listener) server(a *account) (serve func(), err error) {
	if a.wire == "ftp_server" {
		return newFTP(l, &a.ftp)
	}
	return newSFTP(l)
}

// leave ends what an account still does, and its listener with the last of them.
func (s *Servers) leave(l *listener, a *account) {
	s.mu.Lock()
	l.mu.Lock()
	l.accounts = slices.DeleteFunc(l.accounts, func(one *account) bool { return one == a })
	last := len(l.accounts) == 0
	var mine []*conn
	for c := range l.conns {
		if last || c.account.Load() == a {
			mine = append(mine, c)
		}
	}
	l.mu.Unlock()
	if last {
		delete(s.listeners, l.key)
		l.socket.Close()
	}
	s.mu.Unlock()
	for _, c := range mine {
		c.Close()
	}
	end := time.NewTimer(s.timing.stop)
	defer end.Stop()
	if last {
		select {
		case <-l.ended:
		case <-end.C:
		}
	}
	a.close(end.C)
}

// close waits for uploads to end, which their connections' end has broken off.
func (b *Inbox) close(end <-chan time.Time) {
	defer b.root.Close()
	for {
		b.mu.Lock()
		left := b.uploads
		b.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-end:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// listener is one address of ours.
type listener struct {
	*Servers
	key    string
	socket net.Listener
	ended  chan struct{}
	// steps tells that connections themselves see to each step's time.
	steps bool

	mu       sync.Mutex
	accounts []*account
	conns    map[*conn]struct{}
	peers    map[netip.Addr]int
}

// first is the first account; nil: all have left.
func (l *listener) first() *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.accounts) == 0 {
		return nil
	}
	return l.accounts[0]
}

// account finds a user; nil: there is none.
func (l *listener) account(user string) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.accounts, func(a *account) bool { return a.user == user }); i >= 0 {
		return l.accounts[i]
	}
	return nil
}

func (a *account) allows(peer netip.Addr) bool {
	return len(a.allow) == 0 || slices.ContainsFunc(a.allow, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// Accept is that of net.Listener. Who may not connect is refused before a byte
// is spoken.
func (l *listener) Accept() (net.Conn, error) {
	back := bus.Backoff{Min: 10 * time.Millisecond, Max: time.Second}
	for {
		socket, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			_ = back.Wait(context.Background()) // too many open files, for one
			continue
		}
		back.Reset()
		if c := l.admit(socket); c != nil {
			return c, nil
		}
		socket.Close()
	}
}

// Close and Addr are those of net.Listener.
func (l *listener) Close() error   { return l.socket.Close() }
func (l *listener) Addr() net.Addr { return l.socket.Addr() }

func (l *listener) admit(socket net.Conn) *conn {
	c := &conn{Conn: socket, listener: l, steps: l.steps, gone: make(chan struct{})}
	if at, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = at.AddrPort().Addr().Unmap().WithZone("")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.accounts) == 0 {
		return nil
	}
	i := slices.IndexFunc(l.accounts, func(a *account) bool { return a.allows(c.peer) })
	switch {
	case i < 0:
		l.accounts[0].l.Metrics.Login("not_allowed")
		for _, a := range l.accounts {
			a.stranger(fmt.Errorf("a connection from %s was refused: no link on %s allows the address; if it is the PBX, add it to allow", c.peer, a.listen))
		}
		return nil
	case len(l.conns) >= maxConnections, l.peers[c.peer] >= maxConnectionsPeer:
		l.accounts[i].l.Metrics.Login("too_many")
		return nil
	}
	l.conns[c] = struct{}{}
	l.peers[c.peer]++
	c.until = time.Now().Add(l.timing.login)
	_ = socket.SetDeadline(c.until)
	return c
}

func (l *listener) gone(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.conns[c]; !ok {
		return
	}
	delete(l.conns, c)
	if l.peers[c.peer]--; l.peers[c.peer] == 0 {
		delete(l.peers, c.peer)
	}
}
