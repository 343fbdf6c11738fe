package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/watch/usual"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// watched is one link, and what is known of it.
type watched struct {
	site, link string
	source     Source
	rule       usual.Rule
	calendar   *usual.Calendar
	reconnect  bool

	mu      sync.Mutex
	loaded  bool
	profile *usual.Profile
	saved   time.Time
	counted uint64 // tickets of the source that were learned
	status  trunklinev1.LinkStatus
	since   time.Time
	again   time.Time // no reconnecting before
}

// keepEvery is how often what was learned is written, and reconnectEvery how
// often a silent link is connected afresh.
const (
	keepEvery      = time.Hour
	reconnectEvery = time.Hour
)

func newWatched(of config.LinkOf, source Source, now time.Time) (*watched, error) {
	silence := of.Quiet()
	calendar, err := of.Site.Calendar()
	if err != nil {
		return nil, err
	}
	rule, err := usual.ParseRule(silence.After)
	if err != nil {
		return nil, fmt.Errorf("silence.%w", err)
	}
	profile, err := usual.New(calendar)
	if err != nil {
		return nil, err
	}
	return &watched{
		site: of.Site.ID, link: of.ID, source: source, since: now,
		rule: rule, calendar: calendar, profile: profile, reconnect: silence.Reconnect,
	}, nil
}

// take goes on with what another one learned of the same link. An error leaves
// it to learn anew.
func (l *watched) take(old *watched) error {
	old.mu.Lock()
	defer old.mu.Unlock()
	// The counts are those of the source.
	if l.source == old.source {
		l.counted = old.counted
	}
	l.loaded, l.saved, l.status, l.since = old.loaded, old.saved, old.status, old.since
	return l.know(old.profile.Encode())
}

// know takes over what was learned; an error leaves what is there.
func (l *watched) know(learned []byte) error {
	profile, err := usual.Decode(l.calendar, learned)
	if err != nil {
		return err
	}
	l.profile = profile
	return nil
}

// load reads what is known of the link, once.
func (l *watched) load(ctx context.Context, from *bus.Usual) error {
	l.mu.Lock()
	done := l.loaded
	l.mu.Unlock()
	if done {
		return nil
	}
	value, err := from.Get(ctx, l.site, l.link)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded = true
	if value == nil {
		return nil
	}
	if err := l.know(value); err != nil {
		return fmt.Errorf("it is learned anew: %w", err)
	}
	return nil
}

// keep writes what is known of the link.
func (l *watched) keep(ctx context.Context, to *bus.Usual, now time.Time, atOnce bool) error {
	l.mu.Lock()
	due := l.loaded && l.profile.Verdict(l.rule).State != usual.Waiting && l.status != trunklinev1.LinkStatus_LINK_STATUS_STANDBY &&
		(atOnce || l.saved.IsZero() || now.Sub(l.saved) >= keepEvery)
	if !due {
		l.mu.Unlock()
		return nil
	}
	value := l.profile.Encode()
	l.saved = now
	l.mu.Unlock()
	return to.Put(ctx, l.site, l.link, value)
}

// change is what a look found.
type change struct {
	before    trunklinev1.LinkStatus
	state     *trunklinev1.LinkState
	reconnect bool
}

// look learns what came, and tells whether something changed.
func (l *watched) look(now time.Time) change {
	state := l.source.State(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learn(state, now)
	c := change{before: l.status, state: state}
	if state.Status != l.status {
		l.status, l.since = state.Status, now
		state.Since = timestamppb.New(now)
	}
	if state.Status == trunklinev1.LinkStatus_LINK_STATUS_SILENT && l.reconnect && !now.Before(l.again) {
		c.reconnect, l.again = true, now.Add(reconnectEvery)
	}
	return c
}

// state is how the link is at the moment.
func (l *watched) state(now time.Time, head bool) *trunklinev1.LinkState {
	state := l.source.State(head)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learn(state, now)
	return state
}

// learn takes in what came since the last time, and completes the state.
func (l *watched) learn(state *trunklinev1.LinkState, now time.Time) {
	state.Since = timestamppb.New(l.since)
	standby := state.Status == trunklinev1.LinkStatus_LINK_STATUS_STANDBY
	if l.loaded {
		came := state.Tickets - l.counted
		l.counted = state.Tickets
		if came > 0 && state.LastTicketTime != nil {
			l.profile.Add(state.LastTicketTime.AsTime(), int(came))
		}
		if !standby {
			l.profile.Watch(now)
		}
	}
	verdict := l.profile.Verdict(l.rule)
	if !verdict.Last.IsZero() {
		state.LastTicketTime = timestamppb.New(verdict.Last)
	}
	if standby {
		return
	}
	state.Usual = verdict.Usual
	switch {
	case verdict.State == usual.Waiting && state.Tickets == 0:
		state.Status = trunklinev1.LinkStatus_LINK_STATUS_WAITING
	case verdict.State == usual.Silent:
		state.Status, state.Silence = trunklinev1.LinkStatus_LINK_STATUS_SILENT, verdict.String()
	case state.Problem != "":
		state.Status = trunklinev1.LinkStatus_LINK_STATUS_FAILING
	default:
		state.Status = trunklinev1.LinkStatus_LINK_STATUS_COLLECTING
	}
}
