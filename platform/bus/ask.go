package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
)

// askNext is how long another answer is waited for behind one.
const askNext = 500 * time.Millisecond

// Ask puts a question to all who answer it, and calls each with their answers
// until it returns true, or nobody says more. The first is waited for as long as
// patience says. Nobody at all is no error.
func Ask(ctx context.Context, nc *nats.Conn, subject string, question proto.Message, patience time.Duration, each func(answer []byte) (enough bool, err error)) error {
	body, err := proto.Marshal(question)
	if err != nil {
		return err
	}
	inbox := nc.NewRespInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection is gone, and with it the subscription
	flush, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := nc.PublishRequest(subject, inbox, body); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	// A refusal comes before the answer to the flush; without it the wait would be for nobody.
	if err := nc.FlushWithContext(flush); err == nil && errors.Is(nc.LastError(), nats.ErrPermissionViolation) {
		return fmt.Errorf("our NATS user may not ask %s: give the credentials of the role operator, nats.creds_file and nats.inbox_prefix", subject)
	}
	for ; ; patience = askNext {
		wait, cancel := context.WithTimeout(ctx, patience)
		msg, err := answers.NextMsgWithContext(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			return nil
		case errors.Is(err, nats.ErrNoResponders):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", subject, err)
		}
		if enough, err := each(msg.Data); err != nil || enough {
			return err
		}
	}
}

// Answer answers questions of a subject until ctx is done. Those who share a
// queue answer in turns; the empty queue is for answers of everybody.
func (b *Bus) Answer(ctx context.Context, subject, queue string, answer func(question []byte) []proto.Message) error {
	sub, err := b.Conn.QueueSubscribe(subject, queue, func(msg *nats.Msg) {
		if msg.Reply == "" {
			return
		}
		for _, m := range answer(msg.Data) {
			body, err := proto.Marshal(m)
			if err == nil {
				err = msg.Respond(body)
			}
			if err != nil {
				b.metrics.errors.Inc()
				b.log.Warn("an answer is not sent", "subject", subject, "error", err)
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("answering %s: %w", subject, err)
	}
	context.AfterFunc(ctx, func() { sub.Unsubscribe() }) //nolint:errcheck // the connection is gone, and with it the subscription
	return nil
}
