package panasonic

import (
	"fmt"
	"time"

	"trunkline.internal/services/parser/formats/kit"
)

// order tells at which of the three places of a printed date year, month and
// day stand.
type order struct{ year, month, day int }

// orders that SMDR Options offers, named as in `parse.date_order`.
var orders = [...]struct {
	name string
	order
}{{"dmy", order{2, 1, 0}}, {"mdy", order{2, 0, 1}}, {"ymd", order{0, 1, 2}}, {"ydm", order{0, 2, 1}}}

// recent is how old a ticket may be to tell the date order by itself. Reading
// day and month the wrong way round moves a date by four weeks or more.
const recent = 3 * 24 * time.Hour

// clockError is how far ahead a PBX's clock may be.
const clockError = 24 * time.Hour

func (o order) wall(places [3]int) kit.Wall {
	return kit.Wall{Year: 2000 + places[o.year], Month: places[o.month], Day: places[o.day]}
}

// isDate tells whether a date, or the stars of a clock that was changed, stands
// at the beginning.
func isDate(s string) bool {
	if len(s) < 9 || s[2] != '/' || s[5] != '/' || s[8] != ' ' {
		return false
	}
	for _, i := range [...]int{0, 1, 3, 4, 6, 7} {
		if (s[i] < '0' || s[i] > '9') && s[i] != '*' {
			return false
		}
	}
	return true
}

// day reads the printed date in the link's order; without one, in the only
// order in which it can be read.
func (p *parser) day(s string, near time.Time) (w kit.Wall, reason, err string) {
	var places [3]int
	for i := range places {
		n, ok := kit.Uint(s[3*i : 3*i+2])
		if !ok {
			return w, "bad_date", "columns 1 to 8: digits and stars mixed, expected a date such as 31/12/26"
		}
		places[i] = int(n)
	}
	if p.order != nil {
		if w = p.order.wall(places); !w.Valid() {
			return w, "bad_date", fmt.Sprintf("columns 1 to 8: %s is no date in the order %s: set parse.date_order to the order of the PBX's SMDR Options", s[:8], p.link.Parse.DateOrder)
		}
		return w, "", ""
	}
	var possible, fresh kit.Dates
	for _, o := range orders {
		w := o.wall(places)
		if !w.Valid() {
			continue
		}
		age := time.Duration(0)
		if !near.IsZero() {
			if age = near.Sub(time.Date(w.Year, time.Month(w.Month), w.Day, 0, 0, 0, 0, p.link.Zone)); age < -clockError {
				continue
			}
			if age < recent+clockError { // the day began up to a day before the call
				fresh.Add(w)
			}
		}
		possible.Add(w)
	}
	switch {
	case fresh.N == 1:
		return fresh.Wall, "", ""
	case fresh.N == 0 && possible.N == 1:
		return possible.Wall, "", ""
	case possible.N == 0:
		return w, "bad_date", fmt.Sprintf("columns 1 to 8: %s is no date up to the ticket's receipt, in whatever order", s[:8])
	}
	return w, "date_ambiguous", fmt.Sprintf("columns 1 to 8: %s can be read as several dates: set parse.date_order to dmy, mdy, ymd or ydm, as in the PBX's SMDR Options", s[:8])
}

// hour reads `17:18  ` and `05:18PM` into the wall time.
func hour(s string, w *kit.Wall) bool {
	h, ok1 := kit.Uint(s[:2])
	m, ok2 := kit.Uint(s[3:5])
	if !ok1 || !ok2 || s[2] != ':' || s[4] == ' ' || s[3] == ' ' {
		return false
	}
	switch s[5:7] {
	case "  ":
	case "AM", "am", "PM", "pm":
		if h < 1 || h > 12 {
			return false
		}
		h %= 12
		if s[5] == 'P' || s[5] == 'p' {
			h += 12
		}
	default:
		return false
	}
	w.Hour, w.Minute = int(h), int(m)
	return h < 24 && m < 60
}
