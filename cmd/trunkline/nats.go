package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// connect connects a command to NATS.
func connect(cfg *config.Config, command string) (*nats.Conn, error) {
	opts, err := service.NATSOptions(cfg.NATS)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(cfg.NATS.URL, append(opts, nats.Name("trunkline "+command), nats.ErrorHandler(tell))...)
	if err != nil {
		return nil, fmt.Errorf("nats at %s: %w: does trunkline run, and is nats.url right?", config.HideURLs(cfg.NATS.URL), bus.WithoutURL(err, cfg.NATS.URL))
	}
	return nc, nil
}

// tell says what goes wrong on the way. What is forbidden is said by who asked for it.
func tell(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		fmt.Fprintf(os.Stderr, "trunkline: nats: %v\n", err)
	}
}

// How long answers are waited for.
const (
	patienceLinks  = 3 * time.Second
	patienceCounts = 30 * time.Second
	patienceReload = 30 * time.Second // links end in good order
	patienceBus    = 15 * time.Second
)

// askLinks asks all processes how their links are. The answers are complete, or
// the process is not among them.
func askLinks(ctx context.Context, nc *nats.Conn, site, link string) ([]*trunklinev1.ProcessState, error) {
	var out []*trunklinev1.ProcessState
	parts := make(map[string]int)
	err := bus.Ask(ctx, nc, wire.AskLinks, &trunklinev1.AskLinks{Site: site, Link: link}, patienceLinks, func(answer []byte) (bool, error) {
		var one trunklinev1.ProcessState
		if err := proto.Unmarshal(answer, &one); err != nil {
			return false, fmt.Errorf("an answer of another version: %w", err)
		}
		id := one.GetProcess().GetId()
		if parts[id]++; parts[id] == 1 {
			out = append(out, &one)
			// Who collects the one link knows all of it.
			return link != "" && len(one.Links) == 1 && one.Links[0].Status != trunklinev1.LinkStatus_LINK_STATUS_STANDBY, nil
		}
		for _, have := range out {
			if have.Process.Id == id {
				have.Links = append(have.Links, one.Links...)
			}
		}
		return false, nil
	})
	return out, err
}

// askCounts asks a sink what ClickHouse holds of a day; nil: no sink answers.
func askCounts(ctx context.Context, nc *nats.Conn, date, site, link string) (*trunklinev1.Counts, error) {
	var all *trunklinev1.Counts
	err := bus.Ask(ctx, nc, wire.AskCounts, &trunklinev1.AskCounts{Date: date, Site: site, Link: link}, patienceCounts, func(answer []byte) (bool, error) {
		var one trunklinev1.Counts
		if err := proto.Unmarshal(answer, &one); err != nil {
			return false, fmt.Errorf("an answer of another version: %w", err)
		}
		if all == nil {
			all = &one
		} else {
			all.Links = append(all.Links, one.Links...)
		}
		return one.Part+1 >= one.Parts, nil
	})
	return all, err
}

// connectBus connects a command that publishes, with a committer of its own so that
// the live one is not busy with it.
func connectBus(ctx context.Context, cfg *config.Config, name, stream string, errOut io.Writer) (*bus.Bus, *bus.Committer, func(), error) {
	opts, err := service.NATSOptions(cfg.NATS)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := bus.Connect(bus.Config{
		URL: cfg.NATS.URL, Name: name, Options: opts, Replicas: cfg.NATS.Replicas,
		TicketsMaxBytes: int64(cfg.NATS.Tickets.MaxBytes), CdrsMaxBytes: int64(cfg.NATS.Cdrs.MaxBytes),
		Log: slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	committer := b.NewCommitter(stream)
	ended := make(chan struct{}, 2)
	go func() { _ = b.Run(running, func() {}); ended <- struct{}{} }()
	go func() { _ = committer.Run(running); ended <- struct{}{} }()
	stop := func() {
		cancel()
		<-ended
		<-ended
	}
	waiting, done := context.WithTimeout(ctx, patienceBus)
	defer done()
	if err := b.Ready(waiting); err != nil {
		stop()
		if ctx.Err() != nil {
			return nil, nil, nil, ctx.Err()
		}
		return nil, nil, nil, fmt.Errorf("nats at %s does not answer: does trunkline run, and are nats.url and nats.listen right?", config.HideURLs(cfg.NATS.URL))
	}
	return b, committer, stop, nil
}
