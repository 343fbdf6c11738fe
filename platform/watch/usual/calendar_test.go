package usual

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func calendar(t testing.TB, zoneName, country string, hours map[string]string, holidays ...string) *Calendar {
	t.Helper()
	c, err := NewCalendar(zone(t, zoneName), country, hours, holidays)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpen(t *testing.T) {
	office := map[string]string{"mon-fri": "08:00-12:00 14:00-18:00", "sat": "09:00-12:00"}
	night := map[string]string{"mon-thu": "22:00-06:00", "fri": "22:00-24:00"}
	for _, c := range []struct {
		hours    map[string]string
		holidays []string
		at       string
		open     bool
	}{
		{office, nil, "2026-11-23 07:59", false},
		{office, nil, "2026-11-23 08:00", true},
		{office, nil, "2026-11-23 12:00", false},
		{office, nil, "2026-11-23 17:59", true},
		{office, nil, "2026-11-28 11:59", true},
		{office, nil, "2026-11-29 10:00", false},
		{office, nil, "2026-11-11 10:00", false}, // Armistice
		{office, nil, "2026-12-24 11:00", true},
		{office, nil, "2026-12-24 15:00", false},
		{office, []string{"2026-11-23"}, "2026-11-23 10:00", false},
		{office, []string{"2026-08-03..2026-08-21"}, "2026-08-21 10:00", false},
		{office, []string{"2026-08-03..2026-08-21"}, "2026-08-24 10:00", true},
		{office, []string{"11-23"}, "2031-11-23 10:00", false},
		{night, nil, "2026-11-23 05:00", false}, // Sunday night
		{night, nil, "2026-11-24 05:59", true},
		{night, nil, "2026-11-24 06:00", false},
		{night, nil, "2026-11-27 23:59", true},
		{night, nil, "2026-11-28 00:00", false},
		{night, nil, "2026-11-11 23:00", false},
		{night, nil, "2026-11-11 05:00", true}, // begun on Tuesday
		{nil, nil, "2026-11-29 03:00", true},
		{nil, nil, "2026-11-11 10:00", false},
		{map[string]string{"holiday": "10:00-12:00"}, nil, "2026-11-11 11:00", true},
		{map[string]string{"holiday": "10:00-12:00"}, nil, "2026-11-11 13:00", false},
		{map[string]string{"holiday": "10:00-12:00"}, nil, "2026-11-12 13:00", true},
		{map[string]string{"Mon, Wed": "08:00-10:00", "sat-sun": "closed"}, nil, "2026-11-25 09:00", true},
		{map[string]string{"fri-mon": "08:00-10:00"}, nil, "2026-11-29 09:00", true},
	} {
		cal := calendar(t, "Europe/Paris", "FR", c.hours, c.holidays...)
		at, err := time.ParseInLocation("2006-01-02 15:04", c.at, cal.Location())
		if err != nil {
			t.Fatal(err)
		}
		if got := cal.Open(at.UTC()); got != c.open {
			t.Errorf("hours %v, holidays %v, at %s: open %v", c.hours, c.holidays, c.at, got)
		}
	}
}

func TestCalendarErrors(t *testing.T) {
	for _, c := range []struct {
		hours    map[string]string
		holidays []string
		want     string
	}{
		{map[string]string{"lundi": "08:00-12:00"}, nil, `"lundi" is no day`},
		{map[string]string{"mon-": "08:00-12:00"}, nil, `"mon-" is no day`},
		{map[string]string{"mon": "8-12"}, nil, `mon: "8-12" is no time of day`},
		{map[string]string{"mon": "08:00-24:30"}, nil, `is no time of day`},
		{map[string]string{"mon": "24:00-06:00"}, nil, `is no time of day`},
		{map[string]string{"mon": "08:00-08:00"}, nil, `is no time of day`},
		{map[string]string{"mon": ""}, nil, `no times`},
		{map[string]string{"mon": "08:00-12:00 11:00-13:00"}, nil, `overlap`},
		{map[string]string{"mon": "08:00-12:00", "mon-fri": "14:00-18:00"}, nil, `mon and mon-fri name the same day`},
		{map[string]string{"sun": "20:00-06:00", "mon": "05:00-12:00"}, nil, `sun runs over midnight into the hours of mon`},
		{nil, []string{"Christmas"}, `"Christmas" is no day`},
		{nil, []string{"2026-02-30"}, `is no day`},
		{nil, []string{"2026-08-21..2026-08-03"}, `the last day comes before the first`},
		{nil, []string{"2026-08-21..2036-08-03"}, `more than a year`},
	} {
		if _, err := NewCalendar(time.UTC, "FR", c.hours, c.holidays); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("hours %v, holidays %v: %v, want %q", c.hours, c.holidays, err, c.want)
		}
	}
	if _, err := NewCalendar(nil, "", nil, nil); err == nil {
		t.Error("no zone is no error")
	}
}

