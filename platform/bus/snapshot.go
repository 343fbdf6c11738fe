package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A stream is copied by the server itself, over JetStream's API for snapshots
// (`nats stream backup` uses the same): messages with their sequences, times and
// headers, and how far its consumers are.

// StreamCopy describes a copy of a stream, which is bytes beside it.
type StreamCopy struct {
	Stream   string `json:"stream"`
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first_sequence"`
	Last     uint64 `json:"last_sequence"`
	// Size of the messages on the server's disk; the copy is compressed.
	Size uint64 `json:"size"`
	// Config and State are the server's own words, and go back to one unread.
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
}

const (
	apiSnapshot = "$JS.API.STREAM.SNAPSHOT."
	apiRestore  = "$JS.API.STREAM.RESTORE."

	copyChunk = 128 << 10
	// copyPatience is how long the server may take for the next piece. It reads
	// messages of years in it, and restores as long without a word.
	copyPatience = time.Minute
	// leaderPatience is how long nobody may listen: a leader is elected within some
	// seconds.
	leaderPatience = 10 * time.Second
)

// CopyStream writes a copy of a stream while it is used. In it are the messages
// that were there when the copy began; what is published meanwhile is not, and no
// consumer is further than that. It is not for buckets: a key that is written
// meanwhile would be in it neither with its old value nor with its new one.
func CopyStream(ctx context.Context, nc *nats.Conn, stream string, w io.Writer) (*StreamCopy, error) {
	c, err := copyStream(ctx, nc, stream, w)
	if err != nil {
		return nil, fmt.Errorf("copy of stream %s: %w", stream, err)
	}
	return c, nil
}

func copyStream(ctx context.Context, nc *nats.Conn, stream string, w io.Writer) (*StreamCopy, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	var told struct {
		Config json.RawMessage       `json:"config"`
		State  json.RawMessage       `json:"state"`
		Parsed jetstream.StreamState `json:"-"`
	}
	ask := map[string]any{"deliver_subject": inbox, "chunk_size": copyChunk}
	if err := request(ctx, nc, apiSnapshot+stream, ask, &told); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(told.State, &told.Parsed); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	for {
		waiting, done := context.WithTimeout(ctx, copyPatience)
		m, err := sub.NextMsgWithContext(waiting)
		done()
		if err != nil {
			return nil, fmt.Errorf("the server sends no more: %w", err)
		}
		if len(m.Data) == 0 {
			if status := m.Header.Get("Status"); status != "" && status != "204" {
				return nil, fmt.Errorf("the server gave up: %s %s", status, m.Header.Get("Description"))
			}
			s := told.Parsed
			return &StreamCopy{
				Stream: stream, Messages: s.Msgs, First: s.FirstSeq, Last: s.LastSeq, Size: s.Bytes, Config: told.Config, State: told.State,
			}, nil
		}
		if _, err := w.Write(m.Data); err != nil {
			return nil, err
		}
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				return nil, err
			}
		}
	}
}

// Restored says how a stream is put back.
type Restored struct {
	// Age is how old the copy is. The stream keeps its messages so much longer: what
	// no consumer has taken must not age out before one can.
	Age time.Duration
	// Replicas of the stream; 0: as many as it had.
	Replicas int
}

// RestoreStream makes a stream out of a copy; there must be none of its name. It
// has the same messages under the same sequences, and its consumers go on where
// they were. It returns how many messages are there: fewer than the copy began with
// where some aged out, or were purged, while it was made.
func RestoreStream(ctx context.Context, nc *nats.Conn, c *StreamCopy, as Restored, r io.Reader) (uint64, error) {
	n, err := restoreStream(ctx, nc, c, as, r)
	if err != nil {
		return 0, fmt.Errorf("restore of stream %s: %w", c.Stream, err)
	}
	return n, nil
}

