package table

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// stand lets do serve each connection, and counts them.
func stand(t *testing.T, do func(net.Conn)) (addr string, conns *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			go func() {
				defer conn.Close()
				do(conn)
			}()
		}
	}()
	return l.Addr().String(), conns
}

// Three refusals, and the account is left alone for a minute, but for another
// password.
func TestRefusedLogin(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 1)
	now := time.Now()
	r.now = func() time.Time { return now }
	var conns *atomic.Int32
	r.cfg.Addr, conns = stand(t, func(conn net.Conn) {
		server, err := net.Dial("tcp", mariadb.addr())
		if err != nil {
			return
		}
		defer server.Close()
		go func() { _, _ = io.Copy(server, conn) }()
		_, _ = io.Copy(conn, server)
	})
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(r.cfg.PasswordFile, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("battery staple")
	r.restart()
	tries := func(want int32) {
		t.Helper()
		if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "wrong user or password") {
			t.Fatalf("%v", err)
		}
		if got := conns.Load(); got != want {
			t.Errorf("%d log-ins, want %d", got, want)
		}
	}
	for _, want := range []int32{1, 2, 3, 3, 3} {
		tries(want)
	}
	now = now.Add(refusedPause)
	tries(4)
	tries(4)
	write(password)
	r.look()
	r.have(numbers(0, 1))
}

func TestAnotherServicesGreeting(t *testing.T) {
	for _, says := range []string{"SSH-2.0-OpenSSH_9.6\r\n", "220 ready\r\n", ""} {
		r := newRig(t)
		r.cfg.Addr, _ = stand(t, func(conn net.Conn) { _, _ = io.WriteString(conn, says) })
		r.restart()
		if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "is it the port of a MySQL server?") {
			t.Errorf("%q: %v", says, err)
		}
	}
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
