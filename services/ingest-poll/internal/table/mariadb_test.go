package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"trunkline.internal/services/ingest-poll/internal/kit"
)

// server is a MariaDB server of this test binary's own.
type server struct {
	dir, port string
	cmd       *exec.Cmd
	exited    chan struct{}
}

var (
	mariadb    *server
	mariadbErr error
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "poll-mariadb")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	mariadb, mariadbErr = newServer(dir)
	code := m.Run()
	if mariadb != nil {
		mariadb.stop()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func program(name string) (string, error) {
	for _, p := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if p, err := exec.LookPath(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("these tests need a real MariaDB server and there is no %s: apt-get install mariadb-server", name)
}

func newServer(dir string) (*server, error) {
	install, err := program("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	data, tmp := filepath.Join(dir, "data"), filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(install, append([]string{"--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"}, account()...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	s := &server{dir: dir}
	if err := s.certify(); err != nil {
		return nil, err
	}
	return s, s.start()
}

// ca is the server's certificate, which is its own authority.
func (s *server) ca() string { return filepath.Join(s.dir, "cert.pem") }

func (s *server) certify() error {
	c, err := kit.NewCertificate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.ca(), c.PEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "key.pem"), c.Key, 0o600)
}

// account is for the server, which wants to be told when it runs as root.
func account() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// start starts the server, on the port that it had before if it had one.
func (s *server) start() error {
	daemon, err := program("mariadbd")
	if err != nil {
		return err
	}
	if s.port == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			return err
		}
	}
	log := filepath.Join(s.dir, "error.log")
	s.cmd = exec.Command(daemon, append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--tmpdir=" + filepath.Join(s.dir, "tmp"), "--bind-address=127.0.0.1", "--port=" + s.port,
		"--socket=" + filepath.Join(s.dir, "s"), "--pid-file=" + filepath.Join(s.dir, "pid"), "--log-error=" + log, "--skip-name-resolve",
		"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF",
		// As PBXs have it: MySQL of old takes dates of zeros.
		"--sql-mode=", "--max-connections=60", "--ssl-cert=" + s.ca(), "--ssl-key=" + filepath.Join(s.dir, "key.pem"),
	}, account()...)...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	for end := time.Now().Add(time.Minute); ; time.Sleep(30 * time.Millisecond) {
		db, err := s.root("")
		if err == nil {
			err = db.Ping()
			db.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			out, _ := os.ReadFile(log)
			return fmt.Errorf("mariadbd ended: %s", out)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("mariadbd is not ready: %w", err)
		}
	}
}

func (s *server) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

func (s *server) addr() string { return "127.0.0.1:" + s.port }

func (s *server) root(database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "tcp", s.addr(), database
	cfg.Logger = &mysql.NopLogger{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

var databases atomic.Int32

const password = "correct horse"

// database is a new database, with a user cdr who may only read it.
func database(t testing.TB) (name string, db *sql.DB) {
	t.Helper()
	if mariadbErr != nil {
		t.Fatal(mariadbErr)
	}
	name = fmt.Sprintf("pbx-%d", databases.Add(1))
	root, err := mariadb.root("")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	run(t, root, "CREATE DATABASE `"+name+"`", "CREATE OR REPLACE USER cdr@'127.0.0.1' IDENTIFIED BY '"+password+"'", "GRANT SELECT ON `"+name+"`.* TO cdr@'127.0.0.1'")
	if db, err = mariadb.root(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return name, db
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func run(t testing.TB, db execer, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			var m *mysql.MySQLError
			if errors.As(err, &m) {
				t.Fatalf("%s: %v", strings.SplitN(s, "\n", 2)[0], err)
			}
			t.Fatal(err)
		}
	}
}
