package ingestpoll

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// An import leaves room for live tickets. What nobody has taken yet may fill a
// stream to unread of its size. Messages that ClickHouse has confirmed stay there
// until the sink removes them, which it does from 80 % on: only far above that is
// the import faster than it.
const (
	unread = 0.7
	filled = 0.9
	// A live ticket stands in line behind the import's: so many take the parser, or
	// the sink, about a second each.
	parserBehind = 300_000
	sinkBehind   = 600_000
	// paceEvery is how many bytes are published between two looks, of a small
	// stream less.
	paceEvery = 8 << 20
	pacePause = 250 * time.Millisecond
)

// importPublisher publishes batches while the next ones are read.
type importPublisher struct {
	ImportDeps
	queue chan importBatch
	done  chan struct{}
	err   error

	published, messages atomic.Int64
	sincePace, paceEach int
}

func newImportPublisher(ctx context.Context, d ImportDeps) *importPublisher {
	p := &importPublisher{ImportDeps: d, queue: make(chan importBatch), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for b := range p.queue {
			if p.err = p.batch(ctx, b); p.err != nil {
				return
			}
		}
	}()
	return p
}

func (p *importPublisher) send(b importBatch) error {
	select {
	case p.queue <- b:
		return nil
	case <-p.done:
		return p.err
	}
}

// wait returns when everything is on disk.
func (p *importPublisher) wait() error {
	close(p.queue)
	<-p.done
	return p.err
}

func (p *importPublisher) batch(ctx context.Context, b importBatch) error {
	if p.sincePace += b.bytes; p.sincePace >= p.paceEach {
		p.sincePace = 0
		if err := p.pace(ctx); err != nil {
			return err
		}
	}
	msgs := make([]*nats.Msg, len(b.messages))
	for i, m := range b.messages {
		msgs[i] = m.Msg()
	}
	if err := p.Tickets.Publish(ctx, msgs...); err != nil {
		if errors.Is(err, bus.ErrRefused) {
			return fmt.Errorf("tickets are refused: look at the permissions of our NATS user and at max_payload, which must be 1 MB: %w", err)
		}
		return err
	}
	p.published.Add(b.tickets)
	p.messages.Add(int64(len(msgs)))
	return nil
}

// pace waits while there is no room.
func (p *importPublisher) pace(ctx context.Context) error {
	for told := ""; ; {
		why, err := p.full(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			why = "NATS does not say how full its streams are: " + err.Error()
		}
		if why == "" {
			if told != "" {
				p.Say("the import goes on")
			}
			return nil
		}
		if kind := kindOf(why); kind != told {
			told = kind
			p.Say("the import waits: " + why)
		}
		select {
		case <-time.After(pacePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// kindOf is a reason without its numbers, which change all the time.
func kindOf(why string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, why)
}

// full says why nothing more is to be published for now; empty: it may.
func (p *importPublisher) full(ctx context.Context) (string, error) {
	each := 1.0 // tickets in a message of ours
	if n := p.messages.Load(); n > 0 {
		each = float64(p.published.Load()) / float64(n)
	}
	for _, s := range []struct {
		stream, consumer string
		behind           float64
	}{
		{wire.StreamTickets, wire.ConsumerParser, parserBehind},
		{wire.StreamCdrs, wire.ConsumerSink, sinkBehind},
	} {
		stream, err := p.Bus.JS.Stream(ctx, s.stream)
		if err != nil {
			return "", err
		}
		info := stream.CachedInfo()
		pending, there := float64(info.State.Msgs), false
		switch c, err := p.Bus.JS.Consumer(ctx, s.stream, s.consumer); {
		case err == nil:
			have := c.CachedInfo()
			pending, there = float64(have.NumPending)+float64(have.NumAckPending), true
		case !errors.Is(err, jetstream.ErrConsumerNotFound):
			return "", err
		}
		share := 0.0
		if info.Config.MaxBytes > 0 {
			share = float64(info.State.Bytes) / float64(info.Config.MaxBytes)
		}
		if s.stream == wire.StreamTickets {
			p.paceEach = paceEvery
			if info.Config.MaxBytes > 0 {
				p.paceEach = int(min(paceEvery, info.Config.MaxBytes/16))
			}
		}
		waiting := share * pending / max(1, float64(info.State.Msgs))
		switch {
		case waiting > unread:
			return fmt.Sprintf("%.0f %% of stream %s are messages that no %s has taken: does it run?", 100*waiting, s.stream, s.consumer), nil
		case share > filled && s.stream == wire.StreamTickets:
			return fmt.Sprintf("stream %s is %.0f %% full, and the sink has not made room yet: is it ready, and ClickHouse too?", s.stream, 100*share), nil
		case there && pending*each > s.behind:
			return fmt.Sprintf("the %s is %.0f messages behind, and live tickets stand in the same line", s.consumer, pending), nil
		}
	}
	return "", nil
}

// journals are the names of the journals among a link's positions: of folders and
// servers, of our own servers' inboxes, and of TFTP.
var journals = regexp.MustCompile(`^(files|(?:inbox|tftp)-.+)-\d+$`)

func journalNames(keys []string, prefix string) map[string]bool {
	names := make(map[string]bool)
	for _, key := range keys {
		if m := journals.FindStringSubmatch(strings.TrimPrefix(key, prefix)); m != nil {
			names[m[1]] = true
		}
	}
	return names
}
