package main

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tableCopy describes a table, or a view, which has no rows.
type tableCopy struct {
	Name   string `json:"name"`
	Create string `json:"create"`
	Rows   int64  `json:"rows"`
	// Parts of the engine's, whose rows they are, the oldest first.
	Parts int `json:"parts"`
	// Engine of the table, as ClickHouse names it.
	Engine string `json:"engine"`
}

// holdsRows tells a table from a view and the like, of which a backup has only the
// definition.
func (t *tableCopy) holdsRows() bool { return strings.HasSuffix(t.Engine, "MergeTree") }

// frozenName is the folder of hard links that the engine makes of a table's rows.
const frozenName = "trunkline_backup"

// tables copies the tables of a running engine. The engine makes hard links of a
// table's parts, all rows of a moment; a part never changes again.
type tables struct {
	front    *sqlFront
	database string
	folder   string // of the engine's data
	list     []liveTable
}

type liveTable struct {
	tableCopy
	UUID  string `json:"uuid"`
	Bytes int64  `json:"bytes"`
}

func listTables(ctx context.Context, front *sqlFront, database, folder string) (*tables, error) {
	t := &tables{front: front, database: database, folder: folder}
	query := "SELECT name, engine, toString(uuid) AS uuid, create_table_query AS create, toInt64(ifNull(total_bytes, 0)) AS bytes FROM system.tables WHERE NOT is_temporary AND database = " + sqlText(database)
	err := front.rows(ctx, query, func(d *json.Decoder) error {
		var one liveTable
		err := d.Decode(&one)
		t.list = append(t.list, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(t.list, func(t liveTable) bool { return t.Name == "migrations" }) {
		return nil, fmt.Errorf("database %s of ClickHouse has not our tables: is clickhouse.database right, and has the sink run?", database)
	}
	// A receipt's row stands when the rows of its tickets stand: so it is frozen
	// before them.
	first := []string{"receipts", "audit"}
	slices.SortFunc(t.list, func(a, b liveTable) int {
		rank := func(name string) int {
			if i := slices.Index(first, name); i >= 0 {
				return i
			}
			return len(first)
		}
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return t, nil
}

func (t *tables) size() (n int64) {
	for _, one := range t.list {
		n += one.Bytes
	}
	return n
}

func (t *tables) each(ctx context.Context, what string) error {
	for _, one := range t.list {
		if one.holdsRows() {
			if err := t.front.exec(ctx, "ALTER TABLE "+sqlName(t.database, one.Name)+" "+what+" WITH NAME "+sqlText(frozenName)); err != nil {
				return fmt.Errorf("table %s: %w", one.Name, err)
			}
		}
	}
	return nil
}

// freeze links all rows as they are now. Links that a backup left which was killed
// go first.
func (t *tables) freeze(ctx context.Context) error {
	return errors.Join(t.each(ctx, "UNFREEZE"), t.each(ctx, "FREEZE"))
}

func (t *tables) unfreeze(ctx context.Context) error {
	return errors.Join(t.each(ctx, "UNFREEZE"), os.RemoveAll(filepath.Join(t.folder, "shadow", frozenName)))
}

// copyTable writes the frozen rows of a table.
func (t *tables) copyTable(one liveTable, w io.Writer) (*tableCopy, error) {
	c := one.tableCopy
	if !one.holdsRows() {
		return &c, nil
	}
	dir := filepath.Join(t.folder, "shadow", frozenName, "store", one.UUID[:3], one.UUID)
	parts, err := frozenParts(dir)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", one.Name, err)
	}
	out := tar.NewWriter(w)
	for _, part := range parts {
		rows, err := os.ReadFile(filepath.Join(dir, part, "count.txt"))
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", one.Name, err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(rows)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("table %s, part %s: %w", one.Name, part, err)
		}
		c.Rows += n
		c.Parts++
		err = filepath.WalkDir(filepath.Join(dir, part), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err == nil {
				_, err = addFile(out, path, name, info)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", one.Name, err)
		}
	}
	return &c, out.Close()
}

// frozenParts are the names of a table's parts in the order in which they are to be
// attached: where a key has two rows of one version, the later one counts.
func frozenParts(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) { // it has no rows
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	blocks := make(map[string]uint64)
	for _, e := range entries {
		// partition_first_last_level, and _mutation; a partition's id has no underscore
		words := strings.Split(e.Name(), "_")
		if len(words) < 4 {
			return nil, fmt.Errorf("%q is no part of a table", e.Name())
		}
		if blocks[e.Name()], err = strconv.ParseUint(words[1], 10, 64); err != nil {
			return nil, fmt.Errorf("%q is no part of a table", e.Name())
		}
		names = append(names, e.Name())
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(blocks[a], blocks[b]), cmp.Compare(a, b)) })
	return names, nil
}

// attach puts a table's parts back, which lie unpacked among its detached ones.
func attach(ctx context.Context, front *sqlFront, database string, c *tableCopy, parts []string) error {
	name := sqlName(database, c.Name)
	// Rows that are merged could not be counted.
	if err := front.exec(ctx, "SYSTEM STOP MERGES "+name); err != nil {
		return err
	}
	for _, part := range parts {
		if err := front.exec(ctx, "ALTER TABLE "+name+" ATTACH PART "+sqlText(part)); err != nil {
			return err
		}
	}
	var have int64
	err := front.rows(ctx, "SELECT toInt64(count()) AS n FROM "+name, func(d *json.Decoder) error {
		var row struct{ N int64 }
		err := d.Decode(&row)
		have = row.N
		return err
	})
	if err == nil && have != c.Rows {
		err = fmt.Errorf("%d rows are there, of %d", have, c.Rows)
	}
	return err
}
