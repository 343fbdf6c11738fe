// Package mariadb runs a private MariaDB server, for the demo and the tests. It needs the programs of the package
// mariadb-server, and never touches a server that is already there.
package mariadb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Server is a running server on a free port of 127.0.0.1.
type Server struct {
	addr, password string
	cmd            *exec.Cmd
	exited         chan struct{}
	release        func() bool
	stop           sync.Once
	err            error
}

const user = "trunkline"

// Start runs a server on the data in dir, which it creates if dir is empty or missing, and waits until it can be
// used. The server runs until Stop, or until ctx is done. An error names the remedy when the programs are missing.
func Start(ctx context.Context, dir string) (*Server, error) {
	s, err := start(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("private mariadb: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, dir string) (*Server, error) {
	daemon, err := program("mariadbd", "mysqld")
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// A starting server removes #sql… files in its folder for temporary files, and so would those of other servers
	// in the common one.
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "mysql")); errors.Is(err, os.ErrNotExist) {
		if err := install(ctx, dir, data); err != nil {
			return nil, err
		}
	}
	var last error
	for range 3 { // the free port may be taken by somebody else meanwhile
		s, err := run(ctx, daemon, dir, data)
		if err == nil {
			return s, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// places of programs that are services, which a path often lacks.
var places = []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin"}

// program finds one of the names in the path or in places.
func program(names ...string) (string, error) {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
		for _, dir := range places {
			if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("no program %s on this machine: install mariadb-server (apt-get install mariadb-server)", names[0])
}

// account is for the server programs, which want to be told when they run as root.
func account() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

func install(ctx context.Context, dir, data string) error {
	p, err := program("mariadb-install-db", "mysql_install_db")
	if err != nil {
		return err
	}
	args := append([]string{"--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"}, account()...)
	cmd := exec.CommandContext(ctx, p, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(dir, "tmp"))
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(data)
		return fmt.Errorf("creating the data folder: %w: %s", err, complaints(out))
	}
	return nil
}

func run(ctx context.Context, daemon, dir, data string) (*Server, error) {
	port, err := keptPort(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), password: rand.Text(), exited: make(chan struct{}),
	}
	initFile, log := filepath.Join(dir, "init.sql"), filepath.Join(dir, "error.log")
	// One statement a line. Nobody but our own user gets in, whose password is new at every start.
	sql := "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\nFLUSH PRIVILEGES;\n" +
		fmt.Sprintf("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY '%s';\n", user, s.password) +
		fmt.Sprintf("GRANT ALL ON *.* TO '%s'@'127.0.0.1' WITH GRANT OPTION;\n", user)
	if err := os.WriteFile(initFile, []byte(sql), 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(initFile)
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s.cmd = exec.Command(daemon, append([]string{
		"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port),
		"--tmpdir=" + filepath.Join(dir, "tmp"), "--socket=mariadb.sock", "--pid-file=mariadb.pid", "--log-error=" + log, "--init-file=" + initFile,
		"--skip-name-resolve", "--performance-schema=OFF", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=16M",
		"--character-set-server=utf8mb4", "--max-connections=40",
	}, account()...)...)
	s.cmd.Dir = data
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.ready(ctx); err != nil {
		_ = s.Stop()
		out, _ := os.ReadFile(log)
		return nil, fmt.Errorf("%w: %s", err, complaints(out))
	}
	s.release = context.AfterFunc(ctx, func() { _ = s.Stop() })
	return s, nil
}

// keptPort is the port of the last run while it is free, else a new one: a
// table's rows are named by where they come from, the server's address included.
func keptPort(dir string) (int, error) {
	file := filepath.Join(dir, "port")
	if b, err := os.ReadFile(file); err == nil {
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(b)))); err == nil {
			port := l.Addr().(*net.TCPAddr).Port
			return port, l.Close()
		}
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	return port, os.WriteFile(file, []byte(strconv.Itoa(port)), 0o600)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// ready waits until the server lets our user in.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	connector, err := mysql.NewConnector(s.config(""))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-s.exited:
			return errors.New("the server ended at once")
		case <-tick.C:
		}
	}
}

func (s *Server) config(database string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, s.password, "tcp", s.addr, database
	c.Logger = &mysql.NopLogger{}
	return c
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return s.addr }

// User and Password let somebody in who may do everything.
func (s *Server) User() string { return user }

// Password is new at every start.
func (s *Server) Password() string { return s.password }

// DSN is the data source name of a database for go-sql-driver/mysql; the database need not exist. Empty is none.
func (s *Server) DSN(database string) string { return s.config(database).FormatDSN() }

// Stop ends the server and waits for it; the data stays. It may be called again.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if s.release != nil {
			s.release()
		}
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.err = fmt.Errorf("private mariadb: %w", err)
		}
		select {
		case <-s.exited:
		case <-time.After(20 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.exited
			s.err = errors.New("private mariadb: had to be killed")
		}
	})
	return s.err
}

// complaints are the errors among a program's words, or else the last of them.
func complaints(out []byte) string {
	var found []string
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if strings.Contains(line, "ERROR") {
			found = append(found, line)
		}
	}
	if len(found) == 0 {
		found = lines[max(0, len(lines)-3):]
	}
	return strings.Join(found, "; ")
}
