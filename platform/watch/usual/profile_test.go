package usual

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func profile(t testing.TB, cal *Calendar) *Profile {
	t.Helper()
	p, err := New(cal)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pass lets time go by, minute by minute, with a ticket every so often.
func pass(p *Profile, from, to time.Time, every time.Duration) {
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		if every > 0 && at.Truncate(every).Equal(at.Truncate(time.Minute)) {
			p.Add(at, 1)
		}
		p.Watch(at.Add(time.Minute))
	}
}

// facts counts the known hours of the week and sums their moments.
func facts(p *Profile) (known, moments int) {
	for _, week := range p.s.Facts {
		for _, f := range week {
			if f != 0 {
				known++
				moments += count(f)
			}
		}
	}
	return known, moments
}

func TestEveryHourCountsOnce(t *testing.T) {
	for _, c := range []struct {
		zone, from  string
		hours, lost int // local hours of the eight days, and those that can not be learned
	}{
		{"Europe/Paris", "2026-11-16", 168, 0},
		{"Asia/Kolkata", "2026-11-16", 168, 0},
		{"Asia/Kathmandu", "2026-11-16", 168, 0},
		{"Europe/Paris", "2026-03-23", 167, 0},        // 02:00 is missing
		{"Europe/Paris", "2026-10-19", 168, 0},        // 02:00 comes twice
		{"Australia/Adelaide", "2026-09-28", 167, 0},  // at :30 UTC
		{"Australia/Lord_Howe", "2026-09-28", 168, 1}, // 02:00 has 30 minutes
		{"Australia/Lord_Howe", "2026-03-30", 168, 0}, // 01:30 comes twice
	} {
		loc := zone(t, c.zone)
		p := profile(t, calendar(t, c.zone, "", nil))
		from, err := time.ParseInLocation(time.DateOnly, c.from, loc)
		if err != nil {
			t.Fatal(err)
		}
		to := from.AddDate(0, 0, 7)
		pass(p, from, to, 5*time.Minute)
		p.Watch(to.Add(time.Minute))
		known, moments := facts(p)
		if known != c.hours-c.lost || moments != 12*known {
			t.Errorf("%s, week of %s: %d hours known, %d moments", c.zone, c.from, known, moments)
		}
	}
}

func TestUnwatchedHoursAreNoFacts(t *testing.T) {
	p := profile(t, calendar(t, "Europe/Paris", "FR", nil))
	day := time.Date(2026, 11, 9, 0, 0, 0, 0, p.cal.loc)
	pass(p, day, day.Add(5*time.Hour), 0)
	// Away from 05:20 to 07:30, and away for three minutes later.
	pass(p, day.Add(5*time.Hour), day.Add(5*time.Hour+20*time.Minute), 0)
	pass(p, day.Add(7*time.Hour+30*time.Minute), day.Add(9*time.Hour+10*time.Minute), 0)
	pass(p, day.Add(9*time.Hour+13*time.Minute), day.Add(10*time.Hour+time.Minute), 0)
	for hour, want := range []bool{true, true, true, true, true, false, false, false, true, true, false} {
		if got := p.s.Facts[p.s.Week%weeks][hour] != 0; got != want {
			t.Errorf("hour %d is a fact: %v", hour, got)
		}
	}
	// Wednesday is Armistice Day: what is usual then is not usual on Wednesdays.
	pass(p, day.AddDate(0, 0, 2), day.AddDate(0, 0, 3), 0)
	for _, f := range p.s.Facts[p.s.Week%weeks][48:72] {
		if f != 0 {
			t.Fatal("a holiday was learned")
		}
	}
}

