package chaos

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/test/kit"
)

// rows is what ClickHouse has of a link: how often each ticket.
type rows struct {
	calls map[string]int
	aside map[string]int // dead and ignored
	cut   map[string]int // dead, since a connection broke inside of them
}

func (c *chaos) rowsOf(site, link string, key func(string) string) (rows, error) {
	r := rows{make(map[string]int), make(map[string]int), make(map[string]int)}
	err := kit.Rows(c.clickhouse, fmt.Sprintf("SELECT 'call', hex(raw), count() FROM calls WHERE site = '%[1]s' AND link = '%[2]s' GROUP BY raw "+
		"UNION ALL SELECT incomplete, hex(raw), count() FROM other_tickets FINAL WHERE site = '%[1]s' AND link = '%[2]s' AND NOT gone GROUP BY incomplete, raw", site, link),
		func(f []string) {
			raw, _ := hex.DecodeString(f[1])
			n, _ := strconv.Atoi(f[2])
			into := r.aside
			switch f[0] {
			case "call":
				into = r.calls
			case "cut-off":
				into = r.cut
			}
			into[key(string(raw))] += n
		})
	return r, err
}

// difference is a ticket that is not as it should be.
type difference struct {
	site, link, what, raw string
	at                    time.Time // when it was handed over, where it was
	detail                string
	by                    []*process  // who may have read it
	on                    *connection // that carried it; nil: none
}

// account is the outcome of a comparison.
type account struct {
	handed, kept int
	wrong        []difference
	lost         map[string]*loss // in the permitted window, by why the connection ended
	cut          int              // halves that are kept as such
	repeated     int              // frames that a PBX repeated to another reader
	worst        int              // bytes lost on one connection
}

type loss struct{ connections, tickets, bytes int }

// compare holds what the sources handed over against what ClickHouse has.
func (c *chaos) compare() (*account, error) {
	a := &account{lost: make(map[string]*loss)}
	for _, s := range c.sources {
		r, err := c.rowsOf(s.site, s.link, s.key)
		if err != nil {
			return nil, err
		}
		c.compareSource(a, s, r)
	}
	for _, p := range c.pbxs {
		r, err := c.rowsOf(p.site, p.link, func(raw string) string { return raw })
		if err != nil {
			return nil, err
		}
		c.comparePBX(a, p, r)
	}
	return a, nil
}

// compareSource wants every ticket, as often as it was handed over.
func (c *chaos) compareSource(a *account, s *source, r rows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := make(map[string]int)
	at := make(map[string]time.Time)
	for _, x := range s.tickets {
		want[x.raw]++
		at[x.raw] = x.at
	}
	a.handed += len(s.tickets)
	mayRepeat := 0
	if s.repeats {
		mayRepeat = c.ends(s.readers)
	}
	for raw, n := range want {
		got := r.calls[raw] + r.aside[raw]
		a.kept += min(n, got)
		switch {
		case got < n:
			a.wrong = append(a.wrong, difference{s.site, s.link, "missing", raw, at[raw], fmt.Sprintf("%d of %d", got, n), s.readers, nil})
		case got > n && s.repeats && a.repeated+got-n <= mayRepeat:
			a.repeated += got - n
		case got > n:
			a.wrong = append(a.wrong, difference{s.site, s.link, "too often", raw, at[raw], fmt.Sprintf("%d instead of %d", got, n), s.readers, nil})
		}
	}
	for _, m := range []map[string]int{r.calls, r.aside, r.cut} {
		for raw := range m {
			if want[raw] == 0 {
				a.wrong = append(a.wrong, difference{s.site, s.link, "never handed over", raw, time.Time{}, "", nil, nil})
			}
		}
	}
}

// maxLost bounds what one connection may cost, in bytes: the window of what was
// read and not acknowledged, one read beyond it, and the sockets of all who stand
// between.
const maxLost = 256<<10 + 64<<10 + 4*2*(16<<10)

