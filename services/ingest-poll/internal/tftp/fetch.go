package tftp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// fetch reads a file of a server, host:port. It asks for no options: what is
// that old knows none. linger, to be called where err is nil, answers a server
// that missed the last answer, and returns.
func fetch(ctx context.Context, addr, name string, file File, timing timing) (linger func(context.Context), err error) {
	began := false
	defer func() {
		if !began {
			file.Abort()
		}
	}()
	if n := len(readPacket(name)); n > maxRequest {
		return nil, fmt.Errorf("the name of the file is too long for TFTP: %d bytes", n)
	}
	lookup, cancel := context.WithTimeout(ctx, timing.quiet)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := net.DefaultResolver.LookupPort(lookup, "udp", port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(lookup, "ip", host)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	t := &transfer{timing: timing, conn: conn, to: netip.AddrPortFrom(ips[0].Unmap(), uint16(number)), first: readPacket(name)}
	t.rcv = receiver{file: file, block: defaultBlock, limit: maxFile}
	began = true
	err = t.run(ctx)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return func(ctx context.Context) {
		defer conn.Close()
		t.linger(ctx)
	}, nil
}

// fetchTiming: a fetch asks again later, and does not hold up collecting for
// long.
var fetchTiming = timing{
	retry: time.Second, retryMax: 4 * time.Second, quiet: 20 * time.Second, whole: 10 * time.Minute, dally: 30 * time.Second,
}
