package write

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/rows"
)

// key is where a ticket's row stands: a table, and the columns that order it
// beside the ticket id.
type key struct {
	other      bool
	site, link string // link in other_tickets only
	start      int64  // milliseconds, in cdrs only
}

// state of a key: what stands there, and what the batch is about to write.
type state struct {
	stands, gone bool
	revision     uint32
	writes       bool
	written      uint32
}

// ticket is every place where a ticket stands or is about to.
type ticket struct {
	keys  map[key]*state
	truth key
	has   bool // truth is known
	top   uint32
	// left is the revision at which the ticket got another id; 0: it did not.
	left uint32
}

func (t *ticket) at(k key) *state {
	s := t.keys[k]
	if s == nil {
		s = new(state)
		t.keys[k] = s
	}
	return s
}

// bury adds a tombstone to the batch for each row that a newer revision moved in
// time, or took from cdrs to other_tickets or back. It looks at tickets of a
// replay, and at those of messages that come again: their rows may be older than
// what stands. Run again, it changes nothing.
func (w *Writer) bury(ctx context.Context, b *batch.Batch) error {
	tickets, replayed, again := gather(b)
	for _, look := range []struct {
		ids []string
		and string
	}{{replayed, ""}, {again, " AND revision > 0"}} {
		for ids := range slices.Chunk(look.ids, idsAtATime) {
			err := w.again(ctx, func(ctx context.Context) error { return w.look(ctx, tickets, ids, look.and) }, nil)
			if err != nil {
				return err
			}
		}
	}
	for _, id := range append(replayed, again...) {
		t := tickets[id]
		t.settle()
		for k, s := range t.keys {
			if !t.obsolete(k, s) {
				continue
			}
			if k.other {
				b.Others.Add(rows.Other{
					OtherTicket: &v1.OtherTicket{TicketId: id}, Gone: true,
					Receipt: &v1.CdrBatch{Site: k.site, Link: k.link, Revision: t.top},
				})
			} else {
				b.Bury(&v1.Cdr{TicketId: id, Site: k.site, StartTime: timestamppb.New(time.UnixMilli(k.start)), Revision: t.top})
			}
			w.Metrics.Tombstones.Inc()
		}
	}
	return nil
}

// gather notes what the batch writes of the tickets that must be looked up.
func gather(b *batch.Batch) (tickets map[string]*ticket, replayed, again []string) {
	tickets = make(map[string]*ticket)
	want := func(id string, revision uint32, redelivered bool) {
		if tickets[id] != nil || revision == 0 && !redelivered {
			return
		}
		tickets[id] = &ticket{keys: make(map[key]*state)}
		if revision > 0 {
			replayed = append(replayed, id)
		} else {
			again = append(again, id)
		}
	}
	// Replayed ones first: of those all that stands must be known.
	for _, onlyReplayed := range []bool{true, false} {
		for m, receipt := range b.Each() {
			meta, err := m.Metadata()
			redelivered := !onlyReplayed && err == nil && meta.NumDelivered > 1
			for _, c := range receipt.Cdrs {
				want(c.TicketId, c.Revision, redelivered)
			}
			for _, o := range receipt.Others {
				want(o.TicketId, receipt.Revision, redelivered)
			}
			for _, id := range receipt.FormerIds {
				want(id, receipt.Revision, redelivered)
			}
		}
	}
	for _, receipt := range b.Each() {
		for _, c := range receipt.Cdrs {
			tickets[c.TicketId].writes(key{site: c.Site, start: rows.Millis(c.StartTime)}, c.Revision)
		}
		for _, o := range receipt.Others {
			tickets[o.TicketId].writes(key{other: true, site: receipt.Site, link: receipt.Link}, receipt.Revision)
		}
		for _, id := range receipt.FormerIds {
			tickets[id].leaves(receipt.Site, receipt.Revision)
		}
	}
	return tickets, replayed, again
}

