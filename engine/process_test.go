package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The library has one data folder in a process, so that what happens to a folder is tried in processes of their own: this binary,
// told by the environment to be one.
const childVariable = "ENGINE_TEST_CHILD"

func runChild(script string) error {
	steps := strings.Split(script, "\n")
	e, err := Open(Config{DataDir: steps[0], Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	for _, sql := range steps[1:] {
		switch sql {
		case "wait":
			fmt.Println("waiting")
			if _, err := io.ReadAll(os.Stdin); err != nil {
				return err
			}
			continue
		case "close":
			return closeAmid(e, ran)
		case "die":
			os.Exit(9) // no Close
		}
		req, err := http.NewRequest(http.MethodPost, "http://"+e.Addr()+"/", strings.NewReader(sql))
		if err != nil {
			return err
		}
		req.Header.Set("X-ClickHouse-Key", e.Token())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return err
		}
	}
	cancel()
	if err := errors.Join(<-ran, e.Close()); err != nil {
		return err
	}
	// Closed, the engine may be opened again, here or elsewhere, but not twice.
	if len(steps) > 1 && steps[len(steps)-1] == "SELECT 'again'" {
		e, err := Open(Config{DataDir: steps[0] + "-other", Listen: "127.0.0.1:0"})
		if err != nil {
			return fmt.Errorf("again: %w", err)
		}
		if _, err := Open(Config{DataDir: steps[0]}); err == nil || !strings.Contains(err.Error(), "this process has an engine open already") {
			return fmt.Errorf("a second engine: %w", err)
		}
		return e.Close()
	}
	return nil
}

// closeAmid closes the engine while it reads and changes without end.
func closeAmid(e *Engine, ran <-chan error) error {
	statements := []string{"SELECT sum(cityHash64(number)) FROM numbers(1000000000000)", "SELECT number FROM numbers(1000000000000)", "INSERT INTO FUNCTION null('a UInt64') SELECT sum(cityHash64(number)) FROM numbers(1000000000000)"}
	ended := make(chan struct{})
	for _, sql := range statements {
		req, err := http.NewRequest(http.MethodPost, e.URL()+"/?query_id=amid", strings.NewReader(sql))
		if err != nil {
			return err
		}
		req.Header.Set("X-ClickHouse-Key", e.Token())
		go func() {
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			ended <- struct{}{}
		}()
	}
	for {
		e.anchorMu.Lock()
		n, _, err := e.anchor.exec("SELECT count() FROM system.processes WHERE startsWith(Settings['log_comment'], 'amid/')", "TSVRaw")
		e.anchorMu.Unlock()
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(n)) == itoa(len(statements)) {
			break
		}
	}
	if err := e.Close(); err != nil {
		return err
	}
	for range statements {
		<-ended
	}
	if err := <-ran; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Println("closed")
	return nil
}

func child(t *testing.T, script ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+strings.Join(script, "\n"))
	return cmd
}

func childOutput(t *testing.T, script ...string) string {
	t.Helper()
	out, err := child(t, script...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestDataSurvive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data & <more>")
	childOutput(t, dir, "CREATE DATABASE d", "CREATE TABLE d.t (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO d.t VALUES (1), (2)")
	cmd := child(t, dir, "INSERT INTO d.t VALUES (3)", "die")
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 9 {
		t.Fatal(err)
	}
	if got := childOutput(t, dir, "SELECT count(), sum(a) FROM d.t", "SELECT 'again'"); got != "3\t6\nagain\n" {
		t.Errorf("got %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "boot.") || strings.HasPrefix(e.Name(), "result.") {
			t.Errorf("%s was left", e.Name())
		}
	}
}

func TestCloseAmidQueries(t *testing.T) {
	if got := childOutput(t, t.TempDir(), "close"); got != "closed\n" {
		t.Errorf("got %q", got)
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, dir, "wait")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("waiting"))); err != nil {
		t.Fatal(err)
	}
	out, err := child(t, dir).CombinedOutput()
	want := fmt.Sprintf("data folder %s is in use by another process %d: stop it first", dir, cmd.Process.Pid)
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v %q, want %q", err, out, want)
	}
	if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	childOutput(t, dir, "SELECT 1")
}

func TestSecondEngine(t *testing.T) {
	_, err := Open(Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "this process has an engine open already") {
		t.Errorf("got %v", err)
	}
}

func TestMissingLibrary(t *testing.T) {
	t.Setenv("TRUNKLINE_ENGINE_LIB", "")
	t.Setenv("TRUNKLINE_CACHE", t.TempDir())
	installed := installedLibrary
	defer func() { installedLibrary = installed }()
	installedLibrary = filepath.Join(t.TempDir(), "libchdb.so")
	_, err := findLibrary("")
	if err == nil || !strings.Contains(err.Error(), "run engine/fetch.sh") || !strings.Contains(err.Error(), Version) {
		t.Errorf("got %v", err)
	}
	if _, err := findLibrary("/nowhere/libchdb.so"); err == nil || !strings.Contains(err.Error(), "/nowhere/libchdb.so") {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	if Version == "" {
		t.Fatal("fetch.sh names no version")
	}
	for _, c := range []Config{
		{}, {DataDir: "x", Listen: "8123"}, {DataDir: "x", Token: "short"}, {DataDir: "x", MemoryLimit: 1}, {DataDir: "x", Readers: -1},
	} {
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("%+v is no configuration", c)
		}
	}
}

// TestTableDefaults holds the settings on which durability and merges rest.
func TestTableDefaults(t *testing.T) {
	for name, want := range map[string]string{
		"fsync_after_insert": "1", "fsync_part_directory": "1", "number_of_free_entries_in_pool_to_execute_mutation": "2",
		"number_of_free_entries_in_pool_to_execute_optimize_entire_partition": "2",
	} {
		if got := read(t, "SELECT value FROM system.merge_tree_settings WHERE name = '"+name+"'").body; got != want+"\n" {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (a UInt32, b UInt32) ENGINE = MergeTree ORDER BY a")
	for range 3 {
		write(t, "INSERT INTO "+db+".t SELECT number, 0 FROM numbers(100)")
	}
	write(t, "ALTER TABLE "+db+".t UPDATE b = a WHERE 1", "mutations_sync", "1")
	write(t, "OPTIMIZE TABLE "+db+".t FINAL")
	if got := read(t, "SELECT count(), sum(b) = sum(a) FROM "+db+".t").body; got != "300\t1\n" {
		t.Errorf("got %q", got)
	}
	if got := read(t, "SELECT count() FROM system.parts WHERE active AND database = '"+db+"'").body; got != "1\n" {
		t.Errorf("%s parts after OPTIMIZE FINAL", got)
	}
}
