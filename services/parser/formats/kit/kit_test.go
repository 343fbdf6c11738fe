package kit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestWall(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	utc := func(s string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const (
		inferred  = trunklinev1.Warning_WARNING_YEAR_INFERRED
		ambiguous = trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS
		skipped   = trunklinev1.Warning_WARNING_HOUR_SKIPPED
	)
	for _, tc := range []struct {
		name string
		wall Wall
		near time.Time
		want time.Time
		warn []trunklinev1.Warning
	}{
		{"winter", Wall{2026, 1, 2, 10, 0, 0}, time.Time{}, utc("2026-01-02 09:00:00"), nil},
		{"summer", Wall{2026, 7, 2, 10, 0, 0}, time.Time{}, utc("2026-07-02 08:00:00"), nil},
		{"no year", Wall{0, 11, 20, 10, 0, 0}, utc("2026-11-20 09:05:00"), utc("2026-11-20 09:00:00"), []trunklinev1.Warning{inferred}},
		{"last year's last day", Wall{0, 12, 31, 23, 50, 0}, utc("2026-12-31 23:20:00"), utc("2026-12-31 22:50:00"), []trunklinev1.Warning{inferred}},
		{"read in January", Wall{0, 12, 31, 23, 50, 0}, utc("2027-01-01 08:00:00"), utc("2026-12-31 22:50:00"), []trunklinev1.Warning{inferred}},
		{"clock a little ahead over new year", Wall{0, 1, 1, 0, 2, 0}, utc("2026-12-31 22:59:00"), utc("2026-12-31 23:02:00"), []trunklinev1.Warning{inferred}},
		{"leap day", Wall{0, 2, 29, 10, 0, 0}, utc("2027-03-01 10:00:00"), utc("2024-02-29 09:00:00"), []trunklinev1.Warning{inferred}},
		{"doubled hour, first", Wall{2026, 10, 25, 2, 30, 0}, utc("2026-10-25 00:31:00"), utc("2026-10-25 00:30:00"), nil},
		{"doubled hour, second", Wall{2026, 10, 25, 2, 30, 0}, utc("2026-10-25 01:31:00"), utc("2026-10-25 01:30:00"), nil},
		{"doubled hour, told late", Wall{2026, 10, 25, 2, 30, 0}, utc("2026-10-25 09:00:00"), utc("2026-10-25 00:30:00"), []trunklinev1.Warning{ambiguous}},
		{"doubled hour, nothing tells", Wall{2026, 10, 25, 2, 30, 0}, time.Time{}, utc("2026-10-25 00:30:00"), []trunklinev1.Warning{ambiguous}},
		{"before the doubled hour", Wall{2026, 10, 25, 1, 59, 59}, time.Time{}, utc("2026-10-24 23:59:59"), nil},
		{"behind the doubled hour", Wall{2026, 10, 25, 3, 0, 0}, time.Time{}, utc("2026-10-25 02:00:00"), nil},
		{"skipped hour", Wall{2026, 3, 29, 2, 30, 0}, time.Time{}, utc("2026-03-29 01:30:00"), []trunklinev1.Warning{skipped}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, warn := tc.wall.In(paris, tc.near)
			if !got.Equal(tc.want) {
				t.Errorf("got %s, want %s", got.UTC(), tc.want)
			}
			if fmt.Sprint(warn) != fmt.Sprint(tc.warn) {
				t.Errorf("warnings %v, want %v", warn, tc.warn)
			}
		})
	}
	if got, _ := (Wall{0, 1, 1, 0, 0, 0}).In(paris, time.Time{}); !got.IsZero() {
		t.Errorf("no year and no near: %s", got)
	}
}

// A year of instants in zones of every kind, each to the wall and back: by what
// is known of when the ticket was written, or with a word where nothing tells.
func TestWallProperty(t *testing.T) {
	for _, name := range []string{"Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"} {
		z := zone(t, name)
		for at := time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC); at.Year() < 2027; at = at.Add(7 * time.Minute) {
			l := at.In(z)
			w := Wall{l.Year(), int(l.Month()), l.Day(), l.Hour(), l.Minute(), l.Second()}
			noYear := w
			noYear.Year = 0
			if got, warned := w.In(z, at.Add(20*time.Second)); !got.Equal(at) || len(warned) > 0 {
				t.Fatalf("%s: %v told at once gives %s %v, want %s", name, w, got.UTC(), warned, at)
			}
			if got, _ := noYear.In(z, at.Add(20*time.Second)); !got.Equal(at) {
				t.Fatalf("%s: %v told at once gives %s, want %s", name, noYear, got.UTC(), at)
			}
			// A ticket file that is read months later has its own date.
			got, warned := noYear.In(z, at.Add(300*24*time.Hour))
			if back := got.In(z); back.Year() != l.Year() || back.YearDay() != l.YearDay() || back.Hour() != l.Hour() || back.Minute() != l.Minute() {
				t.Fatalf("%s: %v from an old file gives %s, want %s", name, noYear, got.UTC(), at)
			}
			if !got.Equal(at) && !slices.Contains(warned, trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS) {
				t.Fatalf("%s: %v from an old file gives %s without a word, want %s", name, noYear, got.UTC(), at)
			}
			if got, warned := w.In(z, time.Time{}); !got.Equal(at) && !slices.Contains(warned, trunklinev1.Warning_WARNING_HOUR_AMBIGUOUS) {
				t.Fatalf("%s: %v gives %s without a word, want %s", name, w, got.UTC(), at)
			}
		}
	}
}

