package load

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

const model = "avaya-ipoffice"

// pbxs are PBXs that connect to us, and as many that we dial.
type pbxs struct {
	all  []*pbx
	sent int
}

type pbx struct {
	id      string
	connect string       // where we listen; empty: it does
	listen  net.Listener // where it does
	came    chan net.Conn
	conn    net.Conn
	tickets []string
}

func newPBXs(t testing.TB, n int) *pbxs {
	t.Helper()
	out := &pbxs{}
	for i := range n {
		p := &pbx{id: fmt.Sprintf("pbx-%04d", i)}
		out.all = append(out.all, p)
		if i < n/2 {
			p.connect = loopback(i + 1)
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.listen, p.came = l, make(chan net.Conn, 1)
		go func() {
			if conn, err := l.Accept(); err == nil {
				p.came <- conn
			}
		}()
	}
	t.Cleanup(func() {
		for _, p := range out.all {
			if p.listen != nil {
				p.listen.Close()
			}
			if p.conn != nil {
				p.conn.Close()
			}
		}
	})
	return out
}

// yaml is the configuration, of ten links a site.
func (s *pbxs) yaml() string {
	var b strings.Builder
	b.WriteString("sites:\n")
	for i, p := range s.all {
		if i%10 == 0 {
			fmt.Fprintf(&b, "  - id: site-%03d\n    timezone: Europe/Paris\n    country: FR\n    links:\n", i/10)
		}
		how := fmt.Sprintf("listen: %q", p.connect)
		if p.listen != nil {
			how = fmt.Sprintf("dial: %q", p.listen.Addr())
		}
		fmt.Fprintf(&b, "      - {id: %s, model: %s, tcp: {%s}}\n", p.id, model, how)
	}
	return b.String()
}

// connect connects the PBXs whose part that is: each again until it is let in.
func (s *pbxs) connect(t testing.TB) {
	t.Helper()
	for _, p := range s.all {
		for end := time.Now().Add(time.Minute); p.listen == nil && p.conn == nil; time.Sleep(time.Millisecond) {
			conn, err := net.Dial("tcp", p.connect)
			if err == nil {
				p.conn = conn
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
}

// awaitDialled waits for the connections that ingest makes.
func (s *pbxs) awaitDialled(t testing.TB) {
	t.Helper()
	deadline := time.After(time.Minute)
	for _, p := range s.all {
		if p.listen == nil {
			continue
		}
		select {
		case p.conn = <-p.came:
		case <-deadline:
			t.Fatalf("%s is not dialled", p.id)
		}
	}
}

// send sends so many tickets of each PBX in each second, evenly.
func (s *pbxs) send(t testing.TB, each, seconds int) {
	t.Helper()
	began := time.Now()
	gap := time.Second / time.Duration(each*len(s.all))
	for n := range seconds * each * len(s.all) {
		time.Sleep(time.Until(began.Add(time.Duration(n) * gap)))
		p := s.all[n%len(s.all)]
		ticket := fmt.Sprintf("2026/11/23 09:15:%02d,00:01:07,4,015550%04d,I,201,01632960100,,0,%d,0,E201,Front desk,T9001,Line 1.1,0,0,,,,,,,,,,,,%s\r\n",
			len(p.tickets)%60, s.sent%10_000, s.sent, p.id)
		if _, err := io.WriteString(p.conn, ticket); err != nil {
			t.Fatalf("%s: %v", p.id, err)
		}
		p.tickets = append(p.tickets, ticket)
		s.sent++
	}
}

// compare wants each ticket exactly once, and in its order.
func (s *pbxs) compare(t testing.TB, got map[string][]string) {
	t.Helper()
	for _, p := range s.all {
		if !slices.Equal(got[p.id], p.tickets) {
			t.Errorf("%s sent %d tickets, %d are stored, or others", p.id, len(p.tickets), len(got[p.id]))
		}
		delete(got, p.id)
	}
	for id := range got {
		t.Errorf("tickets of %s, which sent none", id)
	}
}
