// Package counts asks ClickHouse what became of the tickets of a day: how many
// came, by the receipts, and how many rows there are.
package counts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/clickhouse"
)

// Reader reads counts.
type Reader struct {
	Conn clickhouse.Conn
	// Table gives a table's full name.
	Table func(name string) string
}

// Of counts the tickets that were received on a UTC day, by link, in order. The
// site and the link may be empty: all.
func (r Reader) Of(ctx context.Context, date, site, link string) ([]*trunklinev1.LinkCounts, error) {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return nil, fmt.Errorf("date %q: give YYYY-MM-DD", date)
	}
	where := fmt.Sprintf("received_time >= toDateTime64('%s 00:00:00', 6, 'UTC') AND received_time < toDateTime64('%[1]s 00:00:00', 6, 'UTC') + INTERVAL 1 DAY", date)
	for column, id := range map[string]string{"site": site, "link": link} {
		if id == "" {
			continue
		}
		if !pbx.ValidID(id) {
			return nil, fmt.Errorf("%s %q: an id has 1 to 63 of a-z, 0-9 and -", column, id)
		}
		where += fmt.Sprintf(" AND %s = '%s'", column, id)
	}
	all := make(map[[2]string]*trunklinev1.LinkCounts)
	for _, read := range []func(context.Context, string, map[[2]string]*trunklinev1.LinkCounts) error{r.receipts, r.calls, r.others} {
		if err := read(ctx, where, all); err != nil {
			return nil, err
		}
	}
	out := make([]*trunklinev1.LinkCounts, 0, len(all))
	for _, c := range all {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *trunklinev1.LinkCounts) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link))
	})
	return out, nil
}

// ids are the first two columns of every query.
type ids struct{ site, link proto.ColStr }

func (i *ids) columns(more ...proto.ResultColumn) proto.Results {
	return append(proto.Results{{Name: "site", Data: &i.site}, {Name: "link", Data: &i.link}}, more...)
}

// each calls f for each row of a block with its link's counts.
func (i *ids) each(all map[[2]string]*trunklinev1.LinkCounts, f func(row int, c *trunklinev1.LinkCounts)) func() error {
	return func() error {
		for row := range i.site.Rows() {
			key := [2]string{i.site.Row(row), i.link.Row(row)}
			if all[key] == nil {
				all[key] = &trunklinev1.LinkCounts{Site: key[0], Link: key[1]}
			}
			f(row, all[key])
		}
		return nil
	}
}

const byLink = "SELECT CAST(site AS String) AS site, CAST(link AS String) AS link, "

func (r Reader) receipts(ctx context.Context, where string, all map[[2]string]*trunklinev1.LinkCounts) error {
	var by ids
	var tickets, cdrs, ignored, dead proto.ColUInt64
	sql := byLink + `toUInt64(sum(ticket_count)) AS tickets, toUInt64(sum(cdr_count)) AS cdrs,
		toUInt64(sum(ignored_count)) AS ignored, toUInt64(sum(dead_count)) AS dead
		FROM ` + r.Table("receipts") + ` FINAL WHERE revision = 0 AND ` + where + ` GROUP BY site, link`
	return r.Conn.Query(ctx, sql, by.columns(
		proto.ResultColumn{Name: "tickets", Data: &tickets}, proto.ResultColumn{Name: "cdrs", Data: &cdrs},
		proto.ResultColumn{Name: "ignored", Data: &ignored}, proto.ResultColumn{Name: "dead", Data: &dead},
	), by.each(all, func(row int, c *trunklinev1.LinkCounts) {
		c.Tickets, c.Cdrs, c.Ignored, c.Dead = tickets[row], cdrs[row], ignored[row], dead[row]
	}))
}

// MostApart is how far apart two numbers of a PBX's sequence may be for a gap: what
// is further is another count.
const MostApart = 1000

// Numbers are the numbers of a PBX's sequence in SQL, in order, and Gaps is how many
// are missing between them.
const Numbers = "arraySort(groupUniqArrayIf(toInt64OrZero(sequence), match(sequence, '^[0-9]{1,18}$')))"

// Gaps counts what is missing.
var Gaps = fmt.Sprintf("toUInt64(arraySum(x -> if(x BETWEEN 2 AND %d, x - 1, 0), arrayDifference(%s)))", MostApart, Numbers)

func (r Reader) calls(ctx context.Context, where string, all map[[2]string]*trunklinev1.LinkCounts) error {
	var by ids
	var rows, gaps, timed proto.ColUInt64
	var drift proto.ColFloat64
	// An older revision has the same id; how long after its end a call came is a
	// matter of the calls that were received live. A clock of minutes is half of one
	// behind.
	sql := byLink + fmt.Sprintf(`toUInt64(uniqExact(ticket_id)) AS call_rows,
		toUInt64(countIf(revision = 0 AND gone = 0)) AS timed,
		toFloat64(quantileExactIf(0.5)(toUnixTimestamp64Milli(CAST(received_time AS DateTime64(3, 'UTC'))) -
			if(toUnixTimestamp64Milli(end_time) > 0, toUnixTimestamp64Milli(end_time), toUnixTimestamp64Milli(start_time) + 1000 * (toInt64(ring_seconds) + talk_seconds)) -
			if(time_precision_seconds > 1, 500 * toInt64(time_precision_seconds), 0),
			revision = 0 AND gone = 0)) / 1000 AS drift,
		%s AS gaps
		FROM %s WHERE gone = 0 AND `, Gaps, r.Table("cdrs")) + where + ` GROUP BY site, link`
	return r.Conn.Query(ctx, sql, by.columns(
		proto.ResultColumn{Name: "call_rows", Data: &rows}, proto.ResultColumn{Name: "timed", Data: &timed},
		proto.ResultColumn{Name: "drift", Data: &drift}, proto.ResultColumn{Name: "gaps", Data: &gaps},
	), by.each(all, func(row int, c *trunklinev1.LinkCounts) {
		c.CallRows, c.SequenceGaps = rows[row], gaps[row]
		if c.HasDrift = timed[row] > 0; c.HasDrift {
			c.DriftSeconds = drift[row]
		}
	}))
}

func (r Reader) others(ctx context.Context, where string, all map[[2]string]*trunklinev1.LinkCounts) error {
	var by ids
	var rows proto.ColUInt64
	var reason proto.ColStr
	sql := byLink + `toUInt64(uniqExact(ticket_id)) AS other_rows,
		CAST(argMaxIf(reason, received_time, outcome = 'DEAD') AS String) AS dead_reason
		FROM ` + r.Table("other_tickets") + ` WHERE gone = 0 AND ` + where + ` GROUP BY site, link`
	return r.Conn.Query(ctx, sql, by.columns(
		proto.ResultColumn{Name: "other_rows", Data: &rows}, proto.ResultColumn{Name: "dead_reason", Data: &reason},
	), by.each(all, func(row int, c *trunklinev1.LinkCounts) {
		c.OtherRows, c.DeadReason = rows[row], reason.Row(row)
	}))
}
