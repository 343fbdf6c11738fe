package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/pbx"
	"trunkline.internal/proto/wire"
)

// Links holds every link's settings, written by the ingest that owns the link
// and watched by the parsers.
type Links struct {
	kv  jetstream.KeyValue
	log *slog.Logger
}

// Put writes a link's settings if they changed.
func (l *Links) Put(ctx context.Context, s pbx.Settings) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	key := wire.LinkKey(s.Site, s.Link)
	have, err := l.kv.Get(ctx, key)
	if err == nil && bytes.Equal(have.Value(), value) {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("settings of link %s: %w", key, err)
	}
	if _, err := l.kv.Put(ctx, key, value); err != nil {
		return fmt.Errorf("settings of link %s: %w", key, err)
	}
	return nil
}

// Announce puts a link's settings into the bucket of a server on which we are a
// guest: by an acknowledged publish, which needs no right but to its subject. An
// ErrRefused lasts until somebody changes the user's permissions.
func (b *Bus) Announce(ctx context.Context, s pbx.Settings) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	stream := bucketStream + wire.BucketLinks
	c := &Committer{bus: b, stream: stream, timeout: commitTimeout}
	key := wire.LinkKey(s.Site, s.Link)
	if err := c.publish(ctx, []*nats.Msg{{Subject: "$KV." + wire.BucketLinks + "." + key, Header: nats.Header{}, Data: value}}, c.timeout, nil); err != nil {
		if errors.Is(err, ErrRefused) {
			b.metrics.refused.WithLabelValues(stream, refusal(err)).Inc()
		}
		return fmt.Errorf("settings of link %s: %w", key, err)
	}
	return nil
}

// Watch calls put for each link's settings, first for those that exist, then
// once synced, then for each change, until ctx is done. A removed link is not
// told: tickets of it may still wait.
func (l *Links) Watch(ctx context.Context, put func(pbx.Settings), synced func()) error {
	w, err := l.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("watching links: %w", err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			if !ok {
				if ctx.Err() != nil {
					return nil
				}
				return errors.New("watching links: the watch ended")
			}
			if e == nil {
				synced()
				continue
			}
			var s pbx.Settings
			if err := json.Unmarshal(e.Value(), &s); err != nil || wire.LinkKey(s.Site, s.Link) != e.Key() {
				l.log.Error("unreadable settings of a link: publish its configuration again", "link", e.Key(), "error", err)
				continue
			}
			put(s)
		}
	}
}

// Positions holds how far each source was read. Every write names the revision
// that it replaces, so that an owner that lost its lease cannot turn it back.
type Positions struct{ kv jetstream.KeyValue }

// ErrConflict says that somebody else wrote the position: the link has another
// owner.
var ErrConflict = errors.New("the position was written by another owner")

// Get reads a position; revision 0 means there is none. Keys are made by
// PositionKey.
func (p *Positions) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	e, err := p.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("position %s: %w", key, err)
	}
	return e.Value(), e.Revision(), nil
}

// Put writes a position over the revision it was read at, 0 for a new one, and
// returns the new revision. ErrConflict: it was not the newest.
func (p *Positions) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var next uint64
	var err error
	if revision == 0 {
		next, err = p.kv.Create(ctx, key, value)
	} else {
		next, err = p.kv.Update(ctx, key, value, revision)
	}
	if conflict(err) {
		return 0, fmt.Errorf("position %s: %w", key, ErrConflict)
	}
	if err != nil {
		return 0, fmt.Errorf("position %s: %w", key, err)
	}
	return next, nil
}

// Keys lists the positions of a link.
func (p *Positions) Keys(ctx context.Context, site, link string) ([]string, error) {
	lister, err := p.kv.ListKeysFiltered(ctx, wire.LinkKey(site, link)+".*")
	if err != nil {
		return nil, fmt.Errorf("positions of %s: %w", wire.LinkKey(site, link), err)
	}
	var keys []string
	for k := range lister.Keys() {
		keys = append(keys, k)
	}
	return keys, nil
}

// Delete forgets a position.
func (p *Positions) Delete(ctx context.Context, key string) error {
	if err := p.kv.Delete(ctx, key); err != nil {
		return fmt.Errorf("position %s: %w", key, err)
	}
	return nil
}

// PositionKey is the key of one source of a link; source is any text of
// letters, digits, `-`, `_` and `=`.
func PositionKey(site, link, source string) string {
	return wire.LinkKey(site, link) + "." + source
}

func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// Attempts counts how often a message was begun and not answered, over the
// processes that died of it. A redelivery alone does not tell: a message may
// also have waited for something.
type Attempts struct{ kv jetstream.KeyValue }

