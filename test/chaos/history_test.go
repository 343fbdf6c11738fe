package chaos

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// around is how far from a ticket events are told.
const around = 3 * time.Second

// history tells where a ticket is known, and what happened around the time at
// which it was handed over.
func (c *chaos) history(d difference) string {
	var b strings.Builder
	raw := []byte(strings.TrimRight(d.raw, lineEnd))
	fmt.Fprintf(&b, "  stream TICKETS: %s\n", c.inStream(wire.StreamTickets, func(m jetstream.Msg) string {
		if !bytes.Contains(m.Data(), raw) {
			return ""
		}
		return fmt.Sprintf("id %s, received %s, origin %s at %s", m.Headers().Get("Nats-Msg-Id"), m.Headers().Get("Trunkline-Received"),
			m.Headers().Get("Trunkline-Origin"), m.Headers().Get("Trunkline-Offset"))
	}))
	fmt.Fprintf(&b, "  stream CDRS: %s\n", c.inStream(wire.StreamCdrs, func(m jetstream.Msg) string {
		var r trunklinev1.CdrBatch
		if proto.Unmarshal(m.Data(), &r) != nil {
			return ""
		}
		for _, x := range r.Cdrs {
			if bytes.Equal(x.Raw, raw) {
				return fmt.Sprintf("cdr %s in the receipt of %s", x.TicketId, r.MessageId)
			}
		}
		for _, x := range r.Others {
			if bytes.Equal(x.Raw, raw) {
				return fmt.Sprintf("%v %s (%s) in the receipt of %s", x.Outcome, x.TicketId, x.Reason, r.MessageId)
			}
		}
		return ""
	}))
	for _, table := range []string{"cdrs", "other_tickets"} {
		err := kit.Rows(c.clickhouse, fmt.Sprintf("SELECT ticket_id, revision, gone, received_time, parsed_time, inserted_time FROM %s WHERE site = '%s' AND link = '%s' AND raw = unhex('%s')",
			table, d.site, d.link, hex.EncodeToString(raw)), func(f []string) {
			fmt.Fprintf(&b, "  table %s: %s\n", table, strings.Join(f, " "))
		})
		if err != nil {
			fmt.Fprintf(&b, "  table %s: %v\n", table, err)
		}
	}
	if d.at.IsZero() {
		return b.String()
	}
	fmt.Fprintf(&b, "  handed over at %s; around that:\n", d.at.Format(clock))
	until := d.at.Add(around)
	if d.on != nil {
		until = d.on.ended.Add(publishWithin)
	}
	for _, e := range c.events {
		near := e.at.Before(d.at.Add(around)) || e.of == c.broker || slices.Contains(d.by, e.of) || strings.Contains(e.text, d.link)
		if near && e.at.After(d.at.Add(-around)) && e.at.Before(until) {
			fmt.Fprintf(&b, "    %s %s: %s\n", e.at.Format(clock), e.kind, strings.TrimSpace(e.text))
		}
	}
	return b.String()
}

// inStream tells which messages of a stream know a ticket.
func (c *chaos) inStream(name string, find func(jetstream.Msg) string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return err.Error()
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err.Error()
	}
	var found []string
	info := s.CachedInfo().State
	for n := uint64(0); n < info.Msgs; {
		batch, err := consumer.Fetch(500, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			return err.Error()
		}
		got := 0
		for m := range batch.Messages() {
			got++
			if text := find(m); text != "" {
				meta, _ := m.Metadata()
				found = append(found, fmt.Sprintf("#%d %s", meta.Sequence.Stream, text))
			}
		}
		if n += uint64(got); got == 0 {
			break
		}
	}
	if len(found) == 0 {
		return fmt.Sprintf("not in messages %d to %d", info.FirstSeq, info.LastSeq)
	}
	return strings.Join(found, "; ")
}
