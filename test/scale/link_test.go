package scale

import (
	"fmt"
	"sync"
	"time"
)

// Models of the links: one speaks on a socket, the other writes a log.
const (
	speaks = "avaya-ipoffice"
	writes = "asterisk"
)

// zone is the sites'.
const zone = "Europe/London"

var london = func() *time.Location {
	z, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	return z
}()

// link is a PBX: the tickets that it made, that it handed over, and that can be
// queried. Its ticket is told by its serial number and when it was made.
type link struct {
	site, id, model string
	wake            chan struct{}

	mu     sync.Mutex
	made   []int64 // Unix milliseconds, by serial
	handed int
	seen   []bool // by serial, of those that are sampled
	low    int    // the first serial that may not have been seen
	risked map[int]bool
}

func newLink(site, id, model string) *link {
	return &link{site: site, id: id, model: model, wake: make(chan struct{}, 1)}
}

func (l *link) key() string { return l.site + "/" + l.id }

// make lets n calls end.
func (l *link) make(n int, now time.Time) {
	l.mu.Lock()
	for range n {
		l.made = append(l.made, now.UnixMilli())
		l.seen = append(l.seen, false)
	}
	l.mu.Unlock()
	l.poke()
}

// poke says that there may be something to hand over.
func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// takes is how many tickets are taken at once: a message holds no more.
const takes = 500

// take returns tickets that are not handed over, each with its end.
func (l *link) take() (tickets []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := l.handed; n < min(l.handed+takes, len(l.made)); n++ {
		tickets = append(tickets, l.ticket(n)+l.end())
	}
	return tickets
}

// gave says that n more are handed over, and which is the next.
func (l *link) gave(n int) (next int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handed += n
	return l.handed
}

// risk says that the last tickets, from a serial on, were written to a connection
// that was reset: whether they were read nobody can know.
func (l *link) risk(from int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.risked == nil {
		l.risked = make(map[int]bool)
	}
	for n := from; n < l.handed; n++ {
		l.risked[n] = true
	}
}

func (l *link) end() string {
	if l.model == writes {
		return "\n"
	}
	return "\r\n"
}

// lasted is from the begin of a call to its ticket.
const lasted = 11 * time.Second

// ticket is the n-th, without its end; mu is held. It tells its number as #n#.
func (l *link) ticket(n int) string {
	at := time.UnixMilli(l.made[n]).In(london)
	begin := at.Add(-lasted)
	if l.model == writes {
		const stamp = "2006-01-02 15:04:05"
		return fmt.Sprintf(`"","01632960%03[1]d","201","from-trunk","""#%[2]d#"" <01632960%03[1]d>","PJSIP/carrier-00000001","PJSIP/201-00000002","Dial","PJSIP/201,30","%[3]s","%[4]s","%[5]s",11,7,"ANSWERED","DOCUMENTATION","%[6]d.%[2]d","%[7]s"`,
			n%1000, n, begin.Format(stamp), begin.Add(4*time.Second).Format(stamp), at.Format(stamp), begin.Unix(), l.key())
	}
	return fmt.Sprintf("%s,00:00:07,4,01632960%03d,I,201,01632960100,,0,%[3]d,0,E201,#%[3]d#,T9001,Line 1.1,0,0,,,,,,,,,,,,%[4]s",
		begin.Format("2006/01/02 15:04:05"), n%1000, n, l.key())
}

// oldest is when the oldest ticket was made that was looked for and not found: one in
// every is.
func (l *link) oldest(every int) (at int64, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.low < len(l.made) && (l.low%every != 0 || l.seen[l.low]) {
		l.low++
	}
	if l.low == len(l.made) {
		return 0, false
	}
	return l.made[l.low], true
}

// see notes that a ticket can be queried; the first time it tells when it was made.
func (l *link) see(n int) (at int64, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= len(l.made) || l.seen[n] {
		return 0, false
	}
	l.seen[n] = true
	return l.made[n], true
}
