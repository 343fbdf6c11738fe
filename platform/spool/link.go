package spool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// What is taken at once: as much as an atomic batch carries, or as the line to the
// hub carries in a few seconds.
const (
	maxMessages = 1000
	maxBytes    = 4 << 20
	minBytes    = 64 << 10
	// ahead is what is read in advance.
	ahead = 1 << 20
	// slow and fast are how long a batch takes for the next to be smaller or larger.
	slow, fast = 5 * time.Second, time.Second
	// linger is what follows a message closely and goes with it.
	linger = time.Millisecond
)

// link is what the spool holds of one link under one model. Each link goes by
// itself, so that its order is kept and one that the hub refuses stands alone.
//
// What the hub has is purged by subject and sequence: one sync to disk for a
// batch. An acknowledgement for each message, of a work queue, is a synced delete
// each, and fifty times slower.
type link struct {
	*Spool
	subject string
	key     string // wire.LinkKey
	most    int    // bytes of the next batch

	telling sync.Mutex
	told    told

	state   sync.Mutex
	trouble string
	since   time.Time // logged
}

// told is which settings the hub has been told, over which of its connections:
// it may have been another hub before.
type told struct {
	edition    int
	reconnects uint64
}

// longest is how long the hub may be away before reading begins anew when it is
// back, some seconds later.
const longest = 30 * 24 * time.Hour

// failures in a row are trouble.
const failures = 5

// item is a message in the spool.
type item struct {
	seq uint64
	msg *nats.Msg
}

// run forwards until ctx is done.
func (l *link) run(ctx context.Context) {
	back := bus.Backoff{Max: 5 * time.Second}
	for failed := 1; ctx.Err() == nil; failed++ {
		began := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failed = 1
			back.Reset()
		}
		// Harmless: what is not purged is read again, and the hub knows it.
		l.log.Debug("the spool is read anew", "link", l.key, "error", err)
		if failed >= failures {
			l.settle(fmt.Errorf("the spool of link %s cannot be emptied: %w", l.name(), err))
		}
		_ = back.Wait(ctx)
	}
}

var errGap = errors.New("messages are missing between the spool and the forwarder")

// session reads the link's tickets from the oldest on.
func (l *link) session(ctx context.Context) error {
	stream, err := l.local.JS.Stream(ctx, wire.StreamSpool)
	if err != nil {
		return err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: l.subject, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: longest,
	})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = stream.DeleteConsumer(end, consumer.CachedInfo().Name) // it ends by itself too
	}()
	it, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(maxMessages, ahead))
	if err != nil {
		return err
	}
	defer it.Stop()
	from := &source{it: it}
	for {
		batch, err := from.next(ctx, l.most)
		if err != nil {
			return err
		}
		if err := l.send(ctx, stream, batch); err != nil {
			return err
		}
	}
}

// source gathers batches of a consumer's messages.
type source struct {
	it   jetstream.MessagesContext
	last uint64 // the consumer's count
	held *item
}

// next waits for a message, and takes with it what follows at once.
func (s *source) next(ctx context.Context, most int) ([]item, error) {
	var out []item
	size := 0
	for len(out) < maxMessages {
		one := s.held
		s.held = nil
		if one == nil {
			wait := jetstream.NextContext(ctx)
			if len(out) > 0 {
				wait = jetstream.NextMaxWait(linger)
			}
			msg, err := s.it.Next(wait)
			if err != nil && len(out) > 0 {
				break // an error that lasts comes again
			}
			if err != nil {
				return nil, err
			}
			if one, err = s.take(msg); err != nil {
				return nil, err
			}
		}
		if size += one.msg.Size(); size > most && len(out) > 0 {
			s.held = one
			break
		}
		out = append(out, *one)
	}
	return out, nil
}

// take copies a message for the hub.
func (s *source) take(msg jetstream.Msg) (*item, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	// What is purged behind a gap would be lost.
	if s.last++; meta.Sequence.Consumer != s.last {
		return nil, errGap
	}
	out := &nats.Msg{Subject: msg.Subject(), Header: make(nats.Header, len(msg.Headers())), Data: msg.Data()}
	for name, values := range msg.Headers() {
		// What NATS added is of the spool: its batches, its times to live.
		if name == jetstream.MsgIDHeader || !strings.HasPrefix(name, "Nats-") {
			out.Header[name] = values
		}
	}
	return &item{meta.Sequence.Stream, out}, nil
}

