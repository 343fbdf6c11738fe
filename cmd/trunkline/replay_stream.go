package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

const (
	streamPull  = 500
	streamBytes = 4 << 20
	streamWait  = 2 * time.Second
	// skew is how much later than NATS's clock that of an ingest may be.
	skew = time.Hour
)

// fromStream parses what TICKETS still holds of a link, byte for byte as it came.
// A message that is missed here is taken from ClickHouse.
func (r *replay) fromStream(ctx context.Context, p *replayPublisher, l *replayLink) error {
	stream, err := r.bus.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
	}
	// What comes from now on is parsed as of today anyway.
	last := stream.CachedInfo().State.LastSeq
	start := r.selection.From.Add(-skew)
	consumer, err := r.bus.JS.CreateConsumer(ctx, wire.StreamTickets, jetstream.ConsumerConfig{
		Description: "a replay", AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start,
		FilterSubject:     wire.Address{Site: l.settings.Site, Link: l.settings.Link}.TicketSubject(),
		InactiveThreshold: 5 * time.Minute, MemoryStorage: true,
	})
	if err != nil {
		return fmt.Errorf("a consumer on %s: %w", wire.StreamTickets, err)
	}
	defer func() {
		// Forgotten by itself, if not here.
		_ = r.bus.JS.DeleteConsumer(context.WithoutCancel(ctx), wire.StreamTickets, consumer.CachedInfo().Name)
	}()
	for pending := consumer.CachedInfo().NumPending; pending > 0; {
		pulled, err := consumer.Fetch(int(min(streamPull, pending)), jetstream.FetchMaxBytes(streamBytes), jetstream.FetchMaxWait(streamWait))
		if err != nil {
			return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
		}
		none := true
		for msg := range pulled.Messages() {
			meta, err := msg.Metadata()
			if err != nil {
				return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
			}
			none, pending = false, meta.NumPending
			if meta.Sequence.Stream > last {
				return nil
			}
			if err := r.fromMessage(ctx, p, l, msg, meta); err != nil {
				return err
			}
		}
		if err := pulled.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if none {
			info, err := consumer.Info(ctx)
			if err != nil {
				return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
			}
			pending = info.NumPending
		}
	}
	return nil
}

func (r *replay) fromMessage(ctx context.Context, p *replayPublisher, l *replayLink, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	m, err := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data())
	if err != nil || m.Act != nil || m.Received.Before(r.selection.From) || !m.Received.Before(r.selection.To) {
		return nil //nolint:nilerr // without headers it was answered as dead, and would be again
	}
	if m.ID == "" { // as the parser calls it
		m.ID = wire.StreamTickets + "-" + strconv.FormatUint(meta.Sequence.Stream, 10)
	}
	receipt := l.read(m)
	receipt.StreamSequence = meta.Sequence.Stream
	return p.receipt(ctx, m, receipt)
}