func restoreStream(ctx context.Context, nc *nats.Conn, c *StreamCopy, as Restored, r io.Reader) (uint64, error) {
	config, err := restoredConfig(c.Config, as)
	if err != nil {
		return 0, err
	}
	var told struct {
		Deliver string `json:"deliver_subject"`
	}
	if err := request(ctx, nc, apiRestore+c.Stream, map[string]any{"config": config, "state": c.State}, &told); err != nil {
		return 0, err
	}
	buf := make([]byte, copyChunk)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := piece(ctx, nc, told.Deliver, buf[:n], nil); err != nil {
				return 0, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	var made jetstream.StreamInfo
	if err := piece(ctx, nc, told.Deliver, nil, &made); err != nil {
		return 0, err
	}
	if made.State.LastSeq < c.Last {
		return 0, fmt.Errorf("it ends at %d, the copy was made up to %d", made.State.LastSeq, c.Last)
	}
	return made.State.Msgs, checkConsumers(ctx, nc, c)
}

// piece sends a part of a copy; the empty one is the end, and is answered with
// what was made.
func piece(ctx context.Context, nc *nats.Conn, subject string, data []byte, made *jetstream.StreamInfo) error {
	waiting, done := context.WithTimeout(ctx, copyPatience)
	defer done()
	m, err := nc.RequestWithContext(waiting, subject, data)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	if len(m.Data) == 0 {
		return nil
	}
	var told struct {
		Error *jetstream.APIError `json:"error"`
		*jetstream.StreamInfo
	}
	told.StreamInfo = made
	if made == nil {
		told.StreamInfo = new(jetstream.StreamInfo)
	}
	if err := json.Unmarshal(m.Data, &told); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	if told.Error != nil {
		return told.Error
	}
	return nil
}

// restoredConfig changes of a stream's configuration what must differ, and leaves
// what it does not know as it is.
func restoredConfig(config json.RawMessage, as Restored) (map[string]any, error) {
	var c map[string]any
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber() // nanoseconds do not fit a float
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("its configuration: %w", err)
	}
	if age, ok := c["max_age"].(json.Number); ok {
		if n, err := age.Int64(); err == nil && n > 0 {
			c["max_age"] = n + int64(as.Age.Truncate(time.Second))
		}
	}
	if as.Replicas > 0 {
		c["num_replicas"] = as.Replicas
	}
	return c, nil
}

// checkConsumers turns a consumer back that is further than its stream: it would pass
// over what is published next. Servers of before 2.15 copied their consumers last.
func checkConsumers(ctx context.Context, nc *nats.Conn, c *StreamCopy) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, c.Stream)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	all := stream.ListConsumers(ctx)
	var ahead []jetstream.ConsumerConfig
	for info := range all.Info() {
		if info.Delivered.Stream > last || info.AckFloor.Stream > last {
			ahead = append(ahead, info.Config)
		}
	}
	if err := all.Err(); err != nil {
		return err
	}
	for _, cfg := range ahead {
		if err := stream.DeleteConsumer(ctx, cfg.Name); err != nil {
			return fmt.Errorf("consumer %s: %w", cfg.Name, err)
		}
		// It had everything that is there.
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, last+1, nil
		if _, err := stream.CreateConsumer(ctx, cfg); err != nil {
			return fmt.Errorf("consumer %s: %w", cfg.Name, err)
		}
	}
	return nil
}

// codeNoLeader says that a stream, or the cluster, has no leader at present.
const codeNoLeader jetstream.ErrorCode = 10008

// request asks the leader of a stream. While there is none nobody listens, or a server
// says so: that is waited for. The server's refusal is a jetstream.APIError.
func request(ctx context.Context, nc *nats.Conn, subject string, ask, answer any) error {
	data, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	waiting, done := context.WithTimeout(ctx, copyPatience)
	defer done()
	pause := Backoff{Max: time.Second}
	for asked := time.Now(); ; {
		m, err := nc.RequestWithContext(waiting, subject, data)
		if errors.Is(err, nats.ErrNoResponders) && time.Since(asked) < leaderPatience && pause.Wait(waiting) == nil {
			continue
		}
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: is JetStream on, and may our NATS user do this?", err)
		}
		if err != nil {
			return err
		}
		var refused struct {
			Error *jetstream.APIError `json:"error"`
		}
		if err := errors.Join(json.Unmarshal(m.Data, &refused), json.Unmarshal(m.Data, answer)); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		if refused.Error == nil {
			return nil
		}
		if refused.Error.ErrorCode != codeNoLeader || time.Since(asked) >= leaderPatience || pause.Wait(waiting) != nil {
			return refused.Error
		}
	}
}
