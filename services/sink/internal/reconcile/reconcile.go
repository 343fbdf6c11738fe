// Package reconcile holds the receipts of a day against the rows that stand: each
// ticket that a receipt names must have one. A receipt is written behind the rows
// that it tells of, so what is under way is no difference.
package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/pbx"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/counts"
)

// Reader reads from ClickHouse. It only reads.
type Reader struct {
	Conn clickhouse.Conn
	// Table gives a table's full name.
	Table func(name string) string
}

// Selection is a day, of all links or of some.
type Selection struct {
	// Day of receipt, UTC.
	Day time.Time
	// Site and Link may be empty: all.
	Site, Link string
}

// Day is what came on a link on a day, and what became of it.
type Day struct {
	Date string `json:"date"` // of receipt, UTC
	Site string `json:"site"`
	Link string `json:"link"`
	// Messages that were published, and Received, the tickets in them, with Bytes.
	Messages uint64 `json:"messages"`
	Received uint64 `json:"received"`
	Bytes    uint64 `json:"bytes"`
	// Cdrs, Ignored and Dead are what the parser made of them as they came.
	Cdrs    uint64 `json:"cdrs"`
	Ignored uint64 `json:"ignored"`
	Dead    uint64 `json:"dead"`
	// Parts of receipts that are not there.
	Parts uint64 `json:"missing_parts,omitempty"`
	// Unnamed are of receipts from before their tickets' ids were kept.
	Unnamed uint64 `json:"unnamed,omitempty"`
	// Repeated are tickets that came more than once on the day, which count once.
	Repeated uint64 `json:"repeated"`
	// Rows are the tickets that have a row in cdrs or other_tickets, each once.
	Rows uint64 `json:"rows"`
	// Renamed stand under another id since a replay.
	Renamed uint64 `json:"renamed,omitempty"`
	// Missing have no row.
	Missing uint64 `json:"missing"`
	// Gaps are numbers that are missing in the PBX's own sequence.
	Gaps uint64 `json:"sequence_gaps"`

	named uint64 // tickets with an id, as they came
	ids   uint64 // different ones that the receipts name
}

// Balanced tells whether all that came in is there.
func (d *Day) Balanced() bool { return d.Difference() == 0 }

// Difference is by how many tickets, or parts of receipts, in and out differ.
func (d *Day) Difference() uint64 {
	answered := d.Cdrs + d.Ignored + d.Dead
	return d.Missing + d.Parts + max(d.Received, answered) - min(d.Received, answered)
}

// Ticket is one that came and has no row.
type Ticket struct {
	Date string `json:"date"`
	Site string `json:"site"`
	Link string `json:"link"`
	ID   string `json:"ticket_id"`
	// Revision of the receipt that names it last.
	Revision uint32 `json:"revision"`
	// Message it came in, its sequence in TICKETS, and where that began.
	Message  string `json:"message_id"`
	Sequence uint64 `json:"stream_sequence"`
	Origin   string `json:"origin"`
	Offset   string `json:"offset"`
	Name     string `json:"name"`
	// Position of the ticket itself, where it could be found out.
	Position string `json:"position,omitempty"`
}

// Day compares a day, by link in order, and names up to most of the tickets that
// have no row.
func (r Reader) Day(ctx context.Context, s Selection, most int) ([]*Day, []Ticket, error) {
	where, err := s.where(0)
	if err != nil {
		return nil, nil, err
	}
	all := make(map[[2]string]*Day)
	if err := r.receipts(ctx, s, where, all); err != nil {
		return nil, nil, fmt.Errorf("receipts of %s: %w", s.date(), err)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	if err := r.ids(ctx, where, all); err != nil {
		return nil, nil, fmt.Errorf("receipts of %s: %w", s.date(), err)
	}
	missing, err := r.missing(ctx, s, where, all, most)
	if err != nil {
		return nil, nil, fmt.Errorf("rows of %s: %w", s.date(), err)
	}
	if err := r.gaps(ctx, where, all); err != nil {
		return nil, nil, fmt.Errorf("sequences of %s: %w", s.date(), err)
	}
	days := make([]*Day, 0, len(all))
	for _, d := range all {
		d.Rows = d.ids - d.Missing - d.Renamed
		days = append(days, d)
	}
	slices.SortFunc(days, func(a, b *Day) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link)) })
	return days, missing, nil
}

