package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"trunkline.internal/pbx/row"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/window"
)

const (
	// readRows and readBytes bound what is read of a table before it is published.
	readRows  = 1000
	readBytes = 4 << 20
)

// columns is what is known of the table.
type columns struct {
	// cursor is the key column as the server spells it: its name is part of each
	// ticket's position.
	cursor string
	// from is what the rows are selected from; empty: the table alone.
	selects, from string
}

var integers = map[string]bool{"tinyint": true, "smallint": true, "mediumint": true, "int": true, "integer": true, "bigint": true}

// unfitError is a table that cannot be collected as it is.
type unfitError struct{ table, what, remedy string }

func (e *unfitError) Error() string {
	return fmt.Sprintf("table %s %s; remedy, once, on the PBX's database: %s", e.table, e.what, e.remedy)
}

// check examines what is to be read.
func (t *Table) check(ctx context.Context) (columns, error) {
	if !t.named {
		return columns{cursor: t.cfg.Cursor}, nil
	}
	cols, err := t.checkTable(ctx)
	if err == nil && t.cfg.Query == "" && t.cfg.Table == t.PBX.Table.Name {
		err = t.join(ctx, &cols)
	}
	return cols, err
}

// join adds the model's tables beside ours, where the database shows them to us.
func (t *Table) join(ctx context.Context, cols *columns) error {
	selects, from := quote(t.cfg.Table)+".*", quote(t.cfg.Table)
	for _, j := range t.PBX.Table.Joins {
		var have int
		err := t.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND COLUMN_NAME = ? AND TABLE_NAME IN (?, ?)",
			t.cfg.Database, j.Key, t.cfg.Table, j.Table).Scan(&have)
		if err != nil {
			return err
		}
		if have < 2 {
			t.Log.Info("a table beside the tickets is not there, or may not be read: tickets come without what it says", "table", j.Table, "columns", strings.Join(j.Columns, ", "))
			continue
		}
		for _, c := range j.Columns {
			selects += ", " + quote(j.Table) + "." + c
		}
		from += fmt.Sprintf(" LEFT JOIN %[1]s ON %[1]s.%[3]s = %[2]s.%[3]s", quote(j.Table), quote(t.cfg.Table), quote(j.Key))
	}
	cols.selects, cols.from = selects, from
	return nil
}

// checkTable makes sure that the cursor can be one: an integer, never NULL, and
// no two rows with one.
func (t *Table) checkTable(ctx context.Context) (columns, error) {
	var name, kind, nullable string
	err := t.db.QueryRowContext(ctx,
		"SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ?",
		t.cfg.Database, t.cfg.Table, t.cfg.Cursor).Scan(&name, &kind, &nullable)
	if errors.Is(err, sql.ErrNoRows) {
		// The server says better what is missing: the table, or our right to see it.
		rows, err := t.db.QueryContext(ctx, "SELECT 1 FROM "+quote(t.cfg.Table)+" LIMIT 0")
		if err != nil {
			return columns{}, err
		}
		if err := rows.Close(); err != nil {
			return columns{}, err
		}
		return columns{}, t.unfit("has no column " + t.cfg.Cursor)
	}
	if err != nil {
		return columns{}, err
	}
	if !integers[strings.ToLower(kind)] {
		return columns{}, t.unfit(fmt.Sprintf("has a column %s of type %s: a cursor is an integer", name, kind))
	}
	if !strings.EqualFold(nullable, "NO") {
		return columns{}, t.unfit("has a column " + name + " that may be NULL: such rows would never be read")
	}
	var view bool
	err = t.db.QueryRowContext(ctx,
		"SELECT TABLE_TYPE <> 'BASE TABLE' FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
		t.cfg.Database, t.cfg.Table).Scan(&view)
	if err != nil {
		return columns{}, err
	}
	if view {
		return columns{cursor: name}, nil // it has no keys: two equal ones are told when they are read
	}
	var unique int
	err = t.db.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM (SELECT MAX(COLUMN_NAME) c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 GROUP BY INDEX_NAME HAVING COUNT(*) = 1) k WHERE c = ?",
		t.cfg.Database, t.cfg.Table, name).Scan(&unique)
	if err != nil {
		return columns{}, err
	}
	if unique == 0 {
		return columns{}, t.unfit("has no unique key on " + name + " alone: two rows with one key would count as one ticket")
	}
	return columns{cursor: name}, nil
}

func (t *Table) unfit(what string) error {
	return &unfitError{t.cfg.Table, what, t.remedy()}
}

