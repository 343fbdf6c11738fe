package sink_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/natsd"
)

// Before an upgrade the schema is brought up to date by a process that does
// nothing else, also where ClickHouse comes late.
func TestMigrateOnly(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "sink")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "./services/sink/cmd/sink")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv, err := natsd.Start(natsd.Config{Dir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	b := newBench(t)
	c := b.config()
	file := filepath.Join(dir, "trunkline.yaml")
	text := fmt.Sprintf("data: %s\nmetrics: {listen: off}\nnats: {url: %q}\nclickhouse: {addr: [%q], protocol: http, database: %s, user: trunkline, password_env: SINK_TEST_TOKEN}\n",
		filepath.Join(dir, "data"), srv.URL(), c.Addr[0], b.database)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tried := make(chan struct{}, 1)
	b.breakWith(func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case tried <- struct{}{}:
		default:
		}
		return exception(241, "MEMORY_LIMIT_EXCEEDED")(w, r)
	})
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "-c", file, "-migrate")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-tried:
	case err := <-ended:
		t.Fatalf("ended before ClickHouse was there: %v\n%s", err, log.String())
	}
	b.mend()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("does not end")
	}
	if n := strings.Count(log.String(), "migrations applied"); n != 1 || strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("applied %d times:\n%s", n, log.String())
	}
	if got := b.sql("SELECT count() FROM DB.cdrs"); got != "0" {
		t.Errorf("the table: %q", got)
	}
}
