package table

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/probe"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/window"
)

// Examine looks at a table and reads its newest row, in a session that cannot
// write; nil: there is none to show. zone is the link's time zone.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.MySQL, zone string) *examine.Newest {
	t, err := New(l, c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	_ = t.db.Close()
	if _, ok := r.Password(c.User, c.Secret); !ok {
		return nil
	}
	w := &watcher{r: r}
	if t.db, err = open(t.cfg, w); err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	defer t.Close()
	t.position = window.New(t.overlap)
	if !t.enter(ctx, r, w) {
		return nil
	}
	t.rights(ctx, r)
	t.clock(ctx, r, zone)
	if t.columns, err = t.check(ctx); err != nil {
		t.unfitTable(ctx, r, err)
		return nil
	}
	if t.named {
		t.describe(ctx, r)
	}
	return t.newestRow(ctx, r)
}

// watcher sees the connection being made.
type watcher struct {
	r    *examine.Report
	conn *examine.Conn
	// told tells that what failed was told.
	told   bool
	secure bool
}

func (w *watcher) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	if w.conn != nil { // again, where the first one broke
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	}
	c, ok := w.r.Dial(ctx, addr, 3306)
	if !ok {
		w.told = true
		return nil, errors.New("no connection")
	}
	c.Wants = func(first []byte) bool {
		guess := probe.Guess(first)
		return guess == "" || strings.HasPrefix(guess, mysqlGuess)
	}
	w.conn = c
	return c, nil
}

func (w *watcher) secured(s tls.ConnectionState) error {
	if !w.secure {
		w.r.Certificate(s.PeerCertificates[0])
	}
	w.secure = true
	return nil
}

// mysqlGuess begins what probe.Guess says of a server that we want.
const mysqlGuess = "a MySQL"

// enterTimeout bounds the log-in: a peer that says nothing is not waited for long.
const enterTimeout = 20 * time.Second

// enter connects and logs in.
func (t *Table) enter(ctx context.Context, r *examine.Report, w *watcher) bool {
	ctx, cancel := context.WithTimeout(ctx, enterTimeout)
	defer cancel()
	what := "log-in as " + t.cfg.User
	err := t.db.PingContext(ctx)
	var server *mysql.MySQLError
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil:
		if t.cfg.TLS == nil {
			r.Note("encryption", "none: tickets pass in the clear", "give tls, if the server has it")
		}
		r.OK(what, "let in")
		return true
	case w.told:
	case errors.As(err, &server) && (server.Number == errUnknownDatabase || server.Number == errDBAccessDenied):
		r.OK(what, "let in")
		r.Fail("database "+t.cfg.Database, t.explain(err).Error(), "")
	case errors.As(err, &server):
		r.Fail(what, t.explain(err).Error(), "")
	case errors.As(err, &untrusted):
		r.Untrusted(w.conn, err, nil, func(*x509.Certificate) string {
			return "give its authority, or the certificate itself where it signed itself, as tls: {ca: FILE}, once you have compared it with the server's"
		})
	case errors.Is(err, mysql.ErrNoTLS):
		r.Fail("TLS", t.explain(err).Error(), "")
	case w.conn != nil && !strings.HasPrefix(probe.Guess(w.conn.First()), mysqlGuess):
		r.Speaks(w.conn, "MySQL or MariaDB", err)
	default:
		r.Fail(what, t.explain(err).Error(), "")
	}
	return false
}

var privileges = regexp.MustCompile(`(?i)^GRANT (.*?) ON `)

// reading are the rights that collecting may want, and none beyond.
var reading = []string{"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES"}

// rights tells of a log-in that may do more than read. A line of SHOW GRANTS may
// hold the hash of the password: only what stands before ON is looked at.
func (t *Table) rights(ctx context.Context, r *examine.Report) {
	const what = "rights"
	rows, err := t.db.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		r.Note(what, "the server does not tell them", "")
		return
	}
	defer rows.Close()
	var more []string
	for rows.Next() {
		var line string
		if rows.Scan(&line) != nil {
			break
		}
		m := privileges.FindStringSubmatch(line)
		if m == nil {
			continue // a role's name, whose rights are listed if it is active
		}
		for p := range strings.SplitSeq(m[1], ",") {
			p, _, _ = strings.Cut(p, "(") // of columns
			p = strings.ToUpper(strings.TrimSpace(p))
			if !slices.Contains(reading, p) && !slices.Contains(more, p) && p != "" && !strings.Contains(p, ")") && !strings.HasPrefix(p, "`") {
				more = append(more, p)
			}
		}
	}
	if err := rows.Err(); err != nil {
		r.Note(what, "the server does not tell them", "")
		return
	}
	if len(more) == 0 {
		r.OK(what, "user "+t.cfg.User+" may only read")
		return
	}
	if len(more) > 6 {
		more = append(more[:6], fmt.Sprintf("%d more", len(more)-6))
	}
	r.Warn(what, fmt.Sprintf("user %s may do more than read: %s", t.cfg.User, strings.Join(more, ", ")),
		fmt.Sprintf("give the link a user of its own: GRANT SELECT ON %s.%s TO that user", quote(t.cfg.Database), quote(t.cfg.Table)))
}

