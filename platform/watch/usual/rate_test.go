package usual

import (
	"math"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	const none = -1
	for name, c := range map[string]struct {
		counts [weeks]int // of each of five hours, the newest week first
		sure   bool
		want   float64
	}{
		"steady":                       {[weeks]int{20, 20, 20, 20, 20, 20, 20, 20}, false, 20},
		"one week known":               {[weeks]int{20, none, none, none, none, none, none, none}, false, 0},
		"two weeks known":              {[weeks]int{20, 20, none, none, none, none, none, none}, false, 19},
		"an outage":                    {[weeks]int{20, 20, 0, 20, 20, 20, 20, 20}, false, 20},
		"an import":                    {[weeks]int{20, 20, 360, 20, 20, 20, 20, 20}, false, 22.6},
		"every other week":             {[weeks]int{20, 0, 20, 0, 20, 0, 20, 0}, false, 0},
		"every other week, with hours": {[weeks]int{20, 0, 20, 0, 20, 0, 20, 0}, true, 19.5},
		"gone for most weeks":          {[weeks]int{0, 0, 0, 0, 0, 0, 20, 20}, true, 0},
		"one week of eight":            {[weeks]int{0, 0, 0, 20, 0, 0, 0, 0}, false, 0.5},
		"falling":                      {[weeks]int{10, 12, 14, 16, 18, 20, 22, 24}, false, 15},
		"silent":                       {[weeks]int{0, 0, 0, 0, 0, 0, 0, 0}, false, 0},
	} {
		s := state{Week: 2951}
		const slot = 10
		for age, n := range c.counts {
			for hour := slot - 2; hour <= slot+2 && n != none; hour++ {
				s.Facts[(s.Week-int32(age))%weeks][hour] = code(n)
			}
		}
		if got := s.rate(slot, c.sure); math.Abs(got-c.want) > 0.6 {
			t.Errorf("%s: %.1f, want %.1f", name, got, c.want)
		}
	}
}

func TestHolidays(t *testing.T) {
	armistice := time.Date(2026, 11, 11, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		hours    map[string]string
		holidays []string
		weekend  bool
		dies     time.Duration
		silent   bool
	}{
		"an office is shut":                       {nil, nil, false, 0, false},
		"a hotel is open":                         {nil, nil, true, 10 * time.Hour, true},
		"a hotel closes for the day":              {nil, nil, true, 0, false},
		"a hotel that is said to be shut":         {nil, []string{"11-11"}, true, 10 * time.Hour, false},
		"an office with hours for it":             {map[string]string{"holiday": "00:00-24:00"}, nil, false, 16 * time.Hour, true},
		"an office with hours is quiet all day":   {map[string]string{"holiday": "00:00-24:00"}, nil, false, 0, false},
		"an office with hours, none for holidays": {map[string]string{"mon-sun": "00:00-24:00"}, nil, false, 16 * time.Hour, false},
	} {
		cal := calendar(t, "UTC", "FR", c.hours, c.holidays...)
		p := profile(t, cal)
		for at := armistice.AddDate(0, 0, -44); at.Before(armistice.AddDate(0, 0, 1)); at = at.Add(time.Hour) {
			every := time.Duration(0)
			open := c.weekend || at.Weekday() != 0 && at.Weekday() != 6 && at.Hour() >= 8 && at.Hour() < 20
			if open && at.Before(armistice.Add(c.dies)) {
				every = 2 * time.Minute
			}
			pass(p, at, at.Add(time.Hour), every)
		}
		if v := p.Verdict(Rule{}); (v.State == Silent) != c.silent {
			t.Errorf("%s: %s", name, v)
		}
	}
}
