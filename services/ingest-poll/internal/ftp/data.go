package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// transfer orders a transfer, from a byte on, and connects for it.
func (c *conn) transfer(ctx context.Context, command string, from int64) (*stream, error) {
	way, err := c.way(ctx)
	if err != nil {
		return nil, err
	}
	skip := int64(0)
	if from > 0 {
		// A server that cannot begin in the middle sends all of it.
		if err := c.expect(ctx, 3, "REST "+strconv.FormatInt(from, 10)); unknown(err) {
			skip = from
		} else if err != nil {
			return nil, errors.Join(err, way.close())
		}
	}
	code, text, err := c.send(ctx, command)
	if err == nil && code/100 == 2 {
		// Nothing to send, and nothing more to come.
		return &stream{c: c, finished: true}, way.close()
	}
	if err == nil {
		err = c.must(1, command, code, text)
	}
	if err != nil {
		return nil, errors.Join(way.explain(err), way.close())
	}
	data, err := way.open()
	if err == nil && c.tls != nil {
		raw := data
		if data, err = handshake(ctx, raw, c.tls(), c.step); err != nil {
			err = fmt.Errorf("no TLS for the transfer: %w", err)
			_ = raw.Close()
		}
	}
	if err != nil {
		_ = c.Close() // what the server says of it is not waited for
		return nil, err
	}
	s := &stream{c: c, data: data, began: time.Now()}
	s.stop = context.AfterFunc(ctx, func() { _ = data.Close() })
	if _, err := io.CopyN(io.Discard, s, skip); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// way is how the bytes of a transfer come.
type way struct {
	data     net.Conn     // passive
	listener net.Listener // active
	peer     netip.Addr
	limit    time.Duration
}

func (w *way) close() error {
	if w.listener != nil {
		return w.listener.Close()
	}
	return w.data.Close()
}

func (w *way) explain(err error) error {
	if !saysCode(err, codeNoTransfer) {
		return err
	}
	if w.listener != nil {
		return fmt.Errorf("the server cannot connect back to us at %s: let it through the firewall, give active_address where addresses are translated, or take out active: true: %w", w.listener.Addr(), err)
	}
	return fmt.Errorf("the transfer cannot begin: %w", err)
}

// open gives the connection once the server has agreed to the transfer. Nobody
// but the server may connect.
func (w *way) open() (net.Conn, error) {
	if w.listener == nil {
		return w.data, nil
	}
	defer w.listener.Close()
	if err := w.listener.(*net.TCPListener).SetDeadline(time.Now().Add(w.limit)); err != nil {
		return nil, err
	}
	for {
		data, err := w.listener.Accept()
		if err != nil {
			return nil, fmt.Errorf("the server did not connect back to us at %s: let it through the firewall, give active_address where addresses are translated, or take out active: true: %w", w.listener.Addr(), err)
		}
		if addrOf(data.RemoteAddr()) == w.peer {
			return data, nil
		}
		_ = data.Close()
	}
}

func addrOf(a net.Addr) netip.Addr { return a.(*net.TCPAddr).AddrPort().Addr().Unmap() }

func (c *conn) way(ctx context.Context) (*way, error) {
	if c.cfg.Active {
		return c.active(ctx)
	}
	if !c.noEPSV {
		port, err := c.epsv(ctx)
		if err == nil {
			w, dialErr := c.passive(ctx, port)
			if dialErr == nil || ctx.Err() != nil {
				return w, dialErr
			}
			err = dialErr // a firewall that only follows PASV
		}
		if c.noEPSV = true; !c.Alive() || c.remote().Is6() {
			return nil, err
		}
	}
	port, err := c.pasv(ctx)
	if err != nil {
		return nil, err
	}
	return c.passive(ctx, port)
}

func (c *conn) remote() netip.Addr { return addrOf(c.net.RemoteAddr()) }

// passive connects to a port of the server. The address that PASV names is not
// used: behind a translation it is a wrong one, and a server that named another
// host would have us connect to it.
func (c *conn) passive(ctx context.Context, port int) (*way, error) {
	d := net.Dialer{Timeout: c.step}
	to := netip.AddrPortFrom(c.remote(), uint16(port))
	data, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("the server's port %d for the transfer does not answer: let us through the firewall to its passive ports, or say active: true: %w", port, err)
	}
	return &way{data: data}, nil
}

func (c *conn) epsv(ctx context.Context) (int, error) {
	text, err := c.ask(ctx, 2, "EPSV")
	if err != nil {
		return 0, err
	}
	if port, ok := parseEPSV(text); ok {
		return port, nil
	}
	return 0, fmt.Errorf("an answer to EPSV without a port: %s", c.clean(text))
}

