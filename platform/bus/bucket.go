package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

// BucketCopy describes a copy of a key-value bucket: a JSON object a line beside
// it.
type BucketCopy struct {
	Bucket  string        `json:"bucket"`
	Keys    int           `json:"keys"`
	History uint8         `json:"history"`
	TTL     time.Duration `json:"ttl_nanoseconds,omitempty"`
}

// entry is a line of a copy.
type entry struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// momentary are buckets of what is true for seconds.
var momentary = []string{wire.BucketLeases, wire.BucketAttempts}

// BucketsToCopy are the names of all buckets that outlive their processes.
func BucketsToCopy(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	lister := js.KeyValueStoreNames(ctx)
	var names []string
	for name := range lister.Name() {
		if !slices.Contains(momentary, name) {
			names = append(names, name)
		}
	}
	if err := lister.Error(); err != nil {
		return nil, fmt.Errorf("names of buckets: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// CopyBucket writes each key's value, as it is when it is read.
func CopyBucket(ctx context.Context, nc *nats.Conn, bucket string, w io.Writer) (*BucketCopy, error) {
	c, err := copyBucket(ctx, nc, bucket, w)
	if err != nil {
		return nil, fmt.Errorf("copy of bucket %s: %w", bucket, err)
	}
	return c, nil
}

func copyBucket(ctx context.Context, nc *nats.Conn, bucket string, w io.Writer) (*BucketCopy, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, err
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, err
	}
	prefix := "$KV." + bucket + "."
	stream, err := js.Stream(ctx, bucketStream+bucket)
	if err != nil {
		return nil, err
	}
	// The server lists all subjects at one moment; a watcher would miss a key that
	// is written while it reads.
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return nil, err
	}
	c := &BucketCopy{Bucket: bucket, History: uint8(status.History()), TTL: status.TTL()} //nolint:gosec // 64 at most
	var keys []string
	for subject := range info.State.Subjects {
		keys = append(keys, strings.TrimPrefix(subject, prefix))
	}
	slices.Sort(keys)
	enc := json.NewEncoder(w)
	for _, key := range keys {
		value, there, err := leadersValue(ctx, nc, bucketStream+bucket, prefix+key)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		if !there {
			continue
		}
		if err := enc.Encode(entry{key, value}); err != nil {
			return nil, err
		}
		c.Keys++
	}
	return c, nil
}

// leadersValue reads a key from the leader of its bucket. KeyValue.Get asks any
// replica: one that lags answers with an old value, or that there is none, and the
// copy would lack what was acknowledged.
func leadersValue(ctx context.Context, nc *nats.Conn, stream, subject string) (value []byte, there bool, err error) {
	var told struct {
		Message struct {
			Header []byte `json:"hdrs"`
			Data   []byte `json:"data"`
		} `json:"message"`
	}
	// A leader that dies does not answer, the next one does.
	for begun := time.Now(); ; {
		asking, done := context.WithTimeout(ctx, leaderPatience)
		err := request(asking, nc, "$JS.API.STREAM.MSG.GET."+stream, map[string]any{"last_by_subj": subject}, &told)
		done()
		var refused *jetstream.APIError
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && time.Since(begun) < copyPatience:
			continue
		case errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeMessageNotFound:
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
		break
	}
	if len(told.Message.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(told.Message.Header)
		if err != nil {
			return nil, false, fmt.Errorf("the server's answer: %w", err)
		}
		if h.Get("KV-Operation") != "" || h.Get(jetstream.MarkerReasonHeader) != "" { // deleted
			return nil, false, nil
		}
	}
	return told.Message.Data, true, nil
}

// RestoreBucket makes the bucket if it is missing, and puts the copy's values into
// it.
func RestoreBucket(ctx context.Context, js jetstream.JetStream, c *BucketCopy, as Restored, r io.Reader) error {
	if err := restoreBucket(ctx, js, c, as, r); err != nil {
		return fmt.Errorf("restore of bucket %s: %w", c.Bucket, err)
	}
	return nil
}

func restoreBucket(ctx context.Context, js jetstream.JetStream, c *BucketCopy, as Restored, r io.Reader) error {
	kv, err := js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: c.Bucket, History: c.History, TTL: c.TTL, Replicas: max(1, as.Replicas), Storage: jetstream.FileStorage,
		})
	}
	if err != nil {
		return err
	}
	dec := json.NewDecoder(r)
	n := 0
	for ; ; n++ {
		var e entry
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if _, err := kv.Put(ctx, e.Key, e.Value); err != nil {
			return fmt.Errorf("key %s: %w", e.Key, err)
		}
	}
	if n != c.Keys {
		return fmt.Errorf("%d keys are there, of %d", n, c.Keys)
	}
	return nil
}
