package trim

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink/internal/metrics"
)

const (
	size = 10 << 10
	room = 100 * size
)

// streams of room for about a hundred messages.
func streams(t *testing.T) *bus.Bus {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	b, err := bus.Connect(bus.Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{srv.Option()}, Log: slog.New(slog.DiscardHandler),
		TicketsMaxBytes: room, CdrsMaxBytes: room,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, func() {}) }()
	t.Cleanup(func() { cancel(); <-done; b.Close() })
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

type line struct {
	t        *testing.T
	b        *bus.Bus
	subject  string
	stream   string
	consumer jetstream.Consumer
}

func newLine(t *testing.T, b *bus.Bus, stream, consumer, subject string) *line {
	c, err := b.Consumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: consumer, AckWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return &line{t: t, b: b, stream: stream, consumer: c, subject: subject}
}

func (l *line) publish(n int) {
	l.t.Helper()
	for range n {
		if _, err := l.b.JS.Publish(l.t.Context(), l.subject, bytes.Repeat([]byte{'x'}, size-100)); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *line) ack(n int) {
	l.t.Helper()
	for range n {
		m, err := l.consumer.Next()
		if err == nil {
			err = m.DoubleAck(l.t.Context())
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *line) first() uint64 {
	l.t.Helper()
	s, err := l.b.JS.Stream(l.t.Context(), l.stream)
	if err != nil {
		l.t.Fatal(err)
	}
	return s.CachedInfo().State.FirstSeq
}

func TestTrim(t *testing.T) {
	b := streams(t)
	reg := prometheus.NewRegistry()
	m, err := metrics.New(reg)
	if err != nil {
		t.Fatal(err)
	}
	told := func(name string, want float64) {
		t.Helper()
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if f.GetName() == name && f.GetMetric()[0].GetGauge().GetValue() == want {
				return
			}
		}
		t.Errorf("%s is not %v", name, want)
	}
	var acts []*v1.Act
	deaf := errors.New("clickhouse is away")
	trimmer := &Trimmer{JS: b.JS, Log: slog.New(slog.DiscardHandler), Metrics: m, Tell: func(_ context.Context, more []*v1.Act) error {
		if deaf != nil {
			return deaf
		}
		acts = append(acts, more...)
		return nil
	}}
	tick := func() {
		t.Helper()
		if err := trimmer.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	due := func(what string, want time.Duration) {
		t.Helper()
		if got := trimmer.Next(); got != want {
			t.Errorf("%s: looked at again after %s, want %s", what, got, want)
		}
	}
	tick() // without consumers
	due("empty", 30*time.Second)
	tickets := newLine(t, b, wire.StreamTickets, wire.ConsumerParser, wire.Address{Model: "m", Site: "s", Link: "l"}.TicketSubject())
	cdrs := newLine(t, b, wire.StreamCdrs, wire.ConsumerSink, wire.Address{Model: "m", Site: "s", Link: "l"}.CdrSubject())
	want := func(what string, firstTicket, firstCdr uint64) {
		t.Helper()
		if got := [2]uint64{tickets.first(), cdrs.first()}; got != [2]uint64{firstTicket, firstCdr} {
			t.Errorf("%s: first messages are %v, want %v", what, got, [2]uint64{firstTicket, firstCdr})
		}
	}
	tickets.publish(90)
	tick()
	want("nothing parsed", 1, 0)
	due("full", time.Second)
	told("trunkline_sink_unparsed_messages", 90)

	cdrs.publish(90)
	tickets.ack(90)
	tick()
	want("parsed, nothing confirmed", 1, 1)
	told("trunkline_sink_unparsed_messages", 0)
	told("trunkline_sink_pending_messages", 90)

	cdrs.ack(10)
	if err := trimmer.Tick(t.Context()); !errors.Is(err, deaf) {
		t.Errorf("what cannot be told: %v", err)
	}
	want("ten receipts confirmed", 1, 11)
	deaf = nil
	tick()
	tick()
	if len(acts) != 1 || acts[0].What != "purge" || acts[0].Object != "stream CDRS, sequences 1 to 10" || acts[0].Id == "" ||
		!strings.Contains(acts[0].Before, `"first_sequence":1,"last_sequence":90,"messages":90`) || !strings.Contains(acts[0].After, `"first_sequence":11,"last_sequence":90,"messages":80`) {
		t.Errorf("the audit is told %v", acts)
	}

	cdrs.ack(80)
	tick()
	if f := tickets.first(); f < 30 || f > 36 {
		t.Errorf("tickets begin at %d after a trim to 60 %%", f)
	}
	tick()
	due("receipts at 80 %", 5*time.Second)
	if f := cdrs.first(); f != 11 {
		t.Errorf("receipts begin at %d, though the stream was at 80 %%", f)
	}

	// New tickets whose receipts are not confirmed: only the older ones go.
	tickets.publish(30)
	tickets.ack(30)
	cdrs.publish(15)
	tick()
	if f := tickets.first(); f < 45 || f > 91 {
		t.Errorf("tickets begin at %d", f)
	}
	if f := cdrs.first(); f < 30 || f > 91 {
		t.Errorf("receipts begin at %d", f)
	}
	if trimmer.parsed != 90 {
		t.Errorf("tickets are confirmed up to %d, want 90", trimmer.parsed)
	}
	cdrs.ack(15)
	tick()
	if trimmer.parsed != 120 {
		t.Errorf("tickets are confirmed up to %d, want 120", trimmer.parsed)
	}

	// A stream made anew begins at 1: what was confirmed of the old one is void.
	if err := b.JS.DeleteConsumer(t.Context(), wire.StreamTickets, wire.ConsumerParser); err != nil {
		t.Fatal(err)
	}
	tick()
	if trimmer.parsed != 0 {
		t.Errorf("tickets are confirmed up to %d by a parser that is gone", trimmer.parsed)
	}
}

func TestTarget(t *testing.T) {
	info := func(first, last, used uint64, limit int64) *jetstream.StreamInfo {
		return &jetstream.StreamInfo{
			Config: jetstream.StreamConfig{MaxBytes: limit},
			State:  jetstream.StreamState{FirstSeq: first, LastSeq: last, Bytes: used},
		}
	}
	for _, c := range []struct {
		info      *jetstream.StreamInfo
		confirmed uint64
		want      uint64
	}{
		{info(1, 100, 1000, -1), 100, 0},
		{info(1, 100, 800, 1000), 100, 0},
		{info(1, 100, 1000, 1000), 100, 41},
		{info(1, 100, 1000, 1000), 7, 8},
		{info(1, 100, 1000, 1000), 0, 1},
		{info(501, 600, 900, 1000), 600, 534},
	} {
		if got := target(c.info, c.confirmed); got != c.want {
			t.Errorf("target(%+v, %d) = %d, want %d", c.info.State, c.confirmed, got, c.want)
		}
	}
}

func TestManySamples(t *testing.T) {
	trimmer := new(Trimmer)
	for i := range uint64(10_000) {
		trimmer.note(sample{i, 2 * i})
	}
	if n := len(trimmer.samples); n > maxSamples {
		t.Fatalf("%d samples", n)
	}
	for sink := range uint64(20_000) {
		trimmer.confirm(sink)
		if trimmer.parsed > sink/2 {
			t.Fatalf("at %d the tickets up to %d are taken for confirmed", sink, trimmer.parsed)
		}
	}
	if trimmer.parsed < 9999-100 {
		t.Errorf("in the end only %d are confirmed", trimmer.parsed)
	}
}
