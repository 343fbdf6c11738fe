package kit

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Wall is what a PBX's clock showed. Year 0 is a year that the ticket does not
// print.
type Wall struct {
	Year, Month, Day     int
	Hour, Minute, Second int
}

// Valid tells whether such a date and time can be.
func (w Wall) Valid() bool {
	if w.Month < 1 || w.Month > 12 || w.Day < 1 || w.Hour < 0 || w.Hour > 23 || w.Minute < 0 || w.Minute > 59 || w.Second < 0 || w.Second > 59 {
		return false
	}
	if w.Day <= 28 {
		return true
	}
	year := w.Year
	if year == 0 {
		year = 2024 // a leap year: 29 February may be
	}
	return w.Day <= time.Date(year, time.Month(w.Month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// In turns the wall time into an instant. near is a moment at or shortly after
// the one meant (see formats.Ticket.Near), less what is known to lie between;
// zero where nothing tells. It decides a missing year and the doubled hour of
// autumn. The warnings say what had to be decided. A wall time without year and
// without near is the zero time.
func (w Wall) In(zone *time.Location, near time.Time) (t time.Time, warnings []trunklinev1.Warning) {
	if w.Year == 0 {
		if near.IsZero() {
			return time.Time{}, nil
		}
		w.Year = w.yearNear(near.In(zone))
		warnings = append(warnings, trunklinev1.Warning_WARNING_YEAR_INFERRED)
	}
	t, warning := w.resolve(zone, near)
	if warning != 0 {
		warnings = append(warnings, warning)
	}
	return t, warnings
}

// yearNear is the year that puts the wall time at most a day behind near, and
// else as late as can be.
func (w Wall) yearNear(near time.Time) int {
	for year := near.Year() + 1; year > near.Year()-9; year-- {
		if w.Month == 2 && w.Day == 29 && (year%4 != 0 || year%100 == 0 && year%400 != 0) {
			continue
		}
		t := time.Date(year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, near.Location())
		if t.Before(near.Add(24 * time.Hour)) {
			return year
		}
	}
	return near.Year()
}

// lateTicket is how long after a call its ticket may come and still tell which
// of two equal hours it was.
const lateTicket = 15 * time.Minute

func (w Wall) resolve(zone *time.Location, near time.Time) (time.Time, trunklinev1.Warning) {
	t := time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, zone)
	if t.Hour() != w.Hour || t.Minute() != w.Minute {
		// The hour that spring skips: a clock that was not put forward. time.Date
		// took the offset of one side; the one before the gap is what it showed.
		_, before := t.Add(-24 * time.Hour).Zone()
		utc := time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, time.UTC)
		return utc.Add(-time.Duration(before) * time.Second).In(zone), trunklinev1.Warning_WARNING_HOUR_SKIPPED
	}
	first, second, doubled := twins(t)
	if !doubled {
		return t, 0
	}
	switch {
	case near.IsZero():
	case near.Before(second.Add(-time.Minute)):
		return first, 0 // the second had not come yet
	case near.Before(second.Add(lateTicket)):
		return second, 0
	}
	return first, trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS
}

// twins returns the two instants at which the zone's clock shows the same time.
func twins(t time.Time) (first, second time.Time, doubled bool) {
	_, here := t.Zone()
	for _, far := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, there := t.Add(far).Zone()
		other := t.Add(time.Duration(here-there) * time.Second)
		if _, back := other.Zone(); here == there || back != there {
			continue
		}
		if other.Before(t) {
			return other, t, true
		}
		return t, other, true
	}
	return t, t, false
}

// SetStart sets start_time and the site's offset at it.
func SetStart(cdr *trunklinev1.Cdr, start time.Time, zone *time.Location) {
	cdr.StartTime = timestamppb.New(start)
	_, offset := start.In(zone).Zone()
	cdr.UtcOffsetSeconds = int32(offset)
}

// Warn adds warnings that the CDR does not have yet.
func Warn(cdr *trunklinev1.Cdr, warnings ...trunklinev1.Warning) {
next:
	for _, w := range warnings {
		for _, have := range cdr.Warnings {
			if have == w {
				continue next
			}
		}
		cdr.Warnings = append(cdr.Warnings, w)
	}
}

// Unnamed is the name of an attribute whose column has none.
const Unnamed = "unnamed"

// Attribute keeps a vendor field that has no place of its own, unless it is
// empty.
func Attribute(cdr *trunklinev1.Cdr, name, value string) {
	if value == "" {
		return
	}
	if name == "" {
		name = Unnamed
	}
	if cdr.Attributes == nil {
		ExpectAttributes(cdr, 8)
	}
	cdr.Attributes[name] = value
}

// ExpectAttributes makes room for as many attributes as the format's tickets
// usually have: a map that grows costs more than all that is put into it.
func ExpectAttributes(cdr *trunklinev1.Cdr, n int) {
	cdr.Attributes = make(map[string]string, n)
}

// Dates counts the different dates that a text may mean.
type Dates struct {
	// Wall is the last of them that was new.
	Wall Wall
	N    int
}

// Add adds one.
func (d *Dates) Add(w Wall) {
	if d.N == 0 || d.Wall != w {
		d.Wall = w
		d.N++
	}
}
