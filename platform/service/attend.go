package service

import (
	"context"
	"time"
)

// attend runs work until it ends. When stop is closed it lets work drain, and
// tells each time that it still does, counting from 1: a service manager that
// hears nothing takes a service for dead.
func attend(work func(context.Context) error, stop <-chan struct{}, every time.Duration, draining func(n uint32)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-stop:
	}
	draining(1)
	cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := uint32(2); ; n++ {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			draining(n)
		}
	}
}
