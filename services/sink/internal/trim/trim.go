// Package trim makes room in streams that fill up: it removes the oldest
// messages, never one that ClickHouse has not confirmed.
package trim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink/internal/metrics"
)

// A stream above high of its size is trimmed to low.
const (
	high = 0.8
	low  = 0.6
)

// A stream that fills up is looked at more often: a burst must not wait for room
// that ClickHouse has long confirmed.
const (
	every      = 30 * time.Second
	everyAbove = 5 * time.Second // above low
	everyFull  = time.Second     // above high, where what is confirmed may not have sufficed
)

// Trimmer looks at both streams at each Tick.
type Trimmer struct {
	JS      jetstream.JetStream
	Log     *slog.Logger
	Metrics *metrics.Metrics
	// Tell hears of what was removed, for the audit. What it cannot take is told
	// again at the next Tick.
	Tell func(ctx context.Context, acts []*v1.Act) error

	untold []*v1.Act
	// samples wait for the sink to come up to them.
	samples []sample
	// parsed is up to where the tickets are confirmed.
	parsed uint64
	// fullest is the part of its size that the fuller stream had at the last Tick.
	fullest float64
}

// Next is how long after a Tick the next one is due.
func (t *Trimmer) Next() time.Duration {
	switch {
	case t.fullest > high:
		return everyFull
	case t.fullest > low:
		return everyAbove
	}
	return every
}

// sample says: the receipts of the tickets up to tickets stand at or before
// cdrs. The parser acknowledges a ticket after its receipts are stored, so its
// floor, read first, and the last receipt, read after it, are such a pair.
type sample struct{ tickets, cdrs uint64 }

// maxSamples bounds what a sink that is behind for days remembers.
const maxSamples = 512

// Tick trims what is due.
func (t *Trimmer) Tick(ctx context.Context) error {
	t.fullest = 0
	parser, err := t.floor(ctx, wire.StreamTickets, wire.ConsumerParser)
	if err != nil {
		return err
	}
	cdrs, err := t.info(ctx, wire.StreamCdrs)
	if err != nil {
		return err
	}
	sink, err := t.floor(ctx, wire.StreamCdrs, wire.ConsumerSink)
	if err != nil {
		return err
	}
	t.note(sample{tickets: parser, cdrs: cdrs.State.LastSeq})
	t.confirm(sink)
	return errors.Join(t.trim(ctx, wire.StreamCdrs, sink), t.trim(ctx, wire.StreamTickets, t.parsed), t.tell(ctx))
}

func (t *Trimmer) tell(ctx context.Context) error {
	if len(t.untold) == 0 || t.Tell == nil {
		return nil
	}
	if err := t.Tell(ctx, t.untold); err != nil {
		return fmt.Errorf("telling the audit what was removed: %w", err)
	}
	t.untold = nil
	return nil
}

// held is what the audit keeps of a stream before it was trimmed and after.
type held struct {
	First    uint64    `json:"first_sequence"`
	Last     uint64    `json:"last_sequence"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Oldest   time.Time `json:"oldest"`
}

func holds(s jetstream.StreamState) held {
	return held{s.FirstSeq, s.LastSeq, s.Msgs, s.Bytes, s.FirstTime.UTC()}
}

// purged notes what was removed from a stream.
func (t *Trimmer) purged(ctx context.Context, s jetstream.Stream, before jetstream.StreamState, end uint64) {
	object := fmt.Sprintf("stream %s, sequences %d to %d", s.CachedInfo().Config.Name, before.FirstSeq, end-1)
	var after any
	if info, err := s.Info(ctx); err == nil {
		after = holds(info.State)
	}
	act := bus.Act(bus.ActPurge, bus.WhoIs("sink"), object, time.Now(), holds(before), after)
	act.Id = rand.Text()
	t.untold = append(t.untold, act)
}

func (t *Trimmer) note(s sample) {
	last := sample{tickets: t.parsed}
	if n := len(t.samples); n > 0 {
		last = t.samples[n-1]
	}
	if s.tickets < last.tickets || s.cdrs < last.cdrs {
		// A stream was made anew: what was noted of the old one is void.
		t.samples, t.parsed = nil, 0
	}
	if len(t.samples) == maxSamples {
		// Every other one is as true, and comes a little later.
		for i := range maxSamples / 2 {
			t.samples[i] = t.samples[2*i+1]
		}
		t.samples = t.samples[:maxSamples/2]
	}
	t.samples = append(t.samples, s)
}

func (t *Trimmer) confirm(sink uint64) {
	for len(t.samples) > 0 && t.samples[0].cdrs <= sink {
		t.parsed = t.samples[0].tickets
		t.samples = t.samples[1:]
	}
}

// floor is the sequence up to which a consumer has acknowledged everything; 0
// while there is no such consumer.
func (t *Trimmer) floor(ctx context.Context, stream, consumer string) (uint64, error) {
	c, err := t.JS.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s on %s: %w", consumer, stream, err)
	}
	info := c.CachedInfo()
	pending := t.Metrics.Pending
	if consumer == wire.ConsumerParser {
		pending = t.Metrics.Unparsed
	}
	pending.Set(float64(info.NumPending) + float64(info.NumAckPending))
	return info.AckFloor.Stream, nil
}

func (t *Trimmer) info(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	s, err := t.JS.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	return s.CachedInfo(), nil
}

// trim removes messages up to the confirmed sequence, as many as it takes.
func (t *Trimmer) trim(ctx context.Context, name string, confirmed uint64) error {
	s, err := t.JS.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("stream %s: %w", name, err)
	}
	info := s.CachedInfo()
	if limit := info.Config.MaxBytes; limit > 0 {
		t.fullest = max(t.fullest, float64(info.State.Bytes)/float64(limit))
	}
	end := target(info, confirmed)
	if end <= info.State.FirstSeq {
		return nil
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(end)); err != nil {
		return fmt.Errorf("trimming stream %s: %w", name, err)
	}
	purged := end - info.State.FirstSeq
	t.purged(ctx, s, info.State, end)
	t.Metrics.Purged.WithLabelValues(name).Add(float64(purged))
	t.Log.Info("a stream was filling up, its oldest messages are in clickhouse and were removed",
		"stream", name, "messages", purged, "bytes_before", info.State.Bytes, "max_bytes", info.Config.MaxBytes)
	return nil
}

// target is the sequence that should become the stream's first.
func target(info *jetstream.StreamInfo, confirmed uint64) uint64 {
	limit, used := float64(info.Config.MaxBytes), float64(info.State.Bytes)
	if limit <= 0 || used <= high*limit {
		return 0
	}
	// Messages are taken to be of one size; the next tick corrects.
	span := info.State.LastSeq - info.State.FirstSeq + 1
	end := info.State.FirstSeq + uint64(float64(span)*(1-low*limit/used))
	return min(end, confirmed+1)
}