func TestOrderWithinAnHour(t *testing.T) {
	cal := calendar(t, "Asia/Kolkata", "", nil)
	base := profile(t, cal)
	from := time.Date(2026, 9, 7, 0, 0, 0, 0, cal.loc)
	pass(base, from, from.AddDate(0, 0, 25).Add(10*time.Hour), 3*time.Minute)
	hour := from.AddDate(0, 0, 25).Add(10 * time.Hour)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		at := make([]time.Time, 1+r.IntN(50))
		for i := range at {
			at[i] = hour.Add(time.Duration(r.IntN(3600)) * time.Second)
		}
		one, two := *base, *base
		// Watched up to the end of the hour only afterwards.
		one.s.Mark, two.s.Mark = hour.Add(59*time.Minute).Unix(), hour.Add(59*time.Minute).Unix()
		for _, i := range r.Perm(len(at)) {
			one.Add(at[i], i+1)
		}
		for _, i := range r.Perm(len(at)) {
			two.Add(at[i], i+1)
		}
		if !bytes.Equal(one.Encode(), two.Encode()) {
			t.Fatal("the order of tickets within an hour changes the profile")
		}
	}
}

func TestRestartGoesOn(t *testing.T) {
	cal := calendar(t, "Europe/Paris", "FR", nil)
	from := time.Date(2026, 9, 7, 0, 0, 0, 0, cal.loc)
	one, two := profile(t, cal), profile(t, cal)
	r := rand.New(rand.NewPCG(3, 4))
	for at := from; at.Before(from.AddDate(0, 0, 30)); at = at.Add(time.Minute) {
		if r.IntN(4) == 0 {
			one.Add(at, 2)
			two.Add(at, 2)
		}
		one.Watch(at)
		two.Watch(at)
		if r.IntN(500) == 0 {
			b := two.Encode()
			if len(b) > 2048 {
				t.Fatalf("%d bytes", len(b))
			}
			var err error
			if two, err = Decode(cal, b); err != nil {
				t.Fatal(err)
			}
			if one.Verdict(Rule{}) != two.Verdict(Rule{}) {
				t.Fatalf("%+v before, %+v after", one.Verdict(Rule{}), two.Verdict(Rule{}))
			}
		}
	}
	if !bytes.Equal(one.Encode(), two.Encode()) {
		t.Error("a restart changed the profile")
	}
}

// usualWeeks is a profile of some weeks with a ticket every three minutes from 8
// to 18 on five days, as of a Monday at 8.
func usualWeeks(t *testing.T, cal *Calendar, n int, odd func(at time.Time) time.Duration) (*Profile, time.Time) {
	p := profile(t, cal)
	from := time.Date(2026, 9, 7, 0, 0, 0, 0, cal.loc)
	end := from.AddDate(0, 0, 7*n).Add(8 * time.Hour)
	for at := from; at.Before(end); at = at.Add(time.Hour) {
		every := time.Duration(0)
		if h := at.Hour(); at.Weekday() != 0 && at.Weekday() != 6 && h >= 8 && h < 18 {
			every = 3 * time.Minute
		}
		if odd != nil {
			if e := odd(at); e >= 0 {
				every = e
			}
		}
		pass(p, at, at.Add(time.Hour), every)
	}
	return p, end
}

// told is how long after a moment the link is silent; at most a day.
func told(p *Profile, from time.Time) time.Duration {
	for at := from; at.Before(from.AddDate(0, 0, 1)); at = at.Add(time.Minute) {
		p.Watch(at)
		if p.Verdict(Rule{}).State == Silent {
			return at.Sub(from)
		}
	}
	return 24 * time.Hour
}

