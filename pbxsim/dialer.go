package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// dialer is a PBX that dials the collector, and keeps its records while that is away.
type dialer struct {
	o    Options
	enc  encoder
	ring *ring
}

func newDialer(model string, o Options, enc encoder, buffer int) (*dialer, error) {
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		return nil, fmt.Errorf("%s: address of the collector: %w", model, err)
	}
	return &dialer{o: o, enc: enc, ring: newRing(buffer, o)}, nil
}

// run emits tickets until the last one is handed over or ctx is done.
func (p *dialer) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	produced := make(chan error, 1)
	go func() {
		produced <- p.o.produce(ctx, p.enc, p.ring.push)
		p.ring.end()
	}()
	p.dial(ctx)
	stop()
	if err := <-produced; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// dial sends until nothing will follow.
func (p *dialer) dial(ctx context.Context) {
	out := newSender(p.o, true)
	var conn net.Conn
	var gone chan struct{} // closed when the collector left
	drop := func() {
		if conn != nil {
			hangUp(conn)
			<-gone
			conn = nil
		}
	}
	defer drop()
	for {
		ts, ended, changed := p.ring.take()
		if len(ts) == 0 {
			if ended {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			case <-gone:
				drop()
				gone = nil
			}
			continue
		}
		if conn != nil {
			select {
			case <-gone:
				drop()
			default:
			}
		}
		if conn == nil {
			c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", p.o.Addr)
			if err != nil {
				p.ring.giveBack(ts)
				if !p.await(ctx) {
					return
				}
				continue
			}
			conn, gone = c, make(chan struct{})
			go func(gone chan struct{}) { watch(c); close(gone) }(gone)
		}
		unblock := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
		n, err := out.send(ctx, conn, ts)
		unblock()
		p.ring.giveBack(ts[n:])
		if err != nil {
			drop()
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// await returns when the next attempt is due; false when ctx is done.
func (p *dialer) await(ctx context.Context) bool {
	p.ring.mu.Lock()
	ended, changed := p.ring.ended, p.ring.changed
	full := p.ring.waits && len(p.ring.items) >= p.ring.size
	p.ring.mu.Unlock()
	retry := p.o.Retry
	if retry == 0 && (ended || full) { // no next record can come
		retry = 200 * time.Millisecond
	}
	var timer <-chan time.Time
	if retry > 0 {
		t := time.NewTimer(retry)
		defer t.Stop()
		timer = t.C
		if ended || full {
			changed = nil
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer:
	}
	return true
}