// send hands a batch to the hub, and takes it out of the spool.
func (l *link) send(ctx context.Context, stream jetstream.Stream, batch []item) error {
	if err := l.tell(ctx); err != nil {
		return err
	}
	msgs := make([]*nats.Msg, len(batch))
	for i, one := range batch {
		msgs[i] = one.msg
	}
	began := time.Now()
	err := l.tickets.Publish(l.sending, msgs...)
	switch took := time.Since(began); {
	case took > slow:
		l.most = max(l.most/2, minBytes)
	case took < fast:
		l.most = min(l.most*2, maxBytes)
	}
	if errors.Is(err, bus.ErrRefused) {
		return l.insist(ctx, stream, batch)
	}
	if err != nil {
		return err
	}
	return l.purge(ctx, stream, batch)
}

// insist hands over message by message up to the one that the hub refuses, and
// that again and again: nothing is dropped, and nothing overtakes.
func (l *link) insist(ctx context.Context, stream jetstream.Stream, batch []item) error {
	back := bus.Backoff{Min: 2 * time.Second, Max: time.Minute}
	for i := 0; i < len(batch); {
		err := l.tickets.Publish(ctx, batch[i].msg)
		switch {
		case err == nil:
			if err := l.purge(ctx, stream, batch[i:i+1]); err != nil {
				return err
			}
			back.Reset()
			i++
		case errors.Is(err, bus.ErrRefused):
			l.metrics.refused.Inc()
			l.settle(fmt.Errorf("the hub refuses the tickets of link %s, they stay in the spool: %w", l.name(), err))
			if err := l.hub.Wait(ctx, &back); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// purge takes out of the spool what the hub has, also while the process ends.
func (l *link) purge(ctx context.Context, stream jetstream.Stream, batch []item) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	last := batch[len(batch)-1].seq
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(l.subject), jetstream.WithPurgeSequence(last+1)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	l.metrics.forwarded.Add(float64(len(batch)))
	l.settle(nil)
	return nil
}

// tell gives the hub the link's settings unless it has them: no parser touches
// tickets without.
func (l *link) tell(ctx context.Context) error {
	l.telling.Lock()
	defer l.telling.Unlock()
	back := bus.Backoff{Max: 5 * time.Second}
	for {
		l.mu.Lock()
		settings := l.settings[l.key]
		l.mu.Unlock()
		now := told{settings.edition, l.hub.Conn.Stats().Reconnects}
		if settings.edition == 0 || l.told == now {
			return nil
		}
		err := l.hub.Announce(ctx, settings.Settings)
		if err == nil {
			l.told = now
			l.settle(nil)
			continue
		}
		if errors.Is(err, bus.ErrRefused) {
			l.metrics.refused.Inc()
			l.settle(fmt.Errorf("the hub refuses the settings of link %s, its tickets stay in the spool: %w", l.name(), err))
		}
		if err := l.hub.Wait(ctx, &back); err != nil {
			return err
		}
	}
}

func (l *link) name() string { return strings.Replace(l.key, ".", "/", 1) }

// settle tells that a link stands still, hourly, and when that is over.
func (l *link) settle(err error) {
	l.state.Lock()
	defer l.state.Unlock()
	switch {
	case err == nil && l.trouble != "":
		l.trouble, l.since = "", time.Time{}
		l.log.Info("the hub takes the link's tickets again", "link", l.name())
	case err != nil:
		if l.trouble != err.Error() || time.Since(l.since) > time.Hour {
			l.since = time.Now()
			l.log.Error("a link stands still", "link", l.name(), "error", err)
		}
		l.trouble = err.Error()
	}
}

// stopped is why the link stands still; empty: it does not.
func (l *link) stopped() string {
	l.state.Lock()
	defer l.state.Unlock()
	return l.trouble
}
