package ingesttcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/proto/wire"
)

// Real-time accounting of an OmniPCX Enterprise, TCP port 2533. The vendor has
// not published the dialogue; this is what a working client speaks: every
// message, both ways, has its length before it, two bytes big-endian.
//
//	we    S             hello
//	PBX   P             role: this call server is the main one
//	we    two NUL       start
//	PBX   772 bytes     a ticket, or another message of that kind
//	PBX   TEST_REQ      every 30 s, between any two messages
//	we    TEST_RSP      at once
//
// Tickets are not acknowledged, and nothing asks for one again.
const (
	oxeTicket = 772
	// oxeControl is the longest message that may belong to the dialogue itself.
	oxeControl = 8
	// oxeLongest is the longest message in bytes. Two letters read as a length
	// are more, so no text passes for a message.
	oxeLongest = 4096
	oxeMain    = 'P'

	writeWithin = 5 * time.Second
)

var (
	oxeHello  = []byte("\x00\x01S")
	oxeStart  = []byte("\x00\x02\x00\x00")
	oxeAnswer = []byte("\x00\x08TEST_RSP")
)

var (
	errRole = errors.New("this call server is not the main one")
	errOXE  = errors.New("this is no real-time ticket output of an OXE: does dial name the call server's own address and port 2533, and no VPN box or proxy in between?")
)

func (l *link) oxe() error {
	if n := len(l.OXE.Dial); n < 1 || n > 2 {
		return errors.New("oxe: dial: give one call server, or two")
	}
	for _, addr := range l.OXE.Dial {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("oxe: %q is no host:port", addr)
		}
	}
	l.wire, l.addr, l.way = pbx.OXEDial, strings.Join(l.OXE.Dial, ", "), oxeWay{l}
	return nil
}

// oxeWay is an OXE of one call server or two, one of which is the main one and
// serves one client.
type oxeWay struct{ *link }

// once collects from the first call server that is the main one.
func (o oxeWay) once(leased, life context.Context) outcome {
	var away error
	var pause time.Duration
	for _, addr := range o.OXE.Dial {
		conn, err := o.dial(leased, addr)
		if err == nil {
			err = o.greet(leased, conn, addr)
		}
		if leased.Err() != nil {
			return outcome{}
		}
		if errors.Is(err, errRole) {
			pause = o.timing.switchOver
		}
		switch {
		case err == nil:
			if away != nil {
				o.warn.warn(o.link, "collecting from the other call server", "peer", addr, "error", away)
			}
			return o.collect(leased, life, conn)
		case away == nil:
			away = err
		default:
			away = fmt.Errorf("%w; and %w", away, err)
		}
	}
	if pause > 0 && len(o.OXE.Dial) == 1 {
		away = fmt.Errorf("%w: add the other call server's address to dial", away)
	}
	return outcome{pause: pause, err: away}
}

// greet says hello and starts the tickets of a main call server; of any other it
// closes the connection.
func (o oxeWay) greet(ctx context.Context, conn *net.TCPConn, addr string) error {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	result, err := o.hello(ctx, conn)
	if err == nil {
		return nil
	}
	conn.Close()
	if ctx.Err() == nil {
		o.countDial(result)
	}
	return fmt.Errorf("link %s at %s: %w", o.link, addr, err)
}

func (o oxeWay) hello(ctx context.Context, conn *net.TCPConn) (result string, err error) {
	// Where ctx ends here, its own deadline may have come before ours.
	conn.SetDeadline(time.Now().Add(o.timing.hello))
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if _, err := conn.Write(oxeHello); err != nil {
		return "no_role", fmt.Errorf("it does not take our hello: %w", err)
	}
	var b [3]byte
	n, err := io.ReadFull(conn, b[:])
	switch {
	case n >= 2 && binary.BigEndian.Uint16(b[:]) != 1:
		return "not_oxe", fmt.Errorf("it answers % x: %w", b[:n], errOXE)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "no_role", fmt.Errorf("it hangs up before it tells its role: is another program connected to it? It serves one only: %w", err)
	case err != nil:
		return "no_role", fmt.Errorf("it does not tell its role: is Real Time Tickets Output set to Ethernet, with licences 51 and 83? %w", err)
	case b[2] != oxeMain:
		return "other_role", fmt.Errorf("role %q: %w", b[2:], errRole)
	}
	if _, err := conn.Write(oxeStart); err != nil {
		return "no_role", fmt.Errorf("it does not take our start: %w", err)
	}
	return "", conn.SetDeadline(time.Time{})
}

