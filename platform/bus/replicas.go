package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// replicate gives a stream as many replicas as are configured. More than that are
// kept: who wants fewer takes them away by hand. A cluster that cannot have so many
// keeps what it has, as durable as before, and it is said at each start.
func (b *Bus) replicate(ctx context.Context, have jetstream.StreamConfig) error {
	was := have.Replicas
	if was >= b.cfg.Replicas {
		return nil
	}
	have.Replicas = b.cfg.Replicas
	_, err := b.JS.UpdateStream(ctx, have)
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
		b.log.Error("a stream has fewer replicas than nats.replicas, and goes on with them: "+enough,
			"stream", have.Name, "replicas", was, "wanted", b.cfg.Replicas, "error", err)
		return nil
	}
	return err
}

// bucketStream begins the name of the stream below a bucket.
const bucketStream = "KV_"

func (b *Bus) replicateBucket(ctx context.Context, bucket string) error {
	stream, err := b.JS.Stream(ctx, bucketStream+bucket)
	if err != nil {
		return err
	}
	return b.replicate(ctx, stream.CachedInfo().Config)
}

// enough says what replicas need.
const enough = "each needs a server of its own, with JetStream and room; give nats.replicas no more than that, or add servers and start this again"

// Codes of JetStream that say that it cannot have so many replicas.
const (
	codeNoPeers      jetstream.ErrorCode = 10005
	codeNoResources  jetstream.ErrorCode = 10023
	codeNotClustered jetstream.ErrorCode = 10074
)

// tooMany explains why a stream with replicas cannot be made.
func (b *Bus) tooMany(err error) error {
	api := (*jetstream.APIError)(nil)
	if b.cfg.Replicas > 1 && errors.As(err, &api) {
		switch api.ErrorCode {
		case codeNoPeers, codeNoResources, codeNotClustered:
			return fmt.Errorf("nats.replicas is %d, and this NATS cannot have so many: %s: %w", b.cfg.Replicas, enough, err)
		}
	}
	return err
}
