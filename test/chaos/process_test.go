package chaos

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that is started again and again.
type process struct {
	name    string
	command func() *exec.Cmd
	metrics string // address; empty: none
	chaos   *chaos
	log     tail

	mu     sync.Mutex // of whoever does something to it
	cmd    *exec.Cmd
	ended  chan struct{}
	wanted bool // it is to run
}

// tail keeps the end of a log.
type tail struct {
	told func(line string)
	mu   sync.Mutex
	buf  bytes.Buffer
}

const keptLog = 64 << 10

func (l *tail) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.told(line)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 2*keptLog {
		l.buf.Next(l.buf.Len() - keptLog)
	}
	return l.buf.Write(p)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start starts it; mu is held.
func (p *process) start() {
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	ended := make(chan struct{})
	p.cmd, p.ended, p.wanted = cmd, ended, true
	fmt.Fprintf(&p.log, "--- %s starts at %s\n", p.name, time.Now().Format(clock))
	if err := startBound(cmd); err != nil {
		p.chaos.wrong("%s does not start: %v", p.name, err)
		close(ended)
		return
	}
	go func() {
		err := cmd.Wait()
		close(ended)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted && p.cmd == cmd {
			p.chaos.wrong("%s ended by itself: %v", p.name, err)
			time.Sleep(100 * time.Millisecond)
			p.start()
		}
	}()
}

// starters starts processes from a thread that lives as long as ours: what it
// starts ends with us, however that is.
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := make(chan error)
	starters() <- func() { err <- cmd.Start() }
	return <-err
}

// end ends it with a signal, and starts it again after a while; false where
// somebody is at it already.
func (p *process) end(sig syscall.Signal, away time.Duration) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	kind := "stopped"
	if sig == syscall.SIGKILL {
		kind = "killed"
	}
	p.wanted = false
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		p.chaos.wrong("%s does not stop within %s", p.name, stopWithin)
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.chaos.note(p, kind, "%s is %s", p.name, kind)
	time.Sleep(away)
	p.start()
	return true
}

// stopWithin is more than a sink takes that waits for ClickHouse.
const stopWithin = 45 * time.Second

// pause holds it for a while; false where somebody is at it already.
func (p *process) pause(d time.Duration) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	p.chaos.note(p, "woke", "%s goes on after %s", p.name, d)
	return true
}

// finish ends it for good.
func (p *process) finish() {
	p.mu.Lock()
	p.wanted = false
	_ = p.cmd.Process.Kill()
	p.mu.Unlock()
	<-p.ended
}

// metric is the sum of a metric's values; false where nobody answers.
func (p *process) metric(name string) (sum float64, ok bool) {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return 0, false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(body)) {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err == nil {
			sum += v
		}
	}
	return sum, true
}

// healthy tells whether it says that it is ready.
func healthy(p *process) bool {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + p.metrics + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// endOfLog is what is shown of a failed test's processes.
func (p *process) endOfLog(t *testing.T) {
	text := p.log.String()
	t.Logf("the end of the log of %s:\n%s", p.name, text[max(0, len(text)-3<<10):])
}
