package e2e

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// lastPort begins in a place of this process's own.
var lastPort atomic.Uint32

func init() { lastPort.Store(uint32(os.Getpid()) * 37) }

// freePort is an address that nobody listens on at the moment, nor will be given
// by chance: it lies below those that the system hands out for port 0.
func freePort(t *testing.T) string {
	t.Helper()
	return freeAddr(t, func(addr string) error {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			err = l.Close()
		}
		return err
	})
}

// freeUDP is freePort of UDP.
func freeUDP(t *testing.T) string {
	t.Helper()
	return freeAddr(t, func(addr string) error {
		conn, err := net.ListenPacket("udp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

func freeAddr(t *testing.T, listen func(addr string) error) string {
	t.Helper()
	const first, n = 12_000, 18_000 // Linux hands out 32768 and more
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", first+lastPort.Add(1)%n)
		if err = listen(addr); err == nil {
			return addr
		}
	}
	t.Fatalf("no free port: %v", err)
	return ""
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}
