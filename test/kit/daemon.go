package kit

import (
	"bytes"
	"errors"
	"fmt"
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

// Daemon is a program that is stopped and started again. It ends with the test,
// however that ends.
type Daemon struct {
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

// NewDaemon starts a program. command makes its command for each start.
func NewDaemon(t testing.TB, name string, command func() *exec.Cmd) *Daemon {
	t.Helper()
	d := &Daemon{Name: name, t: t, command: command}
	d.Start()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.exited
		if t.Failed() {
			t.Logf("%s: the end of its log:\n%s", name, d.log.last(3<<10))
		}
	})
	return d
}

// Start starts it again.
func (d *Daemon) Start() {
	d.t.Helper()
	cmd := d.command()
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	if err := startBound(cmd); err != nil {
		d.t.Fatalf("%s: %v", d.Name, err)
	}
	exited := make(chan struct{})
	d.cmd, d.exited = cmd, exited
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
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
	err := make(chan error)
	starters() <- func() { err <- cmd.Start() }
	return <-err
}

// stopWithin is more than a sink takes that waits for ClickHouse.
const stopWithin = 45 * time.Second

// Stop asks it to drain, and waits until it has.
func (d *Daemon) Stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(stopWithin):
		_ = d.cmd.Process.Kill()
		<-d.exited
		return fmt.Errorf("%s does not stop within %s", d.Name, stopWithin)
	}
	d.spent += d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s stopped with %d: %s", d.Name, code, d.log.last(1<<10))
	}
	return nil
}

// Restart stops it and starts it again.
func (d *Daemon) Restart() error {
	d.t.Helper()
	err := d.Stop()
	d.Start()
	return err
}

// Pid is its process id.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Running tells whether it has not ended by itself.
func (d *Daemon) Running() bool {
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

// Log is the end of what it said.
func (d *Daemon) Log() string { return d.log.last(keptLog) }

func answers(url string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// AwaitAnswer waits until a daemon's URL answers OK, and fails if it ends instead.
func (d *Daemon) AwaitAnswer(url string) {
	d.t.Helper()
	Await(d.t, d.Name+" is ready", func() bool { return answers(url) || !d.Running() }, d.Log)
	if !d.Running() {
		d.t.Fatalf("%s ended: %s", d.Name, d.log.last(3<<10))
	}
}

// AwaitReady waits until it is.
func (d *Daemon) AwaitReady() {
	d.t.Helper()
	d.AwaitAnswer("http://" + d.Metrics + "/readyz")
}

// CPU is the time that it has computed so far, in all its runs, the kernel's
// included.
func (d *Daemon) CPU() time.Duration {
	used, err := processCPU(d.Pid())
	if err != nil {
		return d.spent // it has ended
	}
	return d.spent + used
}

// processCPU reads utime and stime of proc(5), in 1/100 s.
func processCPU(pid int) (sum time.Duration, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("stat is too short")
	}
	for _, ticks := range fields[11:13] {
		n, err := strconv.Atoi(ticks)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum, nil
}

// Memory is what it has resident, in bytes.
func (d *Daemon) Memory() int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(d.Pid()) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, _ := strconv.Atoi(f[1])
			return kib << 10
		}
	}
	return 0
}

// Metric is the sum of a metric's values whose labels hold the given text; 0 where
// nobody answers.
func (d *Daemon) Metric(name, labels string) (sum float64) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://" + d.Metrics + "/metrics")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		return 0
	}
	return SumMetric(body.String(), name, labels)
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

// tail keeps the end of a log.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const keptLog = 64 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 2*keptLog {
		l.buf.Next(l.buf.Len() - keptLog)
	}
	return l.buf.Write(p)
}

func (l *tail) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.String()
	return text[max(0, len(text)-n):]
}
