// Package schema is Trunkline's tables in ClickHouse: numbered migrations,
// applied by one sink at a time. Migrations only add, so that an older sink
// runs on a newer schema; each can be applied again without harm.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/services/sink/internal/clickhouse"
)

//go:embed migrations/*.sql
var files embed.FS

type migration struct {
	version    uint32
	name       string
	statements []string
}

// Schema brings a database to what this sink needs.
type Schema struct {
	Target
	migrations []migration
}

// New reads the migrations for a target.
func New(t Target) (*Schema, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	s := &Schema{Target: t}
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for i, path := range names {
		sql, err := files.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: its number should be %04d", name, i+1)
		}
		statements, err := t.statements(name, string(sql))
		if err != nil {
			return nil, err
		}
		s.migrations = append(s.migrations, migration{uint32(version), name, statements})
	}
	return s, nil
}

// Version is the newest migration this sink knows.
func (s *Schema) Version() uint32 { return uint32(len(s.migrations)) }

// Codes of ClickHouse that mean something here.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
	codeAccessDenied    = 497
)

// Applied is the newest migration in the database, 0 for none.
func (s *Schema) Applied(ctx context.Context, c clickhouse.Conn) (uint32, error) {
	var version uint32
	var column proto.ColUInt32
	err := c.Query(ctx, "SELECT max(version) AS version FROM "+s.Name("migrations"), proto.Results{{Name: "version", Data: &column}}, func() error {
		version = column.Row(0)
		return nil
	})
	switch clickhouse.CodeOf(err) {
	case codeUnknownTable, codeUnknownDatabase:
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("which migrations are applied: %w", err)
	}
	return version, nil
}

// Migrate applies what the database lacks; with repair, everything again, for
// tables that were dropped. One may run at a time. A newer schema is left as it
// is. It returns the names of what was applied.
func (s *Schema) Migrate(ctx context.Context, c clickhouse.Conn, repair bool) ([]string, error) {
	applied, err := s.Applied(ctx, c)
	if err != nil {
		return nil, err
	}
	if applied > s.Version() && repair {
		return nil, fmt.Errorf("database %s lacks tables, and its schema %d is newer than this sink's %d: let a sink of that version make them", s.Database, applied, s.Version())
	}
	if repair {
		applied = 0
	}
	if applied >= s.Version() {
		return nil, nil
	}
	if err := s.prepare(ctx, c); err != nil {
		return nil, err
	}
	var done []string
	for _, m := range s.migrations[applied:] {
		for _, statement := range m.statements {
			if err := c.Exec(ctx, statement); err != nil {
				return done, fmt.Errorf("migration %s: %w", m.name, err)
			}
		}
		record := fmt.Sprintf("INSERT INTO %s (version, name) VALUES (%d, %s)", s.Name("migrations"), m.version, clickhouse.Text(m.name))
		if err := c.Exec(ctx, record); err != nil {
			return done, fmt.Errorf("migration %s: %w", m.name, err)
		}
		done = append(done, m.name)
	}
	return done, nil
}

// prepare makes the database, where it may, and the table of migrations.
func (s *Schema) prepare(ctx context.Context, c clickhouse.Conn) error {
	err := c.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+clickhouse.Name(s.Database)+" "+s.OnCluster())
	if clickhouse.CodeOf(err) == codeAccessDenied {
		// An administrator may have made it; if not, the next statement says so.
		err = nil
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", s.Database, err)
	}
	engine := "ReplacingMergeTree"
	if s.Cluster != "" {
		// Every server has all of it.
		engine = "ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')"
	}
	err = c.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+s.Name("migrations")+" "+s.OnCluster()+`
(
    version UInt32 COMMENT 'Number of the migration',
    name String COMMENT 'Its name',
    applied_time DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied, UTC'
)
ENGINE = `+engine+`
ORDER BY version
SETTINGS `+s.Durable()+`
COMMENT 'What brought the schema to where it is'`)
	if err != nil {
		return fmt.Errorf("database %s: %w", s.Database, err)
	}
	return nil
}
