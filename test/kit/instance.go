package kit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Binary builds the real program once for a test binary; clean removes it.
func Binary() (path string, clean func(), err error) {
	dir, err := os.MkdirTemp("", "trunkline-test-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, "trunkline")
	cmd := exec.Command("go", "build", "-o", path, "trunkline.internal/cmd/trunkline")
	if out, err := cmd.CombinedOutput(); err != nil {
		clean()
		return "", nil, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, clean, nil
}

// Instance is a running `trunkline run`.
type Instance struct {
	*process
	t testing.TB
}

// For is the instance in a sub-test.
func (i *Instance) For(t testing.TB) *Instance { return &Instance{i.process, t} }

type process struct {
	// SQL and Metrics are host:port.
	SQL, Metrics string
	// Listens has the bound address of each listening link, by site/link.
	Listens map[string]string

	cmd    *exec.Cmd
	exited chan struct{}
	mu     sync.Mutex
	log    bytes.Buffer
}

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
	i := &Instance{&process{Listens: make(map[string]string), exited: make(chan struct{})}, t}
	i.cmd = exec.Command(binary, append([]string{"run"}, args...)...)
	// A group of its own: what the program starts ends with it.
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	i.cmd.Stderr = lockedWriter{i.process}
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		i.Kill()
		if t.Failed() {
			t.Logf("the program's log:\n%s", i.Log())
		}
	})
	started := make(chan struct{})
	go func() {
		defer close(i.exited)
		sc := bufio.NewScanner(out)
		sc.Buffer(nil, 1<<20)
		once := sync.OnceFunc(func() { close(started) })
		for sc.Scan() {
			line := sc.Text()
			if m := sqlLine.FindStringSubmatch(line); m != nil {
				i.SQL = m[1]
			}
			if m := healthLine.FindStringSubmatch(line); m != nil {
				i.Metrics = m[1]
			}
			if m := linkLine.FindStringSubmatch(line); m != nil {
				i.Listens[m[1]] = m[2]
			}
			if strings.HasPrefix(line, "Ctrl-C") {
				once()
			}
			lockedWriter{i.process}.Write([]byte(line + "\n"))
		}
		i.cmd.Wait()
	}()
	select {
	case <-started:
		return i, nil
	case <-i.exited:
		return nil, fmt.Errorf("the program ended: %s", i.Log())
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("the program is not ready: %s", i.Log())
	}
}

type lockedWriter struct{ *process }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// Log is what the program has printed.
func (i *Instance) Log() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

// Kill ends the program as a power cut would.
func (i *Instance) Kill() {
	syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL)
	<-i.exited
}

// Stop asks the program to drain and waits until it has.
func (i *Instance) Stop() error {
	i.cmd.Process.Signal(os.Interrupt)
	select {
	case <-i.exited:
	case <-time.After(60 * time.Second):
		return errors.New("it does not stop")
	}
	if code := i.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("it stopped with %d: %s", code, i.Log())
	}
	return nil
}

// Query runs a query as a reader and returns its text.
func (i *Instance) Query(query string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.SQL+"/?database=trunkline", strings.NewReader(query))
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", res.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n"), nil
}

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
	res, err := http.Get("http://" + i.Metrics + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	sum := 0.0
	sc := bufio.NewScanner(res.Body)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, name) || !strings.Contains(line, labels) {
			continue
		}
		if rest := line[len(name):]; rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err == nil {
			sum += v
		}
	}
	return sum
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
