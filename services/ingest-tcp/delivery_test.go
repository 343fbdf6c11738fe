package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-tcp/internal/window"
)

func TestNATSAwayAtTheStart(t *testing.T) {
	r := newRig(t, true)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	if err := r.log.unhealthy(); err == nil {
		t.Error("ready without NATS")
	}
	want, text := numbered(0, 8000)
	c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	// The writer's own send buffer takes most of what goes.
	c.SetWriteBuffer(16 << 10)
	n, err := io.WriteString(c, text)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes went to nobody: %v", n, err)
	}
	if got := s.results(t, "accepted"); got != 0 {
		t.Errorf("%d connections accepted without NATS", got)
	}
	t.Logf("%d bytes wait in the kernel", n)
	r.start()
	c.SetWriteDeadline(time.Time{})
	send(t, c, text[n:])
	same(t, r.awaitLines(len(want)), want)
	if err := r.log.unhealthy(); err != nil {
		t.Error(err)
	}
}

// Stopped before NATS has answered: a PBX stands in the kernel, and has sent
// tickets. They are published when NATS comes in time, and else are told of.
func TestStoppedWithoutNATS(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprintf("comes=%v", comes), func(t *testing.T) {
			r := newRig(t, true)
			s := r.service(listening("a"))
			if !comes {
				s.timing.grace = 100 * time.Millisecond
			}
			stop := r.run(s)
			c := connect(t, s, "a")
			want, text := numbered(0, 25)
			send(t, c, text)
			stopped := make(chan struct{})
			go func() { defer close(stopped); stop() }()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the PBX is told %v, want an end in good order", err)
			}
			c.Close()
			if comes {
				r.start()
			}
			<-stopped
			if comes {
				whole, incomplete := r.lines()
				same(t, whole, want)
				same(t, incomplete, nil)
			} else if told := r.log.String(); !strings.Contains(told, fmt.Sprintf("bytes=%d", len(text))) {
				t.Errorf("nobody is told of %d bytes: %s", len(text), told)
			}
		})
	}
}

func TestNATSRestartsInTheFlow(t *testing.T) {
	r := newRig(t, true)
	r.start()
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	want, text := numbered(0, 20_000)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- err
	}()
	await(t, "the flow", func() bool { return s.Links()[0].Tickets > 2000 })
	r.stop()
	r.start()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	await(t, "the tickets", func() bool { return s.Links()[0].Tickets == uint64(len(want)) })
	whole, incomplete := r.lines()
	same(t, whole, want)
	same(t, incomplete, nil)
}

// loseNATS connects a PBX, and ends NATS when the first of its lines is stored.
func (r *rig) loseNATS(s *Service, lines int) (c *net.TCPConn, want []string, rest string) {
	r.t.Helper()
	c = connect(r.t, s, "a")
	want, text := numbered(0, lines)
	first := strings.Index(text, "\n") + 1
	send(r.t, c, text[:first])
	r.awaitLines(1)
	r.stop()
	await(r.t, "the loss of NATS", func() bool { return !r.bus.Conn.IsConnected() })
	return c, want, text[first:]
}

// While NATS is away a PBX waits; what one crash would lose stays small.
func TestNATSAwayInTheFlow(t *testing.T) {
	r := newRig(t, true)
	r.start()
	s := r.service(listening("a"))
	r.run(s)
	c, want, rest := r.loseNATS(s, 8000)
	c.SetWriteBuffer(16 << 10)
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := io.WriteString(c, rest)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes went to nobody: %v", n, err)
	}
	l := s.links[0]
	l.mu.Lock()
	for one := range l.peers {
		if held := one.window.Held(); held == 0 || held > 40<<10 {
			t.Errorf("%d bytes are read and not published", held)
		}
	}
	l.mu.Unlock()
	r.start()
	c.SetWriteDeadline(time.Time{})
	send(t, c, rest[n:])
	same(t, r.awaitLines(len(want)), want)
}

// We end while NATS is away: what the PBX has sent is read to the last byte, and
// is published if NATS comes back in time; else it is counted.
func TestEndWhileNATSIsAway(t *testing.T) {
	for name, back := range map[string]bool{"comes back": true, "stays away": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, true)
			r.start()
			s := r.service(listening("a"))
			s.timing.drain = 2 * time.Second
			if !back {
				s.timing.grace = 3 * time.Second
			}
			stop := r.run(s)
			c, want, rest := r.loseNATS(s, 8000)
			c.SetWriteBuffer(16 << 10)
			c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			n, err := io.WriteString(c, rest)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%d bytes went to nobody: %v", n, err)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); stop() }()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the PBX does not see that we end: %v", err)
			}
			if back {
				r.start()
			}
			<-ended
			lost := value(t, s.metrics.lost, nil)
			if !back {
				if lost != float64(n) {
					t.Errorf("%v bytes are said to be lost of %d", lost, n)
				}
				return
			}
			whole, _ := r.lines()
			same(t, whole, want[:1+strings.Count(rest[:n], "\n")])
			if lost != 0 {
				t.Errorf("%v bytes are lost", lost)
			}
		})
	}
}

