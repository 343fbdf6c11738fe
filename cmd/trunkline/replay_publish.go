package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
)

// A replay leaves room for live receipts, which stand in the same line: it fills the
// stream no further, and stays little more than one insert ahead of the sink, which
// looks up every ticket of a replay.
const (
	replayFill   = 0.7
	replayBehind = 60_000  // tickets
	replayBatch  = 2 << 20 // bytes published at a time
	replayPause  = 50 * time.Millisecond
	// replayPatience is when it is told what is waited for.
	replayPatience = 10 * time.Second
)

// replayPublisher publishes receipts while the next ones are made.
type replayPublisher struct {
	*replay
	queue chan []*nats.Msg
	done  chan struct{}
	err   error

	batch             []*nats.Msg
	bytes             int
	tickets, messages int64
}

func newReplayPublisher(ctx context.Context, r *replay) *replayPublisher {
	p := &replayPublisher{replay: r, queue: make(chan []*nats.Msg), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for msgs := range p.queue {
			if p.err = r.cdrs.Publish(ctx, msgs...); p.err != nil {
				if errors.Is(p.err, bus.ErrRefused) {
					p.err = fmt.Errorf("receipts are refused: look at the permissions of our NATS user and at max_payload, which must be 1 MB: %w", p.err)
				}
				return
			}
		}
	}()
	return p
}

// receipt publishes what a message is now.
func (p *replayPublisher) receipt(ctx context.Context, m *bus.TicketMessage, b *trunklinev1.CdrBatch) error {
	b.Revision = p.revision
	for _, c := range b.Cdrs {
		c.Revision = p.revision
	}
	msgs, err := parser.Encode(m, b)
	if err != nil {
		return fmt.Errorf("receipt of message %s: %w", m.ID, err)
	}
	p.replay.done += int64(b.TicketCount)
	p.tickets += int64(b.TicketCount)
	p.show.count(p.replay.done, int64(p.before.All()))
	return p.add(ctx, msgs...)
}

// former publishes which ids a message's tickets have no more.
func (p *replayPublisher) former(ctx context.Context, b *trunklinev1.CdrBatch) error {
	return p.bare(ctx, wire.Address{Model: b.Model, Site: b.Site, Link: b.Link}, fmt.Sprintf("%s.%d.former", b.MessageId, b.Revision), b)
}

// actAddress stands for no link: an act may be about many.
var actAddress = wire.Address{Model: wire.ModelAudit, Site: "audit", Link: "audit"}

// act publishes the row of the audit. It goes by the stream of receipts, since only
// the sink writes to ClickHouse and what is there is not lost; a sink of an older
// version leaves it to a newer one.
func (p *replayPublisher) act(ctx context.Context, a *trunklinev1.Act) error {
	id := a.Id + ".begin"
	if a.After != "" {
		id = a.Id + ".end"
	}
	return p.bare(ctx, actAddress, id, &trunklinev1.CdrBatch{Act: a})
}

func (p *replayPublisher) bare(ctx context.Context, a wire.Address, id string, b *trunklinev1.CdrBatch) error {
	data, err := proto.Marshal(b)
	if err != nil {
		return err
	}
	return p.add(ctx, &nats.Msg{Subject: a.CdrSubject(), Header: nats.Header{jetstream.MsgIDHeader: []string{id}}, Data: data})
}

func (p *replayPublisher) add(ctx context.Context, msgs ...*nats.Msg) error {
	p.batch = append(p.batch, msgs...)
	for _, m := range msgs {
		p.bytes += m.Size()
	}
	if p.bytes < replayBatch {
		return nil
	}
	return p.flush(ctx)
}

func (p *replayPublisher) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	if err := p.await(ctx, p.full); err != nil {
		return err
	}
	batch := p.batch
	p.messages += int64(len(batch))
	p.batch, p.bytes = nil, 0
	select {
	case p.queue <- batch:
		return nil
	case <-p.done:
		return p.err
	}
}

// written returns when ClickHouse has all that was published. The publisher can be
// used further.
func (p *replayPublisher) written(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	// The one who publishes takes the next batch when the last one is on disk.
	select {
	case p.queue <- nil:
	case <-p.done:
		return p.err
	}
	stream, err := p.bus.JS.Stream(ctx, wire.StreamCdrs)
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamCdrs, err)
	}
	last := stream.CachedInfo().State.LastSeq
	return p.await(ctx, func(ctx context.Context) (string, error) {
		c, err := p.bus.JS.Consumer(ctx, wire.StreamCdrs, wire.ConsumerSink)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return "no sink has ever run", nil
		}
		if err != nil {
			return "", err
		}
		info := c.CachedInfo()
		if info.AckFloor.Stream >= last || info.Delivered.Stream >= last && info.NumAckPending == 0 {
			return "", nil
		}
		return fmt.Sprintf("the sink has %s to write: is it ready, and ClickHouse too?", many(info.NumPending+uint64(info.NumAckPending), "receipt")), nil
	})
}

// full says why nothing more is to be published for now.
func (p *replayPublisher) full(ctx context.Context) (string, error) {
	stream, err := p.bus.JS.Stream(ctx, wire.StreamCdrs)
	if err != nil {
		return "", err
	}
	info := stream.CachedInfo()
	pending := float64(info.State.Msgs)
	switch c, err := p.bus.JS.Consumer(ctx, wire.StreamCdrs, wire.ConsumerSink); {
	case err == nil:
		pending = float64(c.CachedInfo().NumPending) + float64(c.CachedInfo().NumAckPending)
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return "", err
	}
	if limit := float64(info.Config.MaxBytes); limit > 0 {
		share := float64(info.State.Bytes) / limit * pending / max(1, float64(info.State.Msgs))
		if share > replayFill {
			return fmt.Sprintf("%.0f %% of stream %s are receipts that no sink has taken: does it run?", 100*share, wire.StreamCdrs), nil
		}
	}
	if each := float64(p.tickets) / max(1, float64(p.messages)); pending*each > replayBehind {
		return fmt.Sprintf("the sink is %.0f receipts behind, and live ones stand in the same line", pending), nil
	}
	return "", nil
}

// await waits until nothing stands in the way. What does so for long is told.
func (p *replayPublisher) await(ctx context.Context, what func(context.Context) (string, error)) error {
	began, told := time.Now(), false
	for {
		why, err := what(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			why = "NATS does not answer: " + err.Error()
		case why == "":
			if told {
				p.show.say("the replay goes on")
			}
			return nil
		}
		if !told && time.Since(began) >= replayPatience {
			told = true
			p.show.say("the replay waits: " + why)
		}
		select {
		case <-time.After(replayPause):
		case <-p.done:
			return p.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end returns when everything is published.
func (p *replayPublisher) end() error {
	if len(p.batch) > 0 {
		select {
		case p.queue <- p.batch:
		case <-p.done:
		}
	}
	close(p.queue)
	<-p.done
	return p.err
}
