package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

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
