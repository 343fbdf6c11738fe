package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

// DefaultMaxBytes bounds a stream where nothing is configured.
const DefaultMaxBytes = 8 << 30

func (b *Bus) streams() []jetstream.StreamConfig {
	if b.cfg.Role == Spool {
		return []jetstream.StreamConfig{{
			Name:        wire.StreamSpool,
			Description: "call tickets on their way to the hub",
			Subjects:    []string{wire.TicketSubjects},
			MaxBytes:    b.cfg.SpoolMaxBytes,
			Duplicates:  duplicateWindow,
		}}
	}
	return []jetstream.StreamConfig{
		{
			Name:        wire.StreamTickets,
			Description: "call tickets as the PBXs gave them",
			Subjects:    []string{wire.TicketSubjects},
			MaxAge:      30 * 24 * time.Hour,
			MaxBytes:    b.cfg.TicketsMaxBytes,
			Duplicates:  duplicateWindow,
		},
		{
			Name:        wire.StreamCdrs,
			Description: "a receipt for every ticket: CDR, ignored or dead",
			Subjects:    []string{wire.CdrSubjects},
			MaxAge:      30 * 24 * time.Hour,
			MaxBytes:    b.cfg.CdrsMaxBytes,
			Duplicates:  duplicateReceipts,
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
			err = b.tooMany(err)
		} else if err == nil && b.cfg.Replicas > 1 {
			err = b.replicateBucket(ctx, want.bucket)
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", want.bucket, err)
		}
		want.use(kv)
	}
	return nil
}

// codeNoStorage says that the bounds of all streams are more than NATS may store.
const codeNoStorage jetstream.ErrorCode = 10047

// tooLarge explains why a stream of such a bound cannot be made.
func tooLarge(err error, want jetstream.StreamConfig) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != codeNoStorage {
		return err
	}
	return fmt.Errorf("NATS has no room for %d bytes: give nats.%s.max_bytes less, or NATS more (max_file_store, which is three quarters of what its disk has free unless it is set): %w",
		want.MaxBytes, strings.ToLower(want.Name), err)
}

// A publisher's retries are covered by the duplicate windows: of who lost the answer,
// and of the parser, to whom a message comes again after 3 s. What comes later is one
// row by its ticket id. NATS holds each id in 130 bytes of memory that its garbage
// collection looks at: in five minutes of 5,000 tickets a second it spent more on
// them than on tickets.
const (
	duplicateWindow   = time.Minute
	duplicateReceipts = 30 * time.Second
)

func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := b.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = b.JS.CreateStream(ctx, want)
		return tooLarge(b.tooMany(err), want)
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
	if next.Duplicates > want.Duplicates {
		next.Duplicates, changed = want.Duplicates, true
	}
	if !next.AllowAtomicPublish {
		next.AllowAtomicPublish, changed = true, true
	}
	if next.Discard != jetstream.DiscardNew {
		next.Discard, changed = jetstream.DiscardNew, true
	}
	if changed {
		if _, err := b.JS.UpdateStream(ctx, next); err != nil {
			return err
		}
	}
	return b.replicate(ctx, next)
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
