// Package kept reads the tickets that ClickHouse keeps, as they stand, and puts the
// messages together again in which they came.
package kept

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
)

// Reader reads kept tickets.
type Reader struct {
	Conn clickhouse.Conn
	// Table gives a table's full name.
	Table func(name string) string
}

// Selection of kept tickets. What is empty or zero selects nothing.
type Selection struct {
	Site, Link string
	// From and To bound the time of receipt; To is left out itself.
	From, To time.Time
	// Aside leaves out calls, and Reason all but the tickets that are set aside for
	// it.
	Aside  bool
	Reason string
	// Below leaves out what has this revision or a higher one; 0: nothing.
	Below uint32
}

// Link is a link of which there are kept tickets.
type Link struct{ Site, Link string }

// Counts of tickets by what became of them.
type Counts struct {
	Calls   uint64 `json:"calls"`
	Ignored uint64 `json:"ignored"`
	Dead    uint64 `json:"dead"`
}

// All is how many tickets there are.
func (c Counts) All() uint64 { return c.Calls + c.Ignored + c.Dead }

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Calls += o.Calls
	c.Ignored += o.Ignored
	c.Dead += o.Dead
}

// Tables that hold tickets.
const (
	calls  = "cdrs"
	others = "other_tickets"
)

func (s Selection) tables() []string {
	if s.Aside {
		return []string{others}
	}
	return []string{calls, others}
}

// where is the condition on a table's rows that stand.
func (s Selection) where(table string) (string, error) {
	and := []string{"gone = 0"}
	for column, id := range map[string]string{"site": s.Site, "link": s.Link} {
		if id == "" {
			continue
		}
		if !pbx.ValidID(id) {
			return "", fmt.Errorf("%s %q: an id has 1 to 63 of a-z, 0-9 and -", column, id)
		}
		and = append(and, column+" = "+clickhouse.Text(id))
	}
	if !s.From.IsZero() {
		and = append(and, "received_time >= "+moment(s.From.UnixMicro()))
	}
	if !s.To.IsZero() {
		and = append(and, "received_time < "+moment(s.To.UnixMicro()))
	}
	if s.Reason != "" && table == others {
		and = append(and, "reason = "+clickhouse.Text(s.Reason))
	}
	if s.Below > 0 {
		and = append(and, fmt.Sprintf("revision < %d", s.Below))
	}
	slices.Sort(and)
	return strings.Join(and, " AND "), nil
}

func moment(micros int64) string { return fmt.Sprintf("fromUnixTimestamp64Micro(%d, 'UTC')", micros) }

// final makes reading with FINAL cheap: a key's rows are all of one month.
var final = clickhouse.Setting{Name: "do_not_merge_across_partitions_select_final", Value: "1"}

// Links lists the links of the selection, in order, with the counts of their
// tickets.
func (r Reader) Links(ctx context.Context, s Selection) ([]Link, map[Link]Counts, error) {
	all := make(map[Link]Counts)
	for _, table := range s.tables() {
		where, err := s.where(table)
		if err != nil {
			return nil, nil, err
		}
		outcome := "'CDR'"
		if table == others {
			outcome = "CAST(outcome AS String)"
		}
		var site, link, what proto.ColStr
		var n proto.ColUInt64
		sql := fmt.Sprintf("SELECT CAST(site AS String) AS site_, CAST(link AS String) AS link_, %s AS outcome_, count() AS n FROM %s FINAL WHERE %s GROUP BY site_, link_, outcome_",
			outcome, r.Table(table), where)
		err = r.Conn.Query(ctx, sql, proto.Results{{Name: "site_", Data: &site}, {Name: "link_", Data: &link}, {Name: "outcome_", Data: &what}, {Name: "n", Data: &n}}, func() error {
			for i := range n.Rows() {
				key := Link{site.Row(i), link.Row(i)}
				c := all[key]
				switch what.Row(i) {
				case "CDR":
					c.Calls += n[i]
				case "IGNORED":
					c.Ignored += n[i]
				default:
					c.Dead += n[i]
				}
				all[key] = c
			}
			return nil
		}, final)
		if err != nil {
			return nil, nil, fmt.Errorf("counting kept tickets: %w", err)
		}
	}
	links := make([]Link, 0, len(all))
	for l := range all {
		links = append(links, l)
	}
	slices.SortFunc(links, func(a, b Link) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link)) })
	return links, all, nil
}

// Made counts the tickets that have a replay's revision.
func (r Reader) Made(ctx context.Context, l Link, revision uint32) (c Counts, err error) {
	for _, of := range []struct {
		table, and string
		n          *uint64
	}{{calls, "", &c.Calls}, {others, " AND outcome = 'IGNORED'", &c.Ignored}, {others, " AND outcome = 'DEAD'", &c.Dead}} {
		where, err := (Selection{Site: l.Site, Link: l.Link}).where(of.table)
		if err != nil {
			return c, err
		}
		*of.n, err = r.number(ctx, fmt.Sprintf("SELECT toUInt64(count()) AS n FROM %s FINAL WHERE %s AND revision = %d%s", r.Table(of.table), where, revision, of.and))
		if err != nil {
			return c, fmt.Errorf("counting what the replay made: %w", err)
		}
	}
	return c, nil
}

// Highest is the highest revision that there is.
func (r Reader) Highest(ctx context.Context) (uint32, error) {
	highest := uint64(0)
	for _, table := range []string{"receipts", calls, others} {
		n, err := r.number(ctx, "SELECT toUInt64(max(revision)) AS n FROM "+r.Table(table))
		if err != nil {
			return 0, fmt.Errorf("highest revision: %w", err)
		}
		highest = max(highest, n)
	}
	return uint32(highest), nil
}

// SchemaVersion is the newest migration.
func (r Reader) SchemaVersion(ctx context.Context) (uint64, error) {
	return r.number(ctx, "SELECT toUInt64(max(version)) AS n FROM "+r.Table("migrations"))
}

func (r Reader) number(ctx context.Context, sql string) (n uint64, err error) {
	var column proto.ColUInt64
	err = r.Conn.Query(ctx, sql, proto.Results{{Name: "n", Data: &column}}, func() error {
		n = column[0]
		return nil
	}, final)
	return n, err
}
