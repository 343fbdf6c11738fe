package kept

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// sliceRows is how many tickets are held in memory at a time, as nearly as a tick
// allows: a message's tickets have one time of receipt.
const (
	sliceRows = 30_000
	tick      = 100 * time.Millisecond
)

// slice is a span of the time of receipt, in microseconds.
type slice struct {
	from, to int64
	// Calls in it start between these, in milliseconds: the table is ordered by
	// that.
	starts      [2]int64
	calls, rows uint64
}

type ticks struct {
	at     int64
	n      uint64
	starts [2]int64
	calls  bool
}

// slices calls each for the spans of the selection, in order. A day is cut at a
// time, so that years need no memory.
func (r Reader) slices(ctx context.Context, s Selection, each func(slice) error) error {
	days := make(map[int64]bool)
	for _, table := range s.tables() {
		where, err := s.where(table)
		if err != nil {
			return err
		}
		var day proto.ColInt64
		sql := fmt.Sprintf("SELECT DISTINCT toInt64(intDiv(toUnixTimestamp64Micro(received_time), 86400000000)) AS day FROM %s WHERE %s", r.Table(table), where)
		err = r.Conn.Query(ctx, sql, proto.Results{{Name: "day", Data: &day}}, func() error {
			for _, d := range day {
				days[d] = true
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("days of kept tickets: %w", err)
		}
	}
	const micros = int64(24 * time.Hour / time.Microsecond)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		one := s
		one.From = latest(s.From, time.UnixMicro(day*micros))
		one.To = earliest(s.To, time.UnixMicro((day+1)*micros))
		list, err := r.day(ctx, one)
		if err != nil {
			return err
		}
		for _, sl := range list {
			if err := each(sl); err != nil {
				return err
			}
		}
	}
	return nil
}

// day cuts one day.
func (r Reader) day(ctx context.Context, s Selection) ([]slice, error) {
	var all []ticks
	for _, table := range s.tables() {
		where, err := s.where(table)
		if err != nil {
			return nil, err
		}
		starts := "toInt64(0) AS first, toInt64(0) AS last"
		if table == calls {
			starts = "toUnixTimestamp64Milli(min(start_time)) AS first, toUnixTimestamp64Milli(max(start_time)) AS last"
		}
		var at, first, last proto.ColInt64
		var n proto.ColUInt64
		sql := fmt.Sprintf("SELECT toInt64(intDiv(toUnixTimestamp64Micro(received_time), %d)) AS at, count() AS n, %s FROM %s WHERE %s GROUP BY at", tick.Microseconds(), starts, r.Table(table), where)
		err = r.Conn.Query(ctx, sql, proto.Results{{Name: "at", Data: &at}, {Name: "n", Data: &n}, {Name: "first", Data: &first}, {Name: "last", Data: &last}}, func() error {
			for i := range at.Rows() {
				all = append(all, ticks{at[i], n[i], [2]int64{first[i], last[i]}, table == calls})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("kept tickets of a day: %w", err)
		}
	}
	return cutSlices(all, s), nil
}

func cutSlices(all []ticks, s Selection) []slice {
	slices.SortFunc(all, func(a, b ticks) int { return cmp.Compare(a.at, b.at) })
	var out []slice
	at := int64(0)
	for i, t := range all {
		last := len(out) - 1
		if i == 0 || t.at != at && out[last].rows+t.n > sliceRows {
			out = append(out, slice{from: t.at * tick.Microseconds()})
			last++
		}
		at = t.at
		o := &out[last]
		o.to = (t.at + 1) * tick.Microseconds()
		if t.calls {
			if o.calls == 0 {
				o.starts = t.starts
			}
			o.starts = [2]int64{min(o.starts[0], t.starts[0]), max(o.starts[1], t.starts[1])}
			o.calls += t.n
		}
		o.rows += t.n
	}
	for i := range out {
		if !s.From.IsZero() {
			out[i].from = max(out[i].from, s.From.UnixMicro())
		}
		if !s.To.IsZero() {
			out[i].to = min(out[i].to, s.To.UnixMicro())
		}
	}
	return out
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earliest is the earlier of two times, of which the first may be zero: none.
func earliest(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}
