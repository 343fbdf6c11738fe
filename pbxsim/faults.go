package pbxsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// Faults is how a TCP wire can be as unfriendly as in the field.
type Faults struct {
	Terminator string // of a record; CR LF unless given: LF, CR, CR LF NUL NUL…
	Split      bool   // segments of random size, which begin and end inside records
	DropEvery  int    // drop the connection in the middle of every n-th record; what was not sent of it is gone
	PauseEvery int    // be silent for Pause after every n-th record
	Pause      time.Duration
	TrimBlanks bool // strip the blanks at the end of a record, as serial bridges do
	SpoilEvery int  // alcatel-oxe-ahl: every n-th frame comes with a wrong byte first
	DeafEvery  int  // alcatel-oxe-ahl: the answer to every n-th frame is lost, and the frame comes again
}

func (f Faults) validate(model string) error {
	framed := model == alcatelOXE || model == alcatelAHL
	if framed && (f.Terminator != "" || f.TrimBlanks) {
		return fmt.Errorf("faults: Terminator and TrimBlanks are of lines, which %s has none of", model)
	}
	if model != alcatelAHL && f.SpoilEvery+f.DeafEvery > 0 {
		return fmt.Errorf("faults: SpoilEvery and DeafEvery are of records that are answered, which those of %s are not", model)
	}
	if f.DropEvery < 0 || f.PauseEvery < 0 || f.Pause < 0 || f.SpoilEvery < 0 || f.DeafEvery < 0 {
		return errors.New("faults: counts and times must not be negative")
	}
	if (f.PauseEvery > 0) != (f.Pause > 0) {
		return errors.New("faults: PauseEvery and Pause go together")
	}
	if f.DropEvery == 1 || f.SpoilEvery == 1 || f.DeafEvery == 1 {
		return errors.New("faults: DropEvery, SpoilEvery or DeafEvery 1 would never send a whole record")
	}
	for _, b := range []byte(f.Terminator) {
		if b != '\r' && b != '\n' && b != 0 {
			return fmt.Errorf("faults: terminator %q: only CR, LF and NUL end a record", f.Terminator)
		}
	}
	return nil
}

func (f Faults) trim(t Ticket) Ticket {
	if f.TrimBlanks {
		t.Bytes = bytes.TrimRight(t.Bytes, " ")
	}
	return t
}

// sender writes tickets to one connection after another.
type sender struct {
	Faults
	resend bool // a record that was cut off comes again on the next connection
	// frame puts a record into what the wire has around it, head bytes before it.
	frame func(dst, record []byte) []byte
	head  int
	r     *rand.Rand
	sent  func(Ticket, time.Time)
	n     int
	buf   []byte
}

func newSender(o Options, resend bool) *sender {
	s := &sender{Faults: o.Faults, resend: resend, r: rand.New(rand.NewPCG(o.Seed, 0x77697265)), sent: o.Sent}
	if s.Terminator == "" {
		s.Terminator = "\r\n"
	}
	s.frame = func(dst, record []byte) []byte { return append(append(dst, record...), s.Terminator...) }
	return s
}

var errDropped = errors.New("connection dropped inside a record")

const sendAtOnce = 32 << 10

// send hands over as many of ts as it can in one go and returns how many are done with.
func (s *sender) send(ctx context.Context, conn net.Conn, ts []Ticket) (done int, err error) {
	s.buf = s.buf[:0]
	ends := make([]int, 0, 64)
	var cut, pause bool
	for _, t := range ts {
		if len(s.buf) >= sendAtOnce || cut || pause {
			break
		}
		s.n++
		cut = s.DropEvery > 0 && s.n%s.DropEvery == 0 && len(t.Bytes) > 8
		pause = s.PauseEvery > 0 && s.n%s.PauseEvery == 0
		begin := len(s.buf)
		if s.buf = s.frame(s.buf, t.Bytes); cut {
			s.buf = s.buf[:begin+s.head+s.cutAt(t)]
		}
		ends = append(ends, len(s.buf))
	}
	wrote, err := s.write(conn, s.buf)
	now := time.Now()
	for i, end := range ends {
		if end > wrote {
			s.n -= len(ends) - i
			return done, err
		}
		if cut && i == len(ends)-1 {
			t := ts[i]
			s.sent(Ticket{Bytes: t.Bytes[:s.cutAt(t)], Want: WantDead, Odd: OddCut}, now)
			if !s.resend {
				done++
			}
			return done, errDropped
		}
		s.sent(ts[i], now)
		done++
	}
	if pause && err == nil {
		err = sleep(ctx, s.Pause)
	}
	return done, err
}

func (s *sender) cutAt(t Ticket) int { return len(t.Bytes)/3 + len(t.Bytes)/5 }

// write puts b on the wire, in odd pieces if asked to.
func (s *sender) write(conn net.Conn, b []byte) (int, error) {
	if !s.Split {
		return conn.Write(b)
	}
	wrote := 0
	for wrote < len(b) {
		n := min(1+s.r.IntN(60), len(b)-wrote)
		m, err := conn.Write(b[wrote : wrote+n])
		wrote += m
		if err != nil {
			return wrote, err
		}
	}
	return wrote, nil
}

// hangUp ends a connection so that what was written arrives: closing with unread input would reset it.
func hangUp(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		b := make([]byte, 512)
		for {
			if _, err := c.Read(b); err != nil {
				break
			}
		}
	}
	_ = conn.Close()
}
