package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// server is a PBX that listens and gives its records to the one collector that connects: what was read is gone.
type server struct {
	ln    net.Listener
	ring  *ring
	out   *sender
	o     Options
	enc   encoder
	greet func(ctx context.Context, conn net.Conn) error // log-in; nil for none
	heads func() []Ticket                                // printed at the begin of each session; nil for none
	talk  func(ctx context.Context, conn net.Conn) bool  // the session where records are answered; nil: they are not
}

func newServer(o Options, enc encoder, buffer int) (*server, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("simulated pbx: %w", err)
	}
	return &server{ln: ln, ring: newRing(buffer, o), out: newSender(o, false), o: o, enc: enc}, nil
}

// Addr is host:port where the PBX listens.
func (s *server) Addr() string { return s.ln.Addr().String() }

// Run serves one collector after the other; a second one beside the first is refused.
func (s *server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer s.ln.Close()
	context.AfterFunc(ctx, func() { s.ln.Close() })

	produced := make(chan error, 1)
	go func() {
		produced <- s.o.produce(ctx, s.enc, s.ring.push)
		s.ring.end()
	}()
	conns := make(chan net.Conn)
	accepted := make(chan error, 1)
	go func() { accepted <- s.accept(ctx, conns) }()

	var session chan bool // of the collector that is connected
	for {
		select {
		case conn := <-conns:
			if session != nil {
				_ = conn.Close()
				continue
			}
			session = make(chan bool, 1)
			go func() { session <- s.session(ctx, conn) }()
		case all := <-session:
			session = nil
			if all {
				stop()
				return <-produced
			}
		case err := <-accepted:
			stop()
			if session != nil {
				<-session
			}
			if perr := <-produced; perr != nil && !errors.Is(perr, context.Canceled) {
				return perr
			}
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("simulated pbx: %w", err)
		}
	}
}

func (s *server) accept(ctx context.Context, conns chan<- net.Conn) error {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return err
		}
		select {
		case conns <- conn:
		case <-ctx.Done():
			_ = conn.Close()
		}
	}
}

// session gives records to one collector until it leaves; true when all there ever will be were given.
func (s *server) session(ctx context.Context, conn net.Conn) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		unblock()
		_ = conn.SetDeadline(time.Time{})
		hangUp(conn)
	}()
	if s.greet != nil {
		if err := s.greet(ctx, conn); err != nil {
			s.o.Log.Debug("simulated pbx: nobody logged in", "why", err)
			return false
		}
	}
	if s.talk != nil {
		return s.talk(ctx, conn)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		watch(conn)
		stop()
	}()
	defer func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		<-gone
	}()
	if s.heads != nil {
		if heads := s.heads(); !s.sendAll(ctx, conn, heads) {
			return false
		}
	}
	for ctx.Err() == nil {
		ts, ended, changed := s.ring.take()
		if len(ts) == 0 {
			if ended {
				return true
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		n, err := s.out.send(ctx, conn, ts)
		s.ring.giveBack(ts[n:])
		if err != nil {
			return false
		}
	}
	return false
}

func (s *server) sendAll(ctx context.Context, conn net.Conn, ts []Ticket) bool {
	for len(ts) > 0 && ctx.Err() == nil {
		n, err := s.out.send(ctx, conn, ts)
		if ts = ts[n:]; err != nil {
			return false
		}
	}
	return len(ts) == 0
}

// watch reads what the other side says, which means nothing, until it leaves.
func watch(conn net.Conn) {
	b := make([]byte, 512)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}
