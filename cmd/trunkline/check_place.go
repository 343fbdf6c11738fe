package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/platform/service"
	"trunkline.internal/platform/watch"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
	ingesttcp "trunkline.internal/services/ingest-tcp"
)

// alone takes the place of `trunkline run`, on its own streams: what comes is
// parsed when it runs again.
func (l *live) alone(ctx context.Context, f *checkFlags) (newest *ingestpoll.Newest, err error) {
	f.alone.Lock()
	defer f.alone.Unlock()
	server, err := natsd.Start(natsd.Config{Dir: filepath.Join(l.cfg.Data, "nats")})
	if err != nil {
		l.step("streams", ingestpoll.StepFailed, err.Error(),
			"if trunkline runs on this data folder, its NATS must listen for this command: nats.listen, and nats.url alike")
		return nil, nil
	}
	defer server.Stop()
	return l.takePlace(ctx, f, "nats://embedded", []nats.Option{server.Option()}, true)
}

// When a link's place is left: tickets have come, and no more for a while.
const quietEnough = 3 * time.Second

// takePlace runs the link's own service for a while and tells what it saw.
func (l *live) takePlace(ctx context.Context, f *checkFlags, natsURL string, opts []nats.Option, sole bool) (*ingestpoll.Newest, error) {
	log := slog.New(slog.DiscardHandler)
	b, err := bus.Connect(bus.Config{
		URL: natsURL, Name: "check", Options: opts, Sole: sole, Replicas: l.cfg.NATS.Replicas,
		TicketsMaxBytes: int64(l.cfg.NATS.Tickets.MaxBytes), CdrsMaxBytes: int64(l.cfg.NATS.Cdrs.MaxBytes), Log: log,
	})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	w, err := watch.New(watch.Options{Service: "check", Log: log})
	if err != nil {
		return nil, err
	}
	tickets := b.NewCommitter(wire.StreamTickets)
	run, err := l.ingest(b, tickets, w, log)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- lifecycle.Run(running, lifecycle.Part{Name: "bus", Run: b.Run}, service.CommitterPart(tickets), lifecycle.Part{Name: "ingest", Run: run},
			lifecycle.Part{Name: "look", Run: func(ctx context.Context, ready func()) error {
				ready()
				l.look(ctx, f, w)
				// What is told is told while the link is still there.
				if states := w.States(true); len(states) == 1 {
					l.state(ctx, nil, states[0])
				}
				newest, err := l.newest(ctx, b.Conn)
				return looked{newest, err}
			}})
	}()
	err = <-ended
	var done looked
	switch {
	case errors.As(err, &done):
		return done.newest, done.err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, err
}

// looked ends the taking of a place.
type looked struct {
	newest *ingestpoll.Newest
	err    error
}

func (looked) Error() string { return "looked" }

// ingest is the service of the one link.
func (l *live) ingest(b *bus.Bus, tickets *bus.Committer, w *watch.Watch, log *slog.Logger) (func(context.Context, func()) error, error) {
	links := []config.LinkOf{l.of}
	if l.of.TCP != nil || l.of.OXE != nil || l.of.AHL != nil {
		s, err := ingesttcp.New(links, ingesttcp.Deps{Bus: b, Tickets: tickets, Log: log, Watch: w})
		if err != nil {
			return nil, err
		}
		return s.Run, nil
	}
	s, err := ingestpoll.New(links, ingestpoll.Deps{Bus: b, Tickets: tickets, Log: log, Data: l.cfg.Data, Watch: w})
	if err != nil {
		return nil, err
	}
	return s.Run, nil
}

// look waits until there is something to tell, and at most as long as it should.
func (l *live) look(ctx context.Context, f *checkFlags, w *watch.Watch) {
	end := time.NewTimer(f.wait)
	defer end.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	l.step("waiting", ingestpoll.StepNote, fmt.Sprintf("up to %s for what comes; Ctrl-C ends it, and loses nothing", f.wait), "")
	for last, quiet := uint64(0), time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-tick.C:
		}
		states := w.States(false)
		if len(states) != 1 || states[0].Status == trunklinev1.LinkStatus_LINK_STATUS_STANDBY {
			continue
		}
		s := states[0]
		if f.loginOnly && (len(s.Peers) > 0 || s.Problem != "") {
			return
		}
		if s.ReceivedBytes+s.Tickets != last {
			last, quiet = s.ReceivedBytes+s.Tickets, time.Now()
		}
		if s.Tickets > 0 && time.Since(quiet) >= quietEnough {
			return
		}
	}
}
