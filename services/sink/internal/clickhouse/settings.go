package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
)

// insertSettings make an insert mean the same on every server and under every
// profile: the answer comes when the rows are on disk, and the same block twice
// is one. All servers since 24.8 know them.
var insertSettings = []Setting{
	{"async_insert", "0"},
	{"insert_deduplicate", "1"},
	{"deduplicate_blocks_in_dependent_materialized_views", "1"},
	{"distributed_foreground_insert", "1"},
	{"max_partitions_per_insert_block", "0"},
	{"throw_on_max_partitions_per_insert_block", "0"},
}

// newerSettings are set where the server knows them: there they rule over the
// ones above.
var newerSettings = []Setting{
	{"deduplicate_insert", "enable"},
}

// InsertSettings are what an insert must set on this server.
func InsertSettings(ctx context.Context, c Conn) ([]Setting, error) {
	settings := insertSettings
	var name proto.ColStr
	for _, s := range newerSettings {
		sql := "SELECT name FROM system.settings WHERE name = " + Text(s.Name)
		err := c.Query(ctx, sql, proto.Results{{Name: "name", Data: &name}}, func() error {
			settings = append(settings[:len(settings):len(settings)], s)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("which settings the server knows: %w", err)
		}
	}
	return settings, nil
}
