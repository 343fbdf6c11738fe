package tftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// timing bounds every step of a transfer.
type timing struct {
	retry, retryMax time.Duration // an answer is sent again so soon, doubling
	quiet           time.Duration // nothing new came for so long
	whole           time.Duration // a transfer
	dally           time.Duration // who missed the last answer may ask for it so long
	bind            time.Duration // between two tries to listen
}

var usual = timing{
	retry: 2 * time.Second, retryMax: 8 * time.Second, quiet: time.Minute, whole: 30 * time.Minute,
	dally: 30 * time.Second, bind: 2 * time.Second,
}

// maxStrangers of one transfer that get an answer.
const maxStrangers = 8

// transfer is one file on a socket of its own.
type transfer struct {
	timing
	conn *net.UDPConn
	// to is where the first packet goes to; peer, who answered it from the port that
	// counts. The server knows both from the begin.
	to, peer netip.AddrPort
	first    []byte
	rcv      receiver
	begun    atomic.Bool
	asked    string // the request
	// again counts answers that were asked for after the end, and ended tells that
	// it is there.
	again atomic.Int32
	ended atomic.Bool
}

// run takes the file. It closes nothing.
func (t *transfer) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = t.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	t.rcv.answer = t.first
	began := time.Now()
	heard, wait := began, t.retry
	next := began.Add(wait)
	t.send(t.first)
	buf := make([]byte, maxPacketHead+t.rcv.block+1)
	strangers := 0
	for !t.rcv.done {
		p, from, err := t.read(ctx, buf, earliest(next, heard.Add(t.quiet), began.Add(t.whole)))
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			t.send(t.rcv.fail(refuse(codeOther, "stopping: send it again later"), now))
			return ctx.Err()
		case now.Sub(began) >= t.whole:
			t.send(t.rcv.fail(refuse(codeOther, "it took longer than %s", t.whole), now))
			continue
		case now.Sub(heard) >= t.quiet:
			t.send(t.rcv.fail(fmt.Errorf("%w: nothing new came for %s behind %d bytes", errQuiet, t.quiet, t.rcv.size), now))
			continue
		case err != nil:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return t.broken(err, now)
			}
			wait = min(2*wait, t.retryMax)
			next = now.Add(wait)
			t.send(t.rcv.answer)
			t.rcv.answered = now
			continue
		case p == nil:
			continue
		}
		if !t.peer.IsValid() && from.Addr() == t.to.Addr() && (kind(p) == opData && blockOf(p) == 1 || kind(p) == opError || kind(p) == opAckOptions) {
			t.peer = from
		}
		if from != t.peer {
			// Nobody is told of a transfer who cannot be part of it.
			if from.Addr() == t.to.Addr() && t.peer.IsValid() && kind(p) != opError && strangers < maxStrangers {
				strangers++
				_, _ = t.conn.WriteToUDPAddrPort(errorPacket(refuse(codeStranger, "that port has no transfer here")), from)
			}
			continue
		}
		had := t.rcv.blocks
		reply := t.rcv.packet(now, p)
		if t.rcv.blocks != had {
			t.begun.Store(true)
			heard, wait = time.Now(), t.retry
			next = heard.Add(wait)
		}
		if t.rcv.done {
			t.ended.Store(true) // before the peer knows and sends the next file
		}
		if reply != nil {
			t.send(reply)
		}
	}
	return t.rcv.err
}

func (t *transfer) broken(err error, now time.Time) error {
	t.rcv.fail(fmt.Errorf("the socket failed: %w", err), now)
	return t.rcv.err
}

// linger answers who missed the last answer.
func (t *transfer) linger(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = t.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	end := time.Now().Add(t.dally)
	buf := make([]byte, maxPacketHead+t.rcv.block+1)
	var calmed time.Time
	for {
		p, from, err := t.read(ctx, buf, end)
		if err != nil {
			break
		}
		if p == nil || from != t.peer {
			continue
		}
		if reply := t.rcv.packet(time.Now(), p); reply != nil {
			t.send(reply)
			t.again.Add(1)
			calmed = time.Now()
		}
	}
	// Who asked again and then fell silent has the answer, unless that was lost too.
	if t.rcv.err == nil && ctx.Err() == nil && (calmed.IsZero() || time.Since(calmed) > t.dally/2) {
		t.rcv.file.Heard()
	}
}

// read waits for a packet. Errors of a socket that still works give none: some
// systems report here that an earlier packet found nobody.
func (t *transfer) read(ctx context.Context, buf []byte, until time.Time) ([]byte, netip.AddrPort, error) {
	_ = t.conn.SetReadDeadline(until)
	if ctx.Err() != nil {
		return nil, netip.AddrPort{}, ctx.Err()
	}
	n, from, err := t.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, from, err
		}
		time.Sleep(time.Millisecond) // never a busy loop, whatever the system reports
		return nil, from, nil
	}
	return buf[:n], unmapped(from), nil
}

func (t *transfer) send(p []byte) {
	to := t.peer
	if !to.IsValid() {
		to = t.to
	}
	// What cannot be sent is lost on the way: it is sent again.
	_, _ = t.conn.WriteToUDPAddrPort(p, to)
}

// repeat sends the first answer again, to who asked again.
func (t *transfer) repeat() {
	if t.conn != nil && !t.begun.Load() {
		_, _ = t.conn.WriteToUDPAddrPort(t.first, t.to)
	}
}

func earliest(times ...time.Time) time.Time {
	first := times[0]
	for _, t := range times[1:] {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
