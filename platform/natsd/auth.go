package natsd

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
)

// tlsTimeout is for slow lines: the server's own two seconds are for none.
const tlsTimeout = 10

// syncAccounts is how often servers of a cluster compare their accounts.
const syncAccounts = 2 * time.Minute

// accounts opens the server's own store of accounts. What the folder of auth says
// counts unless the store has something newer: a revocation that was sent here
// outlives a restart with an old folder.
func (s *Server) accounts() error {
	store, err := server.NewDirAccResolver(filepath.Join(s.opts.StoreDir, "jwt"), 0, syncAccounts, server.NoDelete)
	if err != nil {
		return fmt.Errorf("nats: accounts: %w", err)
	}
	for key, token := range s.auth.Accounts {
		if err := store.Store(key, token); err != nil {
			return fmt.Errorf("nats: account %s: %w", key, err)
		}
	}
	s.opts.AccountResolver = store
	return nil
}

// refused counts whom the server turns away, and says it. The server tells it in
// its log only.
type refused struct {
	log   *slog.Logger
	count *prometheus.CounterVec

	mu   sync.Mutex
	said map[string]time.Time
}

func newRefused(log *slog.Logger, reg prometheus.Registerer) *refused {
	r := &refused{log: log, said: make(map[string]time.Time), count: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trunkline_nats_server_refused_total",
		Help: "What our own NATS server turned away: log-ins, and publishes and subscriptions that permissions forbid.",
	}, []string{"what"})}
	for _, what := range []string{"login", "publish", "subscribe"} {
		r.count.WithLabelValues(what)
	}
	if reg != nil {
		reg.MustRegister(r.count)
	}
	return r
}

// Errorf takes what the server says of violations.
func (r *refused) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	what := ""
	switch {
	case strings.Contains(text, "Publish Violation"), strings.Contains(text, "Publish with Reply Violation"):
		what = "publish"
	case strings.Contains(text, "Subscription Violation"):
		what = "subscribe"
	case strings.Contains(text, "authentication error"), strings.Contains(text, "User authentication revoked"), strings.Contains(text, "Authentication Expired"):
		what = "login"
	default:
		return
	}
	r.count.WithLabelValues(what).Inc()
	// Who tries everything fills no disk.
	r.mu.Lock()
	again := time.Since(r.said[what]) < time.Minute
	if !again {
		r.said[what] = time.Now()
	}
	r.mu.Unlock()
	if !again {
		r.log.Warn("nats turned somebody away; more within a minute is only counted", "what", what, "said", text)
	}
}

// Warnf and the others are of no interest: what counts is in health and metrics.
func (r *refused) Warnf(string, ...any)   {}
func (r *refused) Noticef(string, ...any) {}
func (r *refused) Fatalf(string, ...any)  {}
func (r *refused) Debugf(string, ...any)  {}
func (r *refused) Tracef(string, ...any)  {}
