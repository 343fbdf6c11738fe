// Package service is what the mains of all services share: the configuration,
// the broker, telemetry and the lifecycle around the service's own parts.
package service

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/disk"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/spool"
	"trunkline.internal/platform/telemetry"
	"trunkline.internal/platform/watch"
	"trunkline.internal/proto/wire"
)

// DefaultConfig is where the configuration stands unless told otherwise.
var DefaultConfig = config.DefaultFile

// TuneMemory bounds Go's heap softly, in bytes, unless GOMEMLIMIT does: caches give
// way before the machine does. Within the bound it may grow by so many percent before
// garbage is collected, unless GOGC says how many: tickets wait for each round, which
// looks at every link.
func TuneMemory(bytes int64, growth int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
}

// SpareProcessor lets Go use a processor more than there are, unless GOMAXPROCS says
// how many, in a process that embeds NATS: each of its commits waits for a disk, and
// Go takes back the processor of who waits in a system call only after milliseconds.
// On two processors two such streams leave none. One, not two: those that seem idle
// collect garbage, in the time of those that commit.
func SpareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// FewProcessors lets Go use half of the processors, unless GOMAXPROCS says how many,
// in a process whose links all wait for one NATS server: what they do when a commit
// answers them must not take the processor on which the server begins the next.
func FewProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// What a service gives TuneMemory: a full batch on its way and what it is made of, in
// bytes, and a growth, in percent, with which a thousand links fit 128 MiB.
const (
	Memory = 256 << 20
	Growth = 200
)

// LoadConfig reads the configuration: the named file, else the one that
// TRUNKLINE_CONFIG names, else DefaultConfig.
func LoadConfig(file string) (*config.Config, error) {
	if file == "" {
		file = os.Getenv("TRUNKLINE_CONFIG")
	}
	if file == "" {
		file = DefaultConfig
	}
	return config.Load(file)
}

// Env is what a service is given to build its parts from.
type Env struct {
	*telemetry.Telemetry
	Config *config.Config
	// Bus is where the service works: the hub's NATS server, or the spool's.
	Bus *bus.Bus
	// Watch watches the service's links.
	Watch *watch.Watch

	reloads []Reloadable
	spool   *spool.Spool
	tickets *bus.Committer
}

// Tickets is the committer of tickets, which its service runs: to the hub's stream,
// or to the spool's.
func (e *Env) Tickets() *bus.Committer {
	if e.tickets == nil {
		stream := wire.StreamTickets
		if e.spool != nil {
			stream = wire.StreamSpool
		}
		e.tickets = e.Bus.NewCommitter(stream)
	}
	return e.tickets
}

// Reloads lets a service of links take a changed configuration over.
func (e *Env) Reloads(s Reloadable) { e.reloads = append(e.reloads, s) }

