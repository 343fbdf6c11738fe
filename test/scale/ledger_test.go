package scale

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// ledger is what all PBXs made, and asks the table for it.
type ledger struct {
	t     *testing.T
	sql   string // host:port
	every int    // one ticket in so many is watched until it can be queried
	links []*link
	named map[string]*link

	mu   sync.Mutex
	lags []lag
}

// unseen tells whether a ticket that was made since then is looked for.
func (g *ledger) unseen(since time.Time) bool {
	for _, l := range g.links {
		l.mu.Lock()
		for n := len(l.made) - 1; n >= 0 && l.made[n] >= since.UnixMilli(); n-- {
			if n%g.every == 0 && !l.seen[n] {
				l.mu.Unlock()
				return true
			}
		}
		l.mu.Unlock()
	}
	return false
}

// lag is how long after it was made a ticket was found by a query.
type lag struct {
	made  int64 // Unix milliseconds
	after time.Duration
}

func newLedger(t *testing.T, sql string, every int) *ledger {
	return &ledger{t: t, sql: sql, every: every, named: make(map[string]*link)}
}

func (g *ledger) link(site, id, model string) *link {
	l := newLink(site, id, model)
	g.links, g.named[l.key()] = append(g.links, l), l
	return l
}

// drive lets calls end, evenly over links and time.
func drive(ctx context.Context, links []*link, rate float64, d time.Duration) {
	began, done := time.Now(), 0
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		now := time.Now()
		for due := int(rate * min(now.Sub(began), d).Seconds()); done < due; done++ {
			links[done%len(links)].make(1, now)
		}
		if now.Sub(began) >= d {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *ledger) made() (n int) {
	for _, l := range g.links {
		l.mu.Lock()
		n += len(l.made)
		l.mu.Unlock()
	}
	return n
}

// lookEvery bounds how exact the lags are: they tell up to so much too much. What is
// older than recent is looked for less often: that query costs more.
const (
	lookEvery  = 500 * time.Millisecond
	recent     = 10 * time.Second
	laterEvery = 10 // looks
)

// watch notes when tickets can be queried, until ctx is done.
func (g *ledger) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			if n%laterEvery == 0 {
				g.look(time.Time{})
			} else {
				g.look(time.Now().Add(-recent))
			}
		case <-ctx.Done():
			return
		}
	}
}

// look looks for tickets that were made since then.
func (g *ledger) look(from time.Time) {
	oldest := int64(0)
	for _, l := range g.links {
		if at, waits := l.oldest(g.every); waits && (oldest == 0 || at < oldest) {
			oldest = at
		}
	}
	if oldest == 0 {
		return
	}
	var found []int64
	// A PBX's clock tells whole seconds.
	since := max(oldest, from.UnixMilli()) - (lasted + time.Second).Milliseconds()
	_ = kit.Rows(g.sql, fmt.Sprintf("SELECT site, link, toUInt32OrZero(extract(raw, '#([0-9]+)#')) AS n FROM cdrs WHERE start_time >= fromUnixTimestamp64Milli(%d) AND n %% %d = 0", since, g.every),
		func(f []string) {
			l := g.named[f[0]+"/"+f[1]]
			n, err := strconv.Atoi(f[2])
			if l == nil || err != nil {
				return // the comparison tells
			}
			if made, first := l.see(n); first {
				found = append(found, made)
			}
		})
	now := time.Now().UnixMilli()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, made := range found {
		g.lags = append(g.lags, lag{made, time.Duration(now-made) * time.Millisecond})
	}
}

// spread is how tickets' lags are spread.
type spread struct {
	n                int
	p50, p99, worst  time.Duration
	within5, within2 float64 // shares
}

// spread is of the tickets that were made in a span of time.
func (g *ledger) spread(from, to time.Time) (s spread) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []time.Duration
	for _, l := range g.lags {
		if l.made >= from.UnixMilli() && l.made < to.UnixMilli() {
			all = append(all, l.after)
		}
	}
	if s.n = len(all); s.n == 0 {
		return s
	}
	slices.Sort(all)
	share := func(d time.Duration) float64 {
		i, _ := slices.BinarySearch(all, d+1)
		return float64(i) / float64(len(all))
	}
	s.p50, s.p99, s.worst = all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	s.within2, s.within5 = share(2*time.Second), share(5*time.Second)
	return s
}

// drain waits until the table has as many calls as were made, or as may be there.
func (g *ledger) drain(most time.Duration) {
	g.t.Helper()
	have, want, risked := 0, g.made(), 0
	for _, l := range g.links {
		risked += len(l.risked)
	}
	for end := time.Now().Add(most); have != want; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			if have < want-risked {
				g.t.Errorf("%d of %d tickets can be queried %s after the last was handed over", have, want, most)
			}
			return
		}
		_ = kit.Rows(g.sql, "SELECT count() FROM calls", func(f []string) { have, _ = strconv.Atoi(f[0]) })
	}
}

// maxTold bounds what a failed comparison prints.
const maxTold = 20

// compare wants each ticket that was made, once, byte for byte, and no other.
func (g *ledger) compare() {
	g.t.Helper()
	had := make(map[*link][]bool, len(g.links))
	for _, l := range g.links {
		had[l] = make([]bool, len(l.made))
	}
	told := 0
	tell := func(format string, args ...any) {
		g.t.Helper()
		if told++; told <= maxTold {
			g.t.Errorf(format, args...)
		}
	}
	err := kit.Rows(g.sql, "SELECT site, link, raw FROM calls", func(f []string) {
		l := g.named[f[0]+"/"+f[1]]
		_, rest, _ := strings.Cut(f[2], "#")
		number, _, _ := strings.Cut(rest, "#")
		n, err := strconv.Atoi(number)
		switch {
		case l == nil || err != nil || n >= len(l.made) || l.ticket(n) != f[2]:
			tell("%s/%s: nobody sent %.200q", f[0], f[1], f[2])
		case had[l][n]:
			tell("%s: ticket %d is there twice", l.key(), n)
		default:
			had[l][n] = true
		}
	})
	if err != nil {
		g.t.Fatal(err)
	}
	missing, permitted := 0, 0
	for _, l := range g.links {
		for n, there := range had[l] {
			switch {
			case there:
			case l.risked[n]:
				permitted++
			default:
				missing++
				tell("%s: ticket %d, made at %s, is missing", l.key(), n, time.UnixMilli(l.made[n]).Format("15:04:05.000"))
			}
		}
	}
	if permitted > 0 {
		g.t.Logf("%d tickets were lost that were written to a connection within %s of its reset: no protocol can take them back", permitted, window)
	}
	if missing > 0 || told > 0 {
		g.t.Errorf("%d tickets are missing, %d differences in all", missing, told)
	}
	if err := kit.Rows(g.sql, "SELECT site, link, outcome, reason, count() FROM other_tickets FINAL WHERE NOT gone GROUP BY ALL", func(f []string) {
		g.t.Logf("set aside: %v", f)
	}); err != nil {
		g.t.Error(err)
	}
}

// await waits for what a query gives.
func (g *ledger) await(query, want string) {
	g.t.Helper()
	got := ""
	kit.Await(g.t, query+" = "+want, func() bool {
		err := kit.Rows(g.sql, query, func(f []string) { got = f[0] })
		return err == nil && got == want
	}, func() string { return "it is " + got })
}
