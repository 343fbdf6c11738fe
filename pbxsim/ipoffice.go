package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// IPOffice is an Avaya IP Office. With Addr it dials the collector, keeps 500 records while that is away and, like
// the real one, tries again only with the next record, unless Retry is set or no record will follow. With Listen it
// waits for the collector.
type IPOffice struct {
	o    Options
	enc  encoder
	ring *ring
	srv  *server
}

const ipOfficeBuffer = 500

// NewIPOffice makes one; with Listen it opens the listening socket, which Run closes.
func NewIPOffice(o Options) (*IPOffice, error) {
	if err := o.complete(avayaIPOffice); err != nil {
		return nil, err
	}
	if (o.Addr == "") == (o.Listen == "") {
		return nil, fmt.Errorf("%s needs either Addr or Listen", avayaIPOffice)
	}
	enc, err := newAvaya(o)
	if err != nil {
		return nil, err
	}
	p := &IPOffice{o: o, enc: enc}
	if o.Listen != "" {
		if p.srv, err = newServer(o, enc, ipOfficeBuffer); err != nil {
			return nil, err
		}
		return p, nil
	}
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		return nil, fmt.Errorf("%s: address of the collector: %w", avayaIPOffice, err)
	}
	p.ring = newRing(ipOfficeBuffer, o)
	return p, nil
}

// Addr is host:port where the PBX listens; empty where it dials.
func (p *IPOffice) Addr() string {
	if p.srv != nil {
		return p.srv.Addr()
	}
	return ""
}

// Run emits tickets until the last one is handed over or ctx is done.
func (p *IPOffice) Run(ctx context.Context) error {
	if p.srv != nil {
		return p.srv.Run(ctx)
	}
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
func (p *IPOffice) dial(ctx context.Context) {
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
func (p *IPOffice) await(ctx context.Context) bool {
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
