// Package table collects the rows of a table of a MySQL or MariaDB server, by a
// key that grows with each row.
package table

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/window"
)

// Table is one table of tickets. It is used by one goroutine.
type Table struct {
	*link.Link
	cfg     config.MySQL
	db      *sql.DB
	key     string // of the position
	origin  string
	overlap int64
	// named tells that the table is known, not only a query of it.
	named bool
	gate  link.Gate

	checked  bool
	columns  columns
	ages     ages
	position *window.Window
	revision uint64
	wasReset bool
	// guarded tells that the row at the position is known to be ours.
	guarded bool
}

const (
	defaultOverlap = 200
	maxOverlap     = 100_000
)

var identifier = regexp.MustCompile(`^[0-9A-Za-z_$-]{1,64}$`)

// New makes the collector of a link's table; it does not connect. An error says
// what is wrong with the configuration.
func New(l *link.Link, c *config.MySQL) (*Table, error) {
	cfg := *c
	named := cfg.Table != ""
	if !named {
		cfg.Table = l.PBX.Table.Name
	}
	if cfg.Cursor == "" {
		cfg.Cursor = l.PBX.Table.Cursor
	}
	if cfg.Query == "" && !named {
		cfg.Query = l.PBX.Table.Query
	}
	if cfg.Query != "" {
		if err := config.CheckQuery(cfg.Query, cfg.Cursor); err != nil {
			return nil, fmt.Errorf("mysql: query: %w", err)
		}
		if cfg.Table == "" {
			cfg.Table = "query"
		}
	}
	for _, it := range []struct{ name, value string }{{"database", cfg.Database}, {"table", cfg.Table}, {"cursor", cfg.Cursor}} {
		if it.value == "" {
			return nil, fmt.Errorf("mysql: %s is missing, and model %s has no usual one", it.name, l.Model)
		}
		if !identifier.MatchString(it.value) {
			return nil, fmt.Errorf("mysql: %s %q: a name is 1 to 64 letters, digits, _, $ or -", it.name, it.value)
		}
	}
	if _, port, err := net.SplitHostPort(cfg.Addr); err != nil || port == "" {
		return nil, fmt.Errorf("mysql: addr %q: give host:port, such as 10.1.0.7:3306", cfg.Addr)
	}
	if cfg.User == "" {
		return nil, errors.New("mysql: user is missing: give one that may only SELECT from the table")
	}
	t := &Table{
		Link: l, cfg: cfg, named: named || cfg.Query == "", overlap: defaultOverlap,
		gate: link.Gate{Password: cfg.Password, Now: l.Now, Pause: refusedPause},
	}
	if cfg.Overlap != nil {
		if t.overlap = int64(*cfg.Overlap); t.overlap < 0 || t.overlap > maxOverlap {
			return nil, fmt.Errorf("mysql: overlap %d: give 0 to %d keys", t.overlap, maxOverlap)
		}
	}
	// Not the address: a PBX that gets another one goes on where it stood.
	t.key = bus.PositionKey(l.Site, l.Link, bus.SourceKey(fmt.Sprintf("table-%s-%s-%d", cfg.Database, cfg.Table, cfg.Epoch)))
	t.origin = identity.Table(cfg.Addr, cfg.Database+"."+cfg.Table, cfg.Epoch)
	var err error
	t.db, err = open(cfg, nil)
	return t, err
}

// Load reads the position.
func (t *Table) Load(ctx context.Context) error {
	t.checked, t.guarded = false, false
	value, revision, err := t.Get(ctx, t.key)
	if err != nil {
		return err
	}
	t.position, t.revision = window.New(t.overlap), revision
	if revision == 0 {
		return nil
	}
	var stored window.Window
	if err := json.Unmarshal(value, &stored); err != nil || !stored.Valid() {
		return fmt.Errorf("position %s is unreadable: %w", t.key, err)
	}
	t.position = stored.Resized(t.overlap)
	return nil
}

// Save has nothing to do: a position is written with each batch.
func (t *Table) Save(context.Context) error { return nil }

func (t *Table) save(ctx context.Context) error {
	value, err := json.Marshal(t.position)
	if err != nil {
		return fmt.Errorf("position %s: %w", t.key, err)
	}
	if t.revision, err = t.Put(ctx, t.key, value, t.revision); err != nil {
		return err
	}
	t.Metrics.Position.Set(float64(t.position.Last))
	t.Update(func(s *link.State) { s.Position = t.position.Last })
	return nil
}