// remedy is the catalogue's ALTER TABLE, or one like it.
func (t *Table) remedy() string {
	if t.cfg.Table == t.PBX.Table.Name && t.cfg.Cursor == t.PBX.Table.Cursor {
		for _, line := range t.PBX.Setup {
			if strings.HasPrefix(line, "ALTER TABLE ") {
				return line
			}
		}
	}
	c := quote(t.cfg.Cursor)
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s INT UNSIGNED NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY (%s);", quote(t.cfg.Table), c, c)
}

// newest is the largest key; any is false when the table is empty.
func (t *Table) newest(ctx context.Context) (newest int64, any bool, err error) {
	var n sql.Null[int64]
	err = t.db.QueryRowContext(ctx, "SELECT MAX("+quote(t.columns.cursor)+") FROM "+quote(t.cfg.Table)).Scan(&n)
	return n.V, n.Valid, err
}

// read reads rows behind a key, in the order of the keys, and keeps those that
// are not published. more tells that there may be others behind them.
// A row beyond upTo is left to a later look.
func (t *Table) read(ctx context.Context, after, upTo int64) (b *batch, more bool, err error) {
	query, limit := t.statement(after)
	rows, err := t.db.QueryContext(ctx, query)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, false, err
	}
	names, cursor := make([]string, len(types)), -1
	values, targets := make([]sql.RawBytes, len(types)), make([]any, len(types))
	fields := make([][]byte, len(types))
	for i, c := range types {
		names[i], targets[i] = c.Name(), &values[i]
		if cursor < 0 && strings.EqualFold(c.Name(), t.columns.cursor) {
			cursor = i
		}
	}
	if cursor < 0 {
		return nil, false, t.unfit("has no column " + t.columns.cursor)
	}
	t.columns.cursor = names[cursor]
	b = &batch{last: after}
	for n := 1; rows.Next(); n++ {
		if err := rows.Scan(targets...); err != nil {
			return nil, false, err
		}
		key, err := strconv.ParseInt(string(values[cursor]), 10, 64)
		if err != nil {
			return nil, false, t.unfit(fmt.Sprintf("has a row whose %s is %q, which is no key that can be followed", t.columns.cursor, values[cursor]))
		}
		if key <= b.last && b.last != window.Nothing {
			return nil, false, t.unfit(fmt.Sprintf("has two rows with %s %d: they would count as one ticket", t.columns.cursor, key))
		}
		if key > upTo {
			return b, false, nil
		}
		b.last = key
		known := t.position.Has(key)
		if !known || key == t.position.Last && !t.guarded {
			for i, v := range values {
				fields[i] = v
				if v != nil && types[i].DatabaseTypeName() == "BIT" {
					fields[i] = bitText(v)
				}
			}
			start := len(b.payload)
			b.payload = row.Append(b.payload, names, fields)
			if known {
				t.guard(b.payload[start:])
				b.payload = b.payload[:start]
			} else {
				b.keys, b.ends = append(b.keys, key), append(b.ends, len(b.payload))
			}
		}
		if n == limit || len(b.payload) >= readBytes {
			return b, true, nil
		}
	}
	return b, false, rows.Err()
}

// statement is the query of the next rows, and how many it gives at most. The
// key is an integer of ours, so the query is sent as text, and all values come
// back as text.
func (t *Table) statement(after int64) (query string, limit int) {
	if t.cfg.Query != "" {
		if after == window.Nothing {
			after = -1
		}
		query = config.LastID.ReplaceAllString(t.cfg.Query, strconv.FormatInt(after, 10))
		if m := limited.FindStringSubmatch(query); m != nil {
			limit, _ = strconv.Atoi(m[1])
			return query, limit
		}
		return query + " LIMIT " + strconv.Itoa(readRows), readRows
	}
	selects, from, cursor := "*", quote(t.cfg.Table), quote(t.cfg.Table)+"."+quote(t.columns.cursor)
	if t.columns.from != "" {
		selects, from = t.columns.selects, t.columns.from
	}
	where := ""
	if after != window.Nothing {
		where = " WHERE " + cursor + " > " + strconv.FormatInt(after, 10)
	}
	return "SELECT " + selects + " FROM " + from + where + " ORDER BY " + cursor + " LIMIT " + strconv.Itoa(readRows), readRows
}

var limited = regexp.MustCompile(`(?i)\bLIMIT\s+(\d+)\s*$`)

// bitText is a BIT column as the number that it is; the server gives its bytes.
func bitText(v []byte) []byte {
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return strconv.AppendUint(nil, n, 10)
}