// clock compares the server's clock with ours, and its zone with the link's.
func (t *Table) clock(ctx context.Context, r *examine.Report, zone string) {
	var version, utc, local string
	if err := t.db.QueryRowContext(ctx, "SELECT VERSION(), CAST(UTC_TIMESTAMP() AS CHAR), CAST(NOW() AS CHAR)").Scan(&version, &utc, &local); err != nil {
		r.Note("clock", "the server does not tell the time", "")
		return
	}
	r.OK("server", version)
	theirs, err1 := time.Parse(time.DateTime, utc)
	wall, err2 := time.Parse(time.DateTime, local)
	if err1 != nil || err2 != nil {
		return
	}
	r.Clock("clock", theirs)
	place, err := time.LoadLocation(zone)
	if err != nil {
		return
	}
	if t.PBX.Clock.UTC {
		return
	}
	offset := wall.Sub(theirs).Round(time.Minute)
	_, seconds := theirs.In(place).Zone()
	if want := time.Duration(seconds) * time.Second; offset != want {
		r.Warn("zone", fmt.Sprintf("the server's local time is %s, %s from UTC; the link's zone %s is %s", local, signed(offset), zone, signed(want)),
			"if the PBX writes its rows by the server's clock, give its zone as parse: {timezone: …} of the link; the CDR below shows which is right")
		return
	}
	r.OK("zone", fmt.Sprintf("the server's local time is %s, as in %s", local, zone))
}

func signed(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60)
}

// unfitTable tells what is wrong with the table.
func (t *Table) unfitTable(ctx context.Context, r *examine.Report, err error) {
	what := "table " + t.cfg.Table
	var unfit *unfitError
	var server *mysql.MySQLError
	switch {
	case errors.As(err, &unfit):
		remedy := "once, on the PBX's database: " + t.remedy()
		var other string
		q := "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND EXTRA LIKE '%auto_increment%'"
		if t.db.QueryRowContext(ctx, q, t.cfg.Database, t.cfg.Table).Scan(&other) == nil && !strings.EqualFold(other, t.cfg.Cursor) {
			remedy = fmt.Sprintf("it has a column that grows, %s: give cursor: %s. No other is needed", other, other)
		}
		r.Fail(what, "it "+unfit.what, remedy)
	case errors.As(err, &server) && server.Number == errNoSuchTable:
		r.Fail(what, t.explain(err).Error(), t.tables(ctx))
	default:
		r.Fail(what, t.explain(err).Error(), "")
	}
}

// tables names those that are there, for people.
func (t *Table) tables(ctx context.Context) string {
	rows, err := t.db.QueryContext(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME LIMIT 10", t.cfg.Database)
	if err != nil {
		return ""
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			names = append(names, name)
		}
	}
	if rows.Err() != nil || len(names) == 0 {
		return "the database shows user " + t.cfg.User + " no table at all: may it SELECT from any?"
	}
	return "tables that user " + t.cfg.User + " sees: " + strings.Join(names, ", ")
}

// describe tells of columns, engine and size.
func (t *Table) describe(ctx context.Context, r *examine.Report) {
	var engine sql.NullString
	var count sql.NullInt64
	var columns int
	err := t.db.QueryRowContext(ctx, "SELECT ENGINE, TABLE_ROWS, (SELECT COUNT(*) FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME)"+
		" FROM information_schema.TABLES t WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", t.cfg.Database, t.cfg.Table).Scan(&engine, &count, &columns)
	if err != nil {
		r.OK("table "+t.cfg.Table, "cursor "+t.columns.cursor)
		return
	}
	kind := engine.String
	if kind == "" {
		kind = "a view"
	}
	r.OK("table "+t.cfg.Table, fmt.Sprintf("%s, %d columns, about %d rows, cursor %s", kind, columns, count.Int64, t.columns.cursor))
}

// newestTimeout bounds the search for the newest row of a query.
const newestTimeout = 30 * time.Second

// newestRow reads the row with the largest key.
func (t *Table) newestRow(ctx context.Context, r *examine.Report) *examine.Newest {
	const what = "newest ticket"
	fail := func(err error) *examine.Newest {
		r.Fail(what, t.explain(err).Error(), "")
		return nil
	}
	newest, some, err := t.largest(ctx)
	switch {
	case err != nil:
		return fail(err)
	case !some:
		r.Warn(what, "the table is empty", "make a call and look again; does the PBX write this table? "+strings.Join(t.PBX.Setup, " "))
		return nil
	}
	rows, _, err := t.read(ctx, newest-1, newest)
	if err != nil {
		return fail(err)
	}
	if len(rows.ends) == 0 {
		r.Note(what, fmt.Sprintf("%s %d is not given: a query may leave it out", t.columns.cursor, newest), "")
		return nil
	}
	name := fmt.Sprintf("%s %d of %s", t.columns.cursor, newest, t.cfg.Table)
	r.OK(what, name)
	return &examine.Newest{Name: name, Raw: rows.payload[:rows.ends[0]], Row: identity.RowPosition(t.columns.cursor, strconv.FormatInt(newest, 10))}
}

// largest is the largest key of the table or of the query.
func (t *Table) largest(ctx context.Context) (newest int64, some bool, err error) {
	if t.cfg.Query == "" {
		return t.newest(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, newestTimeout)
	defer cancel()
	query, _ := t.statement(window.Nothing)
	query = limited.ReplaceAllString(query, "")
	query = ordered.ReplaceAllString(query, "")
	var n sql.NullInt64
	err = t.db.QueryRowContext(ctx, "SELECT MAX(q."+quote(t.columns.cursor)+") FROM ("+query+") q").Scan(&n)
	if err == nil {
		return n.Int64, n.Valid, nil
	}
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return 0, false, err
	}
	// A query with two columns of one name cannot be asked so: its first row tells
	// as much about the set-up.
	rows, _, err := t.read(ctx, window.Nothing, 1<<62)
	if err != nil || len(rows.keys) == 0 {
		return 0, false, err
	}
	return rows.keys[len(rows.keys)-1], true, nil
}

var ordered = regexp.MustCompile(`(?is)\s+ORDER\s+BY\s+[^()]*$`)
