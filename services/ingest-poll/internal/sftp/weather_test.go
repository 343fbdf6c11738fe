package sftp

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/remote"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// hasty is a collector whose steps are short.
func hasty(r *rig.Rig, addr string, s *sshd) *remote.Collector {
	r.Helper()
	cfg := &config.SFTP{Remote: config.Remote{Addr: addr, User: s.user, Dir: r.Dir, Secret: r.Secret()}, HostKey: ssh.FingerprintSHA256(s.hostKey), KeyFile: s.keyFile}
	srv, err := newServer(r.Link, cfg)
	if err != nil {
		r.Fatal(err)
	}
	srv.step, srv.pace = time.Second, remote.Pace{Idle: time.Second, Grace: time.Second, Rate: 1 << 20}
	c, err := remote.New(r.Link, remote.Options{Config: &cfg.Remote, URL: "sftp://" + addr, Dial: srv.dial, Temp: r.Temp})
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// Connections that break are made anew, and a transfer goes on where it was.
func TestResumes(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newSSHD(r)
	text, want := rig.Lines(0, 60000)
	r.Write("big.txt", text)
	var cut, dialled atomic.Int64
	proxy := rig.NewCutter(t, s.addr, func(int) int64 {
		dialled.Add(1)
		return cut.Load()
	})
	c := hasty(r, proxy.Addr, s)
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	before := dialled.Load()
	cut.Store(1_000_000)
	r.Clock.Add(time.Minute)
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	r.Healthy()
	r.Tickets(want...)
	if n := dialled.Load() - before; n < 3 || n > 6 {
		t.Errorf("%d connections for %d bytes", n, len(text))
	}
}

// Whatever the server does not do in time, the look ends and says so.
func TestBadWeather(t *testing.T) {
	for _, tc := range []struct {
		name  string
		serve func(c net.Conn, n int32, to string)
		says  string
	}{
		{"says nothing", func(c net.Conn, _ int32, _ string) { wait(c) }, "no SSH"},
		{"hangs up", func(net.Conn, int32, string) {}, "no SSH"},
		{"speaks another protocol", func(c net.Conn, _ int32, _ string) { fmt.Fprint(c, "220 ftp\r\n"); wait(c) }, "no SSH"},
		{"a byte at a time", func(c net.Conn, _ int32, to string) { carry(c, to, 0, 0, 50*time.Millisecond) }, "no SSH"},
		{"stops behind the log-in", func(c net.Conn, _ int32, to string) { carry(c, to, 2600, 0, 0) }, "127.0.0.1"},
		{"stops in a file", func(c net.Conn, _ int32, to string) { carry(c, to, 100_000, 0, 0) }, "big.txt"},
		{"is slow in a file", func(c net.Conn, _ int32, to string) { carry(c, to, 0, 20_000, 100*time.Microsecond) }, "big.txt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := rig.New(t, "unify-hipath")
			s := newSSHD(r)
			text, _ := rig.Lines(0, 60000)
			r.Write("big.txt", text)
			var n atomic.Int32
			c := hasty(r, kit.Serve(t, func(c net.Conn) { tc.serve(c, n.Add(1), s.addr) }), s)
			began := time.Now()
			first := r.Look(c)
			r.Clock.Add(time.Minute)
			second := r.Look(c)
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("it took %s", d)
			}
			if first == nil && second == nil && r.Health.Text() == "" {
				t.Fatal("nothing is wrong")
			}
			r.Ill(tc.says)
			r.Tickets()
		})
	}
}

// wait waits until the other side hangs up.
func wait(c net.Conn) {
	var b [512]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
	}
}

// carry is a proxy that is silent behind so many bytes, and from a byte on gives
// one at a time.
func carry(c net.Conn, to string, most, slow int, pause time.Duration) {
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = out.(*net.TCPConn).ReadFrom(c)
		_ = out.Close()
	}()
	buf := make([]byte, 4096)
	for sent := 0; ; {
		in := buf
		if pause > 0 && sent >= slow {
			time.Sleep(pause)
			in = buf[:1]
		}
		n, err := out.Read(in)
		if err != nil {
			return
		}
		if sent += n; most > 0 && sent > most {
			wait(out)
			return
		}
		if _, err := c.Write(in[:n]); err != nil {
			return
		}
	}
}
