package ingesttcp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/ahl"
	"trunkline.internal/proto/wire"
)

// While NATS is away nothing is acknowledged. What the PBX sends again meanwhile
// gets one answer together, or the next frame would seem acknowledged.
func TestAHLWithoutNATS(t *testing.T) {
	r := newRig(t, true)
	r.start()
	f := hotelFrames(t, ahl.LRC, 0, 3)
	away, back, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	p := newServer(t, func(c net.Conn, n int) {
		p := hotelPBX{c, t, r}
		p.deliver(f[0])
		away <- struct{}{}
		<-away
		for range 3 {
			io.WriteString(p, f[1])
			p.quiet(50 * time.Millisecond)
		}
		close(back)
		if b := p.answer(20 * time.Second); b != ahl.ACK {
			t.Errorf("answer %#02x", b)
		}
		p.quiet(300 * time.Millisecond)
		p.deliver(f[2])
		close(done)
		untilClosed(c)
	})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	s.timing.slow = 10 * time.Millisecond
	r.run(s)
	<-away
	r.stop()
	await(t, "the loss of NATS", func() bool { return !r.bus.Conn.IsConnected() })
	away <- struct{}{}
	<-back
	r.start()
	<-done
	got, _ := r.frames()
	same(t, got, f)
	if n := s.framesOf(t, "repeated"); n != 2 {
		t.Errorf("%d repeated", n)
	}
}

// At the end what NATS does not have stays with the PBX.
func TestAHLShutdownWithoutNATS(t *testing.T) {
	r := newRig(t, true)
	r.start()
	f := hotelFrames(t, ahl.LRC, 0, 2)
	away, sent, last := make(chan struct{}), make(chan struct{}), make(chan byte, 1)
	p := newServer(t, func(c net.Conn, n int) {
		p := hotelPBX{c, t, r}
		p.deliver(f[0])
		away <- struct{}{}
		<-away
		io.WriteString(p, f[1])
		p.quiet(50 * time.Millisecond)
		close(sent)
		last <- p.answer(20 * time.Second)
	})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	s.timing.grace = 50 * time.Millisecond
	stop := r.run(s)
	<-away
	r.stop()
	await(t, "the loss of NATS", func() bool { return !r.bus.Conn.IsConnected() })
	away <- struct{}{}
	<-sent
	stop()
	if b := <-last; b != 0 {
		t.Errorf("answer %#02x", b)
	}
	if n := value(t, s.metrics.lost, nil); n != 0 {
		t.Errorf("%v bytes lost", n)
	}
	r.start()
	await(t, "NATS", r.bus.Conn.IsConnected)
	got, _ := r.frames()
	same(t, got, f[:1])
}

// A lease that is lost with NATS: the frame goes to NATS once it is back, and the
// PBX, which was not answered, hears on the next connection that it is kept.
func TestAHLLostLease(t *testing.T) {
	r := newRig(t, true)
	r.start()
	f := hotelFrames(t, ahl.LRC, 0, 3)
	away, sent, closed, done := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	p := newServer(t, func(c net.Conn, n int) {
		p := hotelPBX{c, t, r}
		switch n {
		case 1:
			defer close(closed)
			p.deliver(f[0])
			away <- struct{}{}
			<-away
			io.WriteString(p, f[1])
			p.quiet(50 * time.Millisecond)
			close(sent)
			if b := p.answer(20 * time.Second); b != 0 {
				t.Errorf("answer %#02x", b)
			}
		case 2:
			p.say(f[1], ahl.ACK)
			p.deliver(f[2])
			close(done)
		}
		untilClosed(c)
	})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	s.timing.grace = 50 * time.Millisecond
	if err := r.bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold := func() (lose func()) {
		leased, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() { defer close(kept); (&dialer{s, s.links[0]}).keep(leased, t.Context()) }()
		return func() { cancel(); <-kept }
	}
	lose := hold()
	<-away
	r.stop()
	await(t, "the loss of NATS", func() bool { return !r.bus.Conn.IsConnected() })
	away <- struct{}{}
	<-sent
	lost := make(chan struct{})
	go func() { defer close(lost); lose() }()
	<-closed
	r.start()
	<-lost
	lose = hold()
	<-done
	lose()
	got, _ := r.frames()
	same(t, got, f)
}

// A frame that NATS refuses for its own sake is not acknowledged.
func TestAHLRefused(t *testing.T) {
	r := newRig(t, false)
	f := hotelFrame(t, ahl.LRC, strings.Repeat("x", 2000))
	done := make(chan struct{})
	p := newServer(t, func(c net.Conn, n int) {
		p := hotelPBX{c, t, r}
		switch n {
		case 1:
			io.WriteString(p, f)
			if b := p.answer(20 * time.Second); b != 0 {
				t.Errorf("answer %#02x", b)
			}
		case 2:
			p.say(f, ahl.ACK)
			close(done)
		}
		untilClosed(c)
	})
	limit := func(bytes int32) {
		t.Helper()
		if err := r.bus.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
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
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	r.run(s)
	await(t, "refusal", func() bool { return value(t, s.metrics.refused, nil) > 1 })
	limit(-1)
	<-done
	got, _ := r.frames()
	same(t, got, []string{f})
	if s.results(t, "closed_refused_by_nats") != 1 {
		t.Error("the end has another name")
	}
}
