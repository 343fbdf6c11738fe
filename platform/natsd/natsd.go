// Package natsd runs a NATS server with JetStream inside the process: the broker
// of the all-in-one, the spool of a site, the real thing in tests.
package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config of an embedded server.
type Config struct {
	// Dir holds the streams. One server a folder.
	Dir string
	// Listen is a TCP address for other processes; empty: in-process only.
	Listen string
	// MaxBytes bounds the streams together; 0: three quarters of the free disk.
	MaxBytes int64
}

// Server is an embedded server.
type Server struct {
	opts    *server.Options
	running atomic.Pointer[server.Server]
	lock    *os.File
}

// startTimeout is long: after a crash the streams are checked and rebuilt.
const startTimeout = 2 * time.Minute

// New makes a server that does not run yet. An acknowledged message survives a
// power cut: every commit is synced to disk before it is acknowledged.
func New(cfg Config) (*Server, error) {
	if cfg.Dir == "" {
		return nil, errors.New("nats: no folder")
	}
	opts := &server.Options{
		ServerName:        "trunkline",
		DontListen:        cfg.Listen == "",
		JetStream:         true,
		StoreDir:          cfg.Dir,
		JetStreamMaxStore: cfg.MaxBytes,
		SyncAlways:        true,
		NoSigs:            true,
		NoLog:             true,
		MaxPayload:        2 << 20,
	}
	if cfg.Listen != "" {
		var err error
		if opts.Host, opts.Port, err = splitListen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	return &Server{opts: opts}, nil
}

// Start makes a server and waits until it serves.
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return s, s.start()
}

// Run runs the server until ctx is done.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.start(); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	s.Stop()
	return nil
}

func (s *Server) start() (err error) {
	dir := s.opts.StoreDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if s.lock, err = lockDir(dir); err != nil {
		return err
	}
	srv, err := server.NewServer(s.opts)
	if err != nil {
		s.lock.Close()
		return fmt.Errorf("nats: %w", err)
	}
	if !s.opts.DontListen {
		if err := s.free(); err != nil {
			s.lock.Close()
			return err
		}
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		err = fmt.Errorf("nats: the streams in %s did not open within %s", dir, startTimeout)
	} else if !srv.JetStreamEnabled() {
		err = fmt.Errorf("nats: JetStream cannot use %s: is it writable, and is there room?", dir)
	}
	if err != nil {
		srv.Shutdown()
		s.lock.Close()
		return err
	}
	s.running.Store(srv)
	return nil
}

// free tells a taken port before the server only logs it.
func (s *Server) free() error {
	if s.opts.Port <= 0 {
		return nil
	}
	addr := net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("nats.listen: %w: choose another address, or `off`", err)
	}
	return l.Close()
}

// InProcessConn connects a client without a socket; an error while the server
// does not run.
func (s *Server) InProcessConn() (net.Conn, error) {
	srv := s.running.Load()
	if srv == nil {
		return nil, errors.New("nats: the embedded server does not run")
	}
	return srv.InProcessConn()
}

// Option connects a client inside the process, without a socket.
func (s *Server) Option() nats.Option { return nats.InProcessServer(s) }

// URL is where other processes reach the running server; empty when it does not
// listen.
func (s *Server) URL() string {
	srv := s.running.Load()
	if srv == nil || s.opts.DontListen {
		return ""
	}
	return "nats://" + srv.Addr().String()
}

// Stop shuts a running server down and waits until its files are closed.
func (s *Server) Stop() {
	srv := s.running.Swap(nil)
	if srv == nil {
		return
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	s.lock.Close()
}

func lockPath(dir string) string { return filepath.Join(dir, "lock") }
