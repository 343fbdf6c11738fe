package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Replays numbers the replays.
type Replays struct{ kv jetstream.KeyValue }

const keyRevision = "revision"

// Next draws a number above all that were drawn, and above the given one: what was
// written under a number must never be written under it again, also when NATS has
// lost its count.
func (r *Replays) Next(ctx context.Context, above uint32) (uint32, error) {
	for {
		e, err := r.kv.Get(ctx, keyRevision)
		last, revision := uint64(0), uint64(0)
		switch {
		case err == nil:
			if last, err = strconv.ParseUint(string(e.Value()), 10, 32); err != nil {
				return 0, fmt.Errorf("number of the last replay: %w", err)
			}
			revision = e.Revision()
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return 0, fmt.Errorf("number of the last replay: %w", err)
		}
		next := max(last, uint64(above)) + 1
		value := []byte(strconv.FormatUint(next, 10))
		if revision == 0 {
			_, err = r.kv.Create(ctx, keyRevision, value)
		} else {
			_, err = r.kv.Update(ctx, keyRevision, value, revision)
		}
		if conflict(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("number of the replay: %w", err)
		}
		return uint32(next), nil
	}
}
