package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// weather is what happens on the wire of one link.
type weather struct {
	name, model string
	// wire is the link's YAML behind the model; {addr} is where the PBX listens, or
	// we do where the PBX comes to us.
	wire string
	// talk is the PBX's side of its n-th connection, from 1; more tells whether it
	// wants another. Behind the last one it stays connected.
	talk func(p *peer, n int) (more bool)
	// says is what `trunkline status` must tell of the link at some time.
	says []string
	// whole compares what is kept of a link whose pieces are not known before.
	whole func(t *testing.T, all map[kept]int)
	// future is how many calls are warned of as beginning in the future.
	future int
	// apart is the file of the link's site, where it has one of its own.
	apart func(password, addr string) string

	addr   string
	over   chan struct{} // closed when the weather is
	finish func()        // closes over

	mu   sync.Mutex
	want map[kept]int
	n    int
	sent int
}

// kept is what the ledger has of a ticket: as CALL, or as the reason why not.
type kept struct{ as, raw string }

// keeps says what the ledger must have of what is sent.
func (w *weather) keeps(as string, raw ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range raw {
		w.want[kept{as, r}]++
		w.n++
	}
}

func (w *weather) wanted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// dials tells a wire on which we go to the PBX.
func (w *weather) dials() bool { return strings.Contains(w.wire, "dial:") }

// season is one running program under all weathers.
type season struct {
	t  *testing.T
	in *kit.Instance
	o  *operator

	mu     sync.Mutex
	counts map[string]int    // tickets in the ledger by link
	asking atomic.Int32      // how many wait for what status tells
	heard  map[string]string // all that status ever told, by link
	calm   chan struct{}     // closed when the weather is over
	over   chan struct{}     // closed when all is
}

// peer is the PBX's side of a connection.
type peer struct {
	net.Conn
	*weather
	s *season
}

// gaveUp ends a PBX whose test has failed already.
var errGaveUp = errors.New("gave up")

func (p *peer) fatalf(format string, args ...any) {
	p.s.t.Errorf(p.name+": "+format, args...)
	panic(errGaveUp)
}

// say sends, as far as the other side takes it.
func (p *peer) say(parts ...string) {
	for _, part := range parts {
		p.tries(part)
	}
}

// tries sends, and tells whether the other side took it.
func (p *peer) tries(part string) bool {
	n, err := io.WriteString(p, part)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += n
	return err == nil
}

func (p *peer) sentBytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// calls says that tickets are to become calls, and gives them.
func (w *weather) calls(raw ...string) []string {
	w.keeps("CALL", raw...)
	return raw
}

// drip sends a byte at a time.
func (p *peer) drip(text string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range len(text) {
		p.say(text[i : i+1])
		<-tick.C
	}
}

// hears waits for what the other side has to say.
func (p *peer) hears(want string) {
	got := make([]byte, len(want))
	p.SetReadDeadline(time.Now().Add(time.Minute))
	defer p.SetReadDeadline(time.Time{})
	if n, err := io.ReadFull(p, got); string(got) != want {
		p.fatalf("heard %q, want %q: %v", got[:n], want, err)
	}
}

// reset ends the connection as a crash does.
func (p *peer) reset() {
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
}

// await waits for a condition.
func (p *peer) await(what string, ok func() bool) {
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
		if closed(p.s.over) {
			panic(errGaveUp)
		}
	}
	p.fatalf("it did not happen within 40 s: %s", what)
}

// arrived waits until the ledger has all that was sent so far.
func (p *peer) arrived() {
	p.await(fmt.Sprintf("%d tickets are kept", p.wanted()), func() bool {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		return p.s.counts[p.name] >= p.wanted()
	})
}

// isTold waits until status tells something of the link.
func (p *peer) isTold(texts ...string) {
	p.s.asking.Add(1)
	defer p.s.asking.Add(-1)
	for _, text := range texts {
		p.await(fmt.Sprintf("status tells %q", text), func() bool {
			p.s.mu.Lock()
			defer p.s.mu.Unlock()
			return strings.Contains(p.s.heard[p.name], text)
		})
	}
}

// untilClosed waits for the other side's end.
func (p *peer) untilClosed() { io.Copy(io.Discard, p) }

var aboutLink = regexp.MustCompile(`(?m)^[a-z]+/([a-z0-9-]+): (.*)$`)