func (s Selection) date() string { return s.Day.UTC().Format(time.DateOnly) }

// where is the condition on what was received on the day, and slack around it.
func (s Selection) where(slack time.Duration) (string, error) {
	from := s.Day.UTC().Truncate(24 * time.Hour)
	return condition("received_time", 6, from.Add(-slack), from.Add(24*time.Hour+slack), s.Site, s.Link)
}

// condition selects what is of a time and a link; the site and the link may be
// empty.
func condition(column string, digits int, from, to time.Time, site, link string) (string, error) {
	const layout = "2006-01-02 15:04:05"
	and := fmt.Sprintf("%s >= toDateTime64('%s', %d, 'UTC') AND %[1]s < toDateTime64('%[4]s', %[3]d, 'UTC')", column, from.UTC().Format(layout), digits, to.UTC().Format(layout))
	for _, id := range [][2]string{{"site", site}, {"link", link}} {
		if id[1] == "" {
			continue
		}
		if !pbx.ValidID(id[1]) {
			return "", fmt.Errorf("%s %q: an id has 1 to 63 of a-z, 0-9 and -", id[0], id[1])
		}
		and += " AND " + id[0] + " = " + clickhouse.Text(id[1])
	}
	return and, nil
}

// final makes reading with FINAL cheap: a key's rows are all of one month.
var final = clickhouse.Setting{Name: "do_not_merge_across_partitions_select_final", Value: "1"}

const byLink = "CAST(site AS String) AS site_, CAST(link AS String) AS link_"

func (r Reader) receipts(ctx context.Context, s Selection, where string, all map[[2]string]*Day) error {
	var site, link proto.ColStr
	var messages, tickets, cdrs, ignored, dead, size, named, lost proto.ColUInt64
	sql := "SELECT " + byLink + `, toUInt64(uniqExactIf(message_id, revision = 0)) AS messages, toUInt64(sumIf(ticket_count, revision = 0)) AS tickets,
		toUInt64(sumIf(cdr_count, revision = 0)) AS cdrs_, toUInt64(sumIf(ignored_count, revision = 0)) AS ignored, toUInt64(sumIf(dead_count, revision = 0)) AS dead,
		toUInt64(sumIf(byte_count, revision = 0)) AS bytes, toUInt64(sumIf(length(ticket_ids), revision = 0)) AS named,
		toUInt64(abs(toInt64(sumIf(greatest(parts, 1), revision = 0 AND part = 0)) - toInt64(countIf(revision = 0)))) AS lost
		FROM ` + r.Table("receipts") + " FINAL WHERE " + where + " GROUP BY site_, link_"
	return r.Conn.Query(ctx, sql, proto.Results{
		{Name: "site_", Data: &site},
		{Name: "link_", Data: &link},
		{Name: "messages", Data: &messages},
		{Name: "tickets", Data: &tickets},
		{Name: "cdrs_", Data: &cdrs},
		{Name: "ignored", Data: &ignored},
		{Name: "dead", Data: &dead},
		{Name: "bytes", Data: &size},
		{Name: "named", Data: &named},
		{Name: "lost", Data: &lost},
	}, func() error {
		for i := range lost.Rows() {
			d := &Day{
				Date: s.date(), Site: site.Row(i), Link: link.Row(i), Messages: messages[i], Received: tickets[i], Bytes: size[i],
				Cdrs: cdrs[i], Ignored: ignored[i], Dead: dead[i], Parts: lost[i], named: named[i],
			}
			d.Unnamed = less(d.Received, d.named)
			all[[2]string{d.Site, d.Link}] = d
		}
		return nil
	}, final)
}

