package ingesttcp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/ahl"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-tcp/internal/window"
)

// maxNoise is how many bytes may come without a frame before the other side is
// taken for something else than a hotel link.
const maxNoise = 64 << 10

func (l *link) ahl() error {
	check, err := ahl.ParseCheck(cmp.Or(l.AHL.Check, ahl.LRC.String()))
	if err != nil {
		return fmt.Errorf("ahl: %w", err)
	}
	if _, _, err := net.SplitHostPort(l.AHL.Dial); err != nil {
		return fmt.Errorf("ahl: %q is no host:port", l.AHL.Dial)
	}
	l.wire, l.addr, l.way = pbx.AHLDial, l.AHL.Dial, &ahlWay{link: l, check: check}
	return nil
}

// ahlWay is a hotel link: the PBX sends a frame, and the next one when that was
// answered. The answer is all that we ever send: a frame that it does not expect
// can stop a PBX's link until somebody restarts it.
type ahlWay struct {
	*link
	check ahl.Check
	// last is the frame that was published last, over all connections.
	last   []byte
	lastAt time.Time
}

func (a *ahlWay) once(leased, life context.Context) outcome {
	conn, err := a.dial(leased, a.addr)
	if err != nil {
		return outcome{err: err}
	}
	return a.hold(a.newSession(conn, nil), func(s *session) (string, outcome) {
		begin := time.Now()
		h := hotel{session: s, way: a, first: true}
		ended := h.serve(leased, life)
		end := outcome{delivered: s.acked > 0}
		switch {
		case s.err != nil:
			end.err = fmt.Errorf("link %s at %s: %w", a.link, s.name, s.err)
		case hungUp(ended) && !end.delivered && time.Since(begin) < a.timing.hangUp:
			end.err = a.hangsUp(s)
		}
		return ended, end
	})
}

// hotel is one connection of a hotel link. What it has read and not answered is
// still the PBX's.
type hotel struct {
	*session
	way   *ahlWay
	buf   []byte
	at    int64     // offset of buf's first byte
	came  time.Time // when that byte came
	first bool      // no frame has come yet
	noise int       // bytes since the last frame
	// spoiled says that a frame was not taken over: bytes up to the next one may
	// be its rest.
	spoiled bool
}

// serve collects until the connection ends, and returns why it did. leased ends
// the reading, life the publishing: what NATS was given it may store at any time,
// so a frame is waited for, also when its answer can reach nobody any more.
func (h *hotel) serve(leased, life context.Context) (ended string) {
	defer h.conn.Close()
	publishing, cancel := later(life, h.timing.grace)
	defer cancel()
	answering, cancel := later(leased, h.timing.grace)
	defer cancel()
	defer context.AfterFunc(leased, func() { h.conn.SetReadDeadline(time.Unix(1, 0)) })()
	defer context.AfterFunc(answering, func() { h.conn.Close() })()
	for {
		err := h.step(leased, publishing)
		var end ending
		switch {
		case err == nil:
		case leased.Err() != nil:
			return "closed_shutdown"
		case errors.As(err, &end):
			h.err = end.error
			return end.result
		case errors.Is(err, io.EOF):
			return closedEOF
		case errors.Is(err, net.ErrClosed):
			return "closed_refused_by_nats"
		default:
			return closedReset
		}
	}
}

// step reads, or handles one piece of what was read.
func (h *hotel) step(leased, publishing context.Context) error {
	kind, piece := h.way.check.Next(h.buf)
	if kind == ahl.More || kind == ahl.Noise && len(piece) == len(h.buf) && len(piece) < ahl.MaxFrame {
		err := h.read(leased)
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err == nil || len(h.buf) == 0 || leased.Err() != nil || !late && h.buf[0] == ahl.STX {
			return err
		}
		// What does not go on is not what it began as.
		kind, piece = ahl.Noise, h.buf
	}
	defer func() {
		h.at += int64(len(piece))
		h.buf = h.buf[:copy(h.buf, h.buf[len(piece):])]
	}()
	switch kind {
	case ahl.Frame:
		return h.take(publishing, piece)
	case ahl.Answer:
		h.frame("answer")
	case ahl.Enquiry:
		h.frame("enquiry")
		h.warn.warn(h.link, "the PBX asks with ENQ, which is not known of this link: it is not answered", "peer", h.name)
	case ahl.Noise:
		return h.stray(publishing, piece)
	}
	return nil
}