func TestOneOddDayDoesNotMatter(t *testing.T) {
	cal := calendar(t, "Europe/Paris", "", nil)
	plain, at := usualWeeks(t, cal, 6, nil)
	pass(plain, at, at.Add(2*time.Hour), 3*time.Minute)
	want := told(plain, at.Add(2*time.Hour))
	if want > 65*time.Minute {
		t.Fatalf("a link with 20 tickets an hour is told after %v", want)
	}
	monday := time.Date(2026, 10, 5, 0, 0, 0, 0, cal.loc)
	for name, every := range map[string]time.Duration{"outage or holiday": 0, "import": time.Second} {
		p, at := usualWeeks(t, cal, 6, func(at time.Time) time.Duration {
			if dateOf(at) == dateOf(monday) {
				return every
			}
			return -1
		})
		pass(p, at, at.Add(2*time.Hour), 3*time.Minute)
		if got := told(p, at.Add(2*time.Hour)); got < want-15*time.Minute || got > want+10*time.Minute {
			t.Errorf("%s: told after %v, without it %v", name, got, want)
		}
	}
}

func TestTwoWeeksOfLearning(t *testing.T) {
	plain := calendar(t, "Europe/Paris", "", nil)
	hours := calendar(t, "Europe/Paris", "", map[string]string{"mon-fri": "08:00-18:00"})
	for _, c := range []struct {
		cal   *Calendar
		weeks int
		state State
	}{
		{plain, 1, Learning}, {plain, 2, Silent}, {hours, 1, Silent},
	} {
		p, at := usualWeeks(t, c.cal, c.weeks, nil)
		pass(p, at, at.Add(4*time.Hour), 0)
		if v := p.Verdict(Rule{}); v.State != c.state {
			t.Errorf("hours %v, after %d weeks and 4 quiet hours: %s", c.cal.given, c.weeks, v)
		}
	}
}

func TestVerdict(t *testing.T) {
	cal := calendar(t, "Europe/Paris", "FR", map[string]string{"mon-fri": "08:00-12:00 14:00-18:00"})
	p := profile(t, cal)
	if v := p.Verdict(Rule{After: time.Hour}); v.State != Waiting || v.String() != "waiting" {
		t.Errorf("never delivered: %+v", v)
	}
	monday := time.Date(2026, 11, 23, 11, 0, 0, 0, cal.loc)
	p.Watch(monday)
	p.Add(monday.Add(10*time.Second), 3)
	limit := Rule{After: 2 * time.Hour}
	pass(p, monday.Add(time.Minute), monday.Add(3*time.Hour+59*time.Minute), 0)
	if v := p.Verdict(limit); v.State != Learning && v.State != Speaking {
		t.Errorf("the lunch break counts: %s", v)
	}
	pass(p, monday.Add(3*time.Hour+59*time.Minute), monday.Add(4*time.Hour+time.Minute), 0)
	if v := p.Verdict(limit); v.String() != "silent since 11:00: 2h without a ticket in open hours, the limit is 2h" {
		t.Error(v)
	}
	if v := p.Verdict(Rule{Off: true}); v.State == Silent {
		t.Error("off, and silent")
	}
	p.Add(monday.Add(4*time.Hour+3*time.Minute), 1)
	if v := p.Verdict(limit); v.State == Silent {
		t.Error("a ticket does not end the silence")
	}

	q, at := usualWeeks(t, calendar(t, "Europe/Paris", "", nil), 6, nil)
	pass(q, at, at.Add(2*time.Hour+time.Minute), 3*time.Minute)
	pass(q, at.Add(2*time.Hour+time.Minute), at.Add(3*time.Hour+30*time.Minute), 0)
	v := q.Verdict(Rule{})
	if got := v.String(); v.Usual < 26 || v.Usual > 30 || !strings.HasPrefix(got, "silent since 10:00: 2") || !strings.HasSuffix(got, " tickets are usual in that time") {
		t.Errorf("%s, %v", got, v.Usual)
	}
	pass(q, at.Add(3*time.Hour+30*time.Minute), at.Add(40*time.Hour), 0)
	if got := q.Verdict(Rule{}).String(); !strings.HasPrefix(got, "silent since Mon 19 Oct 10:00: ") {
		t.Error(got)
	}
}

