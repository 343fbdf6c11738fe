package pbxsim

import (
	"io"
	"iter"
	"net"
	"strings"
	"testing"
	"time"
)

func TestIPOfficeDials(t *testing.T) {
	for name, f := range map[string]Faults{
		"friendly": {},
		"split":    {Split: true},
		"drops":    {DropEvery: 50, Terminator: "\n"},
		"all":      {Split: true, DropEvery: 70, Terminator: "\r\n\x00\x00", PauseEvery: 100, Pause: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			ln := listen(t, "127.0.0.1:0")
			o := options(300)
			o.Addr, o.Faults = ln.Addr().String(), f
			var log truth
			log.listen(&o)
			done, _ := running(t, newSim(t, avayaIPOffice, o))
			got, conns := collect(t, ln, done)
			terminator := f.Terminator
			if terminator == "" {
				terminator = "\r\n"
			}
			if want := log.wire(terminator); got != want {
				t.Fatalf("%d bytes arrived of %d", len(got), len(want))
			}
			cut, whole := 0, map[string]bool{}
			for _, x := range log.sent {
				if x.Odd == OddCut {
					cut++
				} else {
					whole[string(x.Bytes)] = true
				}
			}
			if (f.DropEvery > 0) != (cut > 3) || conns < cut {
				t.Errorf("%d records cut in %d connections", cut, conns)
			}
			o.Addr = ""
			all, err := Tickets(avayaIPOffice, o)
			if err != nil {
				t.Fatal(err)
			}
			for x := range all {
				if !whole[string(x.Bytes)] {
					t.Errorf("never sent whole: %q", x.Bytes)
				}
			}
		})
	}
}

// With nobody there, the real one tries again only when the next call ends.
func TestIPOfficeRetriesWithTheNextRecord(t *testing.T) {
	gone := listen(t, "127.0.0.1:0")
	addr := gone.Addr().String()
	gone.Close()
	feed := make(chan Ticket)
	o := Options{Addr: addr, Feed: fromChan(feed)}
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, avayaIPOffice, o))
	feed <- Ticket{Bytes: []byte("one"), Want: WantDead}
	feed <- Ticket{Bytes: []byte("two"), Want: WantDead}
	// The attempt for the second may still be under way; it must not be repeated.
	ln := listen(t, addr)
	if err := ln.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	early := ""
	if c, err := ln.Accept(); err == nil {
		b := make([]byte, len("one\r\ntwo\r\n"))
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		early = string(b)
		defer c.Close()
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		readAll(t, c)
	}
	if err := ln.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go func() {
		feed <- Ticket{Bytes: []byte("three"), Want: WantDead}
		close(feed)
	}()
	got, _ := collect(t, ln, done)
	if early+got != "one\r\ntwo\r\nthree\r\n" {
		t.Errorf("arrived: %q, then %q", early, got)
	}
}

func fromChan(c <-chan Ticket) iter.Seq[Ticket] {
	return func(yield func(Ticket) bool) {
		for x := range c {
			if !yield(x) {
				return
			}
		}
	}
}

func TestIPOfficeOverwritesTheOldest(t *testing.T) {
	gone := listen(t, "127.0.0.1:0")
	addr := gone.Addr().String()
	gone.Close()
	o := Options{Addr: addr, Seed: 2, Rate: 60_000_000, Count: 700, Clock: func() time.Time { return at }}
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, avayaIPOffice, o))
	total, traffic, enc := 0, NewTraffic(2, time.UTC), encoderOf(t, avayaIPOffice, Options{})
	for range o.Count {
		total += len(enc.encode(traffic.Ending(at)))
	}
	await(t, func() bool { _, lost := log.count(); return lost == total-500 })
	got, _ := collect(t, listen(t, addr), done)
	lines := strings.Count(got, "\r\n")
	if sent, lost := log.count(); sent != lines || sent != 500 || lost != total-500 {
		t.Errorf("%d arrived, %d sent, %d lost", lines, sent, lost)
	}
	if first := log.lost[0].Call.Seq; first != 1 {
		t.Errorf("the first lost is call %d", first)
	}
}

func TestIPOfficeListens(t *testing.T) {
	o := options(100)
	o.Listen = "127.0.0.1:0"
	var log truth
	log.listen(&o)
	s := newSim(t, avayaIPOffice, o)
	done, _ := running(t, s)
	if got := readAll(t, dial(t, s.Addr())); got != log.wire("\r\n") || len(got) < 5000 {
		t.Errorf("%d bytes arrived", len(got))
	}
	ended(t, done)
}
