package table

import (
	"math"
	"time"
)

// ages remembers when keys were first there, by the largest key of each look.
type ages struct{ looks []look }

type look struct {
	newest int64
	at     time.Time
}

// old takes note of the table's largest key, and is the largest one that has been
// there for so long; math.MinInt64 where none has.
func (a *ages) old(newest int64, now time.Time, settle time.Duration) int64 {
	if n := len(a.looks); n == 0 || newest > a.looks[n-1].newest {
		a.looks = append(a.looks, look{newest, now})
	}
	upTo, past := int64(math.MinInt64), 0
	for i, l := range a.looks {
		if now.Sub(l.at) < settle {
			break
		}
		upTo, past = l.newest, i
	}
	a.looks = a.looks[past:]
	return upTo
}
