package pbxsim

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Traffic invents the calls of an office of 26 extensions. It is deterministic: the same seed and the same
// instants give the same calls. Not for use by several goroutines.
type Traffic struct {
	zone     *time.Location
	r        *rand.Rand
	contacts []Outside
	seq      uint64
}

// NewTraffic makes a generator whose working hours are those of zone.
func NewTraffic(seed uint64, zone *time.Location) *Traffic {
	if zone == nil {
		zone = time.UTC
	}
	r := rand.New(rand.NewPCG(seed, 0x7261666669637473))
	return &Traffic{zone: zone, r: r, contacts: contacts(r)}
}

// hours is how busy each hour of a working day is.
var hours = [24]float64{
	.02, .01, .01, .01, .01, .02, .05, .2, .8, 1.6, 1.8, 1.6, .6, .8, 1.7, 1.6, 1.5, 1.1, .5, .15, .08, .05, .04, .03,
}

func (t *Traffic) weight(at time.Time) float64 {
	at = at.In(t.zone)
	w := hours[at.Hour()]
	switch at.Weekday() {
	case time.Saturday:
		w *= .1
	case time.Sunday:
		w *= .03
	}
	return w
}

// Period yields exactly n calls that ended between from and to, in the order of their end, thick in working hours
// and thin at night.
func (t *Traffic) Period(from, to time.Time, n int) iter.Seq[Call] {
	return func(yield func(Call) bool) {
		total := 0.0
		for at := from; at.Before(to); at = at.Add(time.Minute) {
			total += t.weight(at)
		}
		done, made := 0.0, 0
		next := func() float64 { return (float64(made) + t.r.Float64()) / float64(n) * total }
		due := next()
		for at := from; at.Before(to) && made < n; at = at.Add(time.Minute) {
			w := t.weight(at)
			for made < n && due < done+w {
				end := at.Add(time.Duration((due - done) / w * float64(time.Minute)))
				if end.After(to) {
					end = to
				}
				if !yield(t.Ending(end)) {
					return
				}
				made++
				due = max(next(), due)
			}
			done += w
		}
		for ; made < n; made++ { // what rounding left over
			if !yield(t.Ending(to)) {
				return
			}
		}
	}
}

// Ending invents a call whose last hang-up is at end, cut down to the second.
func (t *Traffic) Ending(end time.Time) Call {
	t.seq++
	r := t.r
	c := Call{Seq: t.seq, Extension: extension(r.IntN(len(staff))), Line: 1 + r.IntN(8)}
	switch p := r.Float64(); {
	case p < .46:
		t.inbound(&c)
	case p < .82:
		t.outbound(&c)
	case p < .975:
		t.internal(&c)
	default:
		t.transit(&c)
	}
	c.Start = end.UTC().Truncate(time.Second).Add(-c.Ring - c.Talk - c.TransferTalk)
	return c
}

// span is between lo and hi seconds, short ones more often.
func (t *Traffic) span(lo, hi int) time.Duration {
	x := math.Pow(t.r.Float64(), 3)
	return time.Duration(lo+int(x*float64(hi-lo))) * time.Second
}

func (t *Traffic) colleague(not ...Party) Party {
next:
	for {
		p := extension(t.r.IntN(len(staff)))
		for _, n := range not {
			if p.Number == n.Number {
				continue next
			}
		}
		return p
	}
}

func (t *Traffic) outside(foreign float64) Outside {
	list := t.contacts[:len(t.contacts)-15]
	if t.r.Float64() < foreign {
		list = t.contacts[len(t.contacts)-15:]
	}
	if t.r.Float64() < .4 {
		list = t.contacts[:len(firms)]
	}
	return list[t.r.IntN(len(list))]
}

// talk fills in an answered call, at times with a hold and a transfer.
func (t *Traffic) talk(c *Call, longest int, transfer float64) {
	c.Disposition = Answered
	c.Ring = t.span(1, 40)
	c.Talk = t.span(3, longest)
	if t.r.Float64() < .08 {
		c.Hold = min(t.span(4, 90), c.Talk/2).Truncate(time.Second)
	}
	if t.r.Float64() < transfer {
		c.TransferTo = t.colleague(c.Extension)
		c.Hold = t.span(6, 40)
		c.Talk += c.Hold
		c.TransferTalk = t.span(5, longest)
	}
}

func (t *Traffic) inbound(c *Call) {
	r := t.r
	c.Direction = Inbound
	c.External = t.outside(.12)
	if r.Float64() < .08 {
		c.External = Outside{}
	}
	c.DID = did(c.Extension)
	if r.Float64() < .35 {
		c.Group, c.DID = reception, MainNumber
	}
	c.Dialled = c.DID
	switch p := r.Float64(); {
	case p < .72:
		t.talk(c, 900, .10)
		if c.Group != (Party{}) {
			c.Queue = t.span(0, 120)
			c.Ring += c.Queue
		}
	case p < .84:
		c.Disposition, c.Ring = NoAnswer, t.span(3, 60)
	case p < .93 && c.Group == (Party{}):
		c.Disposition, c.Ring, c.Talk = Voicemail, t.span(15, 30), t.span(4, 60)
	case p < .96 && c.Group == (Party{}):
		c.Disposition, c.Ring = Busy, t.span(1, 3)
	case c.Group != (Party{}):
		c.Disposition, c.Ring = Abandoned, t.span(5, 180)
		c.Queue = c.Ring
	default:
		c.Disposition, c.Ring = NoAnswer, t.span(3, 60)
	}
}

func (t *Traffic) outbound(c *Call) {
	r := t.r
	c.Direction = Outbound
	c.External = t.outside(.18)
	c.Dialled = OutsidePrefix + c.External.Number
	if r.Float64() < .12 {
		c.Account = fmt.Sprintf("%d", 4000+r.IntN(60)*10)
	}
	switch p := r.Float64(); {
	case p < .76:
		t.talk(c, 1500, .03)
		if r.Float64() < .004 {
			c.Talk += 2 * time.Hour
		}
		c.Units = 1 + seconds(c.Talk+c.TransferTalk)/45
	case p < .89:
		c.Disposition, c.Ring = NoAnswer, t.span(8, 60)
	case p < .97:
		c.Disposition, c.Ring = Busy, t.span(1, 4)
	default:
		c.Disposition, c.Ring = Failed, t.span(1, 3)
	}
}

func (t *Traffic) internal(c *Call) {
	c.Direction = Internal
	c.Line = 0
	c.Peer = t.colleague(c.Extension)
	c.Dialled = c.Peer.Number
	switch p := t.r.Float64(); {
	case p < .75:
		t.talk(c, 300, 0)
	case p < .90:
		c.Disposition, c.Ring = NoAnswer, t.span(4, 45)
	case p < .96:
		c.Disposition, c.Ring = Busy, t.span(1, 3)
	default:
		c.Disposition, c.Ring, c.Talk = Voicemail, t.span(15, 30), t.span(4, 60)
	}
}

// transit is an extension that sends its calls on to a mobile.
func (t *Traffic) transit(c *Call) {
	c.Direction = Transit
	c.External = t.outside(.1)
	c.DID = did(c.Extension)
	c.Dialled = c.DID
	c.Forward = mobile(c.Extension)
	if t.r.Float64() < .7 {
		t.talk(c, 400, 0)
		c.Hold = 0
	} else {
		c.Disposition, c.Ring = NoAnswer, t.span(10, 40)
	}
}
