package ingesttcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/services/ingest-tcp/internal/telnet"
	"trunkline.internal/services/ingest-tcp/internal/window"
)

// session is one connection of a link: one goroutine reads, one publishes.
type session struct {
	*link
	conn   *net.TCPConn
	reader *telnet.Reader
	name   string
	origin string
	window *window.Window
	acked  int // tickets that NATS has
	msgs   []*nats.Msg
}

func (l *link) newSession(conn *net.TCPConn, dialled bool) *session {
	return &session{
		link: l, conn: conn, reader: telnet.NewReader(conn, dialled), name: conn.RemoteAddr().String(),
		origin: identity.Connection(), window: window.New(l.cutting.Split),
	}
}

// later is a context that ends so long after another.
func later(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(d, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// serve collects until the connection ends, and returns why it did. open ends
// the reading, life the publishing, a while later. What came before (early) is
// the begin of the data. Only when all is published is the connection closed.
func (s *session) serve(open, life context.Context, early []byte, came time.Time) (ended string) {
	defer s.conn.Close()
	publishing, cancel := later(life, s.timing.grace)
	defer cancel()
	if len(early) > 0 {
		s.window.Write(early, came)
	}
	why := make(chan string, 1)
	go func() {
		end := s.receive(open)
		why <- end
		s.window.Close(s.cutting.Unterminated && end == closedEOF)
	}()
	s.forward(publishing)
	// Where publishing gave up, the reader may still wait for room.
	s.conn.Close()
	ended = <-why
	if n := s.window.Held(); n > 0 {
		s.metrics.lost.WithLabelValues(s.Site.ID, s.ID).Add(float64(n))
		s.deps.Log.Error("tickets were read and could not be published before the end: they are lost here; look for them at the PBX",
			"site", s.Site.ID, "link", s.ID, "peer", s.name, "bytes", n)
	}
	return ended
}

// closedEOF says that the peer ended the connection in good order.
const closedEOF = "closed_eof"

// receive reads into the window, and returns why the connection ended.
func (s *session) receive(open context.Context) string {
	draining, cancel := later(open, s.timing.drain)
	defer cancel()
	// The end says so to the PBX, and takes what it has sent until it knows.
	defer context.AfterFunc(open, func() {
		s.conn.CloseWrite()
		s.conn.SetReadDeadline(time.Now().Add(s.timing.quiet))
	})()
	defer context.AfterFunc(draining, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	idle := time.Duration(s.TCP.Idle)
	for {
		if err := s.window.Room(draining, s.deps.Bus.Conn.IsConnected()); err != nil {
			if errors.Is(err, window.ErrEndless) {
				s.warn.warn(s.link, "connection closed: "+err.Error(), "peer", s.name, "model", s.Model)
				s.conn.Close()
				return "closed_line_too_long"
			}
			return "closed_shutdown"
		}
		switch {
		case open.Err() != nil:
			if draining.Err() != nil {
				return "closed_shutdown"
			}
			s.conn.SetReadDeadline(time.Now().Add(s.timing.quiet))
		case idle > 0:
			s.conn.SetReadDeadline(time.Now().Add(idle))
			if open.Err() != nil {
				s.conn.SetReadDeadline(time.Now().Add(s.timing.quiet))
			}
		}
		data, err := s.reader.Next()
		switch {
		case err == nil:
			s.window.Write(data, time.Now())
		case open.Err() != nil:
			return "closed_shutdown"
		case errors.Is(err, io.EOF):
			return closedEOF
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "closed_idle"
		case errors.Is(err, net.ErrClosed):
			return "closed_refused_by_nats"
		case errors.Is(err, syscall.ETIMEDOUT):
			return "closed_vanished"
		default:
			return "closed_reset"
		}
	}
}

// forward publishes what the window gives, until its end or ctx's.
func (s *session) forward(ctx context.Context) {
	for {
		batch, err := s.window.Next(ctx)
		if err != nil {
			return
		}
		if err := s.publish(ctx, batch); err != nil {
			return
		}
		s.window.Release()
	}
}

// publish returns when NATS has all of the batch, or ctx ended.
func (s *session) publish(ctx context.Context, batch []window.Message) error {
	begin := time.Now()
	s.msgs = s.msgs[:0]
	for _, m := range batch {
		t := bus.TicketMessage{
			Address: s.address(), Received: m.Received, Origin: s.origin, Offset: identity.Position(m.Offset),
			Name: s.name, Incomplete: m.Incomplete, Payload: m.Payload,
		}
		s.msgs = append(s.msgs, t.Msg())
	}
	err := s.deps.Tickets.Publish(ctx, s.msgs...)
	if errors.Is(err, bus.ErrRefused) {
		err = s.insist(ctx, err)
	}
	if err != nil {
		return err
	}
	s.metrics.publish.Observe(time.Since(begin).Seconds())
	tickets, bytes, incomplete := 0, 0, 0
	for _, m := range batch {
		tickets += m.Tickets
		bytes += len(m.Payload)
		if m.Incomplete != "" {
			incomplete++
			s.metrics.incomplete.WithLabelValues(s.Site.ID, s.ID, m.Incomplete).Inc()
		}
	}
	s.acked += tickets
	s.done(tickets, bytes, incomplete, batch[len(batch)-1].Received)
	return nil
}

// insist keeps what NATS refuses, and nothing more: the connection is closed,
// the PBX keeps its next tickets until somebody has mended the configuration.
func (s *session) insist(ctx context.Context, refused error) error {
	s.conn.Close()
	err := fmt.Errorf("link %s: NATS refuses a ticket message: max_payload of the server and max_msg_size of stream TICKETS must allow 1 MiB, and our user must be allowed to publish on %s: %w",
		s.link, s.address().TicketSubject(), refused)
	s.jam(1, err)
	defer func() { s.jam(-1, nil) }()
	back := bus.Backoff{Min: s.timing.refused[0], Max: s.timing.refused[1]}
	for len(s.msgs) > 0 {
		switch again := s.deps.Tickets.Publish(ctx, s.msgs[0]); {
		case again == nil:
			s.msgs = s.msgs[1:]
		case errors.Is(again, bus.ErrRefused):
			s.metrics.refused.WithLabelValues(s.Site.ID, s.ID).Inc()
			s.warn.warn(s.link, "NATS refuses tickets: the link stands still", "peer", s.name, "messages", len(s.msgs), "error", err)
			if err := back.Wait(ctx); err != nil {
				return err
			}
		default:
			return again
		}
	}
	return nil
}
