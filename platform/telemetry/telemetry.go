// Package telemetry is what a process says about itself: logs, metrics, health.
package telemetry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trunkline.internal/platform/certs"
)

// Version of the program, set by the linker.
var Version = "dev"

// Telemetry of one process.
type Telemetry struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Health  *Health
	// TLS is what Serve speaks; nil: plain HTTP. It is set before.
	TLS *tls.Config

	addr atomic.Value
}

// Addr is where Serve listens; empty before it does.
func (t *Telemetry) Addr() string {
	a, _ := t.addr.Load().(string)
	return a
}

// New makes the telemetry of a service that logs to w: text for people, or one
// JSON object a line.
func New(service string, w io.Writer, level slog.Level, asJSON bool) *Telemetry {
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if asJSON {
		h = slog.NewJSONHandler(w, opts)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "trunkline_build_info", Help: "1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"service": service, "version": Version},
	})
	info.Set(1)
	reg.MustRegister(info, certs.Collector{})
	log := slog.New(h).With("service", service)
	certs.SetLogger(log)
	return &Telemetry{
		Log:     log,
		Metrics: reg,
		Health:  &Health{parts: make(map[string]error)},
	}
}

// Health gathers whether the parts of a process are ready.
type Health struct {
	mu     sync.Mutex
	parts  map[string]error
	checks []func() (string, error)
	notes  map[string]func() string
}

// Set tells a part's state: nil is ready.
func (h *Health) Set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[part] = err
}

// Watch asks check for a part's state at each look.
func (h *Health) Watch(part string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, func() (string, error) { return part, check() })
}

// Note shows beside the parts what people should know, and what keeps the process
// neither from being ready nor from working.
func (h *Health) Note(name string, note func() string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.notes == nil {
		h.notes = make(map[string]func() string)
	}
	h.notes[name] = note
}

// Notes are what Note told to show.
func (h *Health) Notes() map[string]string {
	h.mu.Lock()
	notes := maps.Clone(h.notes)
	h.mu.Unlock()
	out := make(map[string]string)
	for name, note := range notes {
		out[name] = note()
	}
	return out
}

// State lists the parts and what keeps them from being ready.
func (h *Health) State() map[string]error {
	h.mu.Lock()
	out := maps.Clone(h.parts)
	checks := slices.Clone(h.checks)
	h.mu.Unlock()
	for _, c := range checks {
		part, err := c()
		out[part] = err
	}
	return out
}

// Ready is nil when every part is ready.
func (h *Health) Ready() error {
	var errs []error
	state := h.State()
	for _, part := range slices.Sorted(maps.Keys(state)) {
		if err := state[part]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part, err))
		}
	}
	return errors.Join(errs...)
}

// Handler serves /metrics, /healthz (the process lives) and /readyz (every part
// is ready, else 503 and what is not; with ?part=nats only that part counts: a
// PBX's trouble takes nobody else's service away); at debug level also
// /debug/pprof/.
func (t *Telemetry) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		parts, status, only := t.Health.Notes(), http.StatusOK, r.URL.Query()["part"]
		state := t.Health.State()
		for _, part := range only {
			if _, ok := state[part]; !ok {
				state[part] = errors.New("there is no such part")
			}
		}
		for part, err := range state {
			parts[part] = "ready"
			if err != nil {
				parts[part] = err.Error()
				if len(only) == 0 || slices.Contains(only, part) {
					status = http.StatusServiceUnavailable
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(parts)
	})
	if t.Log.Enabled(context.Background(), slog.LevelDebug) {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	}
	return mux
}

// Serve serves Handler on an address until ctx is done; `off` serves nothing.
func (t *Telemetry) Serve(ctx context.Context, listen string, ready func()) error {
	if listen == "off" {
		ready()
		<-ctx.Done()
		return nil
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("metrics.listen: %w: choose another address, or `off`", err)
	}
	t.addr.Store(l.Addr().String())
	if t.TLS != nil {
		l = tls.NewListener(l, t.TLS)
	}
	srv := &http.Server{Handler: t.Handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(t.Log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	ready()
	select {
	case err := <-failed:
		return fmt.Errorf("metrics: %w", err)
	case <-ctx.Done():
		return srv.Close()
	}
}
