package link_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

func TestAlarms(t *testing.T) {
	var log strings.Builder
	var health []string
	clock := kit.NewClock()
	l := (&kit.NATS{}).Link(t, "asterisk", clock.Now, func(o *link.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Health = func(err error) { health = append(health, fmt.Sprint(err)) }
		o.Hide = func(text string) string { return strings.ReplaceAll(text, "hunter2", "…") }
	})
	round := func(alarms ...string) {
		l.Alarms.Begin()
		for _, a := range alarms {
			l.Alarms.Raise(a, errors.New(a+" is wrong"))
		}
		l.Alarms.End()
	}
	expect := func(lines int, last string) {
		t.Helper()
		if got := strings.Count(log.String(), "\n"); got != lines {
			t.Errorf("%d lines are logged, want %d:\n%s", got, lines, log.String())
		}
		if got := health[len(health)-1]; got != last {
			t.Errorf("health %q, want %q", got, last)
		}
	}
	round()
	expect(0, "<nil>")
	round("password hunter2")
	expect(1, "site lyon, link pbx: password … is wrong")
	if s := l.State(); strings.Contains(s.Problem+log.String(), "hunter2") {
		t.Errorf("%+v\n%s", s, log.String())
	}
	log.Reset()
	l.Alarms.Clear()
	round("disk")
	expect(1, "site lyon, link pbx: disk is wrong")
	if s := l.State(); s.Problem != "disk is wrong" {
		t.Errorf("%+v", s)
	}
	clock.Add(59 * time.Minute)
	round("disk")
	expect(1, "site lyon, link pbx: disk is wrong") // not every time
	clock.Add(time.Minute)
	round("disk", "cable")
	expect(3, "site lyon, link pbx: cable is wrong; disk is wrong")
	round("a", "b", "c", "d", "e", "f", "g")
	if last := health[len(health)-1]; !strings.Contains(last, "and 2 more") {
		t.Errorf("health %q", last)
	}
	round()
	if last := health[len(health)-1]; last != "<nil>" || !strings.Contains(log.String(), "trouble is over") {
		t.Errorf("health %q, log %s", last, log.String())
	}
	n := len(health)
	round()
	if len(health) != n {
		t.Error("health is reported again though nothing changed")
	}
}

// collector does what its test says.
type collector struct {
	load, look func() error
	saves      int
}

func (c *collector) Load(context.Context) error { return c.load() }
func (c *collector) Look(context.Context) error { return c.look() }
func (c *collector) Save(context.Context) error { c.saves++; return nil }

func TestRunUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks, prepared, loads := 0, 0, 0
	c := &collector{
		load: func() error { loads++; return nil },
		look: func() error {
			if looks++; looks == 5 {
				cancel()
			}
			return nil
		},
	}
	l := (&kit.NATS{}).Link(t, "asterisk", time.Now)
	l.Run(ctx, c, time.Millisecond, func(context.Context) error {
		if loads > 0 {
			t.Error("prepared behind the first look")
		}
		prepared++
		return nil
	})
	if looks != 5 || prepared != 1 || loads != 1 || c.saves != 1 {
		t.Errorf("%d looks, prepared %d times, loaded %d times, saved %d times", looks, prepared, loads, c.saves)
	}
	if s := l.State(); s.Doing != link.Standby {
		t.Errorf("%+v", s)
	}
}

func TestRunGoesOnAfterAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var health kit.Health
	looks := 0
	l := (&kit.NATS{}).Link(t, "asterisk", time.Now, func(o *link.Options) { o.Health = health.Set })
	c := &collector{load: func() error { return nil }}
	c.look = func() error {
		switch looks++; looks {
		case 1:
			return errors.New("the folder is away")
		case 2:
			if s := l.State(); s.Doing != link.Failing || !strings.Contains(health.Text(), "the folder is away") {
				t.Errorf("%+v, health %q", s, health.Text())
			}
			return nil
		}
		if s := l.State(); s.Doing != link.Collecting || health.Text() != "" {
			t.Errorf("%+v, health %q", s, health.Text())
		}
		cancel()
		return nil
	}
	l.Run(ctx, c, time.Millisecond, func(context.Context) error { return nil })
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

func TestRunSurvivesAPanic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var health kit.Health
	looks, loads := 0, 0
	l := (&kit.NATS{}).Link(t, "asterisk", time.Now, func(o *link.Options) { o.Health = health.Set })
	c := &collector{load: func() error { loads++; return nil }}
	c.look = func() error {
		if looks++; looks == 1 {
			panic("index out of range")
		}
		if !strings.Contains(health.Text(), "index out of range") {
			t.Errorf("health %q", health.Text())
		}
		cancel()
		return nil
	}
	l.Run(ctx, c, time.Millisecond, func(context.Context) error { return nil })
	if looks != 2 || loads != 2 {
		t.Errorf("%d looks, %d loads", looks, loads)
	}
}

func TestRunThatEndsBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &collector{load: func() error { cancel(); return ctx.Err() }, look: func() error { return nil }}
	(&kit.NATS{}).Link(t, "asterisk", time.Now).Run(ctx, c, time.Millisecond, func(context.Context) error { return nil })
	if c.saves != 0 {
		t.Error("it saved what it never read")
	}
}

func TestRunGivesWayToAnotherOwner(t *testing.T) {
	l := (&kit.NATS{}).Link(t, "asterisk", time.Now)
	c := &collector{load: func() error { return nil }, look: func() error { return fmt.Errorf("position: %w", bus.ErrConflict) }}
	l.Run(t.Context(), c, time.Millisecond, func(context.Context) error { return nil }) // returns
	if c.saves != 0 {
		t.Error("it wrote positions that are another's")
	}
}

func TestMetersAreShared(t *testing.T) {
	reg := prometheus.NewRegistry()
	a, err := link.NewMeters(reg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := link.NewMeters(reg)
	if err != nil {
		t.Fatal(err)
	}
	a.Of("lyon", "pbx").Tickets.Add(2)
	b.Of("lyon", "pbx").Tickets.Add(3)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "trunkline_poll_tickets_total" {
			if got := f.Metric[0].Counter.GetValue(); got != 5 {
				t.Errorf("%v tickets", got)
			}
			return
		}
	}
	t.Error("no such metric")
}
