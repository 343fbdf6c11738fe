package table

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func TestTablesThatCannotBeCollected(t *testing.T) {
	for name, c := range map[string]struct {
		create string
		want   []string
	}{
		"no cursor":   {"CREATE TABLE cdr (src VARCHAR(9))", []string{"has no column id", "ALTER TABLE cdr ADD COLUMN id INT UNSIGNED NOT NULL AUTO_INCREMENT"}},
		"text":        {"CREATE TABLE cdr (id VARCHAR(9) NOT NULL PRIMARY KEY)", []string{"of type varchar", "integer"}},
		"null":        {"CREATE TABLE cdr (id INT NULL, UNIQUE KEY (id))", []string{"may be NULL"}},
		"no key":      {"CREATE TABLE cdr (id INT NOT NULL)", []string{"no unique key on id alone"}},
		"a plain key": {"CREATE TABLE cdr (id INT NOT NULL, KEY (id))", []string{"no unique key on id alone"}},
		"half a key":  {"CREATE TABLE cdr (id INT NOT NULL, x INT NOT NULL, UNIQUE KEY (x, id), UNIQUE KEY (id, x))", []string{"no unique key on id alone"}},
		"no table":    {"CREATE TABLE other (id INT)", []string{"there is no such table", "look at table"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			run(t, r.db, c.create)
			err := r.try(context.Background())
			for _, word := range append(c.want, r.cfg.Addr, r.cfg.Database) {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%v, want %q", err, word)
				}
			}
			// Mended while we run.
			run(t, r.db, "DROP TABLE IF EXISTS cdr", cdrTable)
			r.insert(0, 1)
			r.look()
			r.have(numbers(0, 1))
		})
	}
}

func TestView(t *testing.T) {
	r := newRig(t)
	run(t, r.db, "CREATE TABLE c (id INT NOT NULL PRIMARY KEY, src INT)", "INSERT INTO c VALUES (1,1),(2,2)", "CREATE VIEW cdr AS SELECT * FROM c")
	r.look()
	r.have([]string{"1", "2"})
	// Its keys are not kept by the server: two equal ones are an error.
	run(t, r.db, "DROP VIEW cdr", "CREATE VIEW cdr AS SELECT id, src FROM c UNION ALL SELECT id + 1, src FROM c")
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "two rows with id 2") {
		t.Errorf("%v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 1)
	const wrong = "battery staple"
	if err := os.WriteFile(r.cfg.PasswordFile, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	err := r.try(context.Background())
	for _, word := range []string{"wrong user or password", "user cdr", r.cfg.Addr} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Fatalf("%v, want %q", err, word)
		}
	}
	if strings.Contains(err.Error()+r.log.String(), wrong) {
		t.Error("the password is told")
	}
	// The right one is read at the next connection, without a restart.
	if err := os.WriteFile(r.cfg.PasswordFile, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.have(numbers(0, 1))
}

func TestErrorsSayWhatHelps(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rig)
		want   string
	}{
		"no such database": {func(r *rig) { run(t, r.db, "GRANT SELECT ON `away`.* TO cdr@'127.0.0.1'"); r.cfg.Database = "away" }, "there is no such database"},
		"not our database": {func(r *rig) { r.cfg.Database = "mysql" }, "GRANT SELECT ON `mysql`.`cdr` TO user cdr"},
		"nobody listens":   {func(r *rig) { r.cfg.Addr = "127.0.0.1:1" }, "the server does not answer"},
		"no such user":     {func(r *rig) { r.cfg.User = "nobody" }, "wrong user or password"},
		"no password file": {func(r *rig) { r.cfg.PasswordFile += ".away" }, "password_file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			run(t, r.db, cdrTable)
			c.change(r)
			r.restart()
			if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestSessionIsReadOnly(t *testing.T) {
	r := newRig(t, func(c *config.MySQL) { c.User, c.Secret = "root", config.Secret{} })
	run(t, r.db, cdrTable)
	if _, err := r.Table.db.Exec("INSERT INTO cdr (src) VALUES ('1')"); err == nil || !strings.Contains(err.Error(), "READ ONLY") {
		t.Errorf("we could write: %v", err)
	}
}

func TestServerThatRestarts(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 1500)
	r.look()
	mariadb.stop()
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), r.cfg.Addr) {
		t.Errorf("%v", err)
	}
	if err := mariadb.start(); err != nil {
		t.Fatal(err)
	}
	r.insert(1500, 1600)
	r.look()
	r.have(numbers(0, 1600))
}

func TestConfiguration(t *testing.T) {
	n := kit.Start(t)
	many := maxOverlap + 1
	for _, c := range []struct {
		model, want string
		cfg         config.MySQL
	}{
		{"asterisk", "database is missing", config.MySQL{Addr: "h:1", User: "u"}},
		{"cisco-cucm", "table is missing", config.MySQL{Addr: "h:1", User: "u", Database: "d"}},
		{"asterisk", "host:port", config.MySQL{Addr: "h", User: "u", Database: "d"}},
		{"asterisk", "user is missing", config.MySQL{Addr: "h:1", Database: "d"}},
		{"asterisk", "table \"a`b\"", config.MySQL{Addr: "h:1", User: "u", Database: "d", Table: "a`b"}},
		{"asterisk", "overlap 100001", config.MySQL{Addr: "h:1", User: "u", Database: "d", Overlap: &many}},
		{"asterisk", "", config.MySQL{Addr: "h:1", User: "u", Database: "d"}},
	} {
		_, err := New(n.Link(t, c.model, time.Now), &c.cfg)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestTLS(t *testing.T) {
	r := newRig(t, func(c *config.MySQL) { c.TLS = &config.TLS{CA: mariadb.ca()} })
	run(t, r.db, cdrTable)
	r.insert(0, 1)
	r.look()
	r.have(numbers(0, 1))
	var name, cipher string
	if err := r.Table.db.QueryRow("SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || cipher == "" {
		t.Errorf("cipher %q: %v", cipher, err)
	}
	r.cfg.TLS = &config.TLS{} // the machine's authorities do not know it
	r.restart()
	if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "give its authority as tls: ca") {
		t.Errorf("%v", err)
	}
	r.cfg.TLS = &config.TLS{Insecure: true}
	r.restart()
	r.look()
	for want, bad := range map[string]config.TLS{
		"no certificate in PEM": {CA: r.cfg.PasswordFile},
		"no such file":          {CA: filepath.Join(t.TempDir(), "away")},
		"cert and key":          {Cert: "away", Key: "away"},
	} {
		r.cfg.TLS = &bad
		r.restart()
		if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