// attemptsTTL forgets messages that somebody else answered.
const attemptsTTL = 24 * time.Hour

// Begin counts an attempt and returns how many there were, this one included.
func (a *Attempts) Begin(ctx context.Context, key string) (int, error) {
	for {
		e, err := a.kv.Get(ctx, key)
		n, revision := 0, uint64(0)
		switch {
		case err == nil:
			n, _ = strconv.Atoi(string(e.Value()))
			revision = e.Revision()
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return 0, fmt.Errorf("attempts of %s: %w", key, err)
		}
		value := []byte(strconv.Itoa(n + 1))
		if revision == 0 {
			_, err = a.kv.Create(ctx, key, value)
		} else {
			_, err = a.kv.Update(ctx, key, value, revision)
		}
		if conflict(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("attempts of %s: %w", key, err)
		}
		return n + 1, nil
	}
}

// Done forgets a message that was answered.
func (a *Attempts) Done(ctx context.Context, key string) error {
	if err := a.kv.Delete(ctx, key); err != nil {
		return fmt.Errorf("attempts of %s: %w", key, err)
	}
	return nil
}

// Leases say who owns a link that dials or polls.
type Leases struct {
	kv  jetstream.KeyValue
	log *slog.Logger
	// sole says that whoever held a lease before is dead.
	sole bool
	ttl  time.Duration
}

// leaseTTL is how long a lease outlives its holder; renewed at a third of it.
const leaseTTL = 10 * time.Second

// Hold waits for the lease, runs work while it is held, and gives it back. When
// the lease is lost, work's context ends; when work has returned, Hold waits for
// the lease again, until ctx is done. An error of work's ends Hold.
func (l *Leases) Hold(ctx context.Context, key, owner string, work func(ctx context.Context) error) error {
	if l.sole {
		if err := l.kv.Delete(ctx, key); err != nil {
			l.log.Debug("a dead owner's lease is waited for", "key", key, "error", err)
		}
	}
	for told := false; ctx.Err() == nil; {
		asked := time.Now()
		revision, err := l.kv.Create(ctx, key, []byte(owner))
		if err != nil {
			if !conflict(err) && ctx.Err() == nil && !told {
				told = true
				l.log.Warn("a link waits for its lease", "key", key, "error", err)
			}
			_ = Wait(ctx, l.ttl/6) // with the rest of a dead one's lease 12 s at most
			continue
		}
		told = false
		if err := l.held(ctx, key, owner, revision, asked, work); err != nil {
			return err
		}
	}
	return nil
}

// held runs work under a lease that was renewed, in the server's eyes, not
// before the given time.
func (l *Leases) held(ctx context.Context, key, owner string, revision uint64, renewed time.Time, work func(ctx context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- work(working) }()
	defer stop()
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			// Given back with a context of its own: ctx may be done.
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := l.kv.Delete(release, key, jetstream.LastRevision(revision)); err != nil {
				l.log.Debug("lease not given back, it runs out", "key", key, "error", err)
			}
			return err
		case <-tick.C:
			// However long NATS takes to answer, the work ends before somebody else
			// may hold the lease.
			asked, last := time.Now(), renewed.Add(l.ttl-l.ttl/3)
			renew, cancel := context.WithTimeout(working, min(l.ttl/3, time.Until(last)))
			next, err := l.kv.Update(renew, key, []byte(owner), revision)
			cancel()
			switch {
			case err == nil:
				revision, renewed = next, asked
				continue
			case working.Err() != nil:
				continue
			case !conflict(err) && time.Now().Before(last):
				continue
			}
			l.log.Warn("lease lost", "key", key, "error", err)
			stop()
			return <-done
		}
	}
}

// Usual holds what is usual on each link. Who has the link now writes over who
// had it before: what is lost of it is learned again.
type Usual struct{ kv jetstream.KeyValue }

// Get reads what is known of a link; nil: nothing.
func (u *Usual) Get(ctx context.Context, site, link string) ([]byte, error) {
	e, err := u.kv.Get(ctx, wire.LinkKey(site, link))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what is usual on %s/%s: %w", site, link, err)
	}
	return e.Value(), nil
}

// Put keeps what is known of a link.
func (u *Usual) Put(ctx context.Context, site, link string, value []byte) error {
	if _, err := u.kv.Put(ctx, wire.LinkKey(site, link), value); err != nil {
		return fmt.Errorf("what is usual on %s/%s: %w", site, link, err)
	}
	return nil
}

// SourceKey makes any text fit for PositionKey.
func SourceKey(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r == '=' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, text)
}
