package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

func options(writer bool, database string, method clickhouse.CompressionMethod) *clickhouse.Options {
	o := &clickhouse.Options{Addr: []string{shared.Addr()}, Protocol: clickhouse.HTTP, Auth: clickhouse.Auth{Database: database, Username: "default"}}
	if writer {
		o.Auth.Username, o.Auth.Password = WriterUser, shared.Token()
	}
	if method != clickhouse.CompressionNone {
		o.Compression = &clickhouse.Compression{Method: method, Level: 3}
	}
	return o
}

// typed is a row with a column of each type that a client may meet.
type typed struct {
	ID       uint64                       `ch:"id"`
	Name     string                       `ch:"name"`
	Site     string                       `ch:"site"`
	Country  *string                      `ch:"country"`
	Fixed    string                       `ch:"fixed"`
	Start    time.Time                    `ch:"start"`
	Plain    time.Time                    `ch:"plain"`
	Day      time.Time                    `ch:"day"`
	Enum     string                       `ch:"enum"`
	Flag     bool                         `ch:"flag"`
	Amount   decimal.Decimal              `ch:"amount"`
	Ratio    float64                      `ch:"ratio"`
	Big      *big.Int                     `ch:"big"`
	UUID     uuid.UUID                    `ch:"uuid"`
	Peer     netip.Addr                   `ch:"peer"`
	Legs     []string                     `ch:"legs"`
	Nested   [][]uint32                   `ch:"nested"`
	Lows     []string                     `ch:"lows"`
	Attrs    map[string]string            `ch:"attrs"`
	LowAttrs map[string]map[string]uint64 `ch:"low_attrs"`
	Pair     []any                        `ch:"pair"`
	Maybe    *int32                       `ch:"maybe"`
}

const typedTable = `CREATE TABLE typed (id UInt64, name String, site LowCardinality(String), country LowCardinality(Nullable(String)),
fixed FixedString(4), start DateTime64(3, 'UTC'), plain DateTime('UTC'), day Date32, enum Enum8('CALL' = 1, 'LEG, or (so)' = 2), flag Bool, amount Decimal(18, 4), ratio Float64,
big Int256, uuid UUID, peer IPv6, legs Array(String), nested Array(Array(UInt32)), lows Array(LowCardinality(String)), attrs Map(String, String),
low_attrs Map(LowCardinality(String), Map(String, UInt64)), pair Tuple(UInt8, String), maybe Nullable(Int32)) ENGINE = MergeTree ORDER BY id`

func typedRow(i uint64) typed {
	r := typed{
		ID: i, Name: fmt.Sprint("call ", i), Site: []string{"lyon", "metz", ""}[i%3], Fixed: "ab\x00\x00",
		Start: time.UnixMilli(1_770_000_000_123 + int64(i)).UTC(), Plain: time.Unix(1_770_000_000+int64(i), 0).UTC(),
		Day: time.Date(2026, 3, 1+int(i%20), 0, 0, 0, 0, time.UTC), Enum: []string{"CALL", "LEG, or (so)"}[i%2], Flag: i%2 == 1,
		Amount: decimal.New(int64(i)*12345, -4), Ratio: float64(i) / 7, Big: new(big.Int).Lsh(big.NewInt(int64(i)+1), 200),
		UUID: uuid.NewSHA1(uuid.Nil, []byte{byte(i)}), Peer: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)),
		Legs: []string{}, Nested: [][]uint32{}, Lows: []string{}, Attrs: map[string]string{}, LowAttrs: map[string]map[string]uint64{},
		Pair: []any{uint8(i), "é"},
	}
	for j := range i % 4 {
		r.Legs = append(r.Legs, fmt.Sprint("leg ", j))
		r.Nested = append(r.Nested, make([]uint32, j))
		r.Lows = append(r.Lows, fmt.Sprint(j%2))
		r.Attrs[fmt.Sprint("k", j)] = "v"
		r.LowAttrs[fmt.Sprint("k", j)] = map[string]uint64{"x": j, "y": i}
	}
	if i%5 == 0 {
		country, maybe := "FR", int32(-i)
		r.Country, r.Maybe = &country, &maybe
	}
	return r
}

func TestClickHouseGo(t *testing.T) {
	const rows = 3000
	for _, method := range []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP, clickhouse.CompressionDeflate,
	} {
		t.Run(method.String(), func(t *testing.T) {
			ctx := t.Context()
			db := database(t)
			w, err := clickhouse.Open(options(true, db, method))
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := w.Exec(ctx, typedTable); err != nil {
				t.Fatal(err)
			}
			batch, err := w.PrepareBatch(ctx, "INSERT INTO typed")
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint64(rows) {
				row := typedRow(i)
				if err := batch.AppendStruct(&row); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			r, err := clickhouse.Open(options(false, db, method))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			result, err := r.Query(ctx, "SELECT * FROM typed WHERE id < {n:UInt64} ORDER BY id", clickhouse.Named("n", rows))
			if err != nil {
				t.Fatal(err)
			}
			n := uint64(0)
			for ; result.Next(); n++ {
				var got typed
				if err := result.ScanStruct(&got); err != nil {
					t.Fatal(err)
				}
				want := typedRow(n)
				if got.Amount.Cmp(want.Amount) != 0 || got.Big.Cmp(want.Big) != 0 {
					t.Fatalf("row %d: got %v %v", n, got.Amount, got.Big)
				}
				got.Amount, got.Big = want.Amount, want.Big
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("row %d: got %+v, want %+v", n, got, want)
				}
			}
			if err := errors.Join(result.Err(), result.Close()); err != nil || n != rows {
				t.Errorf("got %d rows, %v", n, err)
			}
			// an exception at once, and one amid the rows
			_, err = r.Query(ctx, "SELECT nosuch")
			var e *clickhouse.Exception
			if !errors.As(err, &e) || e.Code != 47 {
				t.Errorf("got %v", err)
			}
			result, err = r.Query(ctx, "SELECT number, throwIf(number = 500000) FROM numbers(1000000)")
			if err != nil {
				t.Fatal(err)
			}
			for result.Next() { //nolint:revive // to the end
			}
			if err := errors.Join(result.Err(), result.Close()); err == nil || !strings.Contains(err.Error(), "throwIf") {
				t.Errorf("got %v", err)
			}
			if err := r.Exec(ctx, "INSERT INTO typed (id) VALUES (1)"); !errors.As(err, &e) || e.Code != 164 {
				t.Errorf("a reader wrote: %v", err)
			}
		})
	}
}

