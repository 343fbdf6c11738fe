package ingesttcp

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
)

func oxeLink(dial ...string) config.LinkOf {
	l := newLink("oxe", "alcatel-oxe", config.TCP{})
	l.TCP, l.OXE = nil, &config.OXE{Dial: dial}
	return l
}

const testReq = "\x00\x08TEST_REQ"

func TestOXEDialogue(t *testing.T) {
	r := newRig(t, false)
	want := oxeTickets(0, 60)
	want = append(want, oxeMessage(6, "calls=60;node=101\n"), oxeMessage(7, "\xff\xfb\x01\xff\xff\x00 binary"), oxeMessage(9, "of a kind to come"))
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		io.WriteString(c, "\x00\x08")
		time.Sleep(2 * time.Millisecond)
		io.WriteString(c, "TEST_REQ")
		p.answered(t, 1)
		// A batch with a keep-alive inside, cut anywhere.
		var batch strings.Builder
		for i, m := range want {
			if i == 30 {
				batch.WriteString(testReq)
			}
			batch.WriteString(framed(m))
		}
		batch.WriteString(testReq)
		for text := batch.String(); len(text) > 0; {
			n := min(len(text), 1+len(text)%1500)
			io.WriteString(c, text[:n])
			text = text[n:]
		}
		p.answered(t, 2)
		untilClosed(c)
	})
	s := r.service(oxeLink(p.Addr().String()))
	stop := r.run(s)
	r.awaitOXE(want)
	await(t, "the state", func() bool { return s.Links()[0].Tickets >= uint64(len(want)) })
	if st := s.Links()[0]; st.Wire != pbx.OXEDial || st.Addr != p.Addr().String() || len(st.Peers) != 1 || st.Err != nil {
		t.Errorf("state %+v", st)
	}
	if n := value(t, s.metrics.frames, map[string]string{"kind": "keep_alive"}); n != 3 {
		t.Errorf("%v keep-alives", n)
	}
	stop()
	if r.log.String() != "" {
		t.Errorf("a normal day logs:\n%s", r.log)
	}
}

func TestOXEByteByByte(t *testing.T) {
	r := newRig(t, false)
	want := oxeTickets(0, 1)
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		for _, b := range []byte(testReq + framed(want[0]) + testReq) {
			c.Write([]byte{b})
		}
		p.answered(t, 2)
		untilClosed(c)
	})
	r.run(r.service(oxeLink(p.Addr().String())))
	r.awaitOXE(want)
}

// The call servers change roles: in a session, between two, and back.
func TestOXEHandOver(t *testing.T) {
	r := newRig(t, false)
	var main atomic.Int32
	role := func(me int32) func(int) byte {
		return func(int) byte {
			if main.Load() == me {
				return 'P'
			}
			return 'S'
		}
	}
	tickets := oxeTickets(0, 4)
	two := newCallServer(t, role(2), func(c net.Conn, p *callServer, n int) {
		io.WriteString(c, framed(tickets[1]))
		main.Store(1)
	})
	one := newCallServer(t, role(1), func(c net.Conn, p *callServer, n int) {
		switch main.Load() {
		case 1:
			if got, _ := r.oxeMessages(); len(got) == 0 {
				io.WriteString(c, framed(tickets[0]))
				main.Store(2)
				io.WriteString(c, "\x00\x01S") // it tells that it hands over
				return
			}
			io.WriteString(c, framed(tickets[2])+framed(tickets[3])[:400])
		}
	})
	main.Store(1)
	s := r.service(oxeLink(one.Addr().String(), two.Addr().String()))
	s.timing.switchOver = 50 * time.Millisecond
	begin := time.Now()
	r.run(s)
	await(t, "the tickets of both", func() bool { got, _ := r.oxeMessages(); return len(got) >= 3 })
	if took := time.Since(begin); took < 2*s.timing.switchOver {
		t.Errorf("two switch-overs took %s", took)
	}
	got, _ := r.oxeMessages()
	same(t, got[:3], tickets[:3])
	await(t, "the half ticket", func() bool { _, half := r.oxeMessages(); return len(half) > 0 })
	_, half := r.oxeMessages()
	same(t, half[:1], []string{"cut-off " + tickets[3][:398]})
	if value(t, s.metrics.dials, map[string]string{"result": "other_role"}) == 0 || s.results(t, "closed_other_role") == 0 {
		t.Error("no other role was met")
	}
	if !strings.Contains(r.log.String(), "other call server") {
		t.Errorf("nobody is told of the other call server:\n%s", r.log)
	}
}

func TestOXEMainIsAway(t *testing.T) {
	r := newRig(t, false)
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Close()
	want := oxeTickets(0, 3)
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		io.WriteString(c, framed(want[0])+framed(want[1])+framed(want[2]))
		untilClosed(c)
	})
	r.run(r.service(oxeLink(away.Addr().String(), p.Addr().String())))
	r.awaitOXE(want)
}

