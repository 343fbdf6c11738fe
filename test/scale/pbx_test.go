package scale

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// hander hands a link's tickets over until ctx is done, and then what is left.
type hander interface{ run(ctx context.Context) }

// socket is a PBX on TCP: it dials us, or it listens and we dial.
type socket struct {
	*link
	to     string
	listen *net.TCPListener // nil: it dials
}

// window is how long before a reset what was written may not have been read.
const window = 2 * time.Second

// retry is how soon a PBX that is not let in tries again.
const retry = 100 * time.Millisecond

func (s *socket) run(ctx context.Context) {
	for {
		conn, err := s.connect()
		if err == nil && s.talk(ctx, conn) {
			return
		}
		if err != nil {
			time.Sleep(retry)
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (s *socket) connect() (*net.TCPConn, error) {
	if s.listen != nil {
		return s.listen.AcceptTCP()
	}
	conn, err := net.DialTimeout("tcp", s.to, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// talk writes tickets as they are made, until the other side wants to end or all
// is handed over; it tells whether it is.
func (s *socket) talk(ctx context.Context, conn *net.TCPConn) (over bool) {
	defer conn.Close()
	s.poke() // what the last connection did not take
	left := make(chan struct{})
	var reset error
	go func() {
		defer close(left)
		_, reset = io.Copy(io.Discard, conn)
		_ = conn.SetWriteDeadline(time.Unix(1, 0))
	}()
	next, before, turned := s.gave(0), s.gave(0), time.Now()
	for open, last := true, false; open && !over; {
		select {
		case <-left:
			open = false
			continue
		case <-s.wake:
		case <-ctx.Done():
			last = true
		}
		for {
			tickets := s.take()
			if len(tickets) == 0 {
				over = last
				break
			}
			wrote, err := io.WriteString(conn, strings.Join(tickets, ""))
			n := 0
			for n < len(tickets) && wrote >= len(tickets[n]) {
				wrote -= len(tickets[n])
				n++
			}
			if time.Since(turned) > window {
				before, turned = next, time.Now()
			}
			next = s.gave(n)
			if err != nil {
				open = false
				break
			}
		}
	}
	// The other side reads to the end what it was given, and hangs up when all of it
	// is safe.
	_ = conn.CloseWrite()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		return over
	}
	if reset != nil {
		s.risk(before)
	}
	return over
}

// book is a PBX that writes a log.
type book struct {
	*link
	file *os.File
}

func (b *book) run(ctx context.Context) {
	defer b.file.Close()
	for last := false; !last; {
		select {
		case <-b.wake:
		case <-ctx.Done():
			last = true
		}
		for {
			tickets := b.take()
			if len(tickets) == 0 {
				break
			}
			if _, err := b.file.WriteString(strings.Join(tickets, "")); err != nil {
				panic(err) // the test's own disk
			}
			b.gave(len(tickets))
		}
	}
}
