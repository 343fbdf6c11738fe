package ingesttcp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
)

// server is a PBX that listens: talk serves one connection after the other.
type server struct {
	net.Listener
	conns atomic.Int32
}

func newServer(t testing.TB, talk func(c net.Conn, n int)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c, int(s.conns.Add(1)))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return s
}

// untilClosed waits for the other side's end.
func untilClosed(c net.Conn) { io.Copy(io.Discard, c) }

// kx speaks the log-in of a KX-TDA: it echoes, the password as stars, and
// prints in pieces.
func kx(c net.Conn, telnet bool, password string) (in bool) {
	say := func(pieces ...string) {
		for _, p := range pieces {
			io.WriteString(c, p)
			time.Sleep(3 * time.Millisecond) // so that it travels alone
		}
	}
	if telnet {
		say("\xff\xfb\x01\xff", "\xfd\x03")
	}
	r := bufio.NewReader(c)
	line := func() string {
		s, _ := r.ReadString('\r')
		return strings.TrimSuffix(s, "\r")
	}
	say("\r\n", "-")
	user := line()
	if telnet {
		user = strings.TrimPrefix(user, "\xff\xfe\x01\xff\xfc\x03")
	}
	say(user, "\rEnter Pa", "sswo", "RD:")
	given := line()
	say(strings.Repeat("*", len(given)))
	if user != "SMDR" || given != password {
		say("\rNo such command.\r-")
		return false
	}
	say("\r\n")
	return true
}

func panasonic(addr string) config.LinkOf {
	return newLink("kx", "panasonic-kx", config.TCP{Dial: addr})
}

func TestDialWithLogin(t *testing.T) {
	for _, telnet := range []bool{false, true} {
		t.Run(fmt.Sprintf("telnet %t", telnet), func(t *testing.T) {
			r := newRig(t, false)
			want, text := numbered(0, 50)
			p := newServer(t, func(c net.Conn, n int) {
				if kx(c, telnet, "PCCSMDR") {
					io.WriteString(c, text)
				}
				untilClosed(c)
			})
			s := r.service(panasonic(p.Addr().String()))
			stop := r.run(s)
			got := r.awaitLines(len(want) + 1)
			same(t, got, append([]string{"*******"}, want...))
			if st := s.Links()[0]; st.Wire != pbx.TCPDial || st.Peers[0] != p.Addr().String() || st.Err != nil {
				t.Errorf("state %+v", st)
			}
			stop()
			if r.log.String() != "" {
				t.Errorf("a normal day logs:\n%s", r.log)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	t.Setenv("KX_SECRET", "hunter2")
	l := panasonic("")
	l.TCP.PasswordEnv = "KX_SECRET"
	for name, hangUp := range map[string]bool{"asks again": false, "hangs up": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false)
			p := newServer(t, func(c net.Conn, n int) {
				if kx(c, false, "PCCSMDR"); !hangUp {
					untilClosed(c)
				}
			})
			l.TCP.Dial = p.Addr().String()
			s := r.service(l)
			r.run(s)
			await(t, "two attempts", func() bool { return p.conns.Load() >= 2 })
			await(t, "the error", func() bool { return s.Links()[0].Err != nil })
			err := s.Links()[0].Err.Error()
			if !strings.Contains(err, "lyon/kx") || !strings.Contains(err, "password_env") || !strings.Contains(err, "log-in failed") {
				t.Errorf("error: %v", err)
			}
			if strings.Contains(r.log.String()+err, "hunter2") {
				t.Error("the password is told")
			}
			if whole, incomplete := r.lines(); !hangUp && len(whole)+len(incomplete) > 0 {
				t.Errorf("the dialogue became tickets: %q, %q", whole, incomplete)
			}
		})
	}
}

func TestBackOffAfterARejectedLogin(t *testing.T) {
	r := newRig(t, false)
	p := newServer(t, func(c net.Conn, n int) { kx(c, false, "other"); untilClosed(c) })
	s := r.service(panasonic(p.Addr().String()))
	s.timing.rejected = time.Hour
	r.run(s)
	await(t, "the error", func() bool { return s.Links()[0].Err != nil })
	time.Sleep(5 * s.timing.redial[1])
	if n := p.conns.Load(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

func TestSilentPBX(t *testing.T) {
	r := newRig(t, false)
	p := newServer(t, func(c net.Conn, n int) { io.WriteString(c, "Welcome 5550123\r\n"); untilClosed(c) })
	s := r.service(panasonic(p.Addr().String()))
	model := *s.links[0].model
	model.Login = []pbx.Step{{Expect: "-", Send: "SMDR\r", Timeout: 30 * time.Millisecond}}
	s.links[0].model = &model
	r.run(s)
	await(t, "two attempts", func() bool { return p.conns.Load() >= 2 })
	await(t, "the error", func() bool { return s.Links()[0].Err != nil })
	err := s.Links()[0].Err.Error()
	for _, want := range []string{"lyon/kx", "step 1", `"-" within 30ms`, "Welcome #######"} {
		if !strings.Contains(err, want) {
			t.Errorf("error without %q: %v", want, err)
		}
	}
}

func TestReconnect(t *testing.T) {
	r := newRig(t, false)
	var want []string
	for n := range 5 {
		lines, _ := numbered(n*10, 10)
		want = append(want, lines...)
	}
	p := newServer(t, func(c net.Conn, n int) {
		if n <= 5 {
			_, text := numbered((n-1)*10, 10)
			io.WriteString(c, text+"half")
			return
		}
		untilClosed(c)
	})
	s := r.service(newLink("m", "mitel-3300", config.TCP{Dial: p.Addr().String()}))
	r.run(s)
	same(t, r.awaitLines(50), want)
	await(t, "the halves", func() bool { return s.Links()[0].Incomplete == 5 })
}

func TestNobodyAnswers(t *testing.T) {
	r := newRig(t, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := r.service(newLink("m", "mitel-3300", config.TCP{Dial: addr}))
	r.run(s)
	await(t, "attempts", func() bool { return value(t, s.metrics.dials, map[string]string{"result": "refused"}) > 1 })
	if err := s.Links()[0].Err; err == nil || !strings.Contains(err.Error(), "lyon/m") || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v", err)
	}
	if err := r.log.unhealthy(); err != nil {
		t.Errorf("a PBX that is away makes us unready: %v", err)
	}
}

// Of two services one dials; when it ends, the other takes over.
func TestLease(t *testing.T) {
	r := newRig(t, false)
	var now, most atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lines := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			most.Store(max(most.Load(), now.Add(1)))
			gone := make(chan struct{})
			go func() { untilClosed(c); now.Add(-1); close(gone) }()
			go func() {
				defer c.Close()
				for {
					select {
					case s := <-lines:
						io.WriteString(c, s)
					case <-gone:
						return
					case <-ctx.Done():
						return
					}
				}
			}()
		}
	}()
	one := r.service(newLink("m", "mitel-3300", config.TCP{Dial: l.Addr().String()}))
	two := r.service(newLink("m", "mitel-3300", config.TCP{Dial: l.Addr().String()}))
	stopOne := r.run(one)
	await(t, "the first dials", func() bool { return len(one.Links()[0].Peers) == 1 })
	r.run(two)
	lines <- "one\r\n"
	r.awaitLines(1)
	stopOne()
	await(t, "the second dials", func() bool { return len(two.Links()[0].Peers) == 1 })
	lines <- "two\r\n"
	same(t, r.awaitLines(2), []string{"one", "two"})
	if most.Load() != 1 {
		t.Errorf("%d connections at a time", most.Load())
	}
}

// Who loses the lease closes the connection, and still publishes what was read.
func TestLostLease(t *testing.T) {
	r := newRig(t, false)
	closed := make(chan struct{}, 1)
	p := newServer(t, func(c net.Conn, n int) {
		io.WriteString(c, "one\r\ntwo\r\nhal")
		untilClosed(c)
		closed <- struct{}{}
	})
	s := r.service(newLink("m", "mitel-3300", config.TCP{Dial: p.Addr().String()}))
	if err := r.bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	leased, lose := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); (&dialer{s, s.links[0]}).keep(leased, t.Context()) }()
	r.awaitLines(2)
	lose()
	<-closed
	<-done
	_, incomplete := r.lines()
	same(t, incomplete, []string{"cut-off hal"})
}

