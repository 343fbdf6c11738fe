// Package natsd runs a NATS server with JetStream inside the process: the broker
// of the all-in-one, the spool of a site, the real thing in tests.
package natsd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/disk"
)

// Config of an embedded server.
type Config struct {
	// Dir holds the streams. One server a folder.
	Dir string
	// Listen is a TCP address for other processes; empty: in-process only.
	Listen string
	// MaxBytes bounds the streams together; 0: only their own bounds do.
	MaxBytes int64
	// Auth is the folder `server` that `trunkline init hub` made; empty: nobody is
	// asked for credentials. Who changes accounts there changes them for good: they
	// are kept below Dir.
	Auth string
	// TLS of those who connect over a socket; nil: plain.
	TLS *tls.Config
	// Log is told when JetStream is off, and who is turned away; may be nil.
	Log *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
}

// Server is an embedded server.
type Server struct {
	opts    *server.Options
	auth    *access.Server // nil: everybody may do everything
	log     *slog.Logger
	refused *refused
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
	if cfg.MaxBytes == 0 {
		// The server would take three quarters of what is free as it starts, which
		// a full disk, or streams that are full, make too little for those streams.
		opts.JetStreamMaxStore = 1 << 50
	}
	if cfg.Listen != "" {
		var err error
		if opts.Host, opts.Port, err = splitListen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.TLS != nil {
		opts.TLS, opts.TLSConfig, opts.TLSTimeout = true, cfg.TLS, tlsTimeout
	}
	s := &Server{opts: opts, log: cfg.Log}
	if cfg.Auth != "" {
		var err error
		if s.auth, err = access.ReadServer(cfg.Auth); err != nil {
			return nil, fmt.Errorf("nats.auth: give the folder `server` that `trunkline init hub` made: %w", err)
		}
		opts.TrustedOperators, opts.SystemAccount = []*jwt.OperatorClaims{s.auth.Operator}, s.auth.System
		s.refused = newRefused(cfg.Log, cfg.Metrics)
	}
	return s, nil
}

// Start makes a server and waits until it serves.
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return s, s.start()
}

// lookEvery is how often a running server is looked at, and a stopped one tried.
const (
	lookEvery = 2 * time.Second
	maxPause  = 30 * time.Second
)

// Run runs the server until ctx is done. What cannot be written, on a full disk,
// ends a stream's writing for good, or JetStream: then the server is started anew
// until it can be.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.start(); err != nil {
		return err
	}
	ready()
	defer s.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := ""
	var tried time.Time
	for pause := lookEvery; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		problem := s.broken()
		if problem == "" {
			if said != "" {
				s.log.Info("nats can write again", "dir", s.opts.StoreDir)
			}
			said, pause = "", lookEvery
			continue
		}
		if said == "" {
			s.log.Error("nats cannot write: nothing is taken until it can, is the disk full?", "dir", s.opts.StoreDir, "error", problem)
		}
		said = problem
		if time.Since(tried) < pause {
			continue
		}
		tried, pause = time.Now(), min(2*pause, maxPause)
		s.Stop()
		_ = s.start() // it is looked at again
	}
}

// broken is what keeps a server from writing; empty: nothing.
func (s *Server) broken() string {
	srv := s.running.Load()
	switch {
	case srv == nil:
		return "it does not run"
	case !srv.JetStreamEnabled():
		return "JetStream is off"
	}
	for _, e := range srv.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if e.Type == server.HealthzErrorStream && strings.Contains(e.Error, "write error") {
			return e.Error
		}
	}
	return ""
}

func (s *Server) start() (err error) {
	dir := s.opts.StoreDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if s.lock, err = disk.Lock(dir); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if s.auth != nil {
		if err := s.accounts(); err != nil {
			s.lock.Close()
			return err
		}
	}
	srv, err := server.NewServer(s.opts)
	if err != nil {
		s.lock.Close()
		return fmt.Errorf("nats: %w", err)
	}
	if s.refused != nil {
		srv.SetLoggerV2(s.refused, false, false, false)
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
	scheme := "nats://"
	if s.opts.TLSConfig != nil {
		scheme = "tls://"
	}
	return scheme + srv.Addr().String()
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
