package usual

import (
	"errors"
	"math"
	"math/bits"
	"time"
)

const (
	// weeks that a profile remembers.
	weeks     = 8
	weekHours = 168
	// bin is how near to each other tickets count as one sign of life: a call
	// writes several, a poll or a flushed buffer brings many.
	bin = 10 // s
	// binsHour is the most moments an hour can have.
	binsHour = 3600 / bin
	// gap is how far apart two calls of Watch may be without a gap between them.
	gap = 5 * 60 // s
	// factSeconds of an hour have to be watched for its count to be a fact.
	factSeconds = 45 * 60
	// prior is how many moments the level of a day begins with.
	prior = 12
	// maxLearning is how long into a silence its hours are learned: a site that
	// gives up its Saturdays becomes usual, a week's outage counts no more than
	// once for an hour of the week.
	maxLearning = 72 * 3600 // s
)

// Profile is what one link usually delivers, hour by hour of the local week,
// over the last eight weeks; and what is heard from it now. It counts moments:
// tickets in the same ten seconds are one. Not safe for concurrent use.
type Profile struct {
	cal *Calendar
	s   state

	// Of the running hour: see roll.
	end  int64
	slot int
	rate float64
	// Of the running week.
	perWeek float64 // usual moments
	pooled  float64 // of an hour, where hours are given
	sundays bool    // are like other days, and so may be holidays
}

// New is the profile of a link that has not been watched yet.
func New(cal *Calendar) (*Profile, error) {
	if cal == nil {
		return nil, errors.New("a profile needs the calendar of its site")
	}
	return &Profile{cal: cal}, nil
}

// Add notes n tickets that trunkline received at a time. They are a sign of life
// in any case; to be learned they have to come in their hour, and no more than
// five minutes ahead of the last Watch, since a wrong clock must not make weeks
// pass.
func (p *Profile) Add(at time.Time, n int) {
	s := &p.s
	t := at.Unix()
	if n <= 0 || t <= 0 || t >= maxTime {
		return
	}
	if s.Mark == 0 || t <= s.Mark+gap {
		p.count(t, n)
	}
	if t <= s.Last {
		return
	}
	if p.learned() {
		// No longer than what alarms: one outage must not deafen the link.
		longest := &s.Longest[s.Week%weeks]
		*longest = max(*longest, float32(min(p.weight(), p.threshold())))
	}
	if !s.Silent {
		s.Due += s.Recent
	}
	s.Last, s.Recent, s.Usual, s.Evidence, s.Open, s.Silent = t, 0, 0, 0, 0, false
}

// count takes the tickets into the running hour.
func (p *Profile) count(t int64, n int) {
	s := &p.s
	p.roll(t)
	week := s.Week % weeks
	s.Tickets[week] = addCapped(s.Tickets[week], n)
	if i := (t - s.Start) / bin; t >= s.Start && i < binsHour && s.Bins[i/8]&(1<<(i%8)) == 0 {
		s.Bins[i/8] |= 1 << (i % 8)
		s.Moments[week] = addCapped(s.Moments[week], 1)
		s.Had++
	}
}

func addCapped(a uint32, n int) uint32 {
	return uint32(min(uint64(a)+uint64(n), math.MaxUint32))
}

// Watch says that the link is being watched now: every ticket that came in is
// added. It is called at least every five minutes, best every minute; a longer
// pause is time of which nothing is known, in which nothing is learned and no
// silence grows.
func (p *Profile) Watch(now time.Time) {
	s := &p.s
	t := now.Unix()
	if t <= 0 || t >= maxTime {
		return
	}
	if s.Last > t+gap {
		s.Last = t
	}
	if s.Mark == 0 || t-s.Mark > gap || s.Mark-t > gap {
		if s.Start > t {
			// The clock was put back: this hour begins anew.
			s.Start, p.end = 0, 0
		}
		p.roll(t)
		s.Mark = t
		return
	}
	for s.Mark < t {
		p.roll(s.Mark)
		until := min(t, p.end)
		p.pass(until)
		s.Mark = until
	}
}

// pass lets the watched time from the mark on go by, within one hour.
func (p *Profile) pass(until int64) {
	s := &p.s
	if s.Mark >= s.Start {
		s.Watched = uint16(min(int64(s.Watched)+until-s.Mark, 3600))
	}
	at := time.Unix(s.Mark, 0)
	if s.Last == 0 || !p.cal.Open(at) && !(p.sundays && p.cal.public(at) && !p.cal.listed(at)) {
		return
	}
	rate, level := p.expect(at)
	s.Recent += float32(rate * float64(until-s.Mark) / 3600)
	from := max(s.Mark, s.Last)
	if from >= until {
		return
	}
	hours := float64(until-from) / 3600
	s.Open += until - from
	s.Usual += float32(rate * hours)
	// A busy link is given half an hour: doors open late, and close early.
	s.Evidence += float32(min(rate*level, 2*p.base()) * hours)
	s.Silent = s.Silent || p.weight() >= p.threshold()
}

