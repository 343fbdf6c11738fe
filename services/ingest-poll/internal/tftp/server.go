package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxTransfers of an address, and maxLingering, those that ended.
	maxTransfers = 128
	maxLingering = 128
)

// Servers are the addresses that this process listens on. Links share one, each
// with addresses of its own that may send.
type Servers struct {
	log    *slog.Logger
	timing timing

	mu        sync.Mutex
	addresses map[string]*address
}

// NewServers makes the servers of a process; they listen when a link runs.
func NewServers(log *slog.Logger) *Servers {
	return &Servers{log: log, timing: usual, addresses: make(map[string]*address)}
}

// address is one UDP port.
type address struct {
	s      *Servers
	listen string
	conn   *net.UDPConn

	mu        sync.Mutex
	boxes     []*Inbox
	transfers map[netip.AddrPort]*transfer
	active    int
	lingering int
}

// Run takes what is sent to an inbox until ctx is done. An address that cannot be
// bound is tried again; the inbox tells.
func (s *Servers) Run(ctx context.Context, b *Inbox) {
	for ctx.Err() == nil {
		err := b.Open()
		var a *address
		if err == nil {
			a, err = s.join(b)
		}
		if err == nil {
			b.settle("listen")
			<-ctx.Done()
			s.leave(a, b)
			return
		}
		b.raise("listen", err, time.Hour)
		select {
		case <-ctx.Done():
		case <-time.After(s.timing.bind):
		}
	}
}

func (s *Servers) join(b *Inbox) (*address, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.addresses[b.listen]
	if a == nil {
		at, err := net.ResolveUDPAddr("udp", b.listen)
		if err != nil {
			return nil, fmt.Errorf("udp %s: %w", b.listen, err)
		}
		conn, err := net.ListenUDP("udp", at)
		if err != nil {
			return nil, fmt.Errorf("udp %s cannot be listened on: is another TFTP server running, and may trunkline use a port below 1024 (CAP_NET_BIND_SERVICE)? %w", b.listen, err)
		}
		a = &address{s: s, listen: b.listen, conn: conn, transfers: make(map[netip.AddrPort]*transfer)}
		s.addresses[b.listen] = a
		go a.serve()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.boxes = append(a.boxes, b)
	b.begin(a.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	return a, nil
}

// leave ends what an inbox takes. The last one closes the address.
func (s *Servers) leave(a *address, b *Inbox) {
	s.mu.Lock()
	a.mu.Lock()
	a.boxes = slices.DeleteFunc(a.boxes, func(x *Inbox) bool { return x == b })
	last := len(a.boxes) == 0
	a.mu.Unlock()
	if last {
		delete(s.addresses, a.listen)
		a.conn.Close()
	}
	s.mu.Unlock()
	b.end()
}

// serve reads requests until the address is closed.
func (a *address) serve() {
	buf := make([]byte, maxRequest+1)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Some systems report here that an answer found nobody.
			time.Sleep(time.Millisecond)
			continue
		}
		a.request(buf[:n], unmapped(from))
	}
}

// request begins a transfer.
func (a *address) request(p []byte, from netip.AddrPort) {
	if k := kind(p); k != opRead && k != opWrite {
		return // not for this port, and an answer could go in circles
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boxOf(from.Addr())
	if b == nil {
		for _, b := range a.boxes {
			b.refused(from)
		}
		a.answer(from, refuse(codeAccess, "your address is in no list of addresses that may send"))
		return
	}
	wish, refusal := parseRequest(p)
	if refusal != nil {
		b.broken(from, "", refusal)
		a.answer(from, refusal)
		return
	}
	if t := a.transfers[from]; t != nil && !t.ended.Load() && t.asked == string(p) {
		t.repeat()
		return
	}
	if a.active >= maxTransfers {
		a.answer(from, refuse(codeOther, "%d transfers are under way already: send it again later", maxTransfers))
		return
	}
	for other, t := range a.transfers {
		// Who sends the next file, and never asked again for the end of the last one,
		// knows that we have that.
		if other.Addr() == from.Addr() && t.ended.Load() && t.rcv.done && t.rcv.err == nil && t.again.Load() == 0 && t.asked != string(p) {
			t.rcv.file.Heard()
		}
	}
	t := &transfer{timing: a.s.timing, to: from, peer: from, asked: string(p)}
	a.active++
	a.transfers[from] = t
	b.running.Go(func() { a.transfer(b, t, wish) })
}

func (a *address) boxOf(from netip.Addr) *Inbox {
	for _, b := range a.boxes {
		if b.allows(from) {
			return b
		}
	}
	return nil
}

func (a *address) answer(to netip.AddrPort, err error) {
	_, _ = a.conn.WriteToUDPAddrPort(errorPacket(err), to)
}

func (a *address) transfer(b *Inbox, t *transfer, wish *request) {
	from, err := t.peer, error(nil)
	defer func() {
		if t.conn != nil {
			t.conn.Close()
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.transfers[from] == t {
			delete(a.transfers, from)
		}
	}()
	ctx := b.context()
	began := a.begin(b, t, wish)
	if err = began; err == nil {
		err = t.run(ctx)
	} else {
		a.answer(from, err)
	}
	if err != nil {
		b.broken(from, wish.name, err)
	} else {
		b.received(from)
	}
	t.ended.Store(true)
	a.mu.Lock()
	a.active--
	room := a.lingering < maxLingering
	if room {
		a.lingering++
	}
	a.mu.Unlock()
	if !room {
		return
	}
	if began == nil {
		t.linger(ctx)
	}
	a.mu.Lock()
	a.lingering--
	a.mu.Unlock()
}

// begin opens the file and the transfer's own port.
func (a *address) begin(b *Inbox, t *transfer, wish *request) error {
	terms := negotiate(wish.options)
	if terms.seconds > 0 {
		t.retry = time.Duration(terms.seconds) * time.Second
		t.retryMax = max(t.retryMax, t.retry)
		t.quiet = max(t.quiet, 4*t.retry)
	}
	at := *a.conn.LocalAddr().(*net.UDPAddr)
	at.Port = 0
	conn, err := net.ListenUDP("udp", &at)
	if err != nil {
		return err
	}
	file, err := b.dir.Create(wish.name, terms.size, t.to.Addr().String())
	if err != nil {
		conn.Close()
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t.conn, t.first = conn, terms.answer
	t.rcv = receiver{file: file, ascii: wish.netASCII, block: terms.block, limit: maxFile}
	return nil
}
