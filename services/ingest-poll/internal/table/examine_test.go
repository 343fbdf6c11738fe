package table

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// look examines the rig's table.
func (r *rig) examine(e *kit.Examined, change ...func(*config.MySQL)) *examine.Newest {
	r.t.Helper()
	c := r.cfg
	for _, f := range change {
		f(&c)
	}
	return Examine(r.t.Context(), e.Report(time.Now, password), r.Link, &c, "UTC")
}

func TestExamine(t *testing.T) {
	r := newRig(t)
	e := &kit.Examined{TB: t}
	r.examine(e)
	e.Has("port", examine.OK)
	e.Has("log-in as cdr", examine.OK)
	e.Has("rights", examine.OK, "may only read")
	e.Has("server", examine.OK, "MariaDB")
	e.Has("clock", examine.OK)
	e.Has("zone", examine.OK)
	e.Has("table cdr", examine.Failed, "doesn't exist", "no table at all")

	run(t, r.db, "CREATE TABLE calls (a INT)")
	r.examine(e)
	e.Has("table cdr", examine.Failed, "tables that user cdr sees: calls")

	run(t, r.db, "CREATE TABLE cdr (calldate DATETIME, src VARCHAR(80))")
	r.examine(e)
	e.Has("table cdr", examine.Failed, "has no column id", "ALTER TABLE")
	run(t, r.db, "ALTER TABLE cdr ADD COLUMN seq INT UNSIGNED NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY (seq)")
	r.examine(e)
	e.Has("table cdr", examine.Failed, "give cursor: seq")

	run(t, r.db, "DROP TABLE cdr", cdrTable)
	if r.examine(e) != nil {
		t.Error("a ticket of an empty table")
	}
	e.Has("newest ticket", examine.Warning, "the table is empty")
	for i := range 3 {
		run(t, r.db, fmt.Sprintf("INSERT INTO cdr (calldate, src, dst) VALUES ('2026-11-21 09:00:00', '%d', '201')", i))
	}
	n := r.examine(e)
	if n == nil || !strings.Contains(string(n.Raw), `"src":"2"`) || n.Row != "id=3" || !strings.HasSuffix(string(n.Raw), "}\n") {
		t.Errorf("%+v", n)
	}
	e.Has("table cdr", examine.OK, "InnoDB, 4 columns", "cursor id")
	if got := r.nats.Messages(t); len(got) > 0 {
		t.Errorf("%d messages", len(got))
	}

	// A query of one's own.
	n = r.examine(e, func(c *config.MySQL) {
		c.Query, c.Cursor = "SELECT id, src FROM cdr WHERE id > :last_id ORDER BY id LIMIT 10", "id"
	})
	if n == nil || string(n.Raw) != `{"id":"3","src":"2"}`+"\n" {
		t.Errorf("%+v", n)
	}
}

func TestExamineLogin(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	e := &kit.Examined{TB: t}
	run(t, r.db, fmt.Sprintf("GRANT SELECT, INSERT, DELETE ON `%s`.* TO cdr@'127.0.0.1'", r.cfg.Database))
	r.examine(e)
	e.Has("rights", examine.Warning, "INSERT, DELETE", "GRANT SELECT ON")
	r.examine(e, func(c *config.MySQL) { c.Database = "nosuch" })
	e.Has("database nosuch", examine.Failed)
	r.examine(e, func(c *config.MySQL) { c.TLS = &config.TLS{} })
	e.Has("certificate", examine.Failed, "signed by itself", "tls: {ca: FILE}")
	r.examine(e, func(c *config.MySQL) { c.TLS = &config.TLS{CA: mariadb.ca()} })
	e.Has("certificate", examine.Warning, "SHA-256")
	e.Has("log-in as cdr", examine.OK)
	if err := os.WriteFile(r.cfg.PasswordFile, []byte("another one"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.examine(e)
	e.Has("log-in as cdr", examine.Failed, "wrong user or password")
	r.examine(e, func(c *config.MySQL) { c.PasswordFile += "-gone" })
	e.Has("password", examine.Failed, "password_file")

	ssh := kit.Greet(t, "SSH-2.0-OpenSSH_9.6\r\n")
	r.examine(e, func(c *config.MySQL) { c.Addr = ssh })
	e.Has("service", examine.Failed, "looks like SSH")
}

// The server's local time is not the link's.
func TestExamineZone(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable, "INSERT INTO cdr (src) VALUES ('1')")
	e := &kit.Examined{TB: t}
	Examine(t.Context(), e.Report(func() time.Time { return time.Now().Add(time.Hour) }, password), r.Link, &r.cfg, "Asia/Tokyo")
	e.Has("clock", examine.Warning, "behind ours", "is a zone, not a clock")
	e.Has("zone", examine.Warning, "+00:00 from UTC", "Asia/Tokyo is +09:00", "parse: {timezone: …}")
}
