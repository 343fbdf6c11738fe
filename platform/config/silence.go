package config

import (
	"fmt"
	"maps"
	"slices"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/watch/usual"
)

// Silence says when a link that delivers nothing is an alarm.
type Silence struct {
	// After is `auto`, by what is usual, a time such as `2h` in opening hours, or
	// `off`; empty: auto.
	After string `yaml:"after"`
	// Reconnect makes the connection of a silent link afresh, once an hour.
	Reconnect bool `yaml:"reconnect"`
}

// Quiet is the link's Silence, else its site's.
func (l LinkOf) Quiet() Silence {
	switch {
	case l.Silence != nil:
		return *l.Silence
	case l.Site.Silence != nil:
		return *l.Site.Silence
	}
	return Silence{}
}

// SameQuiet tells whether two links are silent alike.
func (l LinkOf) SameQuiet(o LinkOf) bool {
	return l.Quiet() == o.Quiet() && l.Site.Timezone == o.Site.Timezone && l.Site.Country == o.Site.Country &&
		maps.Equal(l.Site.Hours, o.Site.Hours) && slices.Equal(l.Site.Holidays, o.Site.Holidays)
}

// Calendar is when people work at the site.
func (s *Site) Calendar() (*usual.Calendar, error) {
	zone, err := pbx.Location(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	return usual.NewCalendar(zone, s.Country, s.Hours, s.Holidays)
}

func (in *reading) silence(s *Silence, at string) {
	if s == nil {
		return
	}
	if _, err := usual.ParseRule(s.After); err != nil {
		in.problemAt(at+".after", "%s.%v", at, err)
	}
}
