// Package service is what the mains of all services share: the configuration,
// the broker, telemetry and the lifecycle around the service's own parts.
package service

import (
	"bytes"
	"context"
	"crypto/tls"
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
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/telemetry"
)

// DefaultConfig is where the configuration stands unless told otherwise.
const DefaultConfig = "/etc/trunkline/trunkline.yaml"

// LimitMemory bounds Go's heap softly, in bytes, unless GOMEMLIMIT does: caches
// give way before the machine does.
func LimitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// memory of a service: a full batch on its way, and what it is made of.
const memory = 256 << 20

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
	Bus    *bus.Bus
}

// Main runs one service as a process: `<service> [-c FILE]`, and
// `<service> -health`, with which an image probes itself. build makes the
// service's parts; they start when NATS has its streams, but for those that are
// Early.
func Main(name string, build func(*Env) ([]lifecycle.Part, error)) {
	file := flag.String("c", "", "configuration file; $TRUNKLINE_CONFIG, or "+DefaultConfig)
	probe := flag.Bool("health", false, "ask the running service whether it is ready, and exit 0 or 1")
	verbose := flag.Bool("debug", false, "log more")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, name, *file, *probe, *verbose, build); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, name, file string, probe, verbose bool, build func(*Env) ([]lifecycle.Part, error)) error {
	cfg, err := LoadConfig(file)
	if err != nil {
		return err
	}
	if probe {
		return Probe(ctx, cfg.Metrics.Listen)
	}
	LimitMemory(memory)
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	tel := telemetry.New(name, os.Stderr, level, true)
	opts, err := NATSOptions(cfg.NATS)
	if err != nil {
		return err
	}
	b, err := bus.Connect(bus.Config{
		URL: cfg.NATS.URL, Name: name, Options: opts, Replicas: cfg.NATS.Replicas,
		TicketsMaxBytes: int64(cfg.NATS.Tickets.MaxBytes), CdrsMaxBytes: int64(cfg.NATS.Cdrs.MaxBytes),
		Log: tel.Log, Metrics: tel.Metrics,
	})
	if err != nil {
		return err
	}
	defer b.Close()
	tel.Health.Watch("nats", b.Check)
	parts, err := build(&Env{Telemetry: tel, Config: cfg, Bus: b})
	if err != nil {
		return err
	}
	all := append([]lifecycle.Part{
		{Name: "metrics", Early: true, Run: func(ctx context.Context, ready func()) error { return tel.Serve(ctx, cfg.Metrics.Listen, ready) }},
		{Name: "nats", Run: b.Run},
	}, parts...)
	return lifecycle.Run(ctx, all...)
}

// CommitterPart runs a committer.
func CommitterPart(c *bus.Committer) lifecycle.Part {
	return lifecycle.Part{Name: "committer", Run: func(ctx context.Context, ready func()) error {
		ready()
		return c.Run(ctx)
	}}
}

// Probe asks a service on this machine whether it is ready.
func Probe(ctx context.Context, listen string) error {
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
	res, err := http.DefaultClient.Do(req)
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
	if c.CredsFile != "" {
		if _, err := os.Stat(c.CredsFile); err != nil {
			return nil, fmt.Errorf("nats.creds_file: %w", err)
		}
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	}
	if c.TLS != (config.TLS{}) {
		t, err := TLS(c.TLS)
		if err != nil {
			return nil, fmt.Errorf("nats.tls: %w", err)
		}
		opts = append(opts, nats.Secure(t))
	}
	return opts, nil
}

// TLS reads the files of a client's configuration.
func TLS(c config.TLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("give cert and key together")
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
