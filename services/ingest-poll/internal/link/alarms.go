package link

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Alarms are what is wrong with a link at the moment. Each is logged when it
// begins, hourly while it lasts, and when it is over; together they are the
// link's health. They belong to the goroutine that looks.
type Alarms struct {
	log    *slog.Logger
	now    func() time.Time
	hide   func(string) string
	report func(error)

	raised   map[string]*alarm
	round    int
	reported *string
}

type alarm struct {
	text  string
	round int
	told  time.Time
	said  string
}

const (
	// again is how often an alarm that lasts is logged, anew how often one whose
	// words change.
	again = time.Hour
	anew  = time.Minute
	// most alarms that are told at once.
	most = 5
)

// Begin begins a look: what is not raised in it again is over at End.
func (a *Alarms) Begin() { a.round++ }

// Raise tells that something is wrong. The key names what.
func (a *Alarms) Raise(key string, err error) {
	if a.raised == nil {
		a.raised = make(map[string]*alarm)
	}
	it := a.raised[key]
	if it == nil {
		it = &alarm{}
		a.raised[key] = it
	}
	it.text, it.round = a.hide(err.Error()), a.round
	since := a.now().Sub(it.told)
	if it.told.IsZero() || since >= again || it.said != it.text && since >= anew {
		it.told, it.said = a.now(), it.text
		a.log.Warn("collecting is in trouble", "error", it.text)
	}
}

// End ends a look and reports what is wrong now.
func (a *Alarms) End() {
	maps.DeleteFunc(a.raised, func(_ string, it *alarm) bool {
		if it.round != a.round {
			a.log.Info("trouble is over", "was", it.said)
			return true
		}
		return false
	})
	a.tell()
}

// Clear forgets all alarms.
func (a *Alarms) Clear() {
	clear(a.raised)
	a.tell()
}

func (a *Alarms) tell() {
	var all []string
	for i, key := range slices.Sorted(maps.Keys(a.raised)) {
		if i == most {
			all = append(all, fmt.Sprintf("and %d more", len(a.raised)-most))
			break
		}
		all = append(all, a.raised[key].text)
	}
	text := strings.Join(all, "; ")
	if a.reported == nil || text != *a.reported {
		a.reported = &text
		if text == "" {
			a.report(nil)
			return
		}
		a.report(errors.New(text))
	}
}