// What does not talk like an OXE is told, with place and remedy, and gives no
// ticket.
func TestNoOXE(t *testing.T) {
	for _, tc := range []struct {
		name string
		says string
		then string
		want string
	}{
		{"VPN box", "\xff\xff", "", "answers ff ff"},
		{"telnet", "\xff\xfd\x18\xff\xfd\x20", "", "answers ff fd"},
		{"FTP server", "220 ready\r\n", "", "port 2533"},
		{"one client is there", "", "", "another program connected"},
		{"half an answer", "\x00\x01", "", "another program connected"},
		{"stand-by", "\x00\x01S", "", "add the other call server's address"},
		{"garbage later", "\x00\x01P", "\xff\xff", "begins with ff ff"},
		{"text later", "\x00\x01P", "ED5.2", "port 2533"},
		{"hangs up", "\x00\x01P", "", "another program connected"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, false)
			p := newServer(t, func(c net.Conn, n int) {
				io.ReadFull(c, make([]byte, 3))
				io.WriteString(c, tc.says)
				if strings.HasSuffix(tc.says, "P") {
					io.ReadFull(c, make([]byte, 4))
				}
				io.WriteString(c, tc.then)
				c.(*net.TCPConn).CloseWrite()
				untilClosed(c)
			})
			s := r.service(oxeLink(p.Addr().String()))
			s.timing.switchOver = 10 * time.Millisecond
			r.run(s)
			await(t, "two attempts", func() bool { return p.conns.Load() >= 2 })
			// A connection that is greeted clears the error until it ends.
			await(t, "the error", func() bool {
				err := s.Links()[0].Err
				return err != nil && strings.Contains(err.Error(), tc.want) && strings.Contains(err.Error(), "lyon/oxe at "+p.Addr().String()) ||
					err != nil && strings.Contains(err.Error(), tc.want) && tc.name == "hangs up"
			})
			if got := r.messages(); len(got) > 0 {
				t.Errorf("it became tickets: %q", got[0].Payload)
			}
		})
	}
}

func TestOXEWithoutRoleOrKeepAlive(t *testing.T) {
	for name, want := range map[string]string{"role": "licences 51 and 83", "keep-alive": "without its keep-alive"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false)
			p := newServer(t, func(c net.Conn, n int) {
				if name == "keep-alive" {
					io.WriteString(c, "\x00\x01P")
				}
				untilClosed(c)
			})
			s := r.service(oxeLink(p.Addr().String()))
			s.timing.hello, s.timing.alive = 50*time.Millisecond, 50*time.Millisecond
			r.run(s)
			await(t, "the error", func() bool {
				err := s.Links()[0].Err
				return err != nil && strings.Contains(err.Error(), want)
			})
		})
	}
}

// While NATS is away keep-alives are answered, and tickets stay with the PBX.
func TestOXEWithoutNATS(t *testing.T) {
	r := newRig(t, true)
	r.start()
	want := oxeTickets(0, 400)
	next := make(chan string)
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		c.(*net.TCPConn).SetWriteBuffer(8 << 10)
		for text := range next {
			io.WriteString(c, text)
		}
		untilClosed(c)
	})
	s := r.service(oxeLink(p.Addr().String()))
	r.run(s)
	next <- framed(want[0])
	await(t, "the first", func() bool { got, _ := r.oxeMessages(); return len(got) == 1 })
	r.stop()
	await(t, "the loss of NATS", func() bool { return !r.bus.Conn.IsConnected() })
	next <- framed(want[1])
	for range 5 {
		next <- testReq
		p.answered(t, 1)
	}
	go func() {
		for _, m := range want[2:] {
			next <- framed(m)
		}
		close(next)
	}()
	time.Sleep(100 * time.Millisecond) // it would read meanwhile
	l := s.links[0]
	l.mu.Lock()
	for one := range l.peers {
		if held := one.window.Held(); held != oxeTicket {
			t.Errorf("%d bytes are read and not published", held)
		}
	}
	l.mu.Unlock()
	r.start()
	await(t, "the tickets", func() bool { return s.Links()[0].Tickets >= uint64(len(want)) })
	r.awaitOXE(want)
}

func TestOXEShutdown(t *testing.T) {
	r := newRig(t, false)
	tickets := oxeTickets(0, 200)
	var sent atomic.Int32
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		for _, m := range tickets {
			if _, err := io.WriteString(c, framed(m)); err != nil {
				return
			}
			if sent.Add(1) > 100 {
				untilClosed(c)
			}
		}
	})
	s := r.service(oxeLink(p.Addr().String()))
	stop := r.run(s)
	await(t, "the flow", func() bool { return sent.Load() > 100 })
	stop()
	got, incomplete := r.oxeMessages()
	same(t, incomplete, nil)
	same(t, got, tickets[:len(got)])
	if len(got) < 101 {
		t.Errorf("%d of 101 tickets", len(got))
	}
}

