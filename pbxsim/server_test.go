package pbxsim

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestM3300(t *testing.T) {
	o := options(2000)
	o.Listen, o.Faults = "127.0.0.1:0", Faults{DropEvery: 500, Split: true, TrimBlanks: true}
	var log truth
	log.listen(&o)
	s := newSim(t, mitel3300, o)
	done, _ := running(t, s)
	var got strings.Builder
	conns := 0
	for over := false; !over; conns++ {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil { // gone for good
			break
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		got.WriteString(readAll(t, c))
		c.Close()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
	}
	if got.String() != log.wire("\r\n") || conns < 4 {
		t.Errorf("%d bytes arrived in %d connections", got.Len(), conns)
	}
	// What was cut off is gone: the PBX does not send it again.
	seen, cut := map[uint64]bool{}, 0
	for _, x := range log.sent {
		seen[x.Call.Seq] = true
		if x.Odd == OddCut {
			cut++
		}
	}
	delete(seen, 0)
	if cut < 3 || len(seen) != 2000-cut {
		t.Errorf("%d calls arrived whole, %d cut", len(seen), cut)
	}
}

func TestOneSessionAtATime(t *testing.T) {
	o := Options{Listen: "127.0.0.1:0", Rate: .001}
	s := newSim(t, mitel3300, o)
	done, stop := running(t, s)
	first := dial(t, s.Addr())
	second := dial(t, s.Addr())
	if got := readAll(t, second); got != "" {
		t.Errorf("a second collector got %q", got)
	}
	stop()
	if got := readAll(t, first); got != "" {
		t.Errorf("the first collector got %q", got)
	}
	ended(t, done)
}

// Records wait for the collector, come in a burst, and those of after its return follow.
func TestM3300KeepsWhileNobodyIsThere(t *testing.T) {
	feed := make(chan Ticket)
	o := Options{Listen: "127.0.0.1:0", Feed: fromChan(feed)}
	s := newSim(t, mitel3300, o)
	done, _ := running(t, s)
	for i := range 3 {
		feed <- Ticket{Bytes: fmt.Append(nil, "kept ", i)}
	}
	c := dial(t, s.Addr())
	expect(t, c, "kept 0\r\nkept 1\r\nkept 2\r\n")
	feed <- Ticket{Bytes: []byte("live")}
	expect(t, c, "live\r\n")
	// Leaving in two steps: what a PBX writes before it sees that nobody reads is lost, here as in the field.
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, c); got != "" {
		t.Fatalf("to one who leaves: %q", got)
	}
	feed <- Ticket{Bytes: []byte("later")}
	close(feed)
	for { // the PBX may take a moment to see that the first one left
		again, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, again)
		again.Close()
		if got == "later\r\n" {
			break
		}
		if got != "" {
			t.Fatalf("after the return: %q", got)
		}
	}
	ended(t, done)
}

// Live traffic with a fixed clock is as deterministic as a burst.
func TestLive(t *testing.T) {
	text := func() string {
		o := Options{Listen: "127.0.0.1:0", Rate: 6_000_000, Count: 200, Seed: 9, Zone: paris, Odd: .1, Clock: func() time.Time { return at }}
		s := newSim(t, mitel3300, o)
		done, _ := running(t, s)
		got := readAll(t, dial(t, s.Addr()))
		ended(t, done)
		return got
	}
	first := text()
	if second := text(); first != second || strings.Count(first, "\r\n") < 200 {
		t.Errorf("%d and %d bytes", len(first), len(second))
	}
}

func BenchmarkM3300(b *testing.B) {
	o := options(b.N)
	o.Odd, o.Listen = 0, "127.0.0.1:0"
	s, err := New(mitel3300, o)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(b.Context()) }()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, c)
	c.Close()
	if err := errors.Join(err, <-done); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(n / int64(b.N))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
}