// TestOtherTypes reads columns of types that a table of calls has not, in the revision of the client.
func TestOtherTypes(t *testing.T) {
	r, err := clickhouse.Open(options(false, "default", clickhouse.CompressionNone))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for expr, want := range map[string]string{
		"CAST((1.5, 2) AS Point)":                            "[1.5 2]",
		"CAST([[(0, 1), (2, 3)]] AS Polygon)":                "[[[0 1] [2 3]]]",
		"INTERVAL 3 DAY":                                     "3 Days",
		"CAST([(1, 'a')] AS Nested(x UInt8, y String))":      "[map[x:1 y:a]]",
		"CAST(7 AS Variant(UInt8, String))":                  "7",
		"CAST('x' AS Variant(UInt8, Array(String), String))": "x",
		"toIPv4('10.0.0.1')":                                 "10.0.0.1",
		"[NULL, 1]::Array(Nullable(UInt8))":                  "1",
		"CAST(map('a', (1, ['b'])) AS Map(String, Tuple(UInt8, Array(LowCardinality(Nullable(String))))))": "map[a:",
		"CAST(1 AS SimpleAggregateFunction(sum, UInt64))":                                                  "1",
		"toDecimal256('1.5', 3)":                                   "1.5",
		"toDateTime64('2026-01-01 00:00:00.5', 6, 'Europe/Paris')": "2026-01-01 00:00:00.5",
		"toUInt128(5)": "5",
		"NULL":         "<nil>",
	} {
		rows, err := r.Query(t.Context(), "SELECT 'before' AS b, "+expr+" AS x, 'after' AS a FROM numbers(3)")
		if err != nil {
			if strings.Contains(err.Error(), "unsupported column type") { // not by this client
				t.Logf("%s: %v", expr, err)
				continue
			}
			t.Errorf("%s: %v", expr, err)
			continue
		}
		n := 0
		for ; rows.Next(); n++ {
			types := rows.ColumnTypes()
			x := reflect.New(types[1].ScanType())
			var b, a string
			if err := rows.Scan(&b, x.Interface(), &a); err != nil {
				t.Errorf("%s: %v", expr, err)
				break
			}
			if got := fmt.Sprint(reflect.Indirect(x).Interface()); b != "before" || a != "after" || expr != "[NULL, 1]::Array(Nullable(UInt8))" && !strings.Contains(got, want) {
				t.Errorf("%s: got %q %q %q, want %q", expr, b, got, a, want)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || n != 3 {
			t.Errorf("%s: %d rows, %v", expr, n, err)
		}
	}
	_, err = r.Query(t.Context(), "SELECT sumState(number) FROM numbers(3)")
	if err == nil || !strings.Contains(err.Error(), "ask for another FORMAT") {
		t.Errorf("a state of an aggregate function: got %v", err)
	}
}

func TestDatabaseSQL(t *testing.T) {
	ctx := t.Context()
	name := database(t)
	db := clickhouse.OpenDB(options(true, name, clickhouse.CompressionLZ4))
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (a UInt32, s String) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO t (a, s)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if _, err := stmt.ExecContext(ctx, i, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var n, sum uint64
	if err := db.QueryRowContext(ctx, "SELECT count(), sum(a) FROM t WHERE s != ?", "it's").Scan(&n, &sum); err != nil || n != 1000 || sum != 499500 {
		t.Errorf("got %d %d %v", n, sum, err)
	}
	var missing string
	if err := db.QueryRowContext(ctx, "SELECT s FROM t WHERE a = 5000").Scan(&missing); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("got %v", err)
	}
	settings := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_result_rows": 3, "result_overflow_mode": "throw"}))
	rows, err := db.QueryContext(settings, "SELECT a FROM t")
	if err == nil {
		for rows.Next() { //nolint:revive // to the end
		}
		err = errors.Join(rows.Err(), rows.Close())
	}
	if err == nil || !strings.Contains(err.Error(), "max") {
		t.Errorf("a setting had no effect: %v", err)
	}
}

// TestJavaScriptClient runs the client that ClickHouse publishes on npm, unmodified.
func TestJavaScriptClient(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "jsclient"))); err != nil {
		t.Fatal(err)
	}
	db := database(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"},
		{"node", "client.mjs", "http://" + shared.Addr(), shared.Token(), db},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
}