// weight of the evidence: minus the logarithm of the chance of so long a quiet
// time, where the level of the day is uncertain, the more the less was had.
func (p *Profile) weight() float64 {
	sure := 2*prior + float64(p.s.Had)
	return sure * math.Log1p(float64(p.s.Evidence)/sure)
}

// expect is how many moments an hour are usual now, and the level of the last
// hours, at most 1.
func (p *Profile) expect(at time.Time) (rate, level float64) {
	rate = p.rate
	if p.cal.given && rate < p.pooled && !p.known(p.slot) {
		rate = p.pooled
	}
	had, due := float64(p.s.Had), float64(p.s.Due)
	if p.cal.Holiday(at) {
		// Quiet, until the day's tickets show otherwise.
		return rate, min(1, had/(prior+due))
	}
	return rate, min(1, (prior+had)/(prior+due))
}

// roll closes the running hour and begins the one of a time, if that is later.
func (p *Profile) roll(t int64) {
	s := &p.s
	if t < p.end {
		return
	}
	if s.Start != 0 {
		p.learn()
	}
	local := time.Unix(t, 0).In(p.cal.loc)
	if week := weekOf(local); week > s.Week {
		s.forget(min(week-s.Week, weeks), week)
		s.Week = week
	}
	start := hourStart(local)
	fade := float32(math.Pow(0.85, max(0, float64(start-s.Start)/3600)))
	s.Had, s.Due = s.Had*fade, s.Due*fade
	if p.cal.Holiday(local) != p.cal.Holiday(time.Unix(s.Start, 0)) {
		// What the other day was like says nothing.
		s.Had, s.Due = 0, 0
	}
	s.Start, s.Watched = start, 0
	clear(s.Bins[:])
	p.enter()
}

// forget makes room for n weeks up to one.
func (s *state) forget(n, week int32) {
	for i := range n {
		row := (week - i + weeks) % weeks
		s.Facts[row] = [weekHours]byte{}
		s.Longest[row], s.Tickets[row], s.Moments[row] = 0, 0, 0
	}
}

// enter works out what is usual in the running hour.
func (p *Profile) enter() {
	p.end = p.s.Start + 3600
	p.slot = slotOf(time.Unix(p.end-1, 0).In(p.cal.loc))
	if p.perWeek == 0 || p.slot%24 == 0 {
		p.sum()
	}
	p.rate = p.s.rate(p.slot, p.cal.given)
}

// learn keeps the count of the running hour, if it was watched and usual.
func (p *Profile) learn() {
	s := &p.s
	if s.Watched < factSeconds || p.cal.Holiday(time.Unix(s.Start, 0)) || s.Silent && s.Start-s.Last > maxLearning {
		return
	}
	n := 0
	for _, b := range s.Bins {
		n += bits.OnesCount8(b)
	}
	n = min(n*3600/int(s.Watched), binsHour)
	fact := &s.Facts[s.Week%weeks][p.slot]
	if *fact != 0 {
		// The hour that comes twice when the clock is put back.
		n = (n + count(*fact) + 1) / 2
	}
	*fact = code(n)
}

// A fact is a byte: 0 not watched, else a count, exact to 100 and then to 2.
func code(n int) byte {
	if n <= 100 {
		return byte(n + 1)
	}
	return byte(101 + (n-100)/2)
}

const maxCode = 101 + (binsHour-100)/2

func count(b byte) int {
	if b <= 101 {
		return int(b) - 1
	}
	return 100 + 2*(int(b)-101)
}

// hourStart is where the hour of the local clock began. Where the clock changes
// by half an hour that may lie in the hour before, and too little of the hour is
// watched to learn from it.
func hourStart(local time.Time) int64 {
	return local.Unix() - int64(local.Minute()*60+local.Second())
}

// slotOf is the hour of the local week, from Monday on.
func slotOf(local time.Time) int {
	return (int(local.Weekday())+6)%7*24 + local.Hour()
}

func weekOf(local time.Time) int32 {
	days := dateOf(local).noon().Unix() / 86400
	return int32((days + 3) / 7)
}
