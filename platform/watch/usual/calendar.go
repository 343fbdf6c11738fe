// Package usual knows what is usual on a link, and so when it is silent: the
// hours of its site, the tickets of each hour of the week, and how long a quiet
// time is too long. It reads no clock and keeps no file: the caller says what
// time it is and where a profile is kept.
package usual

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar is when a site is open. Safe for concurrent use.
type Calendar struct {
	loc     *time.Location
	country string
	// spans of Sunday to Saturday, and of a holiday.
	spans [8][]span
	// given tells that the configuration names hours of weekdays: elsewhere the
	// site is closed.
	given  bool
	days   map[date]bool
	yearly map[date]bool // year 0
}

// span is [from, to) in minutes of the local day; over midnight to is beyond
// 24 h.
type span struct{ from, to int }

const (
	holidayIndex = 7
	dayMinutes   = 24 * 60
)

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// NewCalendar reads a site's hours and holidays as people configure them. Keys
// of hours are days (`mon`, `mon-fri`, `tue,thu`, `holiday`), values local times
// (`08:00-12:00 14:00-18:00`, `22:00-06:00` into the next day, `closed`). Days
// that hours does not name are closed; without any weekday named the site may
// be open at any time. Holidays are dates (`2026-12-25`), spans of dates
// (`2026-08-03..2026-08-21`) or days of every year (`12-24`), beside the
// public holidays of the country (ISO 3166), where they are known: see
// KnowsCountry.
func NewCalendar(loc *time.Location, country string, hours map[string]string, holidays []string) (*Calendar, error) {
	if loc == nil {
		return nil, errors.New("a calendar needs the site's time zone")
	}
	c := &Calendar{loc: loc, country: country, days: make(map[date]bool), yearly: make(map[date]bool)}
	named := [8]string{}
	for _, key := range slices.Sorted(maps.Keys(hours)) {
		days, err := parseDays(key)
		if err != nil {
			return nil, err
		}
		spans, err := parseSpans(hours[key])
		if err != nil {
			return nil, fmt.Errorf("hours: %s: %w", key, err)
		}
		for _, d := range days {
			if named[d] != "" {
				return nil, fmt.Errorf("hours: %s and %s name the same day: give each day once", named[d], key)
			}
			named[d] = key
			c.spans[d] = spans
			c.given = c.given || d != holidayIndex
		}
	}
	for d := range c.spans[:holidayIndex] {
		last := c.spans[d]
		if next := c.spans[(d+1)%7]; len(last) > 0 && len(next) > 0 && last[len(last)-1].to > dayMinutes+next[0].from {
			return nil, fmt.Errorf("hours: %s runs over midnight into the hours of %s: end it before they begin", named[d], named[(d+1)%7])
		}
	}
	for _, h := range holidays {
		if err := c.addHoliday(h); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func parseDays(key string) ([]int, error) {
	bad := fmt.Errorf("hours: %q is no day: give mon, mon-fri, tue,thu or holiday", key)
	var out []int
	for part := range strings.SplitSeq(strings.ToLower(key), ",") {
		part = strings.TrimSpace(part)
		if part == "holiday" {
			out = append(out, holidayIndex)
			continue
		}
		first, last, ranged := strings.Cut(part, "-")
		from, ok := weekdays[strings.TrimSpace(first)]
		to := from
		if ranged && ok {
			to, ok = weekdays[strings.TrimSpace(last)]
		}
		if !ok {
			return nil, bad
		}
		for d := from; ; d = (d + 1) % 7 {
			out = append(out, int(d))
			if d == to {
				break
			}
		}
	}
	return out, nil
}

func parseSpans(text string) ([]span, error) {
	if strings.TrimSpace(text) == "closed" {
		return nil, nil
	}
	var out []span
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		from, to, ok := strings.Cut(part, "-")
		f, err1 := parseClock(from)
		t, err2 := parseClock(to)
		if !ok || err1 != nil || err2 != nil || f == dayMinutes || f == t {
			return nil, fmt.Errorf("%q is no time of day: give 08:00-12:00, or 22:00-06:00 over midnight", part)
		}
		if t < f {
			t += dayMinutes
		}
		out = append(out, span{f, t})
	}
	if len(out) == 0 {
		return nil, errors.New("no times: give 08:00-12:00 14:00-18:00, or closed")
	}
	slices.SortFunc(out, func(a, b span) int { return a.from - b.from })
	for i, s := range out[1:] {
		if s.from < out[i].to {
			return nil, fmt.Errorf("%q: two spans overlap: give each time once", text)
		}
	}
	return out, nil
}

// parseClock reads HH:MM, 24:00 included, in minutes.
func parseClock(s string) (int, error) {
	h, m, ok := strings.Cut(s, ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	at := int(hour*60 + minute)
	if !ok || err1 != nil || err2 != nil || len(h) > 2 || len(m) != 2 || minute > 59 || at > dayMinutes {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return at, nil
}

func (c *Calendar) addHoliday(text string) error {
	bad := fmt.Errorf("holidays: %q is no day: give 2026-12-25, 2026-08-03..2026-08-21, or 12-24 for every year", text)
	// 2000 has a 29 February.
	if t, err := time.Parse(time.DateOnly, "2000-"+text); err == nil {
		c.yearly[date{0, t.Month(), t.Day()}] = true
		return nil
	}
	first, last, ranged := strings.Cut(text, "..")
	if !ranged {
		last = first
	}
	from, err1 := time.Parse(time.DateOnly, strings.TrimSpace(first))
	to, err2 := time.Parse(time.DateOnly, strings.TrimSpace(last))
	if err1 != nil || err2 != nil {
		return bad
	}
	if to.Before(from) || to.Sub(from) > 366*24*time.Hour {
		return fmt.Errorf("holidays: %q: the last day comes before the first, or more than a year after it", text)
	}
	for ; !to.Before(from); from = from.AddDate(0, 0, 1) {
		c.days[dateOf(from)] = true
	}
	return nil
}

// Location is the site's zone.
func (c *Calendar) Location() *time.Location { return c.loc }

// Holiday tells whether the moment is in a holiday. The afternoons of 24 and 31
// December are one wherever the country is known.
func (c *Calendar) Holiday(t time.Time) bool { return c.listed(t) || c.public(t) }

// listed tells whether the configuration names the day.
func (c *Calendar) listed(t time.Time) bool {
	d := dateOf(t.In(c.loc))
	return c.days[d] || c.yearly[date{0, d.month, d.day}]
}

// public tells whether it is a day off of the country.
func (c *Calendar) public(t time.Time) bool {
	if !KnowsCountry(c.country) {
		return false
	}
	local := t.In(c.loc)
	d := dateOf(local)
	if d.month == time.December && (d.day == 24 || d.day == 31) && local.Hour() >= 12 {
		return true
	}
	return publicHolidaysOf(c.country, d.year)[d]
}

// Open tells whether the site may be open at the moment.
func (c *Calendar) Open(t time.Time) bool {
	local := t.In(c.loc)
	minute := local.Hour()*60 + local.Minute()
	holiday := c.Holiday(t)
	if !c.given {
		return !holiday || within(c.spans[holidayIndex], minute)
	}
	today := int(local.Weekday())
	if holiday {
		today = holidayIndex
	}
	if within(c.spans[today], minute) {
		return true
	}
	y, m, d := local.Date()
	noon := time.Date(y, m, d-1, 11, 59, 0, 0, c.loc)
	yesterday := int(noon.Weekday())
	if c.Holiday(noon) {
		yesterday = holidayIndex
	}
	return within(c.spans[yesterday], minute+dayMinutes)
}

// opens tells whether an hour of the week, from Monday on, is one of the hours
// given.
func (c *Calendar) opens(slot int) bool {
	day, minute := (slot/24+1)%7, slot%24*60+30
	return within(c.spans[day], minute) || within(c.spans[(day+6)%7], minute+dayMinutes)
}

func within(spans []span, minute int) bool {
	for _, s := range spans {
		if s.from <= minute && minute < s.to {
			return true
		}
	}
	return false
}
