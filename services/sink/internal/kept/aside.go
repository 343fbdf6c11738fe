package kept

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// Group of tickets that were set aside alike.
type Group struct {
	Site, Link, Model string
	// Outcome is `ignored` or `dead`.
	Outcome, Reason string
	Count           uint64
	// First and Last are when they were received.
	First, Last time.Time
	// Example is the begin of the newest one's bytes, Error what is wrong with it,
	// and ParserVersion who said so.
	Example              []byte
	Error, ParserVersion string
}

// exampleBytes is how much of an example is shown.
const exampleBytes = 200

// Aside groups the tickets that are no calls by link and reason, most first.
func (r Reader) Aside(ctx context.Context, s Selection) ([]Group, error) {
	where, err := s.where(others)
	if err != nil {
		return nil, err
	}
	var site, link, model, outcome, reason, example, why, version proto.ColStr
	var n proto.ColUInt64
	var first, last proto.ColInt64
	sql := fmt.Sprintf(`SELECT CAST(site AS String) AS site_, CAST(link AS String) AS link_, CAST(argMax(model, received_time) AS String) AS model_,
		lower(CAST(outcome AS String)) AS outcome_, CAST(reason AS String) AS reason_, count() AS n,
		toUnixTimestamp64Micro(min(received_time)) AS first, toUnixTimestamp64Micro(max(received_time)) AS last,
		argMax(substring(raw, 1, %d), received_time) AS example, argMax(error, received_time) AS error_,
		CAST(argMax(parser_version, received_time) AS String) AS version
		FROM %s FINAL WHERE %s GROUP BY site_, link_, outcome_, reason_ ORDER BY site_, link_, outcome_, n DESC, reason_`, exampleBytes, r.Table(others), where)
	var out []Group
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "site_", Data: &site},
		{Name: "link_", Data: &link},
		{Name: "model_", Data: &model},
		{Name: "outcome_", Data: &outcome},
		{Name: "reason_", Data: &reason},
		{Name: "n", Data: &n},
		{Name: "first", Data: &first},
		{Name: "last", Data: &last},
		{Name: "example", Data: &example},
		{Name: "error_", Data: &why},
		{Name: "version", Data: &version},
	}, func() error {
		for i := range n.Rows() {
			out = append(out, Group{
				Site: site.Row(i), Link: link.Row(i), Model: model.Row(i), Outcome: outcome.Row(i), Reason: reason.Row(i), Count: n[i],
				First: time.UnixMicro(first[i]).UTC(), Last: time.UnixMicro(last[i]).UTC(),
				Example: []byte(example.Row(i)), Error: why.Row(i), ParserVersion: version.Row(i),
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tickets set aside: %w", err)
	}
	return out, nil
}