// ids counts the different tickets.
func (r Reader) ids(ctx context.Context, where string, all map[[2]string]*Day) error {
	var site, link proto.ColStr
	var ids, once proto.ColUInt64
	sql := `SELECT site_, link_, count() AS ids, countIf(live) AS once FROM (
			SELECT ` + byLink + ", arrayJoin(ticket_ids) AS id, max(revision = 0) AS live FROM " + r.Table("receipts") + " FINAL WHERE " + where + ` GROUP BY site_, link_, id)
		GROUP BY site_, link_`
	return r.Conn.Query(ctx, sql, proto.Results{{Name: "site_", Data: &site}, {Name: "link_", Data: &link}, {Name: "ids", Data: &ids}, {Name: "once", Data: &once}}, func() error {
		for i := range ids.Rows() {
			if d := all[[2]string{site.Row(i), link.Row(i)}]; d != nil {
				d.ids, d.Repeated = ids[i], less(d.named, once[i])
			}
		}
		return nil
	}, append(frugal, final)...)
}

// frugal groups on disk what is many. Years may come in on a day, and whoever writes
// rows needs the memory.
var frugal = []clickhouse.Setting{
	{Name: "max_bytes_before_external_group_by", Value: "134217728"},
	{Name: "max_threads", Value: "2"},
}

// less is a-b, or 0.
func less(a, b uint64) uint64 { return a - min(a, b) }

// gaps counts what is missing in the PBXs' own sequences.
func (r Reader) gaps(ctx context.Context, where string, all map[[2]string]*Day) error {
	var site, link proto.ColStr
	var n proto.ColUInt64
	sql := "SELECT " + byLink + ", " + counts.Gaps + " AS n FROM " + r.Table("cdrs") + " WHERE gone = 0 AND " + where + " GROUP BY site_, link_"
	return r.Conn.Query(ctx, sql, proto.Results{{Name: "site_", Data: &site}, {Name: "link_", Data: &link}, {Name: "n", Data: &n}}, func() error {
		for i := range n.Rows() {
			if d := all[[2]string{site.Row(i), link.Row(i)}]; d != nil {
				d.Gaps = n[i]
			}
		}
		return nil
	})
}

// slack is how far from a ticket's receipt its row is looked for first.
const slack = time.Hour

// tombstones were received at no time.
const tombstones = " OR gone != 0 AND received_time = toDateTime64(0, 6, 'UTC')"

// lookup is how many tickets are looked for at a time wherever their rows are.
const lookup = 2000

