// Package ftp fetches ticket files from an FTP server, plain or over TLS, in
// passive or active mode.
//
// The client is our own: the well-kept library has no active mode, which old PBXs
// need, and leaves out lines of a listing that it does not understand, which would
// be tickets lost in silence. It follows RFC 959, 2228, 2389, 2428, 3659 and 4217.
package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

// New makes the collector of a folder on an FTP server; it touches nothing. temp
// is the folder of temporary files, empty: the system's.
func New(l *link.Link, c *config.FTP, temp string) (*remote.Collector, error) {
	s, err := newServer(l, c)
	if err != nil {
		return nil, fmt.Errorf("ftp: %w", err)
	}
	scheme := "ftp"
	if c.TLS != nil {
		scheme = "ftps"
	}
	out, err := remote.New(l, remote.Options{Config: &c.Remote, URL: scheme + "://" + c.Addr, Dial: s.dial, Temp: temp})
	if err != nil {
		return nil, fmt.Errorf("ftp: %w", err)
	}
	return out, nil
}

// step is how long the server may take for an answer.
const step = 30 * time.Second

// server is what is known of a server beyond one connection.
type server struct {
	cfg    *config.FTP
	host   string
	dir    string
	now    func() time.Time
	step   time.Duration
	pace   remote.Pace
	public netip.Addr
	ports  [2]int             // of active mode; zeros: any
	tls    func() *tls.Config // nil: plain
	// times are what the server said of files whose listing tells the time only
	// roughly.
	times map[string]stamp
}

func newServer(l *link.Link, c *config.FTP) (*server, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("addr: %w", err)
	}
	if c.Implicit && c.TLS == nil {
		return nil, errors.New("implicit: give tls too")
	}
	s := &server{cfg: c, host: host, dir: c.Dir, now: l.Now, step: step, pace: remote.DefaultPace}
	if s.dir == "" {
		s.dir = l.PBX.Files.Dir
	}
	if c.ActiveAddress != "" {
		if s.public, err = netip.ParseAddr(c.ActiveAddress); err != nil {
			return nil, fmt.Errorf("active_address: %w", err)
		}
	}
	if c.ActivePorts != "" {
		if s.ports[0], s.ports[1], err = config.PortRange(c.ActivePorts); err != nil {
			return nil, fmt.Errorf("active_ports: %w", err)
		}
	}
	if c.TLS != nil {
		if s.tls, err = secured(c.TLS, host); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// secured gives the TLS of each connection, with the files as they are then.
func secured(t *config.TLS, host string) (func() *tls.Config, error) {
	client, err := certs.NewClient(certs.Files(*t))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	// Servers want a transfer to resume the session of the connection that ordered
	// it.
	sessions := tls.NewLRUClientSessionCache(4)
	return func() *tls.Config {
		c := client.Config()
		c.ServerName, c.ClientSessionCache = host, sessions
		return c
	}, nil
}

// dial connects, logs in and goes to the folder.
func (s *server) dial(ctx context.Context) (remote.Session, error) {
	password, err := s.cfg.Password()
	if err != nil {
		return nil, err
	}
	c, err := s.connect(ctx, password)
	if err != nil {
		return nil, err
	}
	if err := c.enter(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return &session{conn: c}, nil
}
