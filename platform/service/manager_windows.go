package service

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/windows/svc"
)

// managed tells whether Windows' service manager started the process.
func managed() bool {
	is, err := svc.IsWindowsService()
	return err == nil && is
}

// underManager runs work as a service of Windows: its stop, and that of the
// machine, drain.
func underManager(name string, work func(context.Context) error) error {
	m := &manager{work: work}
	return errors.Join(svc.Run(name, m), m.err)
}

type manager struct {
	work func(context.Context) error
	err  error
}

// drainHint is how long the manager waits for the next sign of life.
const drainHint = 20 * time.Second

func (m *manager) Execute(_ []string, requests <-chan svc.ChangeRequest, tell chan<- svc.Status) (own bool, code uint32) {
	stop, ended := make(chan struct{}), make(chan struct{})
	tell <- svc.Status{State: svc.StartPending}
	go func() {
		defer close(ended)
		m.err = attend(m.work, stop, drainHint/4, func(n uint32) {
			tell <- svc.Status{State: svc.StopPending, CheckPoint: n, WaitHint: uint32(drainHint.Milliseconds())}
		})
	}()
	tell <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown}
	stopping := false
	for {
		select {
		case <-ended:
			if m.err != nil {
				return true, 1 // not 0: the manager starts it again
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				tell <- r.CurrentStatus
			case svc.Stop, svc.PreShutdown:
				if !stopping {
					stopping = true
					close(stop)
				}
			}
		}
	}
}
