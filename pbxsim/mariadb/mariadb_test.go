package mariadb_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"trunkline.internal/pbxsim/mariadb"
)

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPrivateServer(t *testing.T) {
	others := filepath.Join(t.TempDir(), "#sql-temptable-1-1-1.MAI") // of a server that was there before
	t.Setenv("TMPDIR", filepath.Dir(others))
	if err := os.WriteFile(others, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "db")
	s, err := mariadb.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	db := open(t, s.DSN(""))
	for _, q := range []string{"CREATE DATABASE kept", "CREATE TABLE kept.t (n INT)", "INSERT INTO kept.t VALUES (7)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	old := s.DSN("kept")
	for who, dsn := range map[string]string{
		"root":             "root@tcp(" + s.Addr() + ")/",
		"nobody":           "@tcp(" + s.Addr() + ")/",
		"a wrong password": s.User() + ":wrong@tcp(" + s.Addr() + ")/",
	} {
		if err := open(t, dsn).Ping(); err == nil {
			t.Errorf("%s was let in", who)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, old).Ping(); err == nil {
		t.Fatal("the server answers after Stop")
	}

	s, err = mariadb.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if _, err := os.Stat(others); err != nil {
		t.Errorf("a temporary table of another server: %v", err)
	}
	var n int
	if err := open(t, s.DSN("kept")).QueryRow("SELECT n FROM t").Scan(&n); err != nil || n != 7 {
		t.Fatalf("after a restart: %d, %v", n, err)
	}
}

// What keeps the server from starting is said.
func TestBrokenData(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data", "mysql"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := mariadb.Start(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "ERROR") {
		t.Fatalf("error %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	mariadb.Places(t, nil)
	_, err := mariadb.Start(t.Context(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "install mariadb-server") {
		t.Fatalf("error %v names no remedy", err)
	}
}
