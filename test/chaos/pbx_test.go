package chaos

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/bus"
)

// pbx writes tickets to a socket and forgets them: what became of them it cannot
// know. Its memory is what it wrote on which connection.
type pbx struct {
	site, link, model string
	next              func() []byte
	via               *proxy   // what it goes through; nil: nothing
	reader            string   // where it dials
	by                []string // who may be at the other end
	readers           []*process
	over              atomic.Bool
	listener          net.Listener
	rand              *rand.Rand

	queue [][]byte // made and not handed over
	flood int      // tickets that are to come at once
	mu    sync.Mutex
	conns []*connection
}

// connection is what went over one.
type connection struct {
	addr    string // by which the proxy knows it
	began   time.Time
	ended   time.Time
	tickets []sent
	wrote   int
	half    []byte // of a ticket that was not handed over whole, and comes again
	orderly bool   // the other side ended it, or we did
}

// sent is a ticket that was handed over.
type sent struct {
	raw   string // without its end
	at    time.Time
	begin int
}

const lineEnd = "\r\n"

// unique makes a PBX's tickets, no two equal.
func unique(t *testing.T, model string, seed uint64) func() []byte {
	t.Helper()
	had := make(map[string]bool)
	tickets := make(chan []byte)
	ctx := t.Context()
	all, err := pbxsim.Tickets(model, pbxsim.Options{
		Seed: seed, Count: 1 << 22, Zone: paris, From: begin.AddDate(0, -6, 0), To: begin.AddDate(0, 0, -1),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for x := range all {
			if x.Want != pbxsim.WantCDR || had[string(x.Bytes)] {
				continue
			}
			had[string(x.Bytes)] = true
			select {
			case tickets <- x.Bytes:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() []byte { return <-tickets }
}

// run is the PBX until done is closed. It finishes the ticket that it is at.
func (p *pbx) run(ctx context.Context) {
	defer p.over.Store(true)
	for ctx.Err() == nil {
		conn, err := p.connect(ctx)
		if err != nil {
			_ = bus.Wait(ctx, redial)
			continue
		}
		began := time.Now()
		if p.talk(ctx, conn); time.Since(began) < redial {
			_ = bus.Wait(ctx, redial) // whoever listens is only the line
		}
	}
}

// redial is how soon a PBX tries again.
const redial = 100 * time.Millisecond

func (p *pbx) connect(ctx context.Context) (*net.TCPConn, error) {
	if p.listener != nil {
		// A PBX is patient; its end is asked for now and then.
		_ = p.listener.(*net.TCPListener).SetDeadline(time.Now().Add(200 * time.Millisecond))
		conn, err := p.listener.Accept()
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	d := net.Dialer{Timeout: 2 * time.Second, Control: small}
	conn, err := d.DialContext(ctx, "tcp", p.reader)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func small(_, _ string, raw syscall.RawConn) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = smallSocket(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// talk writes until the other side leaves, the line breaks or ctx is done.
func (p *pbx) talk(ctx context.Context, conn *net.TCPConn) {
	c := &connection{addr: conn.LocalAddr().String(), began: time.Now()}
	if p.listener != nil {
		c.addr = conn.RemoteAddr().String()
	}
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, err := io.Copy(io.Discard, conn)
		p.mu.Lock()
		c.orderly = err == nil
		p.mu.Unlock()
		_ = conn.SetWriteDeadline(time.Unix(1, 0))
	}()
	for p.wait(ctx, left) {
		if err := p.write(c, conn); err != nil {
			break
		}
	}
	// The other side reads to the end what it was given.
	_ = conn.CloseWrite()
	select {
	case <-left:
	case <-time.After(15 * time.Second):
	}
	conn.Close()
	<-left
	p.mu.Lock()
	c.ended = time.Now()
	p.mu.Unlock()
}

// wait waits for the next calls to end; false when nothing more is written.
func (p *pbx) wait(ctx context.Context, left <-chan struct{}) bool {
	pause := time.NewTimer(time.Duration(p.rand.ExpFloat64() * float64(80*time.Millisecond)))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-left:
		return false
	case <-pause.C:
		return true
	}
}

// write hands over a few tickets.
func (p *pbx) write(c *connection, conn *net.TCPConn) error {
	n := 1 + p.rand.IntN(4)
	p.mu.Lock()
	n, p.flood = n+p.flood, 0
	p.mu.Unlock()
	for len(p.queue) < n {
		p.queue = append(p.queue, p.next())
	}
	var buf []byte
	for _, raw := range p.queue {
		buf = append(append(buf, raw...), lineEnd...)
	}
	wrote, err := p.pieces(conn, buf)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	at, done := 0, 0
	for _, raw := range p.queue {
		end := at + len(raw) + len(lineEnd)
		if at+len(raw) >= wrote { // one byte of the line's end makes it whole
			c.half = append([]byte(nil), buf[at:wrote]...)
			break
		}
		c.tickets = append(c.tickets, sent{string(raw), now, c.wrote + at})
		at = end
		done++
	}
	p.queue = p.queue[done:]
	c.wrote += wrote
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return io.EOF
	}
	return err
}

// pieces writes now and then in two parts, so that a line also breaks inside of a
// ticket.
func (p *pbx) pieces(conn *net.TCPConn, buf []byte) (int, error) {
	if p.rand.IntN(3) > 0 {
		return conn.Write(buf)
	}
	at := p.rand.IntN(len(buf))
	first, err := conn.Write(buf[:at])
	if err != nil {
		return first, err
	}
	time.Sleep(time.Duration(p.rand.Int64N(int64(60 * time.Millisecond))))
	second, err := conn.Write(buf[at:])
	return first + second, err
}

// count is how many tickets were handed over.
func (p *pbx) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		n += len(c.tickets)
	}
	return n
}
