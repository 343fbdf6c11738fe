package schema

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"trunkline.internal/services/sink/internal/clickhouse"
)

// Target is where the tables live. Its methods are what the migrations' SQL is
// written with.
type Target struct {
	// Database holds all tables.
	Database string
	// Cluster is empty for one server; else tables are replicated, each shard's
	// under a name of its own with a Distributed table above.
	Cluster string
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

// Validate refuses names that nobody should have to quote.
func (t Target) Validate() error {
	if !identifier.MatchString(t.Database) || t.Database == "system" || t.Database == "default" || strings.EqualFold(t.Database, "information_schema") {
		return fmt.Errorf("clickhouse.database: %q: give a name of its own of letters, digits, _ and -", t.Database)
	}
	if t.Cluster != "" && !identifier.MatchString(t.Cluster) {
		return fmt.Errorf("clickhouse.cluster: %q: give a name of letters, digits, _ and -", t.Cluster)
	}
	return nil
}

// Name is a table's name in SQL.
func (t Target) Name(table string) string { return clickhouse.Name(t.Database, table) }

// Local is the name of the table that holds the rows.
func (t Target) Local(table string) string {
	if t.Cluster != "" {
		table += "_local"
	}
	return t.Name(table)
}

// OnCluster makes a statement run on each server.
func (t Target) OnCluster() string {
	if t.Cluster == "" {
		return ""
	}
	return "ON CLUSTER " + clickhouse.Name(t.Cluster)
}

// Replacing is the engine of a table of which the newest row of a key counts.
func (t Target) Replacing(parameters string) string {
	if t.Cluster != "" {
		return "ReplicatedReplacingMergeTree(" + parameters + ")"
	}
	return "ReplacingMergeTree(" + parameters + ")"
}

// Durable are the settings without which a confirmed row could be lost in a
// power cut, or a retried one be written twice. What an insert writes is one
// file and not hundreds, since each is synced: a third of the time saved.
func (t Target) Durable() string {
	const disk = "fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 134217728"
	if t.Cluster != "" {
		return disk + ", replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
	}
	return disk + ", non_replicated_deduplication_window = 1000"
}

// Distributed is the table above those of the shards; nothing on one server.
// One key's rows must come to one shard, so the key must not change with the
// revision.
func (t Target) Distributed(table, shardBy string) string {
	if t.Cluster == "" {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s %s AS %s ENGINE = Distributed(%s, %s, %s, %s)", t.Name(table), t.OnCluster(), t.Local(table),
		clickhouse.Text(t.Cluster), clickhouse.Text(t.Database), clickhouse.Text(table+"_local"), shardBy)
}

// statements fills in a migration and cuts it where a line ends in a semicolon.
func (t Target) statements(name, sql string) ([]string, error) {
	tmpl, err := template.New(name).Option("missingkey=error").Parse(sql)
	if err != nil {
		return nil, fmt.Errorf("migration %s: %w", name, err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, t); err != nil {
		return nil, fmt.Errorf("migration %s: %w", name, err)
	}
	var list []string
	for s := range strings.SplitSeq(b.String()+"\n", ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("migration " + name + " is empty")
	}
	return list, nil
}