// A PBX that has refused a log-in a few times is left alone for longer, until one
// goes well.
func TestNotLockedOut(t *testing.T) {
	r := newRig(t, false)
	var tries atomic.Int32
	p := newServer(t, func(c net.Conn, n int) {
		tries.Add(1)
		kx(c, false, "other")
		untilClosed(c)
	})
	s := r.service(panasonic(p.Addr().String()))
	s.timing.locked = time.Hour
	r.run(s)
	await(t, "a few attempts", func() bool { return tries.Load() == fewRefusals })
	await(t, "the last one's error", func() bool {
		return value(t, s.metrics.dials, map[string]string{"result": "login_failed"}) == fewRefusals
	})
	time.Sleep(5 * (s.timing.redial[1] + s.timing.rejected))
	if n := tries.Load(); n != fewRefusals {
		t.Errorf("%d attempts", n)
	}
}

// Another PBX's tickets, in place of a log-in, are kept: it has forgotten them.
func TestTicketsInPlaceOfALogin(t *testing.T) {
	r := newRig(t, false)
	want, text := numbered(0, 3)
	many, flood := numbered(3, 1000)
	p := newServer(t, func(c net.Conn, n int) {
		switch n {
		case 1:
			io.WriteString(c, text+"hal")
			return
		case 2:
			io.WriteString(c, flood) // no end, no prompt
		}
		untilClosed(c)
	})
	s := r.service(panasonic(p.Addr().String()))
	r.run(s)
	same(t, r.awaitLines(1003), append(want, many...))
	_, incomplete := r.lines()
	same(t, incomplete, []string{"cut-off hal"})
}
