package natsd

import (
	"fmt"
	"net"
	"strconv"
)

// splitListen turns an address into what the server's options want, where port
// 0 means the default port and -1 a free one.
func splitListen(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("nats: listen %q: give host:port", addr)
	}
	if port, err = strconv.Atoi(p); err != nil {
		return "", 0, fmt.Errorf("nats: listen %q: %q is no port", addr, p)
	}
	if port == 0 {
		port = -1
	}
	return host, port, nil
}
