package usual

import (
	"math"
	"slices"
)

// rate is how many moments are usual in an hour of the week; 0 where that is
// not known, or where the site is not always there. Weeks in which the hours
// around are missing count as an outage while they are few; where they are
// many, the hour is none to rely on: alternate Saturdays, a free Friday a
// month. Sure says that the site is said to be open, so that it is an outage
// in any case.
func (s *state) rate(slot int, sure bool) float64 {
	var around [weeks]float64
	var known, total int
	for w := range s.Facts {
		around[w] = -1
		if s.Facts[w][slot] != 0 {
			known++
			total += count(s.Facts[w][slot])
			around[w] = s.around(w, slot)
		}
	}
	if known < 2 || total == 0 {
		return 0
	}
	order := around
	slices.Sort(order[:])
	full := order[weeks-2]
	if known == 2 {
		full = order[weeks-1]
	}
	var values, weights [weeks]float64
	n, absent := 0, 0
	for w, a := range around {
		switch {
		case a < 0:
		case full >= 12 && a < full/4:
			absent++
		default:
			age := (s.Week%weeks - int32(w) + weeks) % weeks
			values[n], weights[n] = float64(count(s.Facts[w][slot])), recency[age]
			n++
		}
	}
	if allowed := float64(known) / 4; float64(absent) >= allowed && absent > 0 && (!sure || n < absent) {
		return 0
	}
	top := slices.Index(values[:n], slices.Max(values[:n]))
	sum, weight := 0.0, 0.0
	for i, v := range values[:n] {
		if i != top {
			sum, weight = sum+v*weights[i], weight+weights[i]
		}
	}
	// One burst, from an import or a flushed buffer, is no more than chance could
	// make of the other weeks.
	burst := values[top]
	if weight > 0 {
		others := sum / weight
		burst = min(burst, others+4*math.Sqrt(others+1))
	}
	// What few weeks say is believed a little less.
	return (sum + burst*weights[top]) / (weight + weights[top] + 0.1)
}

// recency is the weight of a week by its age: seasons drift.
var recency = func() (w [weeks]float64) {
	for age := range w {
		w[age] = math.Pow(0.85, float64(age))
	}
	return w
}()

// around is the moments of the hours around one, in its day, for hours that were
// not watched the same as for those that were.
func (s *state) around(week, slot int) float64 {
	from, to := max(slot-2, slot/24*24), min(slot+2, slot/24*24+23)
	total, known := 0, 0
	for h := from; h <= to; h++ {
		if f := s.Facts[week][h]; f != 0 {
			total += count(f)
			known++
		}
	}
	return float64(total) * float64(to-from+1) / float64(known)
}

const margin = 8.7

// known tells whether an hour was watched in two weeks.
func (p *Profile) known(slot int) bool {
	n := 0
	for w := range p.s.Facts {
		if p.s.Facts[w][slot] != 0 {
			n++
		}
	}
	return n >= 2
}

// sum works out what is usual in a week, and in an open hour.
func (p *Profile) sum() {
	sunday := 0.0
	p.perWeek, p.pooled = 0, 0
	for slot := range weekHours {
		rate := p.s.rate(slot, p.cal.given)
		p.perWeek += rate
		if slot >= 6*24 {
			sunday += rate
		}
	}
	p.sundays = !p.cal.given && p.perWeek > 0 && sunday > p.perWeek/14
	if !p.cal.given {
		return
	}
	var hours, moments int
	for slot := range weekHours {
		if !p.cal.opens(slot) {
			continue
		}
		for w := range p.s.Facts {
			if f := p.s.Facts[w][slot]; f != 0 {
				hours++
				moments += count(f)
			}
		}
	}
	// Ten open hours, of which half the rate is believed: noon is not nine.
	if hours >= 10 && moments >= 30 {
		p.pooled = float64(moments) / float64(hours) / 2
	}
}

// learned tells whether anything of the week is known.
func (p *Profile) learned() bool { return p.perWeek > 0 || p.pooled > 0 }

// base is how many usual moments must be missing: e^-margin is the chance that a
// week of calls at random has so long a quiet time.
func (p *Profile) base() float64 {
	return margin + math.Log(max(p.perWeek, 24*p.pooled, 20))
}

// threshold is the evidence that alarms. It grows with the longest quiet times
// that the link has had, all but one, since calls do not come quite at random.
func (p *Profile) threshold() float64 {
	longest := p.s.Longest
	slices.Sort(longest[:])
	return max(p.base(), min(1.6*float64(longest[weeks-2]), 40))
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
