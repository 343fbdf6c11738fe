package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/telemetry"
)

const (
	// clockEvery is how often our clock is compared, clockAgain how soon where that
	// failed or it is wrong.
	clockEvery = time.Hour
	clockAgain = time.Minute
	// clockLimit is how far it may be off.
	clockLimit = 5 * time.Second
)

// ClockPart compares our clock with the NATS server's, at the start and hourly:
// the time of receipt decides the year of a ticket that prints none. links gives
// the process's links, whose models say whether that matters.
func ClockPart(tel *telemetry.Telemetry, b *bus.Bus, links func() []config.LinkOf) (lifecycle.Part, error) {
	offset := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "trunkline_clock_offset_seconds", Help: "How far our clock is ahead of the NATS server's.",
	})
	if err := tel.Metrics.Register(offset); err != nil {
		return lifecycle.Part{}, fmt.Errorf("clock: metrics: %w", err)
	}
	return lifecycle.Part{Name: "clock", Run: func(ctx context.Context, ready func()) error {
		ready()
		if b.Ready(ctx) != nil {
			return nil
		}
		watchClock(ctx, tel, b.ClockOffset, offset.Set, links)
		return nil
	}}, nil
}

// watchClock asks how far our clock is ahead until ctx is done.
func watchClock(ctx context.Context, tel *telemetry.Telemetry, ask func(context.Context) (time.Duration, bool, error), set func(seconds float64), links func() []config.LinkOf) {
	for {
		next := clockEvery
		ahead, told, err := ask(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || !told:
			next = clockAgain
		default:
			set(ahead.Seconds())
			wrong := wrongClock(ahead, links())
			if ahead.Abs() > clockLimit {
				next = clockAgain
				tel.Log.Warn("our clock and the NATS server's differ: set one of them by NTP", "ahead", ahead.Round(time.Millisecond))
			}
			tel.Health.Set("clock", wrong)
		}
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
	}
}

// wrongClock is what our clock spoils; nil: nothing.
func wrongClock(ahead time.Duration, links []config.LinkOf) error {
	if ahead.Abs() <= clockLimit {
		return nil
	}
	for _, l := range links {
		if m, ok := pbx.Lookup(l.Model); ok && m.Clock.NoYear {
			return errors.New("our clock is " + ahead.Round(time.Second).String() + " ahead of the NATS server's, and tickets of " + m.ID +
				" print no year: set one of the clocks by NTP")
		}
	}
	return nil
}
