package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

// lateAfter is how long a message may wait for its receipt to be in ClickHouse.
const lateAfter = 5 * time.Minute

// lookBatch is how many messages' receipts are looked for at a time.
const lookBatch = 10_000

// inStream looks for the receipts of the messages that TICKETS still holds of some
// days. The headers are enough.
func (r *reconciliation) inStream(ctx context.Context, nc *nats.Conn, reader *sink.Reconciler, from, to time.Time, only wire.Address) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, wire.StreamTickets)
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
	}
	last, start, now := stream.CachedInfo().State.LastSeq, from.Add(-skew), stream.CachedInfo().TimeStamp
	consumer, err := js.OrderedConsumer(ctx, wire.StreamTickets, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{only.TicketSubject()}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start, HeadersOnly: true,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
	}
	var some []sink.TicketsMessage
	look := func() error {
		without, err := reader.Unanswered(ctx, some)
		some = some[:0]
		for _, m := range without {
			r.unanswered(m, now)
		}
		return err
	}
	pending := uint64(1)
	if info := consumer.CachedInfo(); info != nil {
		pending = info.NumPending
	}
	for pending > 0 {
		pulled, err := consumer.Fetch(int(min(streamPull, pending)), jetstream.FetchMaxWait(streamWait))
		if err != nil {
			return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
		}
		none := true
		for msg := range pulled.Messages() {
			meta, err := msg.Metadata()
			if err != nil {
				return fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
			}
			none = false
			if pending = meta.NumPending; meta.Sequence.Stream > last {
				pending = 0
				continue
			}
			if m, ok := ticketsMessage(msg, meta); ok && !m.Received.Before(from) && m.Received.Before(to) {
				some = append(some, m)
			}
		}
		if err := pulled.Error(); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if none {
			break
		}
		if len(some) >= lookBatch {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return look()
}

// ticketsMessage is a message with tickets, by its headers; one without them was
// received when it was stored.
func ticketsMessage(msg jetstream.Msg, meta *jetstream.MsgMetadata) (m sink.TicketsMessage, ok bool) {
	t, err := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), nil)
	if t.Act != nil {
		return m, false
	}
	m = sink.TicketsMessage{Site: t.Site, Link: t.Link, ID: t.ID, Sequence: meta.Sequence.Stream, Received: t.Received, Stored: meta.Timestamp}
	if err != nil && m.Received.IsZero() {
		m.Received = meta.Timestamp
	}
	if m.ID == "" { // as the parser calls it
		m.ID = wire.StreamTickets + "-" + strconv.FormatUint(meta.Sequence.Stream, 10)
	}
	return m, true
}

func (r *reconciliation) unanswered(m sink.TicketsMessage, now time.Time) {
	if now.Sub(m.Stored) < lateAfter {
		r.Flight++
		return
	}
	if r.Lates++; len(r.Late) < maxNamed {
		r.Late = append(r.Late, lateMessage{m.Site, m.Link, m.ID, m.Sequence, m.Received.UTC(), m.Stored.UTC()})
	}
}

// place finds where missing tickets begin, as far as TICKETS has their messages and
// the configuration their links.
func (r *reconciliation) place(ctx context.Context, nc *nats.Conn, cfg *config.Config) {
	js, err := jetstream.New(nc)
	if err != nil {
		return
	}
	stream, err := js.Stream(ctx, wire.StreamTickets)
	if err != nil {
		return
	}
	links := make(map[string]*replayLink)
	for _, l := range cfg.Links() {
		if one, err := newReplayLink(l.Settings()); err == nil {
			links[l.Site.ID+"/"+l.ID] = one
		}
	}
	of := make(map[string]map[string]string) // by message, then by ticket
	for i := range r.Missing {
		t := &r.Missing[i]
		link := links[t.Site+"/"+t.Link]
		if link == nil {
			continue
		}
		if of[t.Message] == nil {
			of[t.Message] = positions(ctx, stream, link, t)
		}
		t.Position = of[t.Message][t.ID]
	}
}

func positions(ctx context.Context, stream jetstream.Stream, link *replayLink, t *sink.MissingTicket) map[string]string {
	out := make(map[string]string)
	msg, err := stream.GetMsg(ctx, t.Sequence)
	if err != nil {
		return out
	}
	m, err := bus.ReadTicketMessage(msg.Subject, msg.Header, slices.Clone(msg.Data))
	if err != nil || m.ID != t.Message {
		return out
	}
	receipt := link.read(m)
	for _, c := range receipt.Cdrs {
		out[c.TicketId] = c.Position
	}
	for _, o := range receipt.Others {
		out[o.TicketId] = o.Position
	}
	return out
}
