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
	source source
	name   string
	origin string
	window *window.Window
	acked  int   // tickets that NATS has
	err    error // why the connection ended, where a person must know
	msgs   []*nats.Msg
	seen   int    // bytes of it that are the link's head
	drop   func() // ends the reading; nil: it has not begun
}

func (l *link) newSession(conn *net.TCPConn, from source) *session {
	return &session{
		link: l, conn: conn, source: from, name: conn.RemoteAddr().String(),
		origin: identity.Connection(), window: window.New(l.cutting.Split),
	}
}

// source takes from a connection what is published.
type source interface {
	// next returns what came, valid until the next call, also with an error. It
	// asks for room before it takes tickets, and sets the deadline of each wait.
	next(g gate) ([]byte, error)
	// whole tells whether what stands at the end of the connection is a ticket
	// where nothing ends it.
	whole(ended string) bool
}

// gate is what a source asks before it reads.
type gate interface {
	// room waits until tickets may be taken.
	room() error
	// wait allows the next reads so long; 0: for ever.
	wait(idle time.Duration) error
}

// stream is a connection that carries nothing but tickets.
type stream struct {
	*telnet.Reader
	link *link
}

func (l *link) newStream(conn *net.TCPConn, dialled bool) stream {
	return stream{telnet.NewReader(patient{conn}, dialled), l}
}

// patient is a connection that is looked at once more when its deadline has
// passed: a process that was held meanwhile has not looked at all.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		p.SetReadDeadline(time.Now().Add(glance))
		n, err = p.Conn.Read(b)
	}
	return n, err
}

// glance is enough to see what the system has already.
const glance = 10 * time.Millisecond

func (s stream) next(g gate) ([]byte, error) {
	if err := g.room(); err != nil {
		return nil, err
	}
	if err := g.wait(time.Duration(s.link.TCP.Idle)); err != nil {
		return nil, err
	}
	return s.Next()
}

func (s stream) whole(ended string) bool { return s.link.cutting.Unterminated && ended == closedEOF }

// ending is an error that ends a connection under a name of its own.
type ending struct {
	result string
	error
}

func (e ending) Unwrap() error { return e.error }

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
	open, drop := context.WithCancel(open)
	defer drop()
	s.mu.Lock()
	s.drop = drop
	s.mu.Unlock()
	if len(early) > 0 {
		s.saw(early)
		s.window.Write(early, came)
	}
	why := make(chan string, 1)
	go func() {
		end := s.receive(open, publishing)
		why <- end
		s.window.Close(s.source.whole(end))
	}()
	s.forward(publishing)
	cancel() // where publishing gave up, the reader may go on
	drop()
	ended = <-why
	n := s.window.Held()
	if n > 0 || ended == closedShutdown || ended == closedIdle {
		n += s.unread()
	}
	if n > 0 {
		s.lostN.Add(float64(n))
		s.deps.Log.Error("tickets came and could not be published before the end: they are lost here; look for them at the PBX",
			"site", s.Site.ID, "link", s.ID, "peer", s.name, "bytes", n)
	}
	return ended
}

// unread is how much the PBX has sent that nobody reads any more.
func (s *session) unread() int {
	s.conn.SetReadDeadline(time.Now().Add(glance))
	n, _ := io.Copy(io.Discard, s.conn)
	return int(n)
}

// Why a connection ended.
const (
	closedEOF      = "closed_eof" // the peer ended it in good order
	closedReset    = "closed_reset"
	closedIdle     = "closed_idle"
	closedShutdown = "closed_shutdown"
)

// receive reads into the window, and returns why the connection ended. Where open
// ends it, it says so to the PBX, and takes what that has sent until it knows.
func (s *session) receive(open, publishing context.Context) string {
	defer context.AfterFunc(open, func() {
		s.conn.CloseWrite()
		s.conn.SetReadDeadline(time.Now().Add(s.timing.quiet))
		s.window.Look()
	})()
	defer context.AfterFunc(publishing, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	r := &reading{session: s, open: open, publishing: publishing, time: s.timing.drain, bytes: maxDrain}
	why := closedShutdown
	for {
		data, err := s.source.next(r)
		if len(data) > 0 {
			s.saw(data)
			s.window.Write(data, time.Now())
			r.took(len(data))
		}
		var end ending
		switch {
		case err == nil:
		case errors.Is(err, window.ErrEndless):
			s.warn.warn(s.link, "connection closed: "+err.Error(), "peer", s.name, "model", s.Model)
			s.conn.Close()
			s.err = err
			return "closed_line_too_long"
		case open.Err() != nil:
			return why
		case errors.As(err, &end):
			s.err = end.error
			return end.result
		case errors.Is(err, io.EOF):
			return closedEOF
		case errors.Is(err, os.ErrDeadlineExceeded):
			why = closedIdle
			s.drop()
		case errors.Is(err, net.ErrClosed):
			return "closed_refused_by_nats"
		case errors.Is(err, syscall.ETIMEDOUT):
			return "closed_vanished"
		default:
			return closedReset
		}
	}
}

// maxDrain is more bytes than the sockets of both sides hold: who sends so much
// after it was told of the end does not look.
const maxDrain = 8 << 20

// errDrained ends the reading of a PBX that goes on after the end.
var errDrained = errors.New("the PBX does not stop")

// reading is the gate of a session: reads while open, and then what is on its way.
type reading struct {
	*session
	open, publishing context.Context

	// What may still be read after the end: time of waiting for the PBX, not for
	// NATS, and bytes.
	time  time.Duration
	bytes int
	since time.Time // of the wait that goes on after the end
}

func (r *reading) room() error {
	r.waited()
	// At the end what is in the socket is ours, whether NATS takes it or not.
	return r.window.Room(r.publishing, func() bool { return r.open.Err() != nil || r.deps.Bus.Conn.IsConnected() })
}

func (r *reading) wait(idle time.Duration) error {
	r.waited()
	if r.open.Err() == nil && idle > 0 {
		if err := r.conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
	}
	if r.open.Err() == nil {
		return nil
	}
	if err := r.publishing.Err(); err != nil {
		return err
	}
	if r.time <= 0 || r.bytes <= 0 {
		return errDrained
	}
	r.since = time.Now()
	return r.conn.SetReadDeadline(r.since.Add(r.timing.quiet))
}

// waited counts a wait after the end.
func (r *reading) waited() {
	if !r.since.IsZero() {
		r.time -= time.Since(r.since)
		r.since = time.Time{}
	}
}

// took counts what came after the end.
func (r *reading) took(bytes int) {
	if r.open.Err() != nil {
		r.bytes -= bytes
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
