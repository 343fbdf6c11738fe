package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/row"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const cdrTable = "CREATE TABLE cdr (calldate DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', src VARCHAR(80), dst VARCHAR(80), id INT UNSIGNED NOT NULL AUTO_INCREMENT, UNIQUE KEY (id)) DEFAULT CHARSET=utf8mb4"

type rig struct {
	t      testing.TB
	nats   *kit.NATS
	health kit.Health
	log    strings.Builder
	model  string
	now    func() time.Time
	db     *sql.DB
	cfg    config.MySQL
	*Table
}

func newRig(t testing.TB, change ...func(*config.MySQL)) *rig {
	t.Helper()
	return newRigOf(t, "asterisk", change...)
}

func newRigOf(t testing.TB, model string, change ...func(*config.MySQL)) *rig {
	t.Helper()
	r := &rig{t: t, nats: kit.Start(t), model: model, now: time.Now}
	var name string
	name, r.db = database(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.cfg = config.MySQL{Addr: mariadb.addr(), Database: name, User: "cdr", Secret: config.Secret{PasswordFile: secret}}
	for _, c := range change {
		c(&r.cfg)
	}
	r.restart()
	return r
}

// restart is a new process.
func (r *rig) restart(change ...func(*link.Options)) {
	r.t.Helper()
	l := r.nats.Link(r.t, r.model, func() time.Time { return r.now() }, append([]func(*link.Options){func(o *link.Options) {
		o.Health = r.health.Set
		o.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	}}, change...)...)
	tab, err := New(l, &r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { tab.Close() })
	if err := tab.Load(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.Table = tab
}

func (r *rig) try(ctx context.Context) error { return kit.Look(ctx, r.Table.Link, r) }

func (r *rig) look() {
	r.t.Helper()
	if err := r.try(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// insert adds rows with the numbers as src.
func (r *rig) insert(from, to int) {
	r.t.Helper()
	var b strings.Builder
	b.WriteString("INSERT INTO cdr (calldate, src, dst) VALUES ")
	for i := from; i < to; i++ {
		if i > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "('2026-11-21 09:00:00', '%d', '555-0100')", i)
	}
	run(r.t, r.db, b.String())
}

// column is a column of each ticket that arrived.
func (r *rig) column(name string) []string {
	r.t.Helper()
	out := []string{}
	for _, k := range r.nats.Collected(r.t) {
		v, ok, err := row.Get(k.Text, name)
		if err != nil {
			r.t.Fatalf("%.200s: %v", k.Text, err)
		}
		if !ok {
			v = "NULL"
		}
		out = append(out, v)
	}
	return out
}

func numbers(from, to int) []string {
	out := []string{}
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func (r *rig) have(want []string) {
	r.t.Helper()
	if got := r.column("src"); !slices.Equal(got, want) {
		r.t.Fatalf("%d tickets %.200q, want %d %.200q", len(got), got, len(want), want)
	}
}

func TestRows(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.look() // nothing is there
	r.insert(0, 2500)
	r.look()
	r.have(numbers(0, 2500))
	for i, m := range r.nats.Messages(t) {
		if m.Origin != identity.Table(r.cfg.Addr, r.cfg.Database+".cdr", 0) || !strings.HasPrefix(m.Offset, "id=") || m.Name != r.cfg.Addr || !m.Written.IsZero() {
			t.Errorf("message %d: %+v", i, m)
		}
	}
	n := len(r.nats.Messages(t))
	r.look()
	r.restart()
	r.look()
	if got := len(r.nats.Messages(t)); got != n {
		t.Errorf("%d messages for nothing new", got-n)
	}
	r.insert(2500, 2503)
	r.look()
	r.have(numbers(0, 2503))
	if s := r.State(); s.Position != 2503 || s.Newest != 2503 || s.Tickets != 3 {
		t.Errorf("state: %+v", s)
	}
}

func TestValues(t *testing.T) {
	r := newRig(t)
	run(t, r.db, `CREATE TABLE cdr (
		id BIGINT NOT NULL PRIMARY KEY, empty VARCHAR(9), nothing VARCHAR(9), zero DATETIME, day DATE, stamp TIMESTAMP(3) NULL, span TIME,
		latin VARCHAR(40) CHARACTER SET latin1, utf VARCHAR(40) CHARACTER SET utf8mb4, bytes BLOB, bin VARBINARY(9), flag BIT(1), flags BIT(20),
		money DECIMAL(12,4), n TINYINT, big BIGINT UNSIGNED, d DOUBLE, f FLOAT, y YEAR, e ENUM('ANSWERED','NO ANSWER'), js LONGTEXT, `+"`Mixed Case` INT)")
	run(t, r.db, "SET NAMES utf8mb4", `INSERT INTO cdr VALUES (
		-5, '', NULL, '0000-00-00 00:00:00', '0000-00-00', '2026-11-21 09:00:00.123', '-12:34:56',
		'Zoë Müller €', 'Zoë 😀', x'00ff80410a', x'c3', b'1', b'10000000000000000001',
		1234567.8900, -128, 18446744073709551615, 1.5, 0.25, 2026, 'NO ANSWER', '{"a": "b\\n"}', 7)`)
	r.look()
	got := r.nats.Collected(t)
	if len(got) != 1 || got[0].Position != "id=-5" {
		t.Fatalf("%+v", got)
	}
	want := map[string]string{
		"id": "-5", "empty": "", "zero": "0000-00-00 00:00:00", "day": "0000-00-00", "stamp": "2026-11-21 09:00:00.123", "span": "-12:34:56",
		"latin": "Zoë Müller €", "utf": "Zoë 😀", "bytes": "\x00\xff\x80A\n", "bin": "\xc3", "flag": "1", "flags": "524289", "money": "1234567.8900",
		"n": "-128", "big": "18446744073709551615", "d": "1.5", "f": "0.25", "y": "2026", "e": "NO ANSWER", "js": `{"a": "b\n"}`, "Mixed Case": "7",
	}
	seen := 0
	if err := row.Scan(got[0].Text, func(f row.Field) bool {
		seen++
		if f.Name == "nothing" {
			if !f.Null {
				t.Error("NULL is not NULL")
			}
		} else if f.Null || f.Value != want[f.Name] {
			t.Errorf("%s is %q, want %q", f.Name, f.Value, want[f.Name])
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if seen != len(want)+1 {
		t.Errorf("%d columns", seen)
	}
}

func TestRowThatIsTooLong(t *testing.T) {
	r := newRig(t)
	run(t, r.db, "CREATE TABLE cdr (id INT NOT NULL PRIMARY KEY, src VARCHAR(9), x LONGTEXT)",
		"INSERT INTO cdr VALUES (1, '1', ''), (2, '2', REPEAT('x', 150000)), (3, '3', '')")
	r.look()
	var whole []string
	pieces := ""
	for _, k := range r.nats.Collected(t) {
		if k.Incomplete == wire.IncompleteTooLong {
			if want := "id=2"; len(pieces) > 0 && k.Position != fmt.Sprintf("%s+%d", want, len(pieces)) || len(pieces) == 0 && k.Position != want {
				t.Errorf("piece at %s", k.Position)
			}
			pieces += k.Text
		} else {
			whole = append(whole, k.Position)
		}
	}
	x, ok, err := row.Get(pieces, "x")
	if err != nil || !ok || len(x) != 150000 || !slices.Equal(whole, []string{"id=1", "id=3"}) {
		t.Errorf("%d bytes, %v, %v", len(x), err, whole)
	}
}

func TestRowsThatFillMessages(t *testing.T) {
	r := newRig(t)
	run(t, r.db, "CREATE TABLE cdr (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, src VARCHAR(9), x LONGTEXT)")
	var want []string
	for i := range 200 {
		run(t, r.db, fmt.Sprintf("INSERT INTO cdr (src, x) VALUES ('%d', REPEAT('x', 60000))", i))
		want = append(want, fmt.Sprint(i))
	}
	r.look() // 12 MB: several reads, messages that Collected measures
	r.have(want)
}

func TestRowsThatBecomeVisibleLate(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 300)
	ctx := context.Background()
	late, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, late, "INSERT INTO cdr (src) VALUES ('300')") // id 301
	r.insert(301, 350)
	r.look()
	r.have(slices.Concat(numbers(0, 300), numbers(301, 350)))
	n := r.State().Tickets
	r.restart()
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.have(numbers(0, 350))
	if got := r.State().Tickets; got != 1 {
		t.Errorf("%d rows were published for the one that came late, %d before", got, n)
	}
	// It rolled back: its key never comes, and nothing waits for it.
	run(t, r.db, "INSERT INTO cdr (id, src) VALUES (1000, '1000')")
	r.look()
	r.have(append(numbers(0, 350), "1000"))
}

func TestResetTable(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 10)
	r.look()
	run(t, r.db, "TRUNCATE TABLE cdr")
	r.look()
	for _, word := range []string{"site lyon, link pbx", r.cfg.Addr, "the table is empty", "id 10", "raise epoch to 1"} {
		if text := r.health.Text(); !strings.Contains(text, word) {
			t.Errorf("health %q does not say %q", text, word)
		}
	}
	r.insert(10, 13)
	r.look()
	if text := r.health.Text(); !strings.Contains(text, "its largest id is 3") {
		t.Errorf("health %q", text)
	}
	r.restart()
	r.look()
	r.have(numbers(0, 10))
	// The operator says that it is a new table.
	r.cfg.Epoch = 1
	r.restart()
	r.look()
	if text := r.health.Text(); text != "" {
		t.Error(text)
	}
	if got := r.column("src"); len(got) != 13 {
		t.Errorf("%v", got)
	}
}

// Nobody looked while the table was reset and grew beyond our position.
func TestTableThatWasResetAndOvertook(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 10)
	r.look()
	r.restart()
	r.look()
	if r.log.Len() > 0 {
		t.Errorf("log: %s", r.log.String())
	}
	run(t, r.db, "TRUNCATE TABLE cdr")
	r.insert(100, 120)
	r.restart()
	r.look()
	r.look()
	if got := strings.Count(r.log.String(), "raise epoch"); got != 1 || !strings.Contains(r.log.String(), "epoch=1") {
		t.Errorf("it is told %d times: %s", got, r.log.String())
	}
	r.have(slices.Concat(numbers(0, 10), numbers(110, 120)))
}

func TestPurgedTableGoesOn(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 10)
	r.look()
	run(t, r.db, "DELETE FROM cdr")
	r.look()
	r.insert(10, 12) // ids 11 and 12
	r.look()
	r.have(numbers(0, 12))
	if text := r.health.Text(); text != "" {
		t.Error(text)
	}
}

func TestCursorSpelledOtherwise(t *testing.T) {
	r := newRig(t, func(c *config.MySQL) { c.Cursor = "id_CDR" })
	run(t, r.db, "CREATE TABLE cdr (ID_cdr INT NOT NULL PRIMARY KEY, src INT)", "INSERT INTO cdr VALUES (7, 1)")
	r.look()
	if got := r.nats.Collected(t); len(got) != 1 || got[0].Position != "ID_cdr=7" {
		t.Errorf("%+v", got)
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 9500)
	var sent int
	for kills := 0; ; kills++ {
		if kills > 50 {
			t.Fatal("it never ends")
		}
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		r.restart(func(o *link.Options) {
			o.Publisher = publisher(func(_ context.Context, msgs ...*nats.Msg) error {
				sent += len(msgs)
				err := r.nats.Tickets.Publish(context.Background(), msgs...)
				if n++; n == 3 {
					cancel()
					return errors.Join(err, ctx.Err()) // stored, but nobody told us
				}
				return err
			})
		})
		err := r.try(ctx)
		cancel()
		if err == nil {
			if kills == 0 {
				t.Fatal("nothing was killed")
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	r.have(numbers(0, 9500))
	if stored := len(r.nats.Messages(t)); stored >= sent {
		t.Errorf("%d messages of %d sent: nothing was read twice, the test proves nothing", stored, sent)
	}
}

type publisher func(context.Context, ...*nats.Msg) error

func (p publisher) Publish(ctx context.Context, msgs ...*nats.Msg) error { return p(ctx, msgs...) }

func TestAnotherOwner(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 10)
	r.look()
	old := r.Table
	r.restart()
	r.insert(10, 20)
	r.look()
	if err := old.Look(context.Background()); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("the old owner: %v", err)
	}
	r.insert(20, 30)
	r.look()
	r.have(numbers(0, 30))
}
