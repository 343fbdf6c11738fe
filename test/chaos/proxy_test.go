package chaos

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proxy is a line between two sides, which can be bad.
type proxy struct {
	name, addr, to string
	listener       net.Listener
	// small bounds what the proxy holds itself, in its sockets.
	small bool

	mu    sync.Mutex
	pairs map[*pair]bool
	slow  time.Duration // before each piece
	still time.Time     // nothing passes until then
	deaf  bool          // nothing passes from the server
	cuts  map[string][]time.Time
}

// pair is a connection through a proxy.
type pair struct{ client, server *net.TCPConn }

// proxyBuffer is the size of the sockets and of the piece of a small proxy.
const proxyBuffer = 4 << 10

func newProxy(t *testing.T, name, to string, small bool) *proxy {
	t.Helper()
	p := &proxy{name: name, to: to, small: small, pairs: make(map[*pair]bool), cuts: make(map[string][]time.Time)}
	lc := net.ListenConfig{Control: p.control}
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listener, p.addr = l, l.Addr().String()
	t.Cleanup(func() { l.Close(); p.cut(-1, nil) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.carry(conn.(*net.TCPConn))
		}
	}()
	return p
}

// control makes small sockets.
func (p *proxy) control(_, _ string, raw syscall.RawConn) error {
	if !p.small {
		return nil
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = smallSocket(int(fd)) }); err != nil {
		return err
	}
	return failed
}

func smallSocket(fd int) error {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, proxyBuffer); err != nil {
		return err
	}
	return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, proxyBuffer)
}

func (p *proxy) carry(client *net.TCPConn) {
	d := net.Dialer{Timeout: 5 * time.Second, Control: p.control}
	up, err := d.DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		// Nobody is there: what the client sent meanwhile is gone.
		p.mu.Lock()
		p.mark(client.RemoteAddr())
		p.mu.Unlock()
		_ = client.SetLinger(0)
		client.Close()
		return
	}
	one := &pair{client, up.(*net.TCPConn)}
	p.mu.Lock()
	p.pairs[one] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(one, one.client, one.server, false) })
	both.Go(func() { p.pass(one, one.server, one.client, true) })
	both.Wait()
	client.Close()
	up.Close()
	p.mu.Lock()
	delete(p.pairs, one)
	p.mu.Unlock()
}

// pass carries one direction.
func (p *proxy) pass(one *pair, from, to *net.TCPConn, back bool) {
	buf := make([]byte, proxyBuffer)
	for {
		n, err := from.Read(buf)
		for {
			p.mu.Lock()
			wait := max(time.Until(p.still), 0)
			slow, deaf := p.slow, p.deaf && back
			p.mu.Unlock()
			if wait > 0 {
				time.Sleep(min(wait, 20*time.Millisecond))
				continue
			}
			time.Sleep(slow)
			if deaf {
				n = 0
			}
			break
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				p.sever(one)
				return
			}
		}
		if err == nil {
			continue
		}
		if op, ok := err.(*net.OpError); ok && op.Err != nil {
			p.sever(one) // a reset, which passes on as one
			return
		}
		_ = to.CloseWrite()
		return
	}
}

// sever breaks a connection, with all that is on its way.
func (p *proxy) sever(one *pair) {
	p.mu.Lock()
	p.mark(one.client.RemoteAddr(), one.server.LocalAddr())
	p.mu.Unlock()
	for _, c := range []*net.TCPConn{one.client, one.server} {
		_ = c.SetLinger(0)
		c.Close()
	}
}

// mark remembers under the addresses by which the two sides know the line that it
// broke. mu is held.
func (p *proxy) mark(addrs ...net.Addr) {
	for _, a := range addrs {
		p.cuts[a.String()] = append(p.cuts[a.String()], time.Now())
	}
}

// cut breaks one connection by chance; without chance or with n < 0: all.
func (p *proxy) cut(n int, r *rand.Rand) {
	p.mu.Lock()
	var all []*pair
	for one := range p.pairs {
		all = append(all, one)
	}
	p.mu.Unlock()
	if n > 0 && len(all) > n && r != nil {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:n]
	}
	for _, one := range all {
		p.sever(one)
	}
}

// wasCut tells whether the line of a peer's address broke in a span of time.
func (p *proxy) wasCut(addr string, from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.cuts[addr] {
		if at.After(from) && at.Before(to) {
			return true
		}
	}
	return false
}

// set makes the line bad: slow, still for a while, or deaf.
func (p *proxy) set(slow, still time.Duration, deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow, p.still, p.deaf = slow, time.Now().Add(still), deaf
}

// heal makes it good.
func (p *proxy) heal() { p.set(0, 0, false) }
