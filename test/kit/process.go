package kit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that is stopped and started again. It ends with the test,
// however that ends.
type Process struct {
	// Name is for people.
	Name string
	// Metrics is the address where it tells how it is; empty: nowhere.
	Metrics string

	t       testing.TB
	command func() *exec.Cmd
	log     tail
	cmd     *exec.Cmd
	exited  chan struct{}
	spent   time.Duration // by those that ended
}

// Command is what makes the command of a program that is always started alike.
func Command(program string, args ...string) func() *exec.Cmd {
	return func() *exec.Cmd { return exec.Command(program, args...) }
}

// NewProcess starts a program. command makes its command for each start; where that
// has outputs of its own, they get what the log gets.
func NewProcess(t testing.TB, name string, command func() *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, command: command}
	p.Start()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s: the end of its log:\n%s", name, p.log.last(4<<10))
		}
	})
	return p
}

// Start starts it again.
func (p *Process) Start() {
	p.t.Helper()
	if err := p.TryStart(); err != nil {
		p.t.Fatal(err)
	}
}

// TryStart is Start for where a test cannot be ended.
func (p *Process) TryStart() error {
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = p.log.with(cmd.Stdout), p.log.with(cmd.Stderr)
	fmt.Fprintf(&p.log, "--- %s starts at %s\n", p.Name, time.Now().Format("15:04:05.000"))
	if err := startBound(cmd); err != nil {
		return fmt.Errorf("%s does not start: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	return nil
}

// starters starts programs from a thread that lives as long as the test's
// process: what it started ends with it.
var starters = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

func startBound(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// A group of its own: what it starts, or what runs under a tracer, ends with it.
	cmd.SysProcAttr.Setpgid = true
	err := make(chan error)
	starters() <- func() { err <- cmd.Start() }
	return <-err
}

// Signal sends it one.
func (p *Process) Signal(sig os.Signal) {
	_ = p.cmd.Process.Signal(sig) // who has ended takes none
}

// Kill ends it as a power cut would.
func (p *Process) Kill() {
	if p.Running() {
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	}
	<-p.exited
}

// StopWithin is how long Stop waits: more than a sink takes that waits for ClickHouse.
const StopWithin = 45 * time.Second

// ErrStays is what Stop says of a process that it had to kill.
var ErrStays = errors.New("it does not stop")

// Stop asks it to drain, and waits until it has.
func (p *Process) Stop() error { return p.stop(syscall.SIGTERM) }

func (p *Process) stop(sig os.Signal) error {
	p.Signal(sig)
	select {
	case <-p.exited:
	case <-time.After(StopWithin):
		p.Kill()
		return fmt.Errorf("%s: %w within %s", p.Name, ErrStays, StopWithin)
	}
	p.spent += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s stopped with %d: %s", p.Name, code, p.log.last(1<<10))
	}
	return nil
}

// MustStop is Stop for a process that must.
func (p *Process) MustStop() {
	p.t.Helper()
	if err := p.Stop(); err != nil {
		p.t.Error(err)
	}
}

// Restart stops it and starts it again.
func (p *Process) Restart() error {
	p.t.Helper()
	err := p.Stop()
	p.Start()
	return err
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when it has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running tells whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Log is what it said, without the begin of much.
func (p *Process) Log() string { return p.log.last(keptLog) }

// AwaitAnswer waits until a URL of its answers OK, and fails if it ends instead.
func (p *Process) AwaitAnswer(url string) {
	p.t.Helper()
	p.await(p.Name+" is ready", func() bool { code, _ := get(url); return code == http.StatusOK })
}

// AwaitListens is AwaitAnswer for an address at which it only listens.
func (p *Process) AwaitListens(addr string) {
	p.t.Helper()
	p.await(p.Name+" listens on "+addr, func() bool { return Listens(addr) })
}

func (p *Process) await(what string, ok func() bool) {
	p.t.Helper()
	Await(p.t, what, func() bool { return ok() || !p.Running() }, p.Log)
	if !p.Running() {
		p.t.Fatalf("%s ended: %s", p.Name, p.log.last(3<<10))
	}
}

// Ready tells whether it says that it is.
func (p *Process) Ready() bool {
	code, _ := p.Get("/readyz")
	return code == http.StatusOK
}

// AwaitReady waits until it is.
func (p *Process) AwaitReady() {
	p.t.Helper()
	p.await(p.Name+" is ready", p.Ready)
}

// Get asks where its metrics are; the code is 0 where nobody answers, and the
// text then tells why.
func (p *Process) Get(path string) (code int, body string) { return get("http://" + p.Metrics + path) }

func get(url string) (code int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// Metric is the sum of a metric's values whose labels hold the given text; 0 where
// nobody answers.
func (p *Process) Metric(name, labels string) float64 {
	_, body := p.Get("/metrics")
	return SumMetric(body, name, labels)
}

// AwaitMetric waits until a metric has a value.
func (p *Process) AwaitMetric(name, labels string, want float64) {
	p.t.Helper()
	got := 0.0
	Await(p.t, fmt.Sprintf("%s: %s{%s} is %v", p.Name, name, labels, want), func() bool {
		got = p.Metric(name, labels)
		return got == want
	}, func() string { return fmt.Sprintf("it is %v", got) })
}

// SumMetric sums a metric's values whose labels hold the given text.
func SumMetric(body, name, labels string) (sum float64) {
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(line, labels) {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64); err == nil {
			sum += v
		}
	}
	return sum
}
