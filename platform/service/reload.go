package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// Reloadable is a service that takes other links over while it runs.
type Reloadable interface {
	// Prepare makes what is new and touches nothing; apply takes it over.
	Prepare(links []config.LinkOf) (apply func() config.Changes, err error)
}

// ReloadOptions are what a Reloader works with.
type ReloadOptions struct {
	// Load reads the configuration as the process did when it began.
	Load func() (*config.Config, error)
	// Running is that of the process.
	Running  *config.Config
	Services []Reloadable
	// Process tells who we are.
	Process func() *trunklinev1.Process
	// Tickets commits what the audit is told; nil: nothing is.
	Tickets *bus.Committer
	// Tell hears why the files on disk are not what runs; empty: they are.
	Tell    func(problem string)
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Reloader takes a changed configuration over: when a file of it changes, on
// SIGHUP, and when somebody asks over NATS.
type Reloader struct {
	ReloadOptions
	ok      prometheus.Gauge
	reloads *prometheus.CounterVec

	// acts are to be told.
	acts chan []*nats.Msg

	mu    sync.Mutex
	seen  string // of the files that were last looked at
	names []string
	links []config.LinkOf // that run
	// before are those that ran before them.
	before []config.LinkOf
}

// lookEvery is how often the files are looked at. What changed is taken over when
// it is the same at two looks: it is not being written any more.
const lookEvery = 2 * time.Second

// NewReloader makes the reloader of a process.
func NewReloader(o ReloadOptions) (*Reloader, error) {
	if o.Load == nil || o.Running == nil || o.Log == nil || o.Process == nil {
		return nil, errors.New("reload: the configuration, the process and a logger must be given")
	}
	r := &Reloader{
		ReloadOptions: o,
		ok:            prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_config_ok", Help: "1 while the configuration on disk is the one that runs."}),
		reloads:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_config_reloads_total", Help: "Configurations that were read again, by result: taken, same or refused."}, []string{"result"}),
	}
	r.ok.Set(1)
	if o.Metrics != nil {
		if err := errors.Join(o.Metrics.Register(r.ok), o.Metrics.Register(r.reloads)); err != nil {
			return nil, fmt.Errorf("reload: metrics: %w", err)
		}
	}
	r.names, r.links = o.Running.Files, o.Running.Links()
	r.acts = make(chan []*nats.Msg, 16)
	r.seen = r.print()
	return r, nil
}

// Run reloads until ctx is done.
func (r *Reloader) Run(ctx context.Context, b *bus.Bus, ready func()) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ready()
	var asking sync.WaitGroup
	defer asking.Wait()
	failed := make(chan error, 1)
	asking.Go(func() {
		if b.Ready(ctx) != nil {
			return
		}
		if err := b.Answer(ctx, wire.AskReload, "", func(question []byte) []proto.Message {
			var ask trunklinev1.AskReload
			_ = proto.Unmarshal(question, &ask) // who asks is told as far as it is known
			return []proto.Message{r.Reload(cmp.Or(ask.Who, "unknown"))}
		}); err != nil {
			failed <- err
		}
	})
	asking.Go(func() { r.tellActs(ctx) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for changed := ""; ; {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-hup:
			r.Reload("SIGHUP to " + r.self())
			changed = ""
		case <-tick.C:
			now := r.print()
			r.mu.Lock()
			same := now == r.seen
			r.mu.Unlock()
			if same || now != changed {
				changed = now
				continue
			}
			r.Reload("a changed file, " + r.self())
			changed = ""
		}
	}
}

// Reload reads the configuration and takes over what differs. An error changes
// nothing. The audit is told who asked for it.
func (r *Reloader) Reload(who string) *trunklinev1.Reloaded {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := &trunklinev1.Reloaded{Process: r.Process()}
	r.seen = r.print()
	changes, err := r.take(answer)
	problem := ""
	switch {
	case err != nil:
		answer.Error, problem = err.Error(), err.Error()
		r.reloads.WithLabelValues("refused").Inc()
		r.Log.Error("the configuration is not taken over: the one before goes on", "error", err)
	case changes.Empty():
		r.reloads.WithLabelValues("same").Inc()
	default:
		r.audit(who, changes)
		r.reloads.WithLabelValues("taken").Inc()
		r.Log.Info("configuration taken over", "added", changes.Added, "removed", changes.Removed, "restarted", changes.Restarted, "retold", changes.Retold)
	}
	if err == nil && len(answer.NeedsRestart) > 0 {
		problem = strings.Join(answer.NeedsRestart, ", ") + ": changed in the configuration, and taken over only by a restart"
		r.Log.Warn("a part of the configuration needs a restart", "changed", answer.NeedsRestart)
	}
	r.ok.Set(0)
	if problem == "" {
		r.ok.Set(1)
	}
	if r.Tell != nil {
		r.Tell(problem)
	}
	return answer
}

func (r *Reloader) take(answer *trunklinev1.Reloaded) (config.Changes, error) {
	var all config.Changes
	cfg, err := r.Load()
	if err != nil {
		return all, err
	}
	var apply []func() config.Changes
	for _, s := range r.Services {
		one, err := s.Prepare(cfg.Links())
		if err != nil {
			return all, err
		}
		apply = append(apply, one)
	}
	for _, one := range apply {
		all.Merge(one())
	}
	r.names = cfg.Files
	r.before, r.links = r.links, cfg.Links()
	r.seen = r.print()
	answer.Added, answer.Removed, answer.Restarted, answer.Retold = all.Added, all.Removed, all.Restarted, all.Retold
	answer.NeedsRestart = r.Running.NeedsRestart(cfg)
	return all, nil
}

// print is the state of all files that the configuration is made of, as far as
// names, sizes and times tell.
func (r *Reloader) print() string {
	names := slices.Clone(r.names)
	if len(names) > 0 {
		more, _ := filepath.Glob(config.SitesPattern(names[0])) // a bad pattern was told when it was loaded
		for _, n := range more {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	var b strings.Builder
	for _, n := range names {
		info, err := os.Stat(n)
		if err != nil {
			fmt.Fprintf(&b, "%s %v\n", n, err)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", n, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
