package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/config"
)

// Connect begins to connect and returns at once; Ready waits for the server. It
// reconnects for ever.
func Connect(cfg Config) (*Bus, error) {
	if cfg.URL == "" {
		return nil, errors.New("nats: no url")
	}
	if cfg.Log == nil {
		return nil, errors.New("nats: no logger")
	}
	if cfg.TicketsMaxBytes == 0 {
		cfg.TicketsMaxBytes = DefaultMaxBytes
	}
	if cfg.CdrsMaxBytes == 0 {
		cfg.CdrsMaxBytes = DefaultMaxBytes
	}
	if cfg.SpoolMaxBytes == 0 {
		cfg.SpoolMaxBytes = DefaultMaxBytes
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	return dial(cfg, newMetrics(cfg.Metrics))
}

// Beside is another connection to the same server, for what must not queue behind
// what this one carries. It is a guest, and counts together with this one.
func (b *Bus) Beside(name string) (*Bus, error) {
	cfg := b.cfg
	cfg.Name, cfg.Role = name, Guest
	return dial(cfg, b.metrics)
}

func dial(cfg Config, m *metrics) (*Bus, error) {
	b := &Bus{metrics: m, cfg: cfg, log: cfg.Log, ready: make(chan struct{}), away: time.Now(), up: make(chan struct{}), inbox: inboxPrefix(cfg.Options)}
	b.down, b.cut = context.WithCancel(context.Background())
	opts := append([]nats.Option{
		nats.Name("trunkline " + cfg.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			// Soon at first: an embedded server is only just starting. Many sites come
			// back to a hub, and not all at once.
			longest := 2 * time.Second
			if cfg.Role == Guest {
				longest = 8 * time.Second
			}
			d := min(20*time.Millisecond<<min(attempts, 9), longest)
			return d/2 + rand.N(d/2)
		}),
		// A user that is refused today may be let in tomorrow.
		nats.IgnoreAuthErrorAbort(),
		// What is published while the line is down must fail, not wait in memory
		// behind the caller's back.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.metrics.connected.Set(0)
			b.mu.Lock()
			b.cut()
			b.down, b.cut = context.WithCancel(context.Background())
			if b.away = time.Now(); b.up == nil {
				b.up = make(chan struct{})
			}
			b.mu.Unlock()
			if err != nil {
				b.log.Warn("nats disconnected", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			b.connected()
			b.log.Info("nats reconnected", "server", c.ConnectedUrlRedacted())
		}),
		nats.ConnectHandler(func(*nats.Conn) { b.connected() }),
		nats.ErrorHandler(func(c *nats.Conn, _ *nats.Subscription, err error) { b.failed(c, err) }),
	}, cfg.Options...)
	if cfg.Role == Guest {
		// A line that is cut without a word is noticed in a minute.
		opts = append(opts, nats.PingInterval(20*time.Second), nats.MaxPingsOutstanding(2))
	}
	var err error
	if b.Conn, err = nats.Connect(cfg.URL, opts...); err != nil {
		return nil, fmt.Errorf("nats: %w", WithoutURL(err, cfg.URL))
	}
	if b.JS, err = jetstream.New(b.Conn, jetstream.WithDefaultTimeout(10*time.Second)); err != nil {
		b.Conn.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return b, nil
}

func (b *Bus) connected() {
	b.metrics.connected.Set(1)
	b.forbidden.renew()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = time.Time{}
	if b.up != nil {
		close(b.up)
		b.up = nil
	}
}

// Wait waits so long, or until a connection that was away is back: coming back is
// spread over many clients already.
func (b *Bus) Wait(ctx context.Context, back *Backoff) error {
	b.mu.Lock()
	up := b.up
	b.mu.Unlock()
	t := time.NewTimer(back.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-up:
		back.Reset()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Away is since when there has been no connection; zero: there is one.
func (b *Bus) Away() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}

// inboxPrefix is what the options make of it.
func inboxPrefix(options []nats.Option) string {
	o := nats.GetDefaultOptions()
	for _, set := range options {
		if set != nil {
			_ = set(&o) // Connect tells what is wrong
		}
	}
	if o.InboxPrefix != "" {
		return o.InboxPrefix
	}
	return strings.TrimSuffix(nats.InboxPrefix, ".")
}

// WithoutURL is an error of the NATS client's, which repeats an address that it
// does not understand, without the password in that.
func WithoutURL(err error, urls string) error {
	text := err.Error()
	for u := range strings.SplitSeq(urls, ",") {
		u = strings.TrimSpace(u)
		text = strings.ReplaceAll(text, u, config.HideURL(u))
		if _, rest, ok := strings.Cut(u, "://"); ok {
			text = strings.ReplaceAll(text, rest, config.HideURL(rest))
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// whileConnected derives a context that also ends when the connection does.
func (b *Bus) whileConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(down, cancel)
	return ctx, func() { stop(); cancel() }
}
