package kit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Instance is a running `trunkline run`.
type Instance struct {
	*Process
	*told
	t testing.TB
}

// told is what the program says of itself as it starts.
type told struct {
	// SQL is host:port.
	SQL string
	// Listens has the bound address of each listening link, by site/link.
	Listens map[string]string
}

// For is the instance in a sub-test.
func (i *Instance) For(t testing.TB) *Instance { return &Instance{i.Process, i.told, t} }

// Config is a configuration for an instance: free ports, a folder, and the
// sites.
func Config(data, sites string) string {
	return fmt.Sprintf("data: %q\nnats: {listen: \"off\"}\nsql: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"127.0.0.1:0\"}\n%s", data, sites)
}

// Start runs the program and waits until it is ready. It is killed when the
// test ends, if it still runs.
func Start(t testing.TB, binary, config string, args ...string) *Instance {
	t.Helper()
	i, err := TryStart(t, binary, config, args...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

var (
	sqlLine    = regexp.MustCompile(`SQL +http://(\S+)`)
	healthLine = regexp.MustCompile(`metrics +http://(\S+)/metrics`)
	linkLine   = regexp.MustCompile(`^  (\S+/\S+) +\S+ +listens on (\S+)`)
)

// TryStart is Start for a program that may refuse.
func TryStart(t testing.TB, binary, config string, args ...string) (*Instance, error) {
	t.Helper()
	if config != "" {
		file := filepath.Join(t.TempDir(), "trunkline.yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		args = append([]string{"-c", file}, args...)
	}
	return start(t, binary, args...)
}

// StartFile is Start with a configuration that stands in a file already.
func StartFile(t testing.TB, binary, file string) *Instance {
	t.Helper()
	i, err := start(t, binary, "-c", file)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func start(t testing.TB, binary string, args ...string) (*Instance, error) {
	t.Helper()
	i := &Instance{told: &told{Listens: make(map[string]string)}, t: t}
	metrics, started := "", make(chan struct{})
	once := sync.OnceFunc(func() { close(started) })
	hear := func(line string) {
		if m := sqlLine.FindStringSubmatch(line); m != nil {
			i.SQL = m[1]
		}
		if m := healthLine.FindStringSubmatch(line); m != nil {
			metrics = m[1]
		}
		if m := linkLine.FindStringSubmatch(line); m != nil {
			i.Listens[m[1]] = m[2]
		}
		if strings.HasPrefix(line, "Ctrl-C") {
			once()
		}
	}
	i.Process = NewProcess(t, "trunkline run", func() *exec.Cmd {
		cmd := exec.Command(binary, append([]string{"run"}, args...)...)
		cmd.Stdout = Lines(hear)
		return cmd
	})
	select {
	case <-started:
		i.Metrics = metrics
		return i, nil
	case <-i.Exited():
		return nil, fmt.Errorf("the program ended: %s", i.Log())
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("the program is not ready: %s", i.Log())
	}
}

// Stop asks the program to drain, as Ctrl-C does, and waits until it has.
func (i *Instance) Stop() error { return i.stop(os.Interrupt) }

// Query runs a query as a reader and returns its text.
func (i *Instance) Query(query string) (string, error) { return Query(i.SQL, query) }

// MustQuery is Query for a query that must work.
func (i *Instance) MustQuery(query string) string {
	i.t.Helper()
	out, err := i.Query(query)
	if err != nil {
		i.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// Records reads calls; where is a condition.
func (i *Instance) Records(where string) []*Record {
	i.t.Helper()
	out := i.MustQuery("SELECT * FROM calls WHERE " + where + " ORDER BY received_time, ticket_id FORMAT JSONEachRow")
	var records []*Record
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		r := new(Record)
		if err := dec.Decode(r); err != nil {
			i.t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// Count runs a query that gives one number.
func (i *Instance) Count(query string) int {
	i.t.Helper()
	var n int
	if _, err := fmt.Sscan(i.MustQuery(query), &n); err != nil {
		i.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Await waits until a query gives a number, and fails if it never does.
func (i *Instance) Await(query string, want int) {
	i.t.Helper()
	got := -1
	Await(i.t, fmt.Sprintf("%s = %d", query, want), func() bool {
		out, err := i.Query(query)
		if err != nil {
			return false
		}
		if _, err := fmt.Sscan(out, &got); err != nil {
			return false
		}
		return got == want
	}, func() string { return fmt.Sprintf("it is %d", got) })
}

// Metric is the sum of a metric's values whose labels hold the given text.
func (i *Instance) Metric(name, labels string) float64 {
	i.t.Helper()
	code, body := i.Get("/metrics")
	if code != http.StatusOK {
		i.t.Fatalf("the program's metrics: %d %s", code, body)
	}
	return SumMetric(body, name, labels)
}

// Await waits for a condition of another process's making.
func Await(t testing.TB, what string, ok func() bool, state func() string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it did not happen within a minute: %s; %s", what, state())
}
