package pbxsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// OXE is the real-time ticket output of an OmniPCX Enterprise (port 2533 in the field), of one call server or two:
// the main one serves one client, the other tells its role and waits to be left. Every message has its length
// before it. What was on its way when a connection ended is gone.
type OXE struct {
	o    Options
	enc  encoder
	ring *ring
	out  *sender
	cpus []net.Listener

	mu   sync.Mutex
	main int
	busy bool
	n    int // connections
	left int // tickets until the next hand-over
}

const oxeBuffer = 500

// NewOXE opens the listening sockets; Run closes them.
func NewOXE(o Options) (*OXE, error) {
	if err := o.complete(alcatelOXE); err != nil {
		return nil, err
	}
	switch {
	case o.Listen == "":
		return nil, fmt.Errorf("%s needs Listen", alcatelOXE)
	case o.Variant != oxeMessages:
		return nil, fmt.Errorf("%s: variant %s is of files: give Dir", alcatelOXE, o.Variant)
	case o.HandOver > 0 && o.Standby == "":
		return nil, fmt.Errorf("%s: HandOver needs Standby", alcatelOXE)
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 30 * time.Second
	}
	enc, err := newOXE(o)
	if err != nil {
		return nil, err
	}
	p := &OXE{o: o, enc: enc, ring: newRing(oxeBuffer, o), out: newSender(o, false), left: o.HandOver}
	p.out.head = 2
	p.out.frame = appendMessage
	for _, addr := range []string{o.Listen, o.Standby} {
		if addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("simulated pbx: %w", err)
		}
		p.cpus = append(p.cpus, ln)
	}
	return p, nil
}

func appendMessage(dst, text []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(text))), text...)
}

// Addr is host:port of the call server that is the main one first.
func (p *OXE) Addr() string { return p.cpus[0].Addr().String() }

// Standby is host:port of the other one; empty where there is none.
func (p *OXE) Standby() string {
	if len(p.cpus) < 2 {
		return ""
	}
	return p.cpus[1].Addr().String()
}

func (p *OXE) close() {
	for _, ln := range p.cpus {
		_ = ln.Close()
	}
}

// Run gives tickets until the last one is handed over or ctx is done.
func (p *OXE) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, p.close)()
	defer p.close()
	produced := make(chan error, 1)
	go func() {
		produced <- p.o.produce(ctx, p.enc, p.ring.push)
		p.ring.end()
	}()
	var serving, accepting sync.WaitGroup
	var broken error
	for i, ln := range p.cpus {
		accepting.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					p.mu.Lock()
					if ctx.Err() == nil {
						broken = err
					}
					p.mu.Unlock()
					stop()
					return
				}
				serving.Go(func() {
					if p.serve(ctx, i, conn) {
						stop()
					}
				})
			}
		})
	}
	<-ctx.Done()
	p.close()
	accepting.Wait()
	serving.Wait()
	if err := <-produced; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if broken != nil {
		return fmt.Errorf("simulated pbx: %w", broken)
	}
	return nil
}

const (
	oxeRoleMain  = "P"
	oxeRoleOther = "S"
	oxeGreeting  = 10 * time.Second
)

// serve talks to one client; true when all tickets there ever will be were given.
func (p *OXE) serve(ctx context.Context, cpu int, conn net.Conn) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		unblock()
		_ = conn.SetDeadline(time.Time{})
		hangUp(conn)
	}()
	serves, err := p.greet(ctx, cpu, conn)
	if err != nil {
		p.o.Log.Debug("simulated pbx: no session", "why", err)
	}
	if !serves {
		return false
	}
	defer func() {
		p.mu.Lock()
		p.busy = false
		p.mu.Unlock()
	}()
	answers := make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer stop()
		for {
			err := hear(conn, "TEST_RSP")
			select {
			case answers <- err:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		stop()
		<-gone
	}()
	all, err := p.give(ctx, conn, answers)
	if err != nil {
		p.o.Log.Debug("simulated pbx: the session ended", "why", err)
	}
	return all
}