// Main runs one service as a process: `<service> [-c FILE]`, and
// `<service> -health`, with which an image probes itself. build makes the
// service's parts; they start when NATS has its streams, but for those that are
// Early. Started by Windows' service manager it is a service of Windows.
func Main(name string, build func(*Env) ([]lifecycle.Part, error), with ...Option) {
	var o options
	for _, set := range with {
		set(&o)
	}
	flag.StringVar(&o.file, "c", "", "configuration file; $TRUNKLINE_CONFIG, or "+DefaultConfig)
	flag.BoolVar(&o.probe, "health", false, "ask the running service whether it is ready, and exit 0 or 1")
	flag.BoolVar(&o.verbose, "debug", false, "log more")
	logFile := flag.String("log", "", "log file, turned over at 10 MiB; empty: standard error, which a service of Windows has not: beside the configuration")
	flag.Parse()
	if err := start(name, *logFile, o, build); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// start runs the service, and tells its log why it ended.
func start(name, logFile string, o options, build func(*Env) ([]lifecycle.Part, error)) error {
	o.log = os.Stderr
	if logFile == "" && managed() {
		logFile = filepath.Join(filepath.Dir(DefaultConfig), "log", name+".log")
	}
	if logFile != "" && !o.probe {
		l, err := OpenLog(logFile)
		if err != nil {
			return err
		}
		defer l.Close()
		o.log = l
		// What Go says of a panic goes to standard error, and beside the log.
		if f, err := os.OpenFile(logFile+".crash", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err == nil {
			_ = debug.SetCrashOutput(f, debug.CrashOptions{})
			f.Close()
		}
	}
	work := func(ctx context.Context) error {
		err := run(ctx, name, o, build)
		if err != nil && logFile != "" {
			slog.New(slog.NewJSONHandler(o.log, nil)).Error("ended", "service", name, "error", err)
		}
		return err
	}
	if managed() {
		return underManager(name, work)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return work(ctx)
}

// Option of a service.
type Option func(*options)

// MaySpool lets a service work on a spool where `nats.spool` asks for one: it
// publishes tickets, and makes its committer with Env.Tickets.
func MaySpool(o *options) { o.maySpool = true }

// ManyLinks is a service of links that wait for NATS at once: it uses FewProcessors,
// unless NATS is embedded.
func ManyLinks(o *options) { o.manyLinks = true }

// metricsPorts let services that share a machine and its configuration run side by
// side; ingest-tcp has the usual one.
var metricsPorts = map[string]string{"ingest-poll": "9091", "parser": "9092", "sink": "9093"}

// options of a service's process.
type options struct {
	maySpool, manyLinks bool
	file                string
	probe, verbose      bool
	log                 io.Writer
}

func run(ctx context.Context, name string, o options, build func(*Env) ([]lifecycle.Part, error)) error {
	cfg, err := LoadConfig(o.file)
	if err != nil {
		return err
	}
	if port := metricsPorts[name]; cfg.Metrics.Default && port != "" {
		cfg.Metrics.Listen = "127.0.0.1:" + port
	}
	if o.probe {
		return Probe(ctx, cfg.Metrics)
	}
	TuneMemory(Memory, Growth)
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	tel := telemetry.New(name, o.log, level, true)
	if err := ServeTLS(tel, cfg.Metrics); err != nil {
		return err
	}
	opts, err := NATSOptions(cfg.NATS)
	if err != nil {
		return err
	}
	hub, sp, err := connect(name, cfg, opts, o.maySpool, tel)
	if err != nil {
		return err
	}
	defer hub.Close()
	b, broker := hub, []lifecycle.Part{{Name: "nats", Run: hub.Run}}
	if sp == nil && o.manyLinks {
		FewProcessors()
	}
	if sp != nil {
		SpareProcessor()
		b, broker = sp.Bus(), sp.Parts()
		defer b.Close()
		// Whoever takes tickets is ready, also without the hub.
		tel.Health.Note("hub", sp.Note)
	}
	tel.Health.Watch("nats", b.Check)
	tel.Metrics.MustRegister(disk.Folder(cfg.Data))
	links, err := watch.New(watch.Options{Service: name, Log: tel.Log, Metrics: tel.Metrics})
	if err != nil {
		return err
	}
	if sp != nil {
		links.More(sp.Tell)
	}
	env := &Env{Telemetry: tel, Config: cfg, Bus: b, Watch: links, spool: sp}
	parts, err := build(env)
	if err != nil {
		return err
	}
	if len(env.reloads) > 0 {
		reloader, err := NewReloader(ReloadOptions{
			Load: func() (*config.Config, error) { return LoadConfig(o.file) }, Running: cfg, Services: env.reloads,
			Process: links.Process, Tickets: env.tickets, Tell: links.Stale, Log: tel.Log, Metrics: tel.Metrics,
		})
		if err != nil {
			return err
		}
		parts = append(parts, WatchPart(links, b, hub), ReloadPart(reloader, hub))
		if sp == nil {
			clock, err := ClockPart(tel, hub, cfg.Links)
			if err != nil {
				return err
			}
			parts = append(parts, clock)
		}
	}
	all := append([]lifecycle.Part{
		{Name: "metrics", Early: true, Run: func(ctx context.Context, ready func()) error { return tel.Serve(ctx, cfg.Metrics.Listen, ready) }},
	}, append(broker, parts...)...)
	return lifecycle.Run(ctx, append(all, StartedPart(tel.Health))...)
}

var errStarting = errors.New("a part does not serve yet")

// StartedPart is the last part: before the others serve, the process is not ready,
// and nobody may stop the one that it replaces.
func StartedPart(h *telemetry.Health) lifecycle.Part {
	h.Set("start", errStarting)
	return lifecycle.Part{Name: "start", Run: func(ctx context.Context, ready func()) error {
		h.Set("start", nil)
		ready()
		<-ctx.Done()
		return nil
	}}
}

// connect connects to the hub, and makes the spool where one is asked for.
func connect(name string, cfg *config.Config, opts []nats.Option, maySpool bool, tel *telemetry.Telemetry) (*bus.Bus, *spool.Spool, error) {
	c := bus.Config{
		URL: cfg.NATS.URL, Name: name, Options: opts, Replicas: cfg.NATS.Replicas,
		TicketsMaxBytes: int64(cfg.NATS.Tickets.MaxBytes), CdrsMaxBytes: int64(cfg.NATS.Cdrs.MaxBytes),
		Log: tel.Log, Metrics: tel.Metrics,
	}
	if cfg.NATS.Spool == nil || !maySpool {
		hub, err := bus.Connect(c)
		return hub, nil, err
	}
	c.Role, c.Metrics = bus.Guest, prometheus.WrapRegistererWith(prometheus.Labels{"server": "hub"}, tel.Metrics)
	hub, err := bus.Connect(c)
	if err != nil {
		return nil, nil, err
	}
	sp, err := spool.New(spool.Options{
		Dir: filepath.Join(cfg.Data, "spool", name), MaxBytes: int64(cfg.NATS.Spool.MaxBytes), Hub: hub, Log: tel.Log, Metrics: tel.Metrics,
	})
	if err != nil {
		hub.Close()
	}
	return hub, sp, err
}

// WatchPart watches links. What is learned is kept on our own NATS server, and
// told on the hub's, which may be the same.
func WatchPart(w *watch.Watch, own, hub *bus.Bus) lifecycle.Part {
	return lifecycle.Part{Name: "watch", Run: func(ctx context.Context, ready func()) error { return w.Run(ctx, own, hub, ready) }}
}

// ReloadPart takes a changed configuration over.
func ReloadPart(r *Reloader, b *bus.Bus) lifecycle.Part {
	return lifecycle.Part{Name: "reload", Run: func(ctx context.Context, ready func()) error { return r.Run(ctx, b, ready) }}
}

// CommitterPart runs a committer, also for tickets that come while the process is
// only starting and is stopped.
func CommitterPart(c *bus.Committer) lifecycle.Part {
	return lifecycle.Part{Name: "committer", Early: true, Run: func(ctx context.Context, ready func()) error {
		ready()
		return c.Run(ctx)
	}}
}

// ServeTLS lets telemetry speak TLS where `metrics.tls` asks for it.
func ServeTLS(tel *telemetry.Telemetry, c config.Metrics) (err error) {
	if c.TLS == nil {
		return nil
	}
	if tel.TLS, err = certs.NewServer(certs.Files(*c.TLS)); err != nil {
		return fmt.Errorf("metrics.tls: %w", err)
	}
	return nil
}

// Probe asks a service on this machine whether it is ready.
func Probe(ctx context.Context, c config.Metrics) error {
	listen := c.Listen
	if listen == "off" {
		return errors.New("metrics.listen is off: there is nothing to ask")
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.DefaultClient
	if c.TLS != nil {
		// We ask ourselves, by an address that no certificate names; where only clients
		// with a certificate are let in, with our own.
		own, err := certs.NewClient(certs.Files{Cert: c.TLS.Cert, Key: c.TLS.Key, Insecure: true})
		if err != nil {
			return fmt.Errorf("metrics.tls: %w", err)
		}
		req.URL.Scheme = "https"
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: own.Config(), DisableKeepAlives: true}}
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		parts, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		if err != nil {
			return err
		}
		return fmt.Errorf("not ready: %s", bytes.TrimSpace(parts))
	}
	return nil
}

// NATSOptions are credentials and TLS of the configuration.
func NATSOptions(c config.NATS) ([]nats.Option, error) {
	var opts []nats.Option
	if c.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	if c.CredsFile != "" {
		if _, err := os.Stat(c.CredsFile); err != nil {
			return nil, fmt.Errorf("nats.creds_file: %w", err)
		}
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	}
	if c.TLS != (config.TLS{}) {
		t, err := certs.NewClient(certs.Files(c.TLS))
		if err != nil {
			return nil, fmt.Errorf("nats.tls: %w", err)
		}
		opts = append(opts, nats.Secure(t.Config()))
		if c.TLS.CA != "" {
			// Asked at each connect. Our own certificate is, by itself, at each handshake.
			opts = append(opts, nats.ClientTLSConfig(nil, func() (*x509.CertPool, error) { return t.Roots(), nil }))
		}
	}
	return opts, nil
}