// read waits for more: for ever between frames.
func (h *hotel) read(leased context.Context) error {
	var until time.Time
	if len(h.buf) > 0 {
		until = time.Now().Add(h.timing.rest)
	}
	h.conn.SetReadDeadline(until)
	if err := leased.Err(); err != nil {
		return err
	}
	return h.fill()
}

func (h *hotel) fill() error {
	var b [ahl.MaxFrame]byte
	n, err := h.conn.Read(b[:])
	if len(h.buf) == 0 {
		h.came = time.Now()
	}
	h.buf = append(h.buf, b[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// take publishes a frame and then acknowledges it.
func (h *hotel) take(ctx context.Context, frame []byte) error {
	if _, err := h.way.check.Text(frame); err != nil {
		h.frame("wrong_check")
		h.spoiled = true
		h.complain(fmt.Errorf("the check characters of its frames are wrong: the line is disturbed, or check: %s is not what the PBX sends: try none, lrc, lrc-hex", h.way.check))
		return h.answer(ahl.NAK)
	}
	h.noise, h.spoiled = 0, false
	// Our answer to the last frame may not have arrived.
	again := bytes.Equal(frame, h.way.last) && (h.first || time.Since(h.way.lastAt) < h.timing.repeat)
	h.first = false
	if again {
		h.frame("repeated")
		return h.answer(ahl.ACK)
	}
	begin := time.Now()
	if err := h.give(ctx, frame, ""); err != nil {
		return err
	}
	h.way.last, h.way.lastAt = bytes.Clone(frame), time.Now()
	if time.Since(begin) > h.timing.slow {
		h.skipRepeated(len(frame))
	}
	h.setErr(nil)
	return h.answer(ahl.ACK)
}

func (h *hotel) give(ctx context.Context, payload []byte, incomplete string) error {
	return h.publish(ctx, []window.Message{{
		Offset: h.at, Received: h.came, Tickets: 1, Incomplete: incomplete, Payload: bytes.Clone(payload),
	}})
}

// skipRepeated drops what the PBX sent again of the frame of n bytes at the begin
// of buf while it waited for the answer. That is one answer: a second one would
// be taken for the next frame's.
func (h *hotel) skipRepeated(n int) {
	h.conn.SetReadDeadline(time.Now().Add(h.timing.quiet))
	for len(h.buf) < 8*ahl.MaxFrame && h.fill() == nil {
	}
	frame := h.buf[:n]
	for bytes.HasPrefix(h.buf[n:], frame) {
		h.frame("repeated")
		h.at += int64(n)
		h.buf = append(h.buf[:n], h.buf[2*n:]...)
	}
}

// stray handles what is no frame. One that did not end comes again, since it is
// not acknowledged; what stands outside is kept, as nobody knows what it is.
func (h *hotel) stray(ctx context.Context, piece []byte) error {
	if h.noise += len(piece); h.noise > maxNoise {
		return ending{"closed_not_ahl", fmt.Errorf("%d bytes came, and no frame of STX, text and ETX: is it the port of the hotel link?", h.noise)}
	}
	if piece[0] == ahl.STX {
		h.frame("broken")
		h.spoiled = true
		h.complain(fmt.Errorf("a frame did not end, or its check characters did not come: does check: %s fit what the PBX sends? Try none, lrc, lrc-hex", h.way.check))
		return nil
	}
	if len(bytes.Trim(piece, "\x00\x04\r\n\f")) == 0 {
		return nil
	}
	h.frame("noise")
	if h.spoiled {
		return nil
	}
	h.warn.warn(h.link, "bytes came outside of frames: if there are one or two behind each frame, set check: lrc or lrc-hex", "peer", h.name, "bytes", len(piece), "check", h.way.check.String())
	if h.way.check == ahl.None && len(piece) <= 2 && h.way.last != nil {
		return nil // check characters
	}
	return h.give(ctx, piece, wire.IncompleteCutOff)
}

func (h *hotel) complain(what error) {
	err := fmt.Errorf("link %s at %s: %w", h.link, h.name, what)
	h.setErr(err)
	h.warn.warn(h.link, "a frame is not acknowledged", "error", err)
}

func (h *hotel) answer(b byte) error {
	h.conn.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := h.conn.Write([]byte{b}); err != nil {
		return fmt.Errorf("answering a frame: %w", err)
	}
	return nil
}