// greet is the dialogue before the tickets: hello, role, start.
func (p *OXE) greet(ctx context.Context, cpu int, conn net.Conn) (serves bool, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(oxeGreeting)); err != nil {
		return false, err
	}
	if ctx.Err() != nil { // its end sets a deadline too, perhaps before ours
		return false, ctx.Err()
	}
	if err := hear(conn, "S"); err != nil {
		return false, err
	}
	p.mu.Lock()
	isMain, busy, n := cpu == p.main, p.busy, p.n
	if isMain && !busy {
		p.busy = true
		p.n++
	}
	p.mu.Unlock()
	switch {
	case !isMain:
		_, err := conn.Write(appendMessage(nil, []byte(oxeRoleOther)))
		if err == nil {
			watch(conn)
		}
		return false, err
	case busy: // it hangs up and says nothing
		return false, nil
	}
	// As seen in the field: in one piece or in two, or with the first message's length behind it.
	role, first := appendMessage(nil, []byte(oxeRoleMain)), message(oxeEmpty, nil)
	pieces := [][]byte{role[:2], role[2:]}
	switch n % 3 {
	case 1:
		pieces = [][]byte{role}
	case 2:
		pieces = [][]byte{append(role, appendMessage(nil, first)[:2]...)}
	}
	for _, piece := range pieces {
		if err == nil {
			_, err = conn.Write(piece)
		}
	}
	if err == nil {
		err = hear(conn, "\x00\x00")
	}
	if err == nil && n%3 == 2 {
		_, err = conn.Write(first)
	}
	if err == nil && n%3 == 2 {
		p.o.Sent(Ticket{Bytes: first, Want: WantIgnored, Odd: OddBlank}, time.Now())
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.mu.Lock()
		p.busy = false
		p.mu.Unlock()
	}
	return err == nil, err
}

// hear reads one message, which must be the given one.
func hear(conn net.Conn, want string) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n != len(want) {
		return fmt.Errorf("the client sends a message of %d bytes, want %q", n, want)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(conn, text); err != nil {
		return err
	}
	if string(text) != want {
		return fmt.Errorf("the client sends %q, want %q", text, want)
	}
	return nil
}

// give sends tickets and keep-alives until there is nothing more, the call servers change roles, or the client
// leaves or does not answer.
func (p *OXE) give(ctx context.Context, conn net.Conn, answers <-chan error) (all bool, err error) {
	beat := time.NewTicker(p.o.KeepAlive)
	defer beat.Stop()
	asked := false
	ask := func() error {
		if asked {
			return errors.New("the client does not answer a keep-alive")
		}
		asked = true
		_, err := conn.Write(appendMessage(nil, []byte("TEST_REQ")))
		return err
	}
	answered := func(err error) error {
		if err == nil && !asked {
			err = errors.New("the client answers a keep-alive that nobody sent")
		}
		asked = false
		return err
	}
	for ctx.Err() == nil {
		ts, ended, changed := p.ring.take()
		if len(ts) == 0 {
			if ended {
				return true, nil
			}
			select {
			case <-ctx.Done():
			case <-changed:
			case <-beat.C:
				err = ask()
			case err = <-answers:
				err = answered(err)
			}
			if err != nil {
				return false, err
			}
			continue
		}
		select {
		case <-beat.C:
			err = ask()
		case err = <-answers:
			err = answered(err)
		default:
		}
		if err != nil {
			p.ring.giveBack(ts)
			return false, err
		}
		some := ts
		if p.o.HandOver > 0 {
			some = ts[:min(len(ts), max(p.left, 1))]
		}
		n, err := p.out.send(ctx, conn, some)
		p.ring.giveBack(ts[n:])
		p.left -= n
		if err != nil {
			return false, err
		}
		if p.o.HandOver == 0 || p.left > 0 {
			continue
		}
		p.left = p.o.HandOver
		p.mu.Lock()
		p.main = 1 - p.main
		p.mu.Unlock()
		_, err = conn.Write(appendMessage(nil, []byte(oxeRoleOther)))
		return false, err
	}
	return false, nil
}
