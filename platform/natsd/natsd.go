// Package natsd runs a NATS server with JetStream inside the process: the broker
// of the all-in-one, the spool of a site, the real thing in tests.
package natsd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Server is a running embedded server.
type Server struct {
	srv  *server.Server
	lock *os.File
}

// startTimeout is long: after a crash the streams are checked and rebuilt.
const startTimeout = 2 * time.Minute

// Start starts a server and waits until it serves. An acknowledged message
// survives a power cut: every commit is synced to disk before it is
// acknowledged.
func Start(cfg Config) (*Server, error) {
	if cfg.Dir == "" {
		return nil, errors.New("nats: no folder")
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
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
		if opts.Host, opts.Port, err = splitListen(cfg.Listen); err != nil {
			lock.Close()
			return nil, err
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		lock.Close()
		return nil, fmt.Errorf("nats: the streams in %s did not open within %s", cfg.Dir, startTimeout)
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		lock.Close()
		return nil, fmt.Errorf("nats: JetStream cannot use %s: is it writable, and is there room?", cfg.Dir)
	}
	return &Server{srv: srv, lock: lock}, nil
}

// Option connects a client inside the process, without a socket.
func (s *Server) Option() nats.Option { return nats.InProcessServer(s.srv) }

// URL is where other processes reach the server; empty when it does not listen.
func (s *Server) URL() string {
	if s.srv.Addr() == nil {
		return ""
	}
	return "nats://" + s.srv.Addr().String()
}

// Stop shuts the server down and waits until its files are closed.
func (s *Server) Stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	s.lock.Close()
}

func lockPath(dir string) string { return filepath.Join(dir, "lock") }