func TestWallValid(t *testing.T) {
	for w, want := range map[Wall]bool{
		{2026, 2, 28, 0, 0, 0}:    true,
		{2026, 2, 29, 0, 0, 0}:    false,
		{0, 2, 29, 23, 59, 59}:    true,
		{2026, 13, 1, 0, 0, 0}:    false,
		{2026, 1, 1, 24, 0, 0}:    false,
		{2026, 1, 1, 0, 60, 0}:    false,
		{2026, 4, 31, 0, 0, 0}:    false,
		{2026, 0, 0, 0, 0, 0}:     false,
		{2026, 12, 31, 23, 59, 0}: true,
	} {
		if w.Valid() != want {
			t.Errorf("%v: %v", w, !want)
		}
	}
}

func TestSplitCSV(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
		ok   bool
	}{
		{`a,b,,c`, []string{"a", "b", "", "c"}, true},
		{``, []string{""}, true},
		{`"a,b","c ""d"" e",""`, []string{"a,b", `c "d" e`, ""}, true},
		{`"""Zoé"" <101>",x`, []string{`"Zoé" <101>`, "x"}, true},
		{`5" pipe,b`, []string{`5" pipe`, "b"}, true},
		{`"a"b,c`, []string{"ab", "c"}, true},
		{`a,"b,c`, []string{"a", "b,c"}, false},
		{`a,"b""`, []string{"a", `b"`}, false},
	} {
		got, ok := SplitCSV(nil, tc.in, ',')
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) || ok != tc.ok {
			t.Errorf("%s: %q %v, want %q %v", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}

func TestCharset(t *testing.T) {
	for _, tc := range []struct {
		charset string
		raw     string
		want    string
		ok      bool
	}{
		{"utf-8", "Zoé", "Zoé", true},
		{"utf-8", "Zo\xe9", "Zoé", true},
		{"iso-8859-1", "Zo\xe9", "Zoé", true},
		{"us-ascii", "Zo\xe9", "Zoé", true},
		{"windows-1252", "\x80 5", "€ 5", true},
		{"utf-8", "a\x81", "a\uFFFD", false},
	} {
		c, err := NewCharset(tc.charset)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Decode([]byte(tc.raw)); got != tc.want || ok != tc.ok {
			t.Errorf("%s %q: %q %v", tc.charset, tc.raw, got, ok)
		}
	}
	if _, err := NewCharset("utf-9"); err == nil {
		t.Error("took utf-9")
	}
}

func TestNumbers(t *testing.T) {
	for _, tc := range []struct{ country, outside, in, dialed, e164 string }{
		{"FR", "0", "00199001234", "0199001234", "+33199001234"},
		{"FR", "0", "0199001234", "0199001234", "+33199001234"}, // the PBX took the prefix off
		{"FR", "0", "000441632960123", "00441632960123", "+441632960123"},
		{"FR", "", "00441632960123", "00441632960123", "+441632960123"},
		{"FR", "0", "015", "15", ""},
		{"FR", "", "201", "201", ""},
		{"US", "9", "912025550123", "12025550123", "+12025550123"},
		{"US", "9", "92025550123", "2025550123", "+12025550123"},
		{"US", "9", "9011441632960123", "011441632960123", "+441632960123"},
		{"ES", "0", "0910000123", "910000123", "+34910000123"},
		{"GB", "9", "901632960123", "01632960123", "+441632960123"},
		{"", "", "+441632960123", "+441632960123", "+441632960123"},
		{"", "", "0199001234", "0199001234", ""},
		{"FR", "", "01990012??", "01990012??", ""},
	} {
		n, err := NewNumbering(tc.country, tc.outside)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Dialed(tc.in); got != tc.dialed {
			t.Errorf("%s: %s dialled %s, want %s", tc.country, tc.in, got, tc.dialed)
		}
		if got := n.E164(n.Dialed(tc.in)); got != tc.e164 {
			t.Errorf("%s: %s is %q, want %q", tc.country, tc.in, got, tc.e164)
		}
	}
}

func TestClock(t *testing.T) {
	for in, want := range map[string]uint32{"00:00:38": 38, " 0123:45:06": 445506, "9:59:59": 35999} {
		if got, ok := Clock(in); !ok || got != want {
			t.Errorf("%s: %d %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "00:00", "00:60:00", "a0:00:00", "00-00-00", "::"} {
		if _, ok := Clock(in); ok {
			t.Errorf("took %q", in)
		}
	}
}

func TestNewLink(t *testing.T) {
	good := pbx.Settings{Site: "lyon", Link: "a", Model: "avaya-ipoffice", Timezone: "Europe/Paris", Country: "FR"}
	if _, err := NewLink(good); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*pbx.Settings){
		func(s *pbx.Settings) { s.Model = "no" },
		func(s *pbx.Settings) { s.Timezone = "Europe/Lyon" },
		func(s *pbx.Settings) { s.Timezone = "" },
		func(s *pbx.Settings) { s.Parse.Charset = "ebcdic-9" },
		func(s *pbx.Settings) { s.Country = "France" },
	} {
		s := good
		change(&s)
		if _, err := NewLink(s); err == nil {
			t.Errorf("took %+v", s)
		}
	}
}
