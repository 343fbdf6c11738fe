//go:build linux

package socket

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func option(t *testing.T, c *net.TCPConn, level, name int) (value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return value
}

func TestOptions(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := Dial(t.Context(), l.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	accepted, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for name, c := range map[string]*net.TCPConn{"dialled": dialled, "accepted": accepted} {
		// Linux doubles what it is asked for, for its own book-keeping.
		if got := option(t, c, syscall.SOL_SOCKET, syscall.SO_RCVBUF); got != 2*receiveBuffer {
			t.Errorf("%s: receive buffer of %d", name, got)
		}
		if got := option(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); got != 1 {
			t.Errorf("%s: keep-alive %d", name, got)
		}
		if got := option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE); got != 15 {
			t.Errorf("%s: keep-alive after %d s", name, got)
		}
	}
}
