package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/telemetry"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
	"trunkline.internal/services/sink"
)

// replay is one replay. It takes what TICKETS still holds from there, then what
// else stands in ClickHouse, and at last takes back ids under which tickets stood
// that have another one now. After each step it waits for the sink: the next one
// looks at what is not done yet, and so nothing is missed and nothing is done
// twice.
type replay struct {
	selection sink.KeptSelection
	store     *sink.Kept
	bus       *bus.Bus
	cdrs      *bus.Committer
	show      *progress
	out       io.Writer
	settings  map[string]pbx.Settings // of today, by wire.LinkKey
	who       string

	links    []*replayLink
	before   sink.KeptCounts
	revision uint32
	// done counts tickets, cannot those that cannot be parsed again, by reason.
	done   int64
	cannot map[string]int64
}

// find finds the links of the selection, and counts their tickets.
func (r *replay) find(ctx context.Context) error {
	r.cannot = make(map[string]int64)
	links, counts, err := r.store.Links(ctx, r.selection)
	if err != nil {
		return err
	}
	for _, l := range links {
		s, ok := r.settings[wire.LinkKey(l.Site, l.Link)]
		why := "no settings of their link, as its ingest would publish them"
		if ok {
			one, err := newReplayLink(s)
			if err == nil {
				r.links = append(r.links, one)
				r.before.Add(counts[l])
				continue
			}
			why = "settings of their link that cannot be used: " + err.Error()
		}
		if r.selection.Link != "" {
			return fmt.Errorf("link %s/%s: there are %s", l.Site, l.Link, why)
		}
		c := counts[l]
		r.cannot[fmt.Sprintf("there are %s (%s/%s)", why, l.Site, l.Link)] += int64(c.All())
	}
	return nil
}

// of is the selection, of one link.
func (r *replay) of(l *replayLink) sink.KeptSelection {
	s := r.selection
	s.Site, s.Link, s.Below = l.settings.Site, l.settings.Link, r.revision
	return s
}

const leaseReplay = "replay"

// replayed ends the lease after one turn.
type replayed struct{ err error }

func (replayed) Error() string { return "replayed" }

// alone replays while nobody else does: of two at a time the one that began first
// might end last.
func (r *replay) alone(ctx context.Context) error {
	patience := time.AfterFunc(2*time.Second, func() {
		r.show.say("another replay is at work, or was cut some seconds ago: this one waits for it")
	})
	defer patience.Stop()
	err := r.bus.Leases.Hold(ctx, leaseReplay, r.who, func(ctx context.Context) error {
		patience.Stop()
		if err := r.find(ctx); err != nil {
			return replayed{err}
		}
		if len(r.links) == 0 {
			r.print(sink.KeptCounts{})
			return replayed{}
		}
		return replayed{r.run(ctx)}
	})
	if done, ok := err.(replayed); ok { //nolint:errorlint // it is never wrapped
		err = done.err
	}
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return errors.New("the replay was cut, since NATS was away for too long; every ticket stands once, some parsed again and some not yet: run it again")
	}
	return err
}

