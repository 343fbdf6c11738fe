package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/services/sink/internal/counts"
)

// Span is a time and whose it is.
type Span struct {
	// From and To, which is left out itself, are whole seconds.
	From, To time.Time
	// Site and Link may be empty: all.
	Site, Link string
}

// Gap is numbers that are missing in a PBX's own sequence.
type Gap struct {
	Site  string `json:"site"`
	Link  string `json:"link"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
}

// Act is a row of the audit.
type Act struct {
	Time   time.Time `json:"time"`
	ID     string    `json:"id"`
	Site   string    `json:"site,omitempty"`
	Link   string    `json:"link,omitempty"`
	What   string    `json:"what"`
	Who    string    `json:"who"`
	Object string    `json:"object"`
	Before string    `json:"before,omitempty"`
	After  string    `json:"after,omitempty"`
}

// File is a row of the view collected_files.
type File struct {
	Site      string    `json:"site"`
	Link      string    `json:"link"`
	Name      string    `json:"name"`
	Size      uint64    `json:"size"`
	Sum       string    `json:"sha256,omitempty"`
	Tickets   uint64    `json:"tickets"`
	Collected time.Time `json:"collected"`
	Removed   time.Time `json:"removed,omitzero"`
	Removal   string    `json:"removal,omitempty"`
}

// Gaps lists what is missing in the sequences of the calls received in a time, in
// order.
func (r Reader) Gaps(ctx context.Context, s Span) (out []Gap, err error) {
	where, err := condition("received_time", 6, s.From, s.To, s.Site, s.Link)
	if err != nil {
		return nil, err
	}
	var site, link proto.ColStr
	var first, last proto.ColInt64
	sql := fmt.Sprintf(`SELECT site_, link_, tupleElement(gap, 1) - tupleElement(gap, 2) + 1 AS first, tupleElement(gap, 1) - 1 AS last FROM (
		SELECT %s, %s AS numbers, arrayJoin(arrayFilter(x -> tupleElement(x, 2) BETWEEN 2 AND %d, arrayZip(numbers, arrayDifference(numbers)))) AS gap
		FROM %s WHERE gone = 0 AND %s GROUP BY site_, link_) ORDER BY site_, link_, first`, byLink, counts.Numbers, counts.MostApart, r.Table("cdrs"), where)
	err = r.Conn.Query(ctx, sql, proto.Results{{Name: "site_", Data: &site}, {Name: "link_", Data: &link}, {Name: "first", Data: &first}, {Name: "last", Data: &last}}, func() error {
		for i := range first.Rows() {
			out = append(out, Gap{site.Row(i), link.Row(i), first[i], last[i]})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gaps in sequences: %w", err)
	}
	return out, nil
}

// Acts lists the acts of a time, in order; not those of single files, which Files
// tells.
func (r Reader) Acts(ctx context.Context, s Span) (out []Act, err error) {
	where, err := condition("time", 3, s.From, s.To, "", "")
	if err != nil {
		return nil, err
	}
	for _, id := range [][2]string{{"site", s.Site}, {"link", s.Link}} {
		if id[1] != "" {
			where += fmt.Sprintf(" AND %s IN ('', '%s')", id[0], id[1])
		}
	}
	var at proto.ColInt64
	var id, site, link, what, who, object, before, after proto.ColStr
	sql := `SELECT toUnixTimestamp64Milli(time) AS at, id, ` + byLink + `, CAST(what AS String) AS what_, who, object, before, after
		FROM ` + r.Table("audit") + " FINAL WHERE what NOT IN ('collected', 'removed') AND " + where + " ORDER BY at, id LIMIT 1 BY id"
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "at", Data: &at},
		{Name: "id", Data: &id},
		{Name: "site_", Data: &site},
		{Name: "link_", Data: &link},
		{Name: "what_", Data: &what},
		{Name: "who", Data: &who},
		{Name: "object", Data: &object},
		{Name: "before", Data: &before},
		{Name: "after", Data: &after},
	}, func() error {
		for i := range at.Rows() {
			out = append(out, Act{
				time.UnixMilli(at[i]).UTC(), id.Row(i), site.Row(i), link.Row(i), what.Row(i), who.Row(i), object.Row(i), before.Row(i), after.Row(i),
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the audit: %w", err)
	}
	return out, nil
}

// Files lists the files that were collected in a time, in order.
func (r Reader) Files(ctx context.Context, s Span) (out []File, err error) {
	where, err := condition("collected", 3, s.From, s.To, s.Site, s.Link)
	if err != nil {
		return nil, err
	}
	var site, link, name, sum, removal proto.ColStr
	var size, tickets proto.ColUInt64
	var collected, removed proto.ColInt64
	sql := "SELECT " + byLink + `, name, size, sha256, tickets, toUnixTimestamp64Milli(collected) AS at, toUnixTimestamp64Milli(removed) AS gone_, CAST(removal AS String) AS removal_
		FROM ` + r.Table("collected_files") + " WHERE " + where + " ORDER BY site_, link_, at, name, sha256"
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "site_", Data: &site},
		{Name: "link_", Data: &link},
		{Name: "name", Data: &name},
		{Name: "size", Data: &size},
		{Name: "sha256", Data: &sum},
		{Name: "tickets", Data: &tickets},
		{Name: "at", Data: &collected},
		{Name: "gone_", Data: &removed},
		{Name: "removal_", Data: &removal},
	}, func() error {
		for i := range collected.Rows() {
			f := File{
				Site: site.Row(i), Link: link.Row(i), Name: name.Row(i), Size: size[i], Sum: sum.Row(i), Tickets: tickets[i],
				Collected: time.UnixMilli(collected[i]).UTC(), Removal: removal.Row(i),
			}
			if removed[i] > 0 {
				f.Removed = time.UnixMilli(removed[i]).UTC()
			}
			out = append(out, f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("collected files: %w", err)
	}
	return out, nil
}