// parseEPSV reads `… (|||40000|)`; the bar may be another character.
func parseEPSV(text string) (port int, ok bool) {
	if _, in, ok := strings.Cut(text, "("); ok {
		if in, _, ok := strings.Cut(in, ")"); ok && len(in) > 4 {
			if f := strings.Split(in, in[:1]); len(f) == 5 {
				port, err := strconv.ParseUint(f[3], 10, 16)
				return int(port), err == nil && port > 0
			}
		}
	}
	return 0, false
}

func (c *conn) pasv(ctx context.Context) (int, error) {
	text, err := c.ask(ctx, 2, "PASV")
	if err != nil {
		return 0, err
	}
	if port, ok := parsePASV(text); ok {
		return port, nil
	}
	return 0, fmt.Errorf("an answer to PASV without a port: %s", c.clean(text))
}

// parsePASV reads `… (10,1,0,9,156,64)`; not all servers write the brackets.
func parsePASV(text string) (port int, ok bool) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r != ',' && (r < '0' || r > '9') }) {
		f := strings.Split(word, ",")
		if len(f) != 6 {
			continue
		}
		high, err1 := strconv.ParseUint(f[4], 10, 8)
		low, err2 := strconv.ParseUint(f[5], 10, 8)
		if port := high<<8 | low; err1 == nil && err2 == nil && port > 0 {
			return int(port), true
		}
	}
	return 0, false
}

// active listens for the server and tells it where.
func (c *conn) active(ctx context.Context) (*way, error) {
	ours := addrOf(c.net.LocalAddr())
	l, err := c.listen(ctx, ours)
	if err != nil {
		return nil, err
	}
	w := &way{listener: l, peer: c.remote(), limit: c.step}
	if c.public.IsValid() {
		ours = c.public
	}
	port := l.Addr().(*net.TCPAddr).Port
	command := fmt.Sprintf("EPRT |2|%s|%d|", ours, port)
	if ours.Is4() {
		command = fmt.Sprintf("PORT %s,%d,%d", strings.ReplaceAll(ours.String(), ".", ","), port>>8, port&255)
	}
	if err := c.expect(ctx, 2, command); err != nil {
		return nil, errors.Join(fmt.Errorf("the server does no active transfers: take out active: true: %w", err), l.Close())
	}
	return w, nil
}

func (c *conn) listen(ctx context.Context, ours netip.Addr) (net.Listener, error) {
	var lc net.ListenConfig
	var failed error
	for port := c.ports[0]; port <= c.ports[1]; port++ {
		l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(ours, uint16(port)).String())
		if err == nil {
			return l, nil
		}
		failed = err
	}
	return nil, fmt.Errorf("none of our ports for active transfers is free: %w", failed)
}

// stream is a running transfer.
type stream struct {
	c     *conn
	data  net.Conn
	stop  func() bool
	began time.Time
	bytes int64
	// ended tells that all bytes came, finished that the server said so.
	ended, finished bool
}

func (s *stream) Read(p []byte) (int, error) {
	if s.ended || s.finished {
		return 0, io.EOF
	}
	if err := s.data.SetReadDeadline(s.c.pace.Deadline(s.began, s.bytes)); err != nil {
		return 0, s.broke(err)
	}
	n, err := s.data.Read(p)
	s.bytes += int64(n)
	switch {
	case err == io.EOF:
		s.ended = true
		if err := s.finish(); err != nil {
			return n, err
		}
		return n, io.EOF
	case err != nil:
		return n, s.broke(err)
	}
	return n, nil
}

// broke gives the connection up: where the answer stands is not known any more.
func (s *stream) broke(err error) error {
	_ = s.Close()
	_ = s.c.Close()
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("the transfer is too slow or stands still: %d bytes in %s", s.bytes, time.Since(s.began).Round(time.Second))
	}
	return fmt.Errorf("the transfer broke after %d bytes: %w", s.bytes, err)
}

// finish hears how the transfer went.
func (s *stream) finish() error {
	s.finished = true
	s.stop()
	_ = s.data.Close()
	if !s.c.Alive() {
		return net.ErrClosed
	}
	s.c.left.N = maxReply
	if err := s.c.net.SetDeadline(time.Now().Add(s.c.step)); err != nil {
		return s.c.fail(err)
	}
	code, text, err := s.c.answer()
	if err != nil {
		return err
	}
	if !s.ended {
		return nil // we broke it off, and whatever it says of that is right
	}
	if err := s.c.must(2, "transfer", code, text); err != nil {
		_ = s.c.Close() // so that it is taken up again on another connection
		return err
	}
	return nil
}

// Close ends the transfer. One whose bytes all came is heard to its end, so that
// the connection can be used again.
func (s *stream) Close() error {
	if s.finished {
		return nil
	}
	if s.c.Alive() && s.data.SetReadDeadline(time.Now().Add(s.c.step/10)) == nil {
		var more [1]byte
		n, err := s.data.Read(more[:])
		s.ended = n == 0 && err == io.EOF
	}
	return s.finish()
}