// comparePBX wants of each connection all tickets up to one, and nothing behind
// it; all of them, unless the connection broke or its reader was killed.
func (c *chaos) comparePBX(a *account, p *pbx, r rows) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := make(map[string]bool)
	var fronts []string // what a broken connection's next ticket was
	for _, conn := range p.conns {
		excuse := c.excuse(p, conn)
		first := len(conn.tickets)
		for i, x := range conn.tickets {
			known[x.raw] = true
			got := r.calls[x.raw] + r.aside[x.raw]
			a.handed++
			a.kept += min(got, 1)
			switch {
			case got > 1:
				a.wrong = append(a.wrong, difference{p.site, p.link, "too often", x.raw, x.at, fmt.Sprintf("%d instead of 1", got), p.readers, conn})
			case got == 0:
				first = min(first, i)
				if excuse == "" {
					a.wrong = append(a.wrong, difference{p.site, p.link, "missing", x.raw, x.at, conn.String(), p.readers, conn})
				}
			case i > first:
				a.wrong = append(a.wrong, difference{p.site, p.link, "missing in the middle", conn.tickets[i-1].raw, conn.tickets[i-1].at, conn.String(), p.readers, conn})
				first = len(conn.tickets)
			}
		}
		if first < len(conn.tickets) && excuse != "" {
			l := a.lost[excuse]
			if l == nil {
				l = new(loss)
				a.lost[excuse] = l
			}
			bytes := conn.wrote - conn.tickets[first].begin
			l.connections++
			l.tickets += len(conn.tickets) - first
			l.bytes += bytes
			a.worst = max(a.worst, bytes)
			if bytes > maxLost {
				a.wrong = append(a.wrong, difference{
					p.site, p.link, "too much lost", conn.tickets[first].raw, conn.tickets[first].at,
					fmt.Sprintf("%d bytes of %s, at most %d are permitted", bytes, conn, maxLost), p.readers, conn,
				})
			}
		}
		next := string(conn.half)
		if first < len(conn.tickets) {
			next = conn.tickets[first].raw + lineEnd
		}
		if next != "" {
			fronts = append(fronts, next)
		}
	}
	for _, m := range []map[string]int{r.calls, r.aside} {
		for raw := range m {
			if !known[raw] {
				a.wrong = append(a.wrong, difference{p.site, p.link, "never handed over", raw, time.Time{}, "", nil, nil})
			}
		}
	}
	a.compareHalves(p, r, fronts)
}

// compareHalves wants each cut-off ticket to be the begin of one that a broken
// connection carried, one a connection.
func (a *account) compareHalves(p *pbx, r rows, fronts []string) {
	var halves []string
	for raw, n := range r.cut {
		for range n {
			halves = append(halves, raw)
		}
	}
	slices.SortFunc(halves, func(x, y string) int { return cmp.Compare(len(y), len(x)) })
	for _, half := range halves {
		i := slices.IndexFunc(fronts, func(f string) bool { return strings.HasPrefix(f, half) })
		if i < 0 {
			a.wrong = append(a.wrong, difference{p.site, p.link, "cut off, and no broken connection carried it", half, time.Time{}, "", nil, nil})
			continue
		}
		a.cut++
		fronts = slices.Delete(fronts, i, i+1)
	}
}

func (c *connection) String() string {
	how := "broken"
	if c.orderly {
		how = "ended in order"
	}
	return fmt.Sprintf("connection %s from %s to %s, %s, %d tickets", c.addr, c.began.Format(clock), c.ended.Format(clock), how, len(c.tickets))
}

// excuse is why a connection may have lost its tail; empty: it may not.
func (c *chaos) excuse(p *pbx, conn *connection) string {
	from, to := conn.began, conn.ended.Add(time.Second)
	if conn.ended.IsZero() {
		to = time.Now()
	}
	switch {
	case c.happened(p.readers, "killed", from, to):
		return "reader killed"
	case p.via != nil && p.via.wasCut(conn.addr, from, to):
		return "line cut"
	case c.happened(p.readers, "gave up", from, to.Add(kit.StopWithin)):
		return "reader could not publish before its end, and said so"
	case conn.orderly && c.happened(p.readers, "killed", to, to.Add(publishWithin)):
		return "reader killed after the end, with what it had yet to publish"
	}
	return ""
}

// publishWithin is how long a reader that has ended a connection may take to
// publish what came on it, NATS being away now and then.
const publishWithin = 10 * time.Second