func TestUnwatchedTimeIsNoSilence(t *testing.T) {
	p, at := usualWeeks(t, calendar(t, "Europe/Paris", "", nil), 3, nil)
	pass(p, at, at.Add(time.Hour), 3*time.Minute)
	p.Watch(at.Add(8 * time.Hour)) // trunkline was away
	if v := p.Verdict(Rule{After: time.Hour}); v.State == Silent || v.Open > 5*time.Minute {
		t.Errorf("%+v", v)
	}
	p.Add(at.Add(15*time.Hour), 1) // added before the first Watch after a restart
	p.Watch(at.Add(15*time.Hour + time.Minute))
	if v := p.Verdict(Rule{}); !v.Last.Equal(at.Add(15*time.Hour)) || v.Open != 0 {
		t.Errorf("%+v", v)
	}
}

func TestWrongClock(t *testing.T) {
	p, at := usualWeeks(t, calendar(t, "Europe/Paris", "", nil), 3, nil)
	known, _ := facts(p)
	p.Add(at.AddDate(20, 0, 0), 1) // a machine in the future
	if now, _ := facts(p); now < known-1 {
		t.Errorf("%d of %d facts are left", now, known)
	}
	p.Watch(at.Add(time.Minute))
	if last := p.Verdict(Rule{}).Last; !last.Equal(at.Add(time.Minute)) {
		t.Errorf("the last ticket is at %v", last)
	}
	// Put back by a day: it goes on from there.
	back := at.AddDate(0, 0, -1)
	pass(p, back, back.Add(2*time.Hour), 5*time.Minute)
	if got := time.Unix(p.s.Mark, 0); !got.Equal(back.Add(2 * time.Hour)) {
		t.Errorf("watched until %v", got)
	}
	if v := p.Verdict(Rule{}); v.Last.After(back.Add(2 * time.Hour)) {
		t.Errorf("the last ticket is in the future: %v", v.Last)
	}
}

func TestCodes(t *testing.T) {
	for n := range binsHour + 1 {
		if got := count(code(n)); got != n && (n <= 100 || got != n-1) {
			t.Errorf("%d becomes %d", n, got)
		}
	}
	if code(binsHour) != maxCode {
		t.Error("the greatest code")
	}
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{"": {}, "auto": {}, "off": {Off: true}, "2h": {After: 2 * time.Hour}} {
		if got, err := ParseRule(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"never", "0", "-2h", "5s"} {
		if _, err := ParseRule(text); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	cal := calendar(t, "Europe/Paris", "FR", nil)
	p, _ := usualWeeks(t, cal, 1, nil)
	good := p.Encode()
	later := bytes.Clone(good)
	later[0]++
	damaged := bytes.Clone(good)
	damaged[100] = 255
	for name, c := range map[string]struct {
		cal   *Calendar
		bytes []byte
	}{
		"empty":      {cal, nil},
		"later":      {cal, later},
		"cut off":    {cal, good[:700]},
		"longer":     {cal, append(bytes.Clone(good), 0)},
		"damaged":    {cal, damaged},
		"other zone": {calendar(t, "Europe/Berlin", "DE", nil), good},
	} {
		if _, err := Decode(c.cal, c.bytes); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	cal := calendar(f, "Europe/Paris", "FR", nil)
	f.Add(profile(f, cal).Encode())
	p := profile(f, cal)
	at := time.Date(2026, 11, 16, 8, 0, 0, 0, cal.loc)
	pass(p, at, at.Add(30*time.Hour), 3*time.Minute)
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(cal, b)
		if err != nil {
			return
		}
		again, err := Decode(cal, p.Encode())
		if err != nil || again.s != p.s {
			t.Fatalf("decoded again: %v", err)
		}
		for i := range 100 {
			p.Watch(at.Add(time.Duration(i) * 4 * time.Minute))
		}
		p.Add(at.Add(7*time.Hour), 1)
		_ = p.Verdict(Rule{}).String()
		if _, err := Decode(cal, p.Encode()); err != nil {
			t.Fatalf("after a while: %v", err)
		}
	})
}