// Of two services one dials.
func TestOXELease(t *testing.T) {
	r := newRig(t, false)
	p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
		io.WriteString(c, framed(oxeTickets(n-1, 1)[0]))
		untilClosed(c)
	})
	one, two := r.service(oxeLink(p.Addr().String())), r.service(oxeLink(p.Addr().String()))
	stop := r.run(one)
	r.awaitOXE(oxeTickets(0, 1))
	r.run(two)
	stop()
	r.awaitOXE(oxeTickets(0, 2))
}

func TestWrongOXEAndAHL(t *testing.T) {
	r := newRig(t, false)
	for _, tc := range []struct {
		link config.LinkOf
		want string
	}{
		{oxeLink(), "one call server, or two"},
		{oxeLink("a:1", "b:1", "c:1"), "one call server, or two"},
		{oxeLink("a:1", "b"), `"b" is no host:port`},
		{ahlLink("a", ""), `"a" is no host:port`},
		{ahlLink("a:1", "crc"), "none, lrc or lrc-hex"},
	} {
		_, err := New([]config.LinkOf{tc.link}, Deps{Bus: r.bus, Tickets: r.commit, Log: r.service().deps.Log})
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "lyon/") {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

// open is a gate that is always open.
type open struct{}

func (open) room() error              { return nil }
func (open) wait(time.Duration) error { return nil }

// fed is a connection of given bytes.
type fed struct {
	net.Conn
	io.Reader
	answers bytes.Buffer
}

func (f *fed) Read(p []byte) (int, error)       { return f.Reader.Read(p) }
func (f *fed) Write(p []byte) (int, error)      { return f.answers.Write(p) }
func (f *fed) SetWriteDeadline(time.Time) error { return nil }

// Whatever comes, all messages of a good begin are given, byte for byte, each
// keep-alive is answered, and nothing is made up.
func FuzzOXESource(f *testing.F) {
	f.Add([]byte("ticket"), uint16(772), []byte("\xff\xff"))
	f.Add([]byte(testReq), uint16(9), []byte("\x00\x01P\x00\x00\x00\x08TEST_RSP"))
	f.Add([]byte{}, uint16(4096), []byte("\x00\x01S"))
	f.Add([]byte{1, 0, 2, 0}, uint16(1000), []byte("\x03\x04\x01"))
	service := &Service{timing: usual, metrics: newMetrics(), warn: newWarner(slog.New(slog.DiscardHandler), func() time.Duration { return 0 })}
	link := &link{LinkOf: oxeLink("a:1"), Service: service}
	f.Fuzz(func(t *testing.T, text []byte, size uint16, rest []byte) {
		message := make([]byte, oxeControl+1+int(size)%(oxeLongest-oxeControl))
		copy(message, text)
		in := framed(string(message)) + testReq + framed(string(message))
		c := &fed{Reader: io.MultiReader(strings.NewReader(in), bytes.NewReader(rest))}
		source := &oxeSource{link: link, conn: c}
		for range 2 {
			if got, err := source.next(open{}); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%d bytes, %v, want %d", len(got), err, len(message))
			}
		}
		if c.answers.String() != string(oxeAnswer) {
			t.Fatalf("answers %q", c.answers.String())
		}
		given := 0
		for {
			got, err := source.next(open{})
			if given += len(got); err != nil {
				break
			}
		}
		if given > len(rest) {
			t.Fatalf("%d bytes made of %d", given, len(rest))
		}
	})
}

func BenchmarkOXE(b *testing.B) {
	r := newRig(b, false)
	const n = 5000
	var batch strings.Builder
	for _, m := range oxeTickets(0, n) {
		batch.WriteString(framed(m))
	}
	next := make(chan bool)
	p := newCallServer(b, isMain, func(c net.Conn, p *callServer, _ int) {
		for range next {
			io.WriteString(c, batch.String())
		}
	})
	s := r.service(oxeLink(p.Addr().String()))
	r.run(s)
	b.SetBytes(int64(batch.Len()))
	sent := uint64(0)
	for b.Loop() {
		next <- true
		for sent += n; s.Links()[0].Tickets < sent; {
			time.Sleep(100 * time.Microsecond)
		}
	}
	close(next)
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "tickets/s")
}

// A wrong length hides no ticket: what has come behind it is kept, and the tickets
// in it are found.
func TestOXEWrongLength(t *testing.T) {
	want := oxeTickets(0, 6)
	for name, length := range map[string]string{"short": "\x01\xf4", "long": "\x03\xe8", "no length": "\xff\xff"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false)
			p := newCallServer(t, isMain, func(c net.Conn, p *callServer, n int) {
				if n == 1 {
					io.WriteString(c, framed(want[0])+length+want[1])
					for _, m := range want[2:] {
						io.WriteString(c, framed(m))
					}
				}
				untilClosed(c)
			})
			s := r.service(oxeLink(p.Addr().String()))
			s.timing.quiet = 100 * time.Millisecond
			r.run(s)
			await(t, "two connections", func() bool { return p.conns.Load() >= 2 })
			whole, _ := r.oxeMessages()
			same(t, slices.DeleteFunc(whole, func(m string) bool { return m == "\xff\xff" }), want)
		})
	}
}