// writes notes that the batch writes a row. Of equal revisions the last counts.
func (t *ticket) writes(k key, revision uint32) {
	if t == nil {
		return
	}
	s := t.at(k)
	s.writes, s.written = true, max(s.written, revision)
	if revision >= t.top {
		t.truth, t.has, t.top = k, true, revision
	}
}

// leaves notes that a replay gave the ticket another id: what stands under this
// one counts no more, but for a row of the same replay.
func (t *ticket) leaves(site string, revision uint32) {
	if t == nil || revision == 0 {
		return
	}
	t.at(key{site: site}) // the site is to be looked at
	t.left = max(t.left, revision)
	if revision > t.top {
		t.top, t.has = revision, false
	}
}

// settle finds the truth: where the highest revision stands. It may stand
// nowhere, when only its tombstones are written yet; its row is still to come.
func (t *ticket) settle() {
	for k, s := range t.keys {
		if s.stands && s.revision > t.top {
			t.top, t.has = s.revision, false
		}
		if s.stands && s.revision == t.top && !s.gone && !t.has {
			t.truth, t.has = k, true
		}
	}
}

// obsolete tells whether a row under this key would count beside the truth.
func (t *ticket) obsolete(k key, s *state) bool {
	if t.has && k == t.truth || !t.has && (t.left == 0 || t.left < t.top) {
		return false
	}
	if !s.stands && !s.writes {
		return false
	}
	buried := s.stands && s.gone && (!s.writes || s.revision > s.written)
	return !buried
}

// A lookup may read the whole of the sites in question, so that many ids are
// asked for at a time; the statement is then longer than servers take by default.
const idsAtATime = 50_000

var longStatement = clickhouse.Setting{Name: "max_query_size", Value: "8388608"}

// look reads where tickets stand. Grouping by the key takes the place of FINAL,
// with which older servers would not use the index on ticket_id.
func (w *Writer) look(ctx context.Context, tickets map[string]*ticket, ids []string, and string) error {
	sites := make(map[string]bool)
	for _, id := range ids {
		for k := range tickets[id].keys {
			sites[clickhouse.Text(k.site)] = true
		}
	}
	// A ticket never changes its site, which is part of its id; and the tables
	// are ordered by site.
	// One literal in place of thousands takes a server a third of the time.
	where := fmt.Sprintf("site IN (%s) AND ticket_id IN (SELECT arrayJoin(splitByChar(',', %s)))%s",
		strings.Join(slices.Sorted(maps.Keys(sites)), ","), clickhouse.Text(strings.Join(ids, ",")), and)
	for _, table := range []struct {
		name, place, by string
		other           bool
	}{
		{"cdrs", "'' AS link_, toUnixTimestamp64Milli(start_time) AS start_", "site, start_time", false},
		{"other_tickets", "CAST(link, 'String') AS link_, toInt64(0) AS start_", "site, link", true},
	} {
		var id, site, link proto.ColStr
		var start proto.ColInt64
		var revision proto.ColUInt32
		var gone proto.ColUInt8
		sql := fmt.Sprintf("SELECT ticket_id, CAST(site, 'String') AS site_, %s, max(revision) AS revision_, argMax(gone, revision) AS gone_ FROM %s WHERE %s GROUP BY ticket_id, %s",
			table.place, w.Table(table.name), where, table.by)
		err := w.Conn.Query(ctx, sql, proto.Results{
			{Name: "ticket_id", Data: &id},
			{Name: "site_", Data: &site},
			{Name: "link_", Data: &link},
			{Name: "start_", Data: &start},
			{Name: "revision_", Data: &revision},
			{Name: "gone_", Data: &gone},
		}, func() error {
			for i := range id.Rows() {
				t := tickets[id.Row(i)]
				if t == nil {
					continue // a part of an id that was none
				}
				s := t.at(key{other: table.other, site: site.Row(i), link: link.Row(i), start: start.Row(i)})
				s.stands, s.revision, s.gone = true, revision.Row(i), gone.Row(i) == 1
			}
			return nil
		}, longStatement)
		if err != nil {
			return fmt.Errorf("looking up %d tickets in %s: %w", len(ids), table.name, err)
		}
	}
	return nil
}
