package files

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Period is a day or a month that a file's name shows, From inclusive and To
// exclusive.
type Period struct{ From, To time.Time }

// Fits tells whether a file of the period may have been modified last then: a
// copy within the month after still tells the year.
func (p Period) Fits(modified time.Time) bool {
	return !modified.Before(p.From.AddDate(0, 0, -1)) && modified.Before(p.To.AddDate(0, 0, 31))
}

var digits = regexp.MustCompile(`\d+`)

// Dates reads the dates in a file's name, of the zone. More than one means that
// the name can be read in more than one way. A date after now is none, nor is one
// without a year, nor a year alone: it may be a counter or a time of day.
func Dates(name string, zone *time.Location, now time.Time) []Period {
	for packed(name) {
		name = strings.TrimSuffix(name, path.Ext(name))
	}
	d := dates{zone: zone, latest: now.AddDate(0, 0, 1)}
	at := digits.FindAllStringIndex(name, -1)
	runs := make([]run, len(at))
	for i, a := range at {
		runs[i] = run{text: name[a[0]:a[1]]}
		if i+1 < len(at) {
			runs[i].sep = name[a[1]:at[i+1][0]]
		}
	}
	d.triples(runs)
	d.solid(runs)
	d.pairs(runs)
	return d.found
}

// run is a run of digits in a name, and what stands between it and the next.
type run struct {
	text, sep string
	used      bool
}

func (r run) number() int {
	n, _ := strconv.Atoi(r.text)
	return n
}

type dates struct {
	zone   *time.Location
	latest time.Time
	found  []Period
}

// triples reads 2026-11-20, 20-11-2026 and 20-11-26.
func (d *dates) triples(runs []run) {
	for i := 0; i+2 < len(runs); i++ {
		a, b, c := runs[i], runs[i+1], runs[i+2]
		if a.used || !separates(a.sep) || b.sep != a.sep || len(b.text) != 2 {
			continue
		}
		before := len(d.found)
		switch {
		case len(a.text) == 4 && len(c.text) == 2:
			d.day(a.number(), b.number(), c.number())
		case len(a.text) == 2 && len(c.text) == 4:
			d.day(c.number(), b.number(), a.number())
			d.day(c.number(), a.number(), b.number())
		case len(a.text) == 2 && len(c.text) == 2:
			d.short(a.number(), b.number(), c.number())
		}
		if len(d.found) > before {
			runs[i].used, runs[i+1].used, runs[i+2].used = true, true, true
		}
	}
}

// solid reads 20261120, also with a time behind it, 20112026, 202611 and 201126.
func (d *dates) solid(runs []run) {
	for i, r := range runs {
		if r.used {
			continue
		}
		part := func(from, to int) int { return run{text: r.text[from:to]}.number() }
		before := len(d.found)
		switch len(r.text) {
		case 12, 14:
			d.day(part(0, 4), part(4, 6), part(6, 8))
		case 8:
			d.day(part(0, 4), part(4, 6), part(6, 8))
			d.day(part(4, 8), part(2, 4), part(0, 2))
			d.day(part(4, 8), part(0, 2), part(2, 4))
		case 6:
			d.month(part(0, 4), part(4, 6))
			d.short(part(0, 2), part(2, 4), part(4, 6))
		}
		runs[i].used = len(d.found) > before
	}
}

// pairs reads 2026-11, 11-2026 and 26-11.
func (d *dates) pairs(runs []run) {
	for i := 0; i+1 < len(runs); i++ {
		a, b := runs[i], runs[i+1]
		if a.used || b.used || !separates(a.sep) {
			continue
		}
		before := len(d.found)
		switch {
		case len(a.text) == 4 && len(b.text) == 2:
			d.month(a.number(), b.number())
		case len(a.text) == 2 && len(b.text) == 4:
			d.month(b.number(), a.number())
		case len(a.text) == 2 && len(b.text) == 2 && a.number() > 12:
			d.month(century(a.number()), b.number())
		}
		if len(d.found) > before {
			runs[i].used, runs[i+1].used = true, true
		}
	}
}

func separates(s string) bool { return s == "-" || s == "_" || s == "." }

func century(year int) int { return 2000 + year }

// short reads three numbers of two digits in every order that people use.
func (d *dates) short(a, b, c int) {
	d.day(century(a), b, c)
	d.day(century(c), b, a)
	d.day(century(c), a, b)
}

func (d *dates) day(year, month, day int) {
	from := time.Date(year, time.Month(month), day, 0, 0, 0, 0, d.zone)
	if month < 1 || month > 12 || day < 1 || from.Day() != day {
		return
	}
	d.add(year, Period{from, from.AddDate(0, 0, 1)})
}

func (d *dates) month(year, month int) {
	from := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, d.zone)
	if month < 1 || month > 12 {
		return
	}
	d.add(year, Period{from, from.AddDate(0, 1, 0)})
}

func (d *dates) add(year int, p Period) {
	if year >= 1990 && p.From.Before(d.latest) && !slices.Contains(d.found, p) {
		d.found = append(d.found, p)
	}
}
