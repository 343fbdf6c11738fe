package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// AHL is the hotel link of an OmniPCX Enterprise: it listens, and sends a frame when the one before was
// acknowledged. One that was not comes again, on the next connection too.
type AHL struct {
	*server
	n int
}

const (
	ahlBuffer = 500
	ahlTries  = 5
)

// NewAHL opens the listening socket; Run closes it.
func NewAHL(o Options) (*AHL, error) {
	if err := o.complete(alcatelAHL); err != nil {
		return nil, err
	}
	if o.Listen == "" {
		return nil, fmt.Errorf("%s needs Listen", alcatelAHL)
	}
	if o.Check == "none" && o.Faults.SpoilEvery > 0 {
		return nil, fmt.Errorf("%s: faults: SpoilEvery needs check characters", alcatelAHL)
	}
	if o.Resend == 0 {
		o.Resend = 5 * time.Second
	}
	enc, err := newAHL(o)
	if err != nil {
		return nil, err
	}
	s, err := newServer(o, enc, ahlBuffer)
	if err != nil {
		return nil, err
	}
	a := &AHL{server: s}
	s.talk = a.talk
	return a, nil
}

// talk gives frames to one front-office computer; true when all there ever will be were acknowledged.
func (a *AHL) talk(ctx context.Context, conn net.Conn) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	answers := make(chan byte)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer stop()
		var b [1]byte
		for {
			if _, err := conn.Read(b[:]); err != nil {
				return
			}
			select {
			case answers <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		<-gone
	}()
	for ctx.Err() == nil {
		ts, ended, changed := a.ring.take()
		if len(ts) == 0 {
			if ended {
				return true
			}
			select {
			case <-ctx.Done():
			case <-changed:
			case b := <-answers:
				a.o.Log.Debug("simulated pbx: the front office speaks unasked", "byte", b)
				return false
			}
			continue
		}
		for i, t := range ts {
			if err := a.deliver(ctx, conn, answers, t); err != nil {
				a.ring.giveBack(ts[i:])
				a.o.Log.Debug("simulated pbx: the session ended", "why", err)
				return false
			}
			a.o.Sent(t, time.Now())
		}
	}
	return false
}

// deliver sends a frame until it is acknowledged.
func (a *AHL) deliver(ctx context.Context, conn net.Conn, answers <-chan byte, t Ticket) error {
	f := a.o.Faults
	a.n++
	every := func(n int) bool { return n > 0 && a.n%n == 0 }
	spoilt, deaf := every(f.SpoilEvery), every(f.DeafEvery)
	if every(f.DropEvery) {
		if _, err := a.out.write(conn, t.Bytes[:len(t.Bytes)/2]); err != nil {
			return err
		}
		return errDropped
	}
	for range ahlTries {
		frame := t.Bytes
		if spoilt {
			frame = append([]byte(nil), frame...)
			frame[len(frame)/2] ^= 1
		}
		if _, err := a.out.write(conn, frame); err != nil {
			return err
		}
		late := time.NewTimer(a.o.Resend)
		select {
		case <-ctx.Done():
			late.Stop()
			return ctx.Err()
		case <-late.C:
			continue
		case b := <-answers:
			late.Stop()
			switch {
			case b == ahlNAK:
				spoilt = false
			case b != ahlACK:
				return fmt.Errorf("the front office sends %#02x", b)
			case spoilt:
				return errors.New("a frame with a wrong byte is acknowledged")
			case deaf:
				deaf = false
			default:
				if every(f.PauseEvery) {
					return sleep(ctx, f.Pause)
				}
				return nil
			}
		}
	}
	return errors.New("the link is down: a frame is not acknowledged")
}
