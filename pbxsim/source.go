package pbxsim

import (
	"bytes"
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// encoder renders calls as one vendor prints them.
type encoder interface {
	encode(Call) []Ticket
	// odd renders an odd line dated like c; false where the vendor has none of this sort. What is odd about a call
	// itself (OddComma, OddMasked) has no line of its own: true only says that encode prints it.
	odd(kind Odd, c Call) (Ticket, bool)
}

var oddLines = []Odd{OddHead, OddEvent, OddBlank, OddGarbage, OddLong, OddComma, OddMasked}

// oddity is the second dice, so that calls are the same with and without odd lines.
type oddity struct {
	r     *rand.Rand
	share float64
}

func (o Options) oddity() oddity {
	return oddity{rand.New(rand.NewPCG(o.Seed, 0x6f6464)), o.Odd}
}

// tickets renders one call, now and then with an odd line before it.
func (d oddity) tickets(enc encoder, c Call) []Ticket {
	if d.r.Float64() >= d.share {
		return enc.encode(c)
	}
	var odd []Ticket
	kind := oddLines[d.r.IntN(len(oddLines))]
	mark := Odd("")
	switch kind {
	case OddComma, OddMasked:
		if _, ok := enc.odd(kind, c); ok && (c.Direction == Inbound && kind == OddComma || c.Direction == Outbound) {
			mark = kind
		}
	default:
		if t, ok := enc.odd(kind, c); ok {
			t.Odd = kind
			odd = append(odd, t)
		}
	}
	switch mark {
	case OddComma:
		c.Extension.Name = "Le Goff, Maëlle"
	case OddMasked:
		c.External.Masked = true
	}
	for _, t := range enc.encode(c) {
		if t.Call.External.Masked || strings.Contains(t.Call.Extension.Name, ",") {
			t.Odd = mark
		}
		odd = append(odd, t)
	}
	return odd
}

func (o Options) burst(enc encoder) iter.Seq[Ticket] {
	return func(yield func(Ticket) bool) {
		d := o.oddity()
		for c := range NewTraffic(o.Seed, o.Zone).Period(o.From, o.To, o.Count) {
			for _, t := range d.tickets(enc, c) {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// produce emits what the options ask for until that ends or ctx is done. The tickets of one call come together.
func (o Options) produce(ctx context.Context, enc encoder, emit func(context.Context, ...Ticket) error) error {
	if o.Feed != nil || o.Burst {
		feed := o.Feed
		if feed == nil {
			feed = o.burst(enc)
		}
		for t := range feed {
			if err := emit(ctx, o.Faults.trim(t)); err != nil {
				return err
			}
		}
		return nil
	}
	traffic, d := NewTraffic(o.Seed, o.Zone), o.oddity()
	pace := rand.New(rand.NewPCG(o.Seed, 0x70616365))
	for n := 0; o.Count == 0 || n < o.Count; n++ {
		wait := time.Duration(pace.ExpFloat64() / o.Rate * float64(time.Minute))
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		ts := d.tickets(enc, traffic.Ending(o.Clock()))
		for i := range ts {
			ts[i] = o.Faults.trim(ts[i])
		}
		if err := emit(ctx, ts...); err != nil {
			return err
		}
	}
	return nil
}

// waits tells whether the wire may hold the traffic back: a live PBX overwrites instead.
func (o Options) waits() bool { return o.Burst || o.Feed != nil }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// garbage is a line that begins as a ticket would and goes on as noise.
func garbage(kind Odd, start string, width int) (Ticket, bool) {
	const noise = "~#@&?^~!$%{}[]=;_"
	switch kind {
	case OddGarbage:
		return dead(start + strings.Repeat(noise, 3)), true
	case OddLong:
		return dead(start + strings.Repeat(noise, (12*width)/len(noise))), true
	case OddBlank:
		return Ticket{Bytes: []byte{}, Want: WantIgnored, Odd: OddBlank}, true
	}
	return Ticket{}, false
}

func dead(line string) Ticket { return Ticket{Bytes: []byte(line), Want: WantDead, Odd: OddGarbage} }

// columns is a line of fixed columns, 1-based as the vendors count.
type columns []byte

func newColumns(width int) columns { return bytes.Repeat([]byte{' '}, width) }

// put writes s from column at, cut to width.
func (c columns) put(at, width int, s string) {
	copy(c[at-1:at-1+width], s)
}

// right writes s so that it ends in column at+width-1.
func (c columns) right(at, width int, s string) {
	if len(s) > width {
		s = s[len(s)-width:]
	}
	copy(c[at-1+width-len(s):], s)
}
