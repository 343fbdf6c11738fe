// Package bus is Trunkline's use of NATS: the connection, the streams and
// key-value buckets, ticket messages, and the committer that publishes with an
// acknowledgement that means disk.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
)

// Config says how to reach NATS and how much it may keep.
type Config struct {
	// URL of the server or servers, comma-separated.
	URL string
	// Name of this client, for people who look at the server.
	Name string
	// TicketsMaxBytes and CdrsMaxBytes bound the streams; 0: the defaults.
	TicketsMaxBytes, CdrsMaxBytes int64
	// Replicas of streams and buckets; 0: one.
	Replicas int
	// Role says what of it is ours.
	Role Role
	// SpoolMaxBytes bounds the stream SPOOL; 0: the default.
	SpoolMaxBytes int64
	// Sole says that no other process is at work: what a dead one had taken and
	// not answered is taken again at once, not after its AckWait, and so are its
	// leases.
	Sole bool
	// Options are credentials, TLS, or the in-process server.
	Options []nats.Option

	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Role is what a process does on a NATS server.
type Role int

const (
	// Hub: streams and buckets of the services are made, and used.
	Hub Role = iota
	// Spool: the server is a site's own, and holds what an ingest process needs
	// without the hub.
	Spool
	// Guest: nothing is made and no bucket opened; a site's user has no right to.
	Guest
)

// Bus is a connection to NATS, and what the services keep there. A guest has no
// buckets.
type Bus struct {
	Conn *nats.Conn
	JS   jetstream.JetStream

	Links     *Links
	Positions *Positions
	Attempts  *Attempts
	Leases    *Leases
	Usual     *Usual
	Replays   *Replays

	cfg     Config
	log     *slog.Logger
	metrics *metrics
	ready   chan struct{}
	once    sync.Once

	mu sync.Mutex
	// down ends when the connection does, so that nobody waits for an answer
	// that cannot come.
	down context.Context
	cut  context.CancelFunc
	// away is since when there is no connection; zero: there is one. up is closed
	// when it comes; nil while it is there.
	away    time.Time
	up      chan struct{}
	missing error  // why there are no streams yet
	said    string // the last asynchronous error
	saidAt  time.Time

	inbox     string // prefix of what answers come on
	forbidden forbidden
}

// Run makes the streams and buckets, retrying until NATS answers, then calls
// ready, waits for ctx and closes the connection. Only what cannot mend itself
// is an error.
func (b *Bus) Run(ctx context.Context, ready func()) error {
	defer b.Close()
	back := Backoff{Max: 5 * time.Second}
	for began, told := time.Now(), false; ; {
		err := b.ensure(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		b.mu.Lock()
		b.missing = err
		b.mu.Unlock()
		if !told && time.Since(began) > 3*time.Second {
			b.log.Warn("waiting for nats", "url", config.HideURLs(b.cfg.URL), "error", err)
			told = true
		}
		if back.Wait(ctx) != nil {
			return nil
		}
	}
	b.once.Do(func() { close(b.ready) })
	ready()
	<-ctx.Done()
	return nil
}

// Ready waits until NATS has answered and its streams exist.
func (b *Bus) Ready(ctx context.Context) error {
	select {
	case <-b.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Check is nil while NATS is connected and its streams exist: for readiness.
func (b *Bus) Check() error {
	if !b.Conn.IsConnected() {
		return errors.New("nats is not connected")
	}
	select {
	case <-b.ready:
		return nil
	default:
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.missing != nil {
			return fmt.Errorf("nats has no streams yet: %w", b.missing)
		}
		return errors.New("nats has no streams yet")
	}
}

// Close ends the connection.
func (b *Bus) Close() { b.Conn.Close() }
