package engine

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Engine is ClickHouse in this process, and its HTTP front.
type Engine struct {
	cfg      Config
	lib      *library
	lock     *os.File
	listener net.Listener
	server   *http.Server
	metrics  *metrics

	// anchor keeps the engine alive between requests, and kills queries.
	anchor   *conn
	anchorMu sync.Mutex

	readers, writers *slots
	denied           map[string]bool
	hostname         string
	hosts            map[string]bool
	queries          atomic.Uint64

	ctx    context.Context // ends when the engine closes, and with it what runs
	cancel context.CancelFunc

	gate      sync.RWMutex // a request holds it for reading
	closed    bool
	closeOnce sync.Once
	closeErr  error
}

// The library has one engine in a process.
var running atomic.Pointer[Engine]

// Open starts the engine on its data folder and binds the address of its front, which Run serves. The caller must call Close.
func Open(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	path, err := findLibrary(cfg.Library)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, readers: newSlots(cfg.Readers), writers: newSlots(cfg.Writers)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if !running.CompareAndSwap(nil, e) {
		e.cancel()
		// A process holds one engine, whatever the folder.
		return nil, fmt.Errorf("engine: this process has an engine open already, close it before opening %s", cfg.DataDir)
	}
	if err := e.open(path); err != nil {
		return nil, fmt.Errorf("engine: %w", errors.Join(err, e.Close()))
	}
	return e, nil
}

func (e *Engine) open(library string) error {
	if e.cfg.Token == "" {
		e.cfg.Token = rand.Text()
	}
	var err error
	if e.hostname, err = os.Hostname(); err != nil {
		return err
	}
	e.hosts = hostSet(append(e.cfg.Hosts, "localhost", e.hostname))
	if e.metrics, err = newMetrics(e.cfg.Registerer); err != nil {
		return err
	}
	if err := os.MkdirAll(e.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := e.lockFolder(); err != nil {
		return err
	}
	if e.lib, err = load(library); err != nil {
		return err
	}
	if err := e.boot(); err != nil {
		return err
	}
	if e.denied, err = deniedNames(e.anchor); err != nil {
		return err
	}
	if e.listener, err = net.Listen("tcp", e.cfg.Listen); err != nil {
		return fmt.Errorf("listen for SQL: %w", err)
	}
	if e.cfg.TLS != nil {
		e.listener = tls.NewListener(e.listener, e.cfg.TLS)
	}
	e.server = &http.Server{
		Handler:           e.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20,
		BaseContext:       func(net.Listener) context.Context { return e.ctx },
		ErrorLog:          slog.NewLogLogger(e.cfg.Logger.Handler(), slog.LevelWarn),
	}
	return nil
}

// lockFolder takes the data folder for this process. The engine has a lock of its own, but says less about it.
func (e *Engine) lockFolder() error {
	f, err := os.OpenFile(filepath.Join(e.cfg.DataDir, "trunkline.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		by := ""
		if pid, readErr := os.ReadFile(f.Name()); readErr == nil && len(pid) > 0 {
			by = " " + string(pid)
		}
		return errors.Join(fmt.Errorf("data folder %s is in use by another process%s: stop it first, one process has a folder at a time", e.cfg.DataDir, by), f.Close())
	}
	e.lock = f
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// boot opens the first connection, which starts the engine.
func (e *Engine) boot() error {
	dir, err := os.MkdirTemp(e.cfg.DataDir, "boot.")
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover does no harm
	config, err := writeConfig(dir, e.cfg.MemoryLimit)
	if err != nil {
		return fmt.Errorf("write the engine's configuration: %w", err)
	}
	e.anchor, err = e.lib.open([]string{"clickhouse", "--path=" + e.cfg.DataDir, "--config-file=" + config})
	return err
}

// Addr is the address of the front, host:port.
func (e *Engine) Addr() string { return e.listener.Addr().String() }

// URL is the address of the front as a client on this machine calls it.
func (e *Engine) URL() string {
	host, port, err := net.SplitHostPort(e.Addr())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + e.Addr()
}

// Token is what lets its bearer write: as a bearer token, as the X-ClickHouse-Key, or as the password of the user trunkline.
func (e *Engine) Token() string { return e.cfg.Token }

// WriterUser is the user name that goes with the token.
const WriterUser = "trunkline"

// drain is how long requests may go on when the front ends.
const drain = 10 * time.Second

// Run serves the front until ctx is done, and then waits a while for what runs.
func (e *Engine) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(e.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve SQL on %s: %w", e.Addr(), err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := e.server.Shutdown(wait); err != nil {
		e.cfg.Logger.Warn("queries were cut off at the end", "after", drain)
		e.cancel()
		return errors.Join(e.server.Close())
	}
	return nil
}

// Close ends what runs, writes everything to disk and lets go of the data folder. It may be called again.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		e.cancel()
		var errs []error
		if e.server != nil {
			errs = append(errs, e.server.Close())
		}
		if e.listener != nil {
			if err := e.listener.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		e.gate.Lock() // the engine must not go while a request uses it
		e.closed = true
		e.gate.Unlock()
		if e.anchor != nil {
			e.anchor.close()
		}
		if e.lock != nil {
			errs = append(errs, e.lock.Close())
		}
		if e.metrics != nil {
			e.metrics.unregister(e.cfg.Registerer)
		}
		running.CompareAndSwap(e, nil)
		e.closeErr = errors.Join(errs...)
	})
	return e.closeErr
}

// kill ends a running query, told by its mark, and says so until it has ended: it may not have begun yet.
func (e *Engine) kill(mark string, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		default:
		}
		e.anchorMu.Lock()
		_, _, err := e.anchor.exec("KILL QUERY WHERE Settings['log_comment'] = "+quoteString(mark)+" ASYNC", "Null")
		e.anchorMu.Unlock()
		if err != nil {
			e.cfg.Logger.Error("cannot kill a query", "err", err)
		}
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// slots limits how many requests run at once. A request waits its turn for a while.
type slots struct {
	free    chan struct{}
	waiting atomic.Int64
}

const (
	maxWaiting = 128
	maxWait    = 15 * time.Second
)

func newSlots(n int) *slots { return &slots{free: make(chan struct{}, n)} }

// take waits for a slot. Writers (patient) wait as long as their client does.
func (s *slots) take(ctx context.Context, patient bool) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return exception(kindTooManyQueries, "Too many simultaneous queries: %d run and %d wait", cap(s.free), maxWaiting)
	}
	defer s.waiting.Add(-1)
	var late <-chan time.Time
	if !patient {
		timer := time.NewTimer(maxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case s.free <- struct{}{}:
		return nil
	case <-late:
		return exception(kindTooManyQueries, "Too many simultaneous queries: %d run, and none ended within %s", cap(s.free), maxWait)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *slots) give() { <-s.free }
