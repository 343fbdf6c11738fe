// Package sink writes receipts into ClickHouse: calls into the table cdrs, all
// other tickets into other_tickets, and a row a receipt into receipts. It owns
// the schema. A message is acknowledged when ClickHouse has confirmed its rows;
// until then it is tried for ever. People read the view calls.
package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/metrics"
	"trunkline.internal/services/sink/internal/schema"
	"trunkline.internal/services/sink/internal/trim"
	"trunkline.internal/services/sink/internal/write"
)

// Deps are what the sink works with.
type Deps struct {
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// SetHealth is told what a part lacks, nil when it is well. The parts are
	// `clickhouse` and `receipts`. It may be nil.
	SetHealth func(part string, err error)
}

// Parts of Deps.SetHealth.
const (
	partClickHouse = "clickhouse"
	partReceipts   = "receipts"
)

// Service is a sink.
type Service struct {
	deps    Deps
	conn    clickhouse.Conn
	asking  clickhouse.Conn // for questions of people
	schema  *schema.Schema
	metrics *metrics.Metrics
	writer  *write.Writer
	intake  intake
}

// New makes a sink of a valid configuration. It does not connect yet.
func New(cfg config.ClickHouse, deps Deps) (*Service, error) {
	if deps.Bus == nil || deps.Log == nil {
		return nil, errors.New("sink: no bus or no logger")
	}
	if deps.SetHealth == nil {
		deps.SetHealth = func(string, error) {}
	}
	tlsConfig, err := tlsOf(cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("clickhouse.tls: %w", err)
	}
	s := &Service{deps: deps}
	if s.schema, err = schema.New(schema.Target{Database: cfg.Database, Cluster: cfg.Cluster}); err != nil {
		return nil, err
	}
	for _, c := range []*clickhouse.Conn{&s.conn, &s.asking} {
		*c, err = clickhouse.New(clickhouse.Config{
			Addr: cfg.Addr, Protocol: cfg.Protocol, User: cfg.User, Password: cfg.Password, TLS: tlsConfig,
		})
		if err != nil {
			return nil, err
		}
	}
	if s.metrics, err = metrics.New(deps.Metrics); err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s.writer = &write.Writer{
		Conn: s.conn, Table: s.schema.Name, Log: deps.Log, Metrics: s.metrics,
		Repair: func(ctx context.Context) error { return s.migrate(ctx, true) },
		Health: func(err error) { deps.SetHealth(partClickHouse, err) },
	}
	s.intake = intake{
		Intake: &bus.Intake{
			Bus: deps.Bus, Stream: wire.StreamCdrs, Consumer: wire.ConsumerSink, Description: "receipts on their way into ClickHouse",
			Pull: pullMessages, MaxAckPending: maxAckPending,
		},
		log: deps.Log, metrics: s.metrics, health: func(err error) { deps.SetHealth(partReceipts, err) },
	}
	return s, nil
}

// grace is how long the last batches may take after the end was asked for.
const grace = 25 * time.Second

const flushTimeout = 2 * time.Second

// Run writes until ctx is done; then it writes what it has, as far as ClickHouse
// answers soon, and gives the rest back.
func (s *Service) Run(ctx context.Context, ready func()) error {
	defer s.conn.Close()
	defer s.asking.Close()
	if s.deps.Bus.Ready(ctx) != nil || !s.prepare(ctx) {
		return nil
	}
	if err := s.deps.Bus.Answer(ctx, wire.AskCounts, "sink", func(q []byte) []proto.Message { return s.answer(ctx, q) }); err != nil {
		return err
	}
	s.writer.Ending = ctx.Done()
	free, out := make(chan *batch.Batch, 2), make(chan *batch.Batch)
	free <- batch.New()
	free <- batch.New()

	// What is under way outlives ctx for a while.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()

	written := make(chan struct{})
	go func() {
		defer close(written)
		for b := range out {
			if err := s.writer.Write(last, b); err != nil {
				giveBack(b)
			}
			s.intake.Done(b.Messages...)
			free <- b.Reset()
		}
	}()
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.intake.Keep(keeping)
	}()
	trimmed := make(chan struct{})
	go func() {
		defer close(trimmed)
		s.trim(ctx)
	}()
	compared := make(chan struct{})
	go func() {
		defer close(compared)
		s.reconcile(ctx)
	}()
	s.intake.run(ctx, ready, free, out)
	<-written
	stopKeeping()
	<-kept
	<-trimmed
	<-compared
	// The last acknowledgements must not die with the connection.
	if err := s.deps.Bus.Conn.FlushTimeout(flushTimeout); err != nil {
		s.deps.Log.Debug("acknowledgements may be lost, their receipts come again", "error", err)
	}
	return nil
}

// giveBack lets the next sink have the messages at once.
func giveBack(b *batch.Batch) {
	for _, m := range b.Messages {
		m.Nak() //nolint:errcheck // without it the message comes again all the same
	}
}

// prepare brings the schema to where it should be, and learns the server's
// settings. It waits for ClickHouse; false when ctx is done.
func (s *Service) prepare(ctx context.Context) bool {
	back := bus.Backoff{Max: 30 * time.Second}
	told := ""
	for {
		err := s.migrate(ctx, false)
		if err == nil {
			s.writer.Settings, err = clickhouse.InsertSettings(ctx, s.conn)
		}
		if err == nil {
			s.deps.SetHealth(partClickHouse, nil)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		err = write.Remedied(err)
		s.deps.SetHealth(partClickHouse, err)
		s.metrics.Retries.WithLabelValues(write.ReasonOf(err)).Inc()
		if told != write.ReasonOf(err) {
			told = write.ReasonOf(err)
			s.deps.Log.Warn("waiting for clickhouse", "error", err)
		}
		if back.Wait(ctx) != nil {
			return false
		}
	}
}

// leaseMigrations is held by the one that changes the schema.
const leaseMigrations = "migrations"

// migrated ends the lease after one turn.
type migrated struct{ err error }

func (migrated) Error() string { return "migrated" }

// migrate applies what is missing, one sink at a time.
func (s *Service) migrate(ctx context.Context, repair bool) error {
	if !repair {
		if version, err := s.schema.Applied(ctx, s.conn); err != nil || version >= s.schema.Version() {
			return err
		}
	}
	err := s.deps.Bus.Leases.Hold(ctx, leaseMigrations, owner(), func(ctx context.Context) error {
		names, err := s.schema.Migrate(ctx, s.conn, repair)
		if len(names) > 0 {
			s.deps.Log.Info("migrations applied", "database", s.schema.Database, "migrations", names)
		}
		return migrated{err}
	})
	var m migrated
	if errors.As(err, &m) {
		return m.err
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "sink"
	}
	return host + " " + strconv.Itoa(os.Getpid())
}

func (s *Service) trim(ctx context.Context) {
	t := &trim.Trimmer{JS: s.deps.Bus.JS, Log: s.deps.Log, Metrics: s.metrics, Tell: s.tell}
	for told := false; ; {
		if err := t.Tick(ctx); err == nil {
			told = false
		} else if !told && ctx.Err() == nil {
			told = true
			s.deps.Log.Warn("streams cannot be trimmed", "error", err)
		}
		s.intake.settle()
		select {
		case <-time.After(t.Next()):
		case <-ctx.Done():
			return
		}
	}
}

func tlsOf(c *config.TLS) (*certs.Client, error) {
	if c == nil {
		return nil, nil
	}
	return certs.NewClient(certs.Files(*c))
}