func (r *replay) run(ctx context.Context) error {
	highest, err := r.store.Highest(ctx)
	if err != nil {
		return err
	}
	if r.revision, err = r.bus.Replays.Next(ctx, highest); err != nil {
		return err
	}
	act := bus.Act(bus.ActReplay, r.who, r.object(), time.Now(), r.before, nil)
	act.Id, act.Site, act.Link = rand.Text(), r.selection.Site, r.selection.Link
	p := newReplayPublisher(ctx, r)
	steps := []func(context.Context, *replayPublisher, *replayLink) error{r.fromClickHouse, r.takeBack}
	if !r.selection.Aside {
		steps = slices.Insert(steps, 0, r.fromStream)
	}
	err = p.act(ctx, act)
	for _, step := range steps {
		for _, l := range r.links {
			if err == nil {
				err = step(ctx, p, l)
			}
		}
		if err == nil {
			err = p.written(ctx)
		}
	}
	if failed := p.end(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	var after sink.KeptCounts
	for _, l := range r.links {
		made, err := r.store.Made(ctx, sink.KeptLink{Site: l.settings.Site, Link: l.settings.Link}, r.revision)
		if err != nil {
			return err
		}
		after.Add(made)
	}
	act.After = bus.ActCounts(after)
	p = newReplayPublisher(ctx, r)
	err = p.act(ctx, act)
	if err == nil {
		err = p.written(ctx)
	}
	if failed := p.end(); err == nil {
		err = failed
	}
	if err == nil {
		r.print(after)
	}
	return err
}

// object says in words what is replayed.
func (r *replay) object() string {
	s := r.selection
	var words []string
	if s.Aside {
		words = append(words, "set aside")
	}
	if s.Reason != "" {
		words = append(words, "for "+s.Reason)
	}
	for _, w := range [][2]string{{"site ", s.Site}, {"link ", s.Link}} {
		if w[1] != "" {
			words = append(words, w[0]+w[1])
		}
	}
	if !s.From.IsZero() {
		words = append(words, "received from "+s.From.Format(time.RFC3339))
	}
	if !s.To.IsZero() {
		words = append(words, "received before "+s.To.Format(time.RFC3339))
	}
	return strings.Join(append(words, fmt.Sprintf("revision %d", r.revision)), ", ")
}

// fromClickHouse parses what stands in ClickHouse and is not done yet.
func (r *replay) fromClickHouse(ctx context.Context, p *replayPublisher, l *replayLink) error {
	return r.store.Messages(ctx, r.of(l), func(m *sink.KeptMessage) error {
		if m.Replayed {
			return nil
		}
		receipt, head := l.readKept(m)
		return p.receipt(ctx, head, receipt)
	}, func(why string, n int) { r.cannot[why] += int64(n) })
}

// takeBack takes back the ids that were not given again.
func (r *replay) takeBack(ctx context.Context, p *replayPublisher, l *replayLink) error {
	return r.store.Former(ctx, r.of(l), func(m *sink.KeptMessage) error {
		b := &trunklinev1.CdrBatch{
			MessageId: m.ID, Revision: r.revision, ParserVersion: telemetry.Version, ParsedTime: timestamppb.Now(),
			Site: l.settings.Site, Link: l.settings.Link, Model: l.settings.Model, Part: 0, Parts: 1,
		}
		for _, t := range m.Tickets {
			b.FormerIds = append(b.FormerIds, t.ID)
		}
		return p.former(ctx, b)
	})
}

// replayLink is a link whose tickets are parsed again.
type replayLink struct {
	settings pbx.Settings
	reader   *parser.Reader
	heads    heads
}

func newReplayLink(s pbx.Settings) (*replayLink, error) {
	reader, err := parser.NewReader(s)
	if err != nil {
		return nil, err
	}
	cutting, err := s.Cutting()
	if err != nil {
		return nil, err
	}
	return &replayLink{settings: s, reader: reader, heads: heads{printer: printer{cutting: cutting}, of: make(map[string][]byte)}}, nil
}

// read parses a message as its link is today.
func (l *replayLink) read(m *bus.TicketMessage) *trunklinev1.CdrBatch {
	m.Model = l.settings.Model
	l.heads.find(m)
	return l.reader.Read(m)
}

// readKept parses the pieces of a message, into one receipt.
func (l *replayLink) readKept(k *sink.KeptMessage) (*trunklinev1.CdrBatch, *bus.TicketMessage) {
	var all *trunklinev1.CdrBatch
	for _, m := range k.Pieces {
		b := l.read(m)
		if all == nil {
			all = b
			continue
		}
		all.Cdrs = append(all.Cdrs, b.Cdrs...)
		all.Others = append(all.Others, b.Others...)
		all.TicketCount += b.TicketCount
		all.CdrCount += b.CdrCount
		all.IgnoredCount += b.IgnoredCount
		all.DeadCount += b.DeadCount
		all.ByteCount += b.ByteCount
	}
	return all, k.Pieces[0]
}

// heads finds the head of files that were collected as those of a model without
// one: their first lines came as tickets.
type heads struct {
	printer
	of map[string][]byte // by origin
}

const maxHeads = 10_000

func (h *heads) find(m *bus.TicketMessage) {
	if h.cutting.Head == nil || len(m.Preamble) > 0 || m.Incomplete != "" {
		return
	}
	if m.Offset != "0" {
		m.Preamble = h.of[m.Origin]
		return
	}
	n := h.head(m.Payload)
	if n == 0 || n > wire.MaxPreamble {
		return
	}
	m.Preamble, m.Payload, m.Offset = m.Payload[:n:n], m.Payload[n:], fmt.Sprint(n)
	if len(h.of) >= maxHeads {
		clear(h.of)
	}
	h.of[m.Origin] = m.Preamble
}

// unable lists why tickets cannot be parsed again, most first.
func (r *replay) unable() []string {
	reasons := slices.Sorted(maps.Keys(r.cannot))
	slices.SortStableFunc(reasons, func(a, b string) int { return int(r.cannot[b] - r.cannot[a]) })
	return reasons
}
