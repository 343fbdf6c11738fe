package receive

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a peer's connection. Until it has logged in, its time is short.
type conn struct {
	net.Conn
	listener *listener
	peer     netip.Addr
	account  atomic.Pointer[account]
	// steps tells that each read and write has a time of its own; else others set
	// deadlines.
	steps bool

	mu    sync.Mutex
	until time.Time // of the log-in; zero: done

	gone chan struct{}
	once sync.Once
}

// loggedIn gives the connection time.
func (c *conn) loggedIn(a *account) {
	c.account.Store(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
	_ = c.Conn.SetDeadline(time.Now().Add(c.listener.timing.idle))
}

// SetDeadline is that of net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.until.IsZero() && (t.IsZero() || t.After(c.until)) {
		t = c.until
	}
	return c.Conn.SetDeadline(t)
}

func (c *conn) extend() {
	if c.steps {
		_ = c.SetDeadline(time.Now().Add(c.listener.timing.idle))
	}
}

func (c *conn) Read(p []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.vanished()
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.extend()
	return c.Conn.Write(p)
}

// Close ends the connection.
func (c *conn) Close() error {
	c.vanished()
	c.listener.gone(c)
	return c.Conn.Close()
}

func (c *conn) vanished() { c.once.Do(func() { close(c.gone) }) }

// patient is a listener for transfers: each step of them has its time.
type patient struct {
	net.Listener
	step time.Duration
}

func (l patient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return stepConn{c, l.step}, nil
}

type stepConn struct {
	net.Conn
	step time.Duration
}

func (c stepConn) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.step))
	return c.Conn.Read(p)
}

func (c stepConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.step))
	return c.Conn.Write(p)
}
