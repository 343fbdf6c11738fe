package pbxsim

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 20 * time.Second

// truth is what a simulator said it sent.
type truth struct {
	mu         sync.Mutex
	sent, lost []Ticket
}

func (l *truth) listen(o *Options) {
	o.Sent = func(x Ticket, _ time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent = append(l.sent, x)
	}
	o.Lost = func(x Ticket) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lost = append(l.lost, x)
	}
}

func (l *truth) count() (sent, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent), len(l.lost)
}

// wire is the bytes of what was sent, as they must have arrived.
func (l *truth) wire(terminator string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, x := range l.sent {
		b.Write(x.Bytes)
		if x.Odd != OddCut {
			b.WriteString(terminator)
		}
	}
	return b.String()
}

// running starts a simulator, and waits for its end when the test is over.
func running(t *testing.T, s Simulator) (done <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		out <- s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-over:
		case <-time.After(patience):
			t.Error("Run did not end with its context")
		}
	})
	return out, cancel
}

func ended(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run did not end")
	}
}

func newSim(t *testing.T, model string, o Options) Simulator {
	t.Helper()
	s, err := New(model, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func listen(t *testing.T, addr string) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return string(b)
}

// collect accepts connections until the simulator has ended, and returns all that came.
func collect(t *testing.T, ln *net.TCPListener, done <-chan error) (all string, conns int) {
	t.Helper()
	go func() {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
		ln.Close()
	}()
	var b strings.Builder
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return b.String(), conns
		}
		if err != nil {
			t.Fatal(err)
		}
		conns++
		b.WriteString(readAll(t, c))
		c.Close()
	}
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	n, err := io.ReadFull(c, b)
	if string(b[:n]) != want {
		t.Fatalf("got %q (%v), want %q", b[:n], err, want)
	}
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, f func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !f() {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}
