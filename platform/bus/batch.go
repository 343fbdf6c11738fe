package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

var (
	errDuplicateInBatch = errors.New("the batch holds a message that the stream has")
	// A message of it was dropped on the way: its subject may be forbidden, or
	// another stream's.
	errIncompleteBatch = errors.New("the batch did not arrive whole")
)

var errAway = errors.New("NATS is away")

// Headers of ADR-50's atomic batch publish.
const (
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

var batchIDs = sync.Pool{New: func() any { return nuid.New() }}

func batchID() string {
	n := batchIDs.Get().(*nuid.NUID)
	defer batchIDs.Put(n)
	return n.Next()
}

// sequences are the numbers of a batch's messages as headers have them.
var sequences = func() (s [maxBatchMessages][]string) {
	for i := range s {
		s[i] = []string{strconv.Itoa(i + 1)}
	}
	return s
}()

// publish sends one message, or several as one atomic batch, and waits for the
// acknowledgement. To begin a batch takes the server half of the time that all of it
// takes: what more gives meanwhile goes with it; nil: nothing.
func (c *Committer) publish(ctx context.Context, msgs []*nats.Msg, limit time.Duration, more func() []*nats.Msg) error {
	ctx, disconnect := c.bus.whileConnected(ctx)
	defer disconnect()
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done, err := c.bus.forbidden.await(msgs, cancel)
	if err != nil {
		return err
	}
	defer done()
	if len(msgs) == 1 {
		return c.request(ctx, alone(msgs[0]))
	}
	id, sent := []string{batchID()}, 0
	number := func(msg *nats.Msg) *nats.Msg {
		msg.Header[headerBatchID], msg.Header[headerBatchSequence] = id, sequences[sent]
		sent++
		return msg
	}
	if more != nil {
		if err := c.request(ctx, number(msgs[0])); err != nil {
			return err
		}
		added := more()
		done, err := c.bus.forbidden.await(added, cancel)
		if err != nil {
			return err
		}
		defer done()
		msgs = append(msgs[:len(msgs):len(msgs)], added...)
	}
	for _, msg := range msgs[sent : len(msgs)-1] {
		if err := c.bus.Conn.PublishMsg(number(msg)); err != nil {
			return classify(err)
		}
	}
	last := number(msgs[len(msgs)-1])
	last.Header.Set(headerBatchCommit, "1")
	defer last.Header.Del(headerBatchCommit)
	return c.request(ctx, last)
}

// alone takes the marks of a batch off a message that was tried in one.
func alone(msg *nats.Msg) *nats.Msg {
	msg.Header.Del(headerBatchID)
	msg.Header.Del(headerBatchSequence)
	return msg
}

// request sends a message that is answered: with an acknowledgement, or with nothing
// where it is not the last one of its batch.
func (c *Committer) request(ctx context.Context, msg *nats.Msg) error {
	reply, err := c.bus.Conn.RequestMsgWithContext(ctx, msg)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrForbidden) || errors.Is(cause, errDeaf) {
			return cause
		}
		return classify(err)
	}
	if len(reply.Data) == 0 && msg.Header.Get(headerBatchID) != "" && msg.Header.Get(headerBatchCommit) == "" {
		return nil
	}
	var ack struct {
		Error     *jetstream.APIError `json:"error"`
		Stream    string              `json:"stream"`
		Duplicate bool                `json:"duplicate"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return fmt.Errorf("unreadable acknowledgement: %w", err)
	}
	switch {
	case ack.Error != nil:
		return classify(ack.Error)
	case ack.Stream != c.stream:
		return fmt.Errorf("%w: stream %q took the message meant for %s", ErrRefused, ack.Stream, c.stream)
	case ack.Duplicate:
		c.bus.metrics.duplicates.WithLabelValues(c.stream).Inc()
	}
	return nil
}

// Error codes of the server's errors.json.
const (
	codeMessageTooLarge  = 10054
	codeIncompleteBatch  = 10176
	codeDuplicateInBatch = 10201
)

func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		switch api.ErrorCode {
		case codeDuplicateInBatch:
			return errDuplicateInBatch
		case codeIncompleteBatch:
			return errIncompleteBatch
		case codeMessageTooLarge:
			return fmt.Errorf("%w: %s", ErrRefused, api.Description)
		}
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrBadHeaderMsg),
		errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return errAway
	}
	return err
}

func retryReason(err error) string {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		if strings.Contains(api.Description, "maximum") {
			return "stream_full"
		}
		return "code_" + strconv.Itoa(int(api.ErrorCode))
	case errors.Is(err, errDeaf):
		return "forbidden_inbox"
	case errors.Is(err, nats.ErrNoResponders):
		return "no_stream"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "timeout"
	}
	return "disconnected"
}

// refusal is why a message was refused, for metrics.
func refusal(err error) string {
	if errors.Is(err, ErrForbidden) {
		return "forbidden"
	}
	return "unfit"
}
