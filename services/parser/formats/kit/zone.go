package kit

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Zone turns wall times into instants as [Wall.In] does, and remembers the offset
// that holds at present: tickets come in order. It serves one goroutine at a time.
type Zone struct {
	location *time.Location
	offset   int64 // seconds east of Greenwich,
	from, to int64 // between these, in Unix seconds
}

// NewZone makes the zone of a PBX's clock.
func NewZone(location *time.Location) Zone { return Zone{location: location} }

// Offset is how many seconds east of Greenwich the zone is at a moment.
func (z *Zone) Offset(unix int64) int64 {
	if unix >= z.from && unix < z.to {
		return z.offset
	}
	t := time.Unix(unix, 0).In(z.location)
	_, offset := t.Zone()
	begin, end := t.ZoneBounds()
	z.offset, z.from, z.to = int64(offset), math.MinInt64, math.MaxInt64
	if !begin.IsZero() {
		z.from = begin.Unix()
	}
	if !end.IsZero() {
		z.to = end.Unix()
	}
	return z.offset
}

// Settled tells that the clock is not changed within a day of a moment: what it
// shows then is one instant.
func (z *Zone) Settled(unix int64) bool {
	const day = 26 * 3600 // and the change
	z.Offset(unix)
	return unix-day > z.from && unix+day < z.to
}

// Time is [Wall.In] with the zone.
func (z *Zone) Time(w Wall, near time.Time) (t time.Time, warnings []trunklinev1.Warning) {
	if w.Year == 0 {
		year, ok := z.year(w, near)
		if !ok {
			return w.In(z.location, near)
		}
		w.Year = year
		t, warnings = z.Time(w, near)
		if len(warnings) == 0 {
			return t, yearInferred
		}
		return t, append(yearInferred[:1:1], warnings...)
	}
	wall := w.Seconds()
	unix := wall - z.Offset(wall)
	if z.Settled(unix) && wall-z.offset == unix {
		return time.Unix(unix, 0).In(z.location), nil
	}
	return w.In(z.location, near)
}

var yearInferred = []trunklinev1.Warning{trunklinev1.Warning_WARNING_YEAR_INFERRED}

// year is the one that [Wall.In] decides for, where it is decided by more than
// some hours.
func (z *Zone) year(w Wall, near time.Time) (year int, ok bool) {
	if near.IsZero() || w.Month == 2 && w.Day == 29 {
		return 0, false
	}
	const close = 6 * 3600
	latest := near.Unix() + z.Offset(near.Unix()) + 24*3600
	first := near.UTC().Year() + 1
	for w.Year = first; w.Year >= first-2; w.Year-- {
		switch gap := latest - w.Seconds(); {
		case gap > close:
			return w.Year, true
		case gap > -close:
			return 0, false
		}
	}
	return 0, false
}

// SetStart is the function of that name, with the zone.
func (z *Zone) SetStart(cdr *trunklinev1.Cdr, start time.Time) {
	cdr.StartTime = timestamppb.New(start)
	cdr.UtcOffsetSeconds = int32(z.Offset(start.Unix()))
}

// Seconds are those since 1970 that a clock on UTC would show so.
func (w Wall) Seconds() int64 {
	// Years that begin in March: the leap day is their last.
	year, month := int64(w.Year), int64(w.Month)
	if month <= 2 {
		year--
		month += 12
	}
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + int64(w.Day) - 719469
	return days*86400 + int64(w.Hour)*3600 + int64(w.Minute)*60 + int64(w.Second)
}
