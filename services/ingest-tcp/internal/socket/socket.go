// Package socket opens the TCP sockets that tickets come through.
package socket

import (
	"context"
	"net"
	"syscall"
	"time"
)

// receiveBuffer is small, in bytes: what the kernel has taken from a PBX and
// nobody has read is lost in a crash. It must be set before listen or connect,
// since the TCP window is agreed with the connection.
const receiveBuffer = 16 << 10

// keepAlive finds a PBX that vanished within 75 s. A quiet line is never closed.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// Listen binds an address.
func Listen(ctx context.Context, addr string) (*net.TCPListener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: control}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Dial connects to an address.
func Dial(ctx context.Context, addr string, timeout time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: keepAlive, Control: control}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func control(_, _ string, raw syscall.RawConn) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = setReceiveBuffer(fd, receiveBuffer) }); err != nil {
		return err
	}
	return failed
}
