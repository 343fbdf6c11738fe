package usual

import (
	"fmt"
	"math"
	"time"
)

// Rule is when a link counts as silent. The zero value goes by what is learned.
type Rule struct {
	// After so long in open hours without a ticket; 0: as learned.
	After time.Duration
	// Off: never.
	Off bool
}

// ParseRule reads `auto`, `off` or a limit such as `2h`. Empty is auto.
func ParseRule(text string) (Rule, error) {
	switch text {
	case "", "auto":
		return Rule{}, nil
	case "off":
		return Rule{Off: true}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Minute {
		return Rule{}, fmt.Errorf("after: %q: give auto, off, or a time of a minute or more such as 2h", text)
	}
	return Rule{After: d}, nil
}

// State of a link, as far as its tickets tell.
type State int

const (
	// Waiting: it has never delivered.
	Waiting State = iota
	// Learning: it delivers, and what is usual is not known yet.
	Learning
	// Speaking: it delivers as usual, or is quiet as usual.
	Speaking
	// Silent: it should have delivered.
	Silent
)

func (s State) String() string {
	return [...]string{"waiting", "learning", "speaking", "silent"}[s]
}

// Verdict is what a profile says of its link.
type Verdict struct {
	State State
	// Last ticket; a silence began there. Zero when there was none. In the site's
	// zone.
	Last time.Time
	// Open is how much watched time of open hours has passed since.
	Open time.Duration
	// Usual is how many tickets are usual in that time; 0 when that is not known.
	Usual float64

	limit time.Duration
	day   bool
}

// Verdict judges the link as of the last Watch. How soon a dead PBX is told, as
// measured by TestHundredSitesEightWeeks over 4,800 sites, with one false alarm
// in 250 years of a link:
//
//	tickets usual in the next hour   half told after   nine in ten   within the hour
//	40 and more                      36 min            36 min        99.7 %
//	30 to 40                         39 min            48 min        98 %
//	25 to 30                         48 min            57 min        94 %
//	20 to 25                         54 min            1 h 12        73 %
//	10 to 20                         1 h 18            2 h 06        18 %
//	3 to 10                          3 h 30            17 h          2 %
//	1 to 3                           11 h              37 h          0
func (p *Profile) Verdict(r Rule) Verdict {
	s := &p.s
	if s.Last == 0 {
		return Verdict{}
	}
	v := Verdict{
		State: Speaking,
		Last:  time.Unix(s.Last, 0).In(p.cal.loc),
		Open:  time.Duration(s.Open) * time.Second,
		Usual: float64(s.Usual) * s.ticketsPerMoment(),
		limit: r.After,
		day:   dateOf(time.Unix(s.Mark, 0).In(p.cal.loc)) != dateOf(time.Unix(s.Last, 0).In(p.cal.loc)),
	}
	switch {
	case r.Off:
	case r.After > 0:
		if v.Open >= r.After {
			v.State = Silent
		}
	case s.Silent:
		v.State = Silent
	case !p.learned():
		v.State = Learning
	}
	return v
}

// ticketsPerMoment of the middle week, so that an import does not count.
func (s *state) ticketsPerMoment() float64 {
	ratios := make([]float64, 0, weeks)
	for w, m := range s.Moments {
		if m > 0 {
			ratios = append(ratios, float64(s.Tickets[w])/float64(m))
		}
	}
	if len(ratios) == 0 {
		return 1
	}
	return max(1, median(ratios))
}

// String says it to a person.
func (v Verdict) String() string {
	if v.State != Silent {
		return v.State.String()
	}
	layout := "15:04"
	if v.day {
		layout = "Mon 2 Jan 15:04"
	}
	out := "silent since " + v.Last.Format(layout)
	if v.Usual >= 1 {
		return fmt.Sprintf("%s: %.0f tickets are usual in that time", out, math.Round(v.Usual))
	}
	return fmt.Sprintf("%s: %s without a ticket in open hours, the limit is %s", out, short(v.Open), short(v.limit))
}

// short prints 2h30m rather than 2h30m0s.
func short(d time.Duration) string {
	d = d.Truncate(time.Minute)
	h, m := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case h == 0:
		return fmt.Sprintf("%dm", m)
	case m == 0:
		return fmt.Sprintf("%dh", h)
	}
	return fmt.Sprintf("%dh%dm", h, m)
}