// watch looks at the ledger, and asks for the status while somebody waits for it.
func (s *season) watch(look func(at time.Time, counts map[string]int)) {
	var all sync.WaitGroup
	all.Go(func() {
		for !closed(s.over) {
			out, err := s.in.Query("SELECT link, toUInt32(sum(n)) FROM (SELECT link, count() AS n FROM calls GROUP BY link UNION ALL SELECT link, count() FROM other_tickets FINAL GROUP BY link) GROUP BY link")
			now, counts := time.Now(), make(map[string]int)
			for line := range strings.Lines(out) {
				var link string
				var n int
				if _, err := fmt.Sscan(line, &link, &n); err == nil {
					counts[link] = n
				}
			}
			if err == nil {
				s.mu.Lock()
				s.counts = counts
				s.mu.Unlock()
				look(now, counts)
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	all.Go(func() {
		for !closed(s.over) {
			if s.asking.Load() > 0 {
				s.ask()
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	all.Wait()
}

func (s *season) ask() {
	out, err := s.o.try("status")
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range aboutLink.FindAllStringSubmatch(out, -1) {
		if !strings.Contains(s.heard[m[1]], m[2]) {
			s.heard[m[1]] += m[2] + "\n"
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// listens is a PBX that we dial: one connection after the other.
func (s *season) listens(w *weather) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	w.addr = l.Addr().String()
	var serving sync.WaitGroup
	s.t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		defer s.gaveUp(w)
		for n, more := 1, true; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.t.Cleanup(func() { c.Close() })
			if !more {
				continue // it is kept, and silent
			}
			if more = w.talk(&peer{c, w, s}, n); more {
				c.Close()
			} else {
				w.finish()
			}
		}
	})
}

// comes is a PBX that comes to us; over UDP it makes its own sockets.
func (s *season) comes(w *weather) {
	defer s.gaveUp(w)
	for n, more := 1, true; more; n++ {
		if strings.HasPrefix(w.wire, "tftp") {
			more = w.talk(&peer{weather: w, s: s}, n)
			continue
		}
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			s.t.Errorf("%s: %v", w.name, err)
			break
		}
		s.t.Cleanup(func() { c.Close() })
		if more = w.talk(&peer{c, w, s}, n); more {
			c.Close()
		}
	}
	w.finish()
}

func (s *season) gaveUp(w *weather) {
	if r := recover(); r == errGaveUp {
		w.finish()
	} else if r != nil {
		panic(r)
	}
}

// act does something in the place of a PBX.
func (s *season) act(w *weather, what func(*peer)) {
	defer s.gaveUp(w)
	what(&peer{weather: w, s: s})
}

func (s *season) heardOf(w *weather) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[w.name]
}

// maxTold is how many tickets of a link are told that are missing, or too many.
const maxTold = 5

// ledger compares what is kept of a link with what was sent.
func (s *season) ledger(t *testing.T, w *weather) {
	t.Helper()
	var got map[kept]int
	have := func() bool {
		out, err := s.in.Query("SELECT 'CALL', hex(raw) FROM calls WHERE link = '" + w.name + "' UNION ALL SELECT reason, hex(raw) FROM other_tickets FINAL WHERE link = '" + w.name + "'")
		if err != nil {
			return false
		}
		got = make(map[kept]int)
		for line := range strings.Lines(out) {
			as, raw, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			got[kept{as, unhex(raw)}]++
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.whole != nil || maps.Equal(got, w.want)
	}
	for end := time.Now().Add(15 * time.Second); !have() && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.whole != nil {
		w.whole(t, got)
		return
	}
	if n := s.in.Count("SELECT count() FROM calls WHERE link = '" + w.name + "' AND position(warnings, 'FUTURE_START') > 0"); n != w.future {
		t.Errorf("%d calls are warned of as in the future, want %d", n, w.future)
	}
	wrong := 0
	for k, n := range w.want {
		if got[k] < n && wrong < maxTold {
			wrong++
			t.Errorf("%d of %d missing: %s %.200q", n-got[k], n, k.as, k.raw)
		}
	}
	for k, n := range got {
		if n > w.want[k] && wrong < 2*maxTold {
			wrong++
			t.Errorf("%d too many: %s %.200q", n-w.want[k], k.as, k.raw)
		}
	}
}