// Look publishes the rows that are new, and those behind the cursor that became
// visible late.
func (t *Table) Look(ctx context.Context) error {
	if _, err := t.gate.Open(); err != nil {
		return t.explain(err)
	}
	if err := t.look(ctx); err != nil {
		var ours *publishError
		if ctx.Err() != nil || errors.As(err, &ours) {
			return err
		}
		t.checked = false // the trouble may be what check explains
		if refused(err) {
			t.gate.Refused(err)
		}
		return t.explain(err)
	}
	t.gate.Accepted()
	return nil
}

// publishError is an error of NATS, not of the database.
type publishError struct{ error }

func (e *publishError) Unwrap() error { return e.error }

func (t *Table) look(ctx context.Context) error {
	if !t.checked {
		cols, err := t.check(ctx)
		if err != nil {
			return err
		}
		t.columns, t.checked = cols, true
	}
	upTo := int64(math.MaxInt64)
	if t.named {
		newest, any, err := t.newest(ctx)
		if err != nil {
			return err
		}
		if t.isReset(newest, any) || !any {
			return nil
		}
		if settle := time.Duration(t.cfg.Settle); settle > 0 {
			upTo = t.ages.old(newest, t.Now(), settle)
		}
	}
	after := t.position.Low()
	if after != window.Nothing {
		after--
	}
	for {
		rows, more, err := t.read(ctx, after, upTo)
		if err != nil {
			return err
		}
		t.guarded = true
		if err := t.publish(ctx, rows); err != nil {
			return &publishError{err}
		}
		if !more {
			return nil
		}
		after = rows.last
	}
}

// isReset tells of a table that begins again behind our position. Its keys would
// be given twice: nothing is read until an operator says that it is a new table.
func (t *Table) isReset(newest int64, any bool) bool {
	last := t.position.Last
	if any {
		t.Metrics.Newest.Set(float64(newest))
		t.Update(func(s *link.State) { s.Newest = newest })
	}
	if last == window.Nothing || any && newest >= last {
		t.wasReset = false
		return false
	}
	if !t.wasReset {
		t.wasReset = true
		t.Metrics.Resets.Inc()
	}
	have := "the table is empty"
	if any {
		have = fmt.Sprintf("its largest %s is %d", t.columns.cursor, newest)
	}
	t.Alarms.Raise("reset", t.wrap(fmt.Errorf("rows up to %s %d were collected, but now %s: the table was reset or an older copy restored, and nothing is read from it. If its keys begin again, raise epoch to %d in the link's configuration: then it counts as a new table and is read from its first row",
		t.columns.cursor, last, have, t.cfg.Epoch+1)))
	return true
}

// batch is the rows of one query that are to be published.
type batch struct {
	last    int64 // largest key that was read
	payload []byte
	keys    []int64
	ends    []int // in payload, of each row
}

// publish sends what was not published yet, and then advances the position.
func (t *Table) publish(ctx context.Context, b *batch) error {
	if len(b.keys) == 0 {
		return nil
	}
	var out link.Batch
	out.AddRows(bus.TicketMessage{Address: t.Address, Received: t.Now(), Origin: t.origin, Name: t.cfg.Addr}, b.payload, b.ends, func(i int) string {
		return identity.RowPosition(t.columns.cursor, strconv.FormatInt(b.keys[i], 10))
	})
	if err := t.Send(ctx, &out); err != nil {
		return err
	}
	start := 0
	for i, key := range b.keys {
		if key >= t.position.Last {
			t.position.Guard = guardOf(b.payload[start:b.ends[i]])
		}
		t.position.Add(key)
		start = b.ends[i]
	}
	return t.save(ctx)
}

func guardOf(row []byte) string {
	sum := sha256.Sum256(row)
	return hex.EncodeToString(sum[:8])
}

// guard compares the row at the position, once behind a restart, with the one
// that was collected: the table may have been reset and have grown beyond the
// position while nobody looked. It may as well be that the row was changed, so
// collecting goes on.
func (t *Table) guard(row []byte) {
	if t.guarded || t.position.Guard == "" || t.position.Guard == guardOf(row) {
		return
	}
	t.Metrics.Resets.Inc()
	t.Log.Error("the row at our position is not the one that was collected. If the table was reset meanwhile, rows are missing: raise epoch in the link's configuration. If its columns or that row were changed, all is well",
		"addr", t.cfg.Addr, "table", t.cfg.Database+"."+t.cfg.Table, t.columns.cursor, t.position.Last, "epoch", t.cfg.Epoch+1)
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Close ends the connection.
func (t *Table) Close() error { return t.db.Close() }
