package chaos

import (
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"trunkline.internal/test/kit"
)

// process is a program that is ended, held and started again and again.
type process struct {
	*kit.Process
	chaos *chaos

	mu     sync.Mutex // of whoever does something to it
	wanted bool       // it is to run
}

func (c *chaos) process(name string, command func() *exec.Cmd) *process {
	p := &process{chaos: c, wanted: true}
	hear := func(line string) {
		for _, say := range tellTales {
			if strings.Contains(line, say.text) {
				c.note(p, say.kind, "%s: %.300s", name, line)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Process = kit.NewProcess(c.t, name, func() *exec.Cmd {
		cmd := command()
		cmd.Stderr = kit.Lines(hear)
		return cmd
	})
	p.watch()
	return p
}

// tellTales are what a service says of itself that matters here.
var tellTales = []struct{ text, kind string }{
	{"lease lost", "lease lost"},
	{"could not be published before the end", "gave up"},
	{"nats cannot write", "disk"},
	{"panic", "panic"},
}

// start starts it again; mu is held.
func (p *process) start() {
	p.wanted = true
	if err := p.TryStart(); err != nil {
		p.chaos.wrong("%v", err)
		return
	}
	p.watch()
}

// watch starts it again if it ends by itself; mu is held.
func (p *process) watch() {
	ended := p.Exited()
	go func() {
		<-ended
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted && p.Exited() == ended {
			p.chaos.wrong("%s ended by itself", p.Name)
			time.Sleep(100 * time.Millisecond)
			p.start()
		}
	}()
}

// end kills it, or asks it to end, and starts it again after a while; false where
// somebody is at it already.
func (p *process) end(kill bool, away time.Duration) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	p.wanted = false
	kind := "killed"
	if kill {
		p.Kill()
	} else {
		kind = "stopped"
		if err := p.Stop(); errors.Is(err, kit.ErrStays) {
			p.chaos.wrong("%v", err)
		}
	}
	p.chaos.note(p, kind, "%s is %s", p.Name, kind)
	time.Sleep(away)
	p.start()
	return true
}

// pause holds it for a while; false where somebody is at it already.
func (p *process) pause(d time.Duration) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	p.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	p.Signal(syscall.SIGCONT)
	p.chaos.note(p, "woke", "%s goes on after %s", p.Name, d)
	return true
}

// finish ends it for good.
func (p *process) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	p.Kill()
}
