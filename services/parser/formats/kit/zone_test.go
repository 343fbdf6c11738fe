package kit

import (
	"slices"
	"testing"
	"time"
)

// The zone gives what the wall time alone does, also around each change of the
// clock and of the year.
func TestZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "Africa/Casablanca", "Pacific/Auckland"} {
		location, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zone := NewZone(location)
		check := func(w Wall, near time.Time) {
			t.Helper()
			want, warnings := w.In(location, near)
			got, gotWarnings := zone.Time(w, near)
			if !got.Equal(want) || !slices.Equal(gotWarnings, warnings) {
				t.Fatalf("%s %+v near %v: %v %v, want %v %v", name, w, near, got, gotWarnings, want, warnings)
			}
			if _, offset := want.Zone(); !want.IsZero() && zone.Offset(want.Unix()) != int64(offset) {
				t.Fatalf("%s %v: offset %d, want %d", name, want, zone.Offset(want.Unix()), offset)
			}
		}
		for at := time.Date(2011, 12, 1, 0, 17, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(5*time.Hour + 10*time.Minute) {
			w := Wall{at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), 7}
			if w.Seconds() != at.Unix()+7 {
				t.Fatalf("%+v: %d seconds", w, w.Seconds())
			}
			check(w, time.Time{})
			check(w, at.Add(time.Hour))
			w.Year = 0
			check(w, at.Add(-25*time.Hour))
			check(w, at.Add(40*24*time.Hour))
			check(w, time.Time{})
		}
	}
}
