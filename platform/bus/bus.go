// Package bus is Trunkline's use of NATS: the connection, the streams and
// key-value buckets, ticket messages, and the committer that publishes with an
// acknowledgement that means disk.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
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
	away   time.Time
	up     chan struct{}
	said   string // the last asynchronous error
	saidAt time.Time

	inbox     string // prefix of what answers come on
	forbidden forbidden
}

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
	b := &Bus{cfg: cfg, log: cfg.Log, ready: make(chan struct{}), away: time.Now(), up: make(chan struct{}), inbox: inboxPrefix(cfg.Options)}
	b.down, b.cut = context.WithCancel(context.Background())
	b.metrics = newMetrics(cfg.Metrics)
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
		return errors.New("nats has no streams yet")
	}
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

// Close ends the connection.
func (b *Bus) Close() { b.Conn.Close() }

// DefaultMaxBytes bounds a stream where nothing is configured.
const DefaultMaxBytes = 8 << 30

func (b *Bus) streams() []jetstream.StreamConfig {
	if b.cfg.Role == Spool {
		return []jetstream.StreamConfig{{
			Name:        wire.StreamSpool,
			Description: "call tickets on their way to the hub",
			Subjects:    []string{wire.TicketSubjects},
			MaxBytes:    b.cfg.SpoolMaxBytes,
		}}
	}
	return []jetstream.StreamConfig{
		{
			Name:        wire.StreamTickets,
			Description: "call tickets as the PBXs gave them",
			Subjects:    []string{wire.TicketSubjects},
			MaxAge:      30 * 24 * time.Hour,
			MaxBytes:    b.cfg.TicketsMaxBytes,
		},
		{
			Name:        wire.StreamCdrs,
			Description: "a receipt for every ticket: CDR, ignored or dead",
			Subjects:    []string{wire.CdrSubjects},
			MaxAge:      30 * 24 * time.Hour,
			MaxBytes:    b.cfg.CdrsMaxBytes,
		},
	}
}

// ensure makes what is missing, and brings an existing stream nearer to what is
// wanted as far as that loses nothing.
func (b *Bus) ensure(ctx context.Context) error {
	if b.cfg.Role == Guest {
		if !b.Conn.IsConnected() {
			return fmt.Errorf("not connected: %w", cmp.Or(b.Conn.LastError(), nats.ErrNoServers))
		}
		return nil
	}
	for _, want := range b.streams() {
		want.Retention = jetstream.LimitsPolicy
		want.Storage = jetstream.FileStorage
		want.Discard = jetstream.DiscardNew
		want.Duplicates = duplicateWindow
		want.AllowAtomicPublish = true
		want.Replicas = b.cfg.Replicas
		if err := b.ensureStream(ctx, want); err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
	}
	for _, want := range []struct {
		bucket string
		ttl    time.Duration
		use    func(jetstream.KeyValue)
	}{
		{wire.BucketLinks, 0, func(kv jetstream.KeyValue) { b.Links = &Links{kv: kv, log: b.log} }},
		{wire.BucketPositions, 0, func(kv jetstream.KeyValue) { b.Positions = &Positions{kv: kv} }},
		{wire.BucketAttempts, attemptsTTL, func(kv jetstream.KeyValue) { b.Attempts = &Attempts{kv: kv} }},
		{wire.BucketLeases, leaseTTL, func(kv jetstream.KeyValue) { b.Leases = &Leases{kv: kv, log: b.log, sole: b.cfg.Sole, ttl: leaseTTL} }},
		{wire.BucketUsual, 0, func(kv jetstream.KeyValue) { b.Usual = &Usual{kv: kv} }},
		{wire.BucketReplays, 0, func(kv jetstream.KeyValue) { b.Replays = &Replays{kv: kv} }},
	} {
		kv, err := b.JS.KeyValue(ctx, want.bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			kv, err = b.JS.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: want.bucket, TTL: want.ttl, History: 1, Replicas: b.cfg.Replicas, Storage: jetstream.FileStorage,
			})
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", want.bucket, err)
		}
		want.use(kv)
	}
	return nil
}