func (o oxeWay) collect(leased, life context.Context, conn *net.TCPConn) outcome {
	return o.hold(o.newSession(conn, &oxeSource{conn: patient{conn}, link: o.link}), func(s *session) (string, outcome) {
		begin := time.Now()
		ended := s.serve(leased, life, nil, time.Time{})
		end := outcome{delivered: s.acked > 0}
		if len(o.OXE.Dial) > 1 {
			// The other one may be about to take over.
			end.pause = o.timing.switchOver
		}
		switch {
		case s.err != nil:
			end.err = fmt.Errorf("link %s at %s: %w", o.link, s.name, s.err)
		case ended == closedIdle:
			end.err = fmt.Errorf("link %s: the OXE at %s was silent for %s, without its keep-alive: is the line up?", o.link, s.name, o.timing.alive)
		case hungUp(ended) && !end.delivered && time.Since(begin) < o.timing.hangUp:
			end.err = o.hangsUp(s)
		}
		return ended, end
	})
}

// oxeSource gives the content of messages that are no part of the dialogue. It
// reads no byte ahead of the message that it gives.
type oxeSource struct {
	*link
	conn    net.Conn
	buf     [oxeLongest]byte
	partial bool // the connection ended inside a message
	given   bool // a ticket has come
}

func (o *oxeSource) whole(string) bool { return !o.partial }

func (o *oxeSource) next(g gate) ([]byte, error) {
	for {
		if err := g.wait(o.timing.alive); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(o.conn, o.buf[:2]); err != nil {
			return nil, ended(err)
		}
		n := int(binary.BigEndian.Uint16(o.buf[:]))
		switch {
		case n > oxeLongest:
			err := ending{"closed_not_oxe", fmt.Errorf("a message begins with % x: %w", o.buf[:2], errOXE)}
			return o.astray(g), err
		case n > oxeControl:
			// A keep-alive that stands behind a ticket waits with it; one in front
			// of it never does.
			if err := g.room(); err != nil {
				return nil, err
			}
		}
		if err := g.wait(o.timing.alive); err != nil {
			return nil, err
		}
		message := o.buf[:n]
		if got, err := io.ReadFull(o.conn, message); err != nil {
			o.partial = got > 0
			return message[:got], ended(err)
		}
		if n > oxeControl {
			if n != oxeTicket {
				o.unknown(n)
			}
			o.given = true
			return message, nil
		}
		mine, err := o.control(message)
		if mine || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		o.unknown(n)
		return message, g.room()
	}
}

// astray is what has come behind a length that is none, that one included: a
// wrong length before it hides tickets in it, which the cutter finds.
func (o *oxeSource) astray(g gate) []byte {
	if !o.given {
		return nil
	}
	o.partial = true
	all := append([]byte(nil), o.buf[:2]...)
	for len(all) < wire.MaxTicket && g.room() == nil && g.wait(o.timing.quiet) == nil {
		n, err := o.conn.Read(o.buf[:])
		if all = append(all, o.buf[:n]...); err != nil {
			break
		}
	}
	return all
}

// control handles a message of the dialogue. Not mine: it is none.
func (o *oxeSource) control(message []byte) (mine bool, err error) {
	switch text := string(message); {
	case text == "TEST_REQ":
		o.frame("keep_alive")
		o.conn.SetWriteDeadline(time.Now().Add(writeWithin))
		if _, err := o.conn.Write(oxeAnswer); err != nil {
			// Not wrapped: a write's deadline must not look like a read's.
			return true, fmt.Errorf("answering a keep-alive: %v", err)
		}
	case len(text) == 1:
		o.frame("role")
		if text[0] != oxeMain {
			return true, ending{"closed_other_role", fmt.Errorf("its role is now %q: %w", text, errRole)}
		}
	case text != "":
		return false, nil
	}
	return true, nil
}

func (o *oxeSource) unknown(n int) {
	o.frame("unknown")
	o.warn.warn(o.link, "a message of a length that no ticket is known to have: it is kept as it came", "bytes", n)
}

func (l *link) frame(kind string) {
	l.metrics.frames.WithLabelValues(l.Site.ID, l.ID, kind).Inc()
}

// ended is the end inside of something that is the end all the same.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