func TestPublicHolidays(t *testing.T) {
	// As the countries' governments publish them.
	for key, want := range map[string]string{
		"FR 2026": "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25",
		"FR 2027": "01-01 03-29 05-01 05-06 05-08 05-17 07-14 08-15 11-01 11-11 12-25",
		"RE 2026": "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-20 12-25",
		"GB 2026": "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-26 12-28",
		"GB 2027": "01-01 03-26 03-29 05-03 05-31 08-30 12-25 12-26 12-27 12-28",
		"US 2026": "01-01 01-19 02-16 05-25 06-19 07-03 07-04 09-07 10-12 11-11 11-26 11-27 12-25",
		"US 2027": "01-01 01-18 02-15 05-31 06-18 06-19 07-04 07-05 09-06 10-11 11-11 11-25 11-26 12-24 12-25",
		"DE 2026": "01-01 01-06 04-03 04-06 05-01 05-14 05-25 06-04 10-03 10-31 11-01 12-25 12-26",
		"GR 2026": "01-01 01-06 02-23 03-25 04-10 04-13 05-01 06-01 08-15 10-28 12-25 12-26",
		"CA 2026": "01-01 02-16 04-03 05-18 07-01 08-03 09-07 09-30 10-12 11-11 12-25 12-26 12-28",
		"SE 2026": "01-01 01-06 04-03 04-06 05-01 05-14 06-06 06-19 12-24 12-25 12-26 12-31",
	} {
		country := key[:2]
		year, err := time.Parse("2006", key[3:])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for d := range maps.Keys(publicHolidaysOf(country, year.Year())) {
			got = append(got, d.noon().Format("01-02"))
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\ngot  %s\nwant %s", key, strings.Join(got, " "), want)
		}
	}
	for country := range publicHolidays {
		if n := len(publicHolidaysOf(country, 2026)); n < 8 || n > 20 {
			t.Errorf("%s has %d holidays", country, n)
		}
	}
	if KnowsCountry("IN") || !KnowsCountry("LU") {
		t.Error("known countries")
	}
}

func TestEaster(t *testing.T) {
	for _, c := range []struct {
		year          int
		west, eastern string
	}{
		{1981, "1981-04-19", "1981-04-26"},
		{2019, "2019-04-21", "2019-04-28"},
		{2024, "2024-03-31", "2024-05-05"},
		{2025, "2025-04-20", "2025-04-20"},
		{2026, "2026-04-05", "2026-04-12"},
		{2027, "2027-03-28", "2027-05-02"},
		{2038, "2038-04-25", "2038-04-25"},
		{2049, "2049-04-18", "2049-04-25"},
		{2076, "2076-04-19", "2076-04-26"},
	} {
		west, east := easter(c.year).Format(time.DateOnly), orthodoxEaster(c.year).Format(time.DateOnly)
		if west != c.west || east != c.eastern {
			t.Errorf("%d: %s, %s, want %s, %s", c.year, west, east, c.west, c.eastern)
		}
	}
}