// NATS is away for longer than a PBX is waited for, and more has come than is read
// ahead: the rest is read from the socket when NATS is back.
func TestEndWithAFullWindow(t *testing.T) {
	r := newRig(t, true)
	r.start()
	s := r.service(listening("a"))
	s.timing.drain = 50 * time.Millisecond
	s.timing.grace = time.Minute
	stop := r.run(s)
	c, want, rest := r.loseNATS(s, 10_000)
	c.SetWriteBuffer(4 << 20)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, rest)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	ended := make(chan struct{})
	begin := time.Now()
	go func() { defer close(ended); stop() }()
	await(t, "a full window", func() bool {
		l := s.links[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		for one := range l.peers {
			return one.window.Held() >= window.MaxBytes && time.Since(begin) > 2*s.timing.drain
		}
		return false
	})
	r.start()
	<-ended
	if err := <-sent; err != nil {
		t.Error(err)
	}
	whole, incomplete := r.lines()
	same(t, whole, want)
	same(t, incomplete, nil)
	if lost := value(t, s.metrics.lost, nil); lost != 0 {
		t.Errorf("%v bytes are lost", lost)
	}
}

// A process that was held for longer than its deadline has not looked yet.
func TestReadAfterTheDeadline(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go io.WriteString(there, "ticket")
	b := make([]byte, 64)
	read := func() (int, error) {
		here.SetReadDeadline(time.Unix(1, 0))
		return patient{here}.Read(b)
	}
	await(t, "the ticket", func() bool { n, _ := read(); return string(b[:n]) == "ticket" })
	if n, err := read(); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", b[:n], err)
	}
}

// A PBX that sends in the moment in which its silence has been too long.
func TestIdleInTheFlow(t *testing.T) {
	r := newRig(t, false)
	s := r.service(newLink("a", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0", Idle: config.Duration(50 * time.Millisecond)}))
	r.run(s)
	c := connect(t, s, "a")
	want, text := numbered(0, 2)
	first := strings.Index(text, "\n") + 1
	send(t, c, text[:first])
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the PBX is told %v, want an end in good order", err)
	}
	send(t, c, text[first:])
	c.Close()
	same(t, r.awaitLines(2), want)
	await(t, "the end", func() bool { return s.results(t, "closed_idle") == 1 })
}

// A PBX that looks whether we hang up loses nothing when we end.
func TestShutdownInTheFlow(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	stop := r.run(s)
	c := connect(t, s, "a")
	hungUp := make(chan struct{})
	go func() {
		c.Read(make([]byte, 1))
		close(hungUp)
	}()
	var want []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.Close()
		for {
			lines, text := numbered(len(want), 10)
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
				return
			}
			want = append(want, lines...)
			select {
			case <-hungUp:
				return
			default:
			}
		}
	}()
	await(t, "the flow", func() bool { return s.Links()[0].Tickets > 500 })
	stop()
	<-done
	whole, incomplete := r.lines()
	same(t, whole, want)
	same(t, incomplete, nil)
}

// One that does not look is cut, every line that was read is there, and what was
// not is told of.
func TestShutdownAgainstADeafPBX(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	s.timing.drain = 50 * time.Millisecond
	stop := r.run(s)
	c := connect(t, s, "a")
	want, text := numbered(0, 50_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}()
	await(t, "the flow", func() bool { return s.Links()[0].Tickets > 500 })
	stop()
	<-done
	whole, incomplete := r.lines()
	if len(incomplete) > 1 {
		t.Errorf("%d incomplete", len(incomplete))
	}
	for i, line := range whole {
		if line != want[i%len(want)] {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if got := uint64(len(whole) + len(incomplete)); got != s.Links()[0].Tickets {
		t.Errorf("%d tickets stored, %d counted", got, s.Links()[0].Tickets)
	}
	if value(t, s.metrics.lost, nil) == 0 || !strings.Contains(r.log.String(), "lost here") {
		t.Error("nobody is told of what was not read")
	}
}

func TestRefusedMessagesAreKept(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	send(t, c, "small\r\n")
	r.awaitLines(1)
	limit := func(bytes int32) {
		t.Helper()
		stream, err := r.bus.JS.Stream(t.Context(), wire.StreamTickets)
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxMsgSize = bytes
		if _, err := r.bus.JS.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	limit(1000)
	large := strings.Repeat("x", 2000)
	send(t, c, large+"\r\n")
	await(t, "refusal", func() bool { return value(t, s.metrics.refused, nil) > 1 })
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stays open")
	}
	if _, err := connect(t, s, "a").Read(make([]byte, 1)); err == nil {
		t.Error("the link takes more")
	}
	if err := r.log.unhealthy(); err == nil || !strings.Contains(err.Error(), "lyon/a") || !strings.Contains(err.Error(), "max_msg_size") {
		t.Errorf("health: %v", err)
	}
	if s.Links()[0].Err == nil {
		t.Error("the link's state says nothing")
	}
	limit(-1)
	same(t, r.awaitLines(2), []string{"small", large})
	await(t, "health", func() bool { return r.log.unhealthy() == nil })
	send(t, connect(t, s, "a"), "next\r\n")
	r.awaitLines(3)
}

func TestPublishingNeverEndsBeforeTheGrace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, release := later(ctx, 20*time.Millisecond)
	defer release()
	cancel()
	if out.Err() != nil {
		t.Error("it ended with its parent")
	}
	<-out.Done()
}

func BenchmarkOneConnection(b *testing.B) {
	r := newRig(b, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(b, s, "a")
	const lines = 10_000
	_, text := numbered(0, lines)
	sent := uint64(0)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		send(b, c, text)
		sent += lines
		for s.Links()[0].Tickets < sent {
			time.Sleep(100 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "tickets/s")
}

func BenchmarkOneTicket(b *testing.B) {
	r := newRig(b, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(b, s, "a")
	sent := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		send(b, c, "2026/03/04 10:00:00,00:00:10,3,0199000012,I,201\r\n")
		for sent++; s.Links()[0].Tickets < sent; {
			time.Sleep(20 * time.Microsecond)
		}
	}
}