// duplicateWindow covers the retries of a publisher; what comes later is one
// row by its ticket id.
const duplicateWindow = 5 * time.Minute

func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := b.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = b.JS.CreateStream(ctx, want)
		return err
	}
	if err != nil {
		return err
	}
	have := stream.CachedInfo()
	next := have.Config
	if err := mayUse(next, want); err != nil {
		return err
	}
	changed := false
	widen := func(get func(*jetstream.StreamConfig) *int64) {
		if h, w := get(&next), *get(&want); *h > 0 && w > *h {
			*h, changed = w, true
		}
	}
	if b.cfg.Role == Spool {
		// The disk of a site is bounded also where it was given more before, but for
		// what is there.
		if most := max(want.MaxBytes, int64(have.State.Bytes)); next.MaxBytes != most {
			next.MaxBytes, changed = most, true
		}
	}
	widen(func(c *jetstream.StreamConfig) *int64 { return &c.MaxBytes })
	widen(func(c *jetstream.StreamConfig) *int64 { return (*int64)(&c.MaxAge) })
	if !next.AllowAtomicPublish {
		next.AllowAtomicPublish, changed = true, true
	}
	if next.Discard != jetstream.DiscardNew {
		next.Discard, changed = jetstream.DiscardNew, true
	}
	if !changed {
		return nil
	}
	_, err = b.JS.UpdateStream(ctx, next)
	return err
}

// mayUse refuses a stream that an operator must change by hand.
func mayUse(have, want jetstream.StreamConfig) error {
	switch {
	case have.Retention != jetstream.LimitsPolicy:
		return fmt.Errorf("it has %s retention: it must be limits, or tickets vanish when they are read", have.Retention)
	case have.Storage != jetstream.FileStorage:
		return errors.New("it is kept in memory: it must be kept in files")
	case len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0]:
		return fmt.Errorf("its subjects are %v: they must be %v", have.Subjects, want.Subjects)
	case have.NoAck:
		return errors.New("it does not acknowledge: no_ack must be off")
	}
	return nil
}

// Consumer makes or updates a durable pull consumer.
func (b *Bus) Consumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	// A question that went with its connection is not answered on the next one.
	ctx, stop := b.whileConnected(ctx)
	defer stop()
	c, err := b.consumer(ctx, stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("consumer %s on %s: %w", cfg.Durable, stream, err)
	}
	return c, nil
}

// metaBegun is the key of Begun in a consumer's metadata.
const metaBegun = "trunkline-begun"

// Begun is the stream sequence of the last message that was delivered before a
// sole process took the consumer up; 0 for others. A consumer that is made anew
// counts the deliveries of such a message from one again.
func Begun(c jetstream.Consumer) uint64 {
	n, _ := strconv.ParseUint(c.CachedInfo().Config.Metadata[metaBegun], 10, 64)
	return n
}

func (b *Bus) consumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	cfg.AckPolicy = jetstream.AckExplicitPolicy
	cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	cfg.MaxDeliver = -1
	have, err := b.JS.Consumer(ctx, stream, cfg.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return b.JS.CreateConsumer(ctx, stream, cfg)
	case err != nil:
		return nil, err
	}
	info := have.CachedInfo()
	// Where a consumer begins cannot be changed.
	cfg.DeliverPolicy, cfg.OptStartSeq = info.Config.DeliverPolicy, info.Config.OptStartSeq
	if b.cfg.Sole {
		begun := max(info.Delivered.Stream, Begun(have))
		cfg.Metadata = map[string]string{metaBegun: strconv.FormatUint(begun, 10)}
	}
	if !b.cfg.Sole || info.NumAckPending == 0 {
		return b.JS.CreateOrUpdateConsumer(ctx, stream, cfg)
	}
	// Made anew behind what was answered without a gap. What was answered beyond
	// comes again, and gives the same receipts and rows.
	if err := b.JS.DeleteConsumer(ctx, stream, cfg.Durable); err != nil {
		return nil, err
	}
	cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, info.AckFloor.Stream+1
	return b.JS.CreateConsumer(ctx, stream, cfg)
}
