package mitela400

import (
	"fmt"
	"time"

	"trunkline.internal/services/parser/formats/kit"
)

// The manuals' tables say yymmdd, and some of their examples print ddmmyy.
const (
	yearFirst = "ymd"
	dayFirst  = "dmy"
)

// recent is how old a record may be to tell its date order by itself: a file of
// a month. Read the wrong way round, a date moves by eleven months or more.
const recent = 40 * 24 * time.Hour

// clockError is how far ahead the PBX's clock may be.
const clockError = 24 * time.Hour

// oldestYear of two digits: the first PBXs of this family are of 1996.
const oldestYear = 90

func read(date, order string) (w kit.Wall, ok bool) {
	w = kit.Wall{Year: two(date), Month: two(date[2:]), Day: two(date[4:])}
	if order == dayFirst {
		w.Year, w.Day = w.Day, w.Year
	}
	if w.Year += 2000; w.Year >= 2000+oldestYear {
		w.Year -= 100
	}
	return w, w.Valid()
}

// day reads the printed date in the link's order; without one, in the order that
// puts it shortly before near, and else in the only one in which it can be.
func (p *parser) day(date string, near time.Time) (w kit.Wall, reason, expected string) {
	if order := p.link.Parse.DateOrder; order != "" {
		var ok bool
		if w, ok = read(date, order); !ok {
			return w, "bad_date", "a date in the order of parse.date_order, " + order
		}
		return w, "", ""
	}
	var possible, fresh kit.Dates
	for _, order := range [...]string{yearFirst, dayFirst} {
		w, ok := read(date, order)
		if !ok {
			continue
		}
		if !near.IsZero() {
			age := near.Sub(time.Date(w.Year, time.Month(w.Month), w.Day, 0, 0, 0, 0, p.link.Zone))
			if age < -clockError {
				continue
			}
			if age < recent {
				fresh.Add(w)
			}
		}
		possible.Add(w)
	}
	switch {
	case fresh.N == 1:
		return fresh.Wall, "", ""
	case possible.N == 1:
		return possible.Wall, "", ""
	case possible.N == 0:
		return w, "bad_date", "a date up to the record's receipt, yymmdd or ddmmyy"
	}
	return w, "date_ambiguous", fmt.Sprintf("one date, but it can be read as yymmdd and as ddmmyy: set parse.date_order to %s or %s", yearFirst, dayFirst)
}
