package engine

import (
	"os"
	"runtime"
	"syscall"
)

// courtesy is added to the nice value of the engine's threads. They share the machine with
// those that take tickets from PBXs, which cannot wait; a query can.
const courtesy = 10

// idleThreads is how many are kept for the next call.
const idleThreads = 8

// threads run the calls into the engine. A thread that the engine starts inherits
// the nice value of the one that called.
var threads = make(chan *thread, idleThreads)

type thread struct {
	call chan func()
	done chan struct{}
}

// calling runs f on a thread of the engine's.
func calling(f func()) {
	var t *thread
	select {
	case t = <-threads:
	default:
		t = &thread{make(chan func()), make(chan struct{})}
		go t.run()
	}
	t.call <- f
	<-t.done
	select {
	case threads <- t:
	default:
		close(t.call)
	}
}

func (t *thread) run() {
	// Never unlocked: the thread ends with the goroutine, since its nice value
	// cannot be taken back without a privilege.
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		// The process is known by the name and the nice value of this one.
		defer runtime.UnlockOSThread()
		started := make(chan struct{})
		go func() { close(started); t.run() }()
		<-started
		return
	}
	// A refusal costs nothing but the courtesy.
	if raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 20-raw+courtesy) // Linux gives 20 less the nice value
	}
	for f := range t.call {
		f()
		t.done <- struct{}{}
	}
}