// missing finds the tickets without a row. Most have one that was received when
// the receipt says; what was sent again, or parsed again, is looked for by its id.
func (r Reader) missing(ctx context.Context, s Selection, where string, all map[[2]string]*Day, most int) (out []Ticket, err error) {
	near, err := s.where(slack)
	if err != nil {
		return nil, err
	}
	var site, link, id proto.ColStr
	var revision proto.ColUInt32
	rows := func(table string) string {
		return ` UNION ALL SELECT '', '', toFixedString(unhex(ticket_id), 16), 0, if(gone = 0, toInt64(revision) + 1, 0), if(gone = 0, 0, toInt64(revision) + 1)
			FROM ` + r.Table(table) + " WHERE (" + near + tombstones + ") AND length(ticket_id) = 32"
	}
	sql := `SELECT max(site_) AS site, max(link_) AS link, lower(hex(id)) AS ticket_id, toUInt32(max(named) - 1) AS revision FROM (
			SELECT ` + byLink + ", arrayJoin(ticket_ids) AS id, toInt64(revision) + 1 AS named, toInt64(0) AS stands, toInt64(0) AS buried FROM " + r.Table("receipts") + " WHERE " + where +
		rows("cdrs") + rows("other_tickets") + `)
		GROUP BY id HAVING max(named) > 0 AND (max(stands) < max(named) OR max(buried) > max(stands))`
	// A connection may take one question at a time: first all of the answer.
	var found []Ticket
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "site", Data: &site},
		{Name: "link", Data: &link},
		{Name: "ticket_id", Data: &id},
		{Name: "revision", Data: &revision},
	}, func() error {
		for i := range revision.Rows() {
			found = append(found, Ticket{Date: s.date(), Site: site.Row(i), Link: link.Row(i), ID: id.Row(i), Revision: revision[i]})
		}
		return nil
	}, frugal...)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(found, lookup) {
		err := r.settle(ctx, some, func(t Ticket, renamed bool) {
			d := all[[2]string{t.Site, t.Link}]
			switch {
			case d == nil: // came just now
			case renamed:
				d.Renamed++
			default:
				d.Missing++
				if len(out) < most {
					out = append(out, t)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, r.places(ctx, where, out)
}

// places tells of tickets in which message they came, and puts them in that order.
func (r Reader) places(ctx context.Context, where string, tickets []Ticket) error {
	of := make(map[string]*Ticket, len(tickets))
	for i := range tickets {
		of[tickets[i].ID] = &tickets[i]
	}
	for some := range slices.Chunk(tickets, lookup) {
		var id, message, origin, offset, name proto.ColStr
		var sequence proto.ColUInt64
		sql := `SELECT id, argMax(message_id, revision) AS message, argMax(stream_sequence, revision) AS sequence,
				argMax(origin, revision) AS origin_, argMax(offset, revision) AS offset_, argMax(name, revision) AS name_
			FROM (SELECT lower(hex(arrayJoin(ticket_ids))) AS id, message_id, stream_sequence, origin, offset, name, revision FROM ` + r.Table("receipts") + " WHERE " + where + `)
			WHERE id IN (` + idsOf(some) + ") GROUP BY id"
		err := r.Conn.Query(ctx, sql, proto.Results{
			{Name: "id", Data: &id},
			{Name: "message", Data: &message},
			{Name: "sequence", Data: &sequence},
			{Name: "origin_", Data: &origin},
			{Name: "offset_", Data: &offset},
			{Name: "name_", Data: &name},
		}, func() error {
			for i := range sequence.Rows() {
				t := of[id.Row(i)]
				t.Message, t.Sequence, t.Origin, t.Offset, t.Name = message.Row(i), sequence[i], origin.Row(i), offset.Row(i), name.Row(i)
			}
			return nil
		}, frugal...)
		if err != nil {
			return err
		}
	}
	slices.SortFunc(tickets, func(a, b Ticket) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Message, b.Message), cmp.Compare(a.ID, b.ID))
	})
	return nil
}

func idsOf(tickets []Ticket) string {
	ids := make([]string, len(tickets))
	for i, t := range tickets {
		ids[i] = clickhouse.Text(t.ID)
	}
	return strings.Join(ids, ", ")
}

// settle looks for rows of tickets, wherever they are, and calls each for those
// that have none. renamed tells that a replay took the id back.
func (r Reader) settle(ctx context.Context, tickets []Ticket, each func(t Ticket, renamed bool)) error {
	var id proto.ColStr
	var stands, buried proto.ColInt64
	sql := r.standing("ticket_id IN (" + idsOf(tickets) + ")")
	have := make(map[string][2]int64, len(tickets))
	err := r.Conn.Query(ctx, sql, proto.Results{{Name: "ticket_id", Data: &id}, {Name: "stands", Data: &stands}, {Name: "buried", Data: &buried}}, func() error {
		for i := range stands.Rows() {
			have[id.Row(i)] = [2]int64{stands[i], buried[i]}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tickets {
		switch h := have[t.ID]; {
		case h[1] > max(h[0], int64(t.Revision)+1):
			each(t, true)
		case h[0] > int64(t.Revision):
		default:
			each(t, false)
		}
	}
	return nil
}

// standing gives for each ticket the highest revision of a row that stands, and of
// one that marks it gone: one more than that, 0 for none.
func (r Reader) standing(where string) string {
	return `SELECT ticket_id, maxIf(r, gone = 0) AS stands, maxIf(r, gone != 0) AS buried FROM (
		SELECT ticket_id, toInt64(revision) + 1 AS r, gone FROM ` + r.Table("cdrs") + " WHERE " + where + `
		UNION ALL SELECT ticket_id, toInt64(revision) + 1 AS r, gone FROM ` + r.Table("other_tickets") + " WHERE " + where + `) GROUP BY ticket_id`
}
