package ftp

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

const mlst = " MLST type*;size*;modify*;\r\n REST STREAM\r\n"

func TestNoiseBeforeTheGreeting(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{features: mlst, greet: func(c net.Conn) {
		drip(c, "\r\nACME PBX\r\n\x00\xff\xfb\x01 login\r\n120 soon\r\n220-hello\r\n to you\r\n220 ready\r\n", 0)
	}})
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	r.Collect(hasty(r, s.addr))
	r.Healthy()
	r.Tickets("call 1")
}

// Whatever the server does in the dialogue, the look ends soon and says why.
func TestBadDialogue(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server *scripted
		says   []string
	}{
		{"says nothing", &scripted{greet: func(net.Conn) {}}, []string{"no greeting"}},
		{"hangs up", &scripted{greet: func(c net.Conn) { _ = c.Close() }}, []string{"no greeting", "trusted hosts"}},
		{"only noise", &scripted{greet: func(c net.Conn) { drip(c, strings.Repeat("login:\r\n", 500), 0) }}, []string{"not FTP"}},
		{"a byte at a time", &scripted{greet: func(c net.Conn) { drip(c, "220 ready\r\n", 200*time.Millisecond) }}, []string{"no greeting"}},
		{"endless greeting", &scripted{greet: func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "220-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}}, []string{"more than 65536 bytes"}},
		{"is busy", &scripted{greet: func(c net.Conn) { drip(c, "421 too many users\r\n", 0) }}, []string{"421 too many users"}},
		{"repeats the password", &scripted{on: on("PASS", "530 wrong password "+rig.Canary)}, []string{"log-in is refused", "530 wrong password …"}},
		{"repeats the password in an odd place", &scripted{on: on("EPSV", "229 "+rig.Canary)}, nil},
		{"forgets to answer", &scripted{on: func(verb, _ string) string {
			if verb == "TYPE" {
				time.Sleep(time.Second)
			}
			return ""
		}}, []string{"connection broke"}},
		{"hangs up at the listing", &scripted{on: on("LIST", "vanish")}, []string{"connection broke"}},
		{"speaks another protocol", &scripted{greet: func(c net.Conn) { drip(c, "SSH-2.0-OpenSSH_9.2\r\n", 0) }}, []string{"no greeting"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := rig.New(t, "unify-hipath")
			s := newScripted(t, tc.server)
			began := time.Now()
			if err := r.Look(hasty(r, s.addr)); err == nil && tc.says != nil {
				t.Fatal("no error")
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("it took %s", d)
			}
			r.Ill(tc.says...)
		})
	}
}

func on(verb, answer string) func(string, string) string {
	return func(v, _ string) string {
		if v == verb {
			return answer
		}
		return ""
	}
}

// A transfer that is cut goes on where it was.
func TestResumes(t *testing.T) {
	for _, tc := range []struct {
		name string
		on   func(verb, arg string) string
		most float64 // of the file's size, over the wire
	}{
		{"with REST", nil, 1.05},
		{"without REST", on("REST", "502 what?"), 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			text, want := rig.Lines(0, 50000)
			s := newScripted(t, &scripted{features: mlst, on: tc.on})
			var sent atomic.Int64
			s.send = func(data net.Conn, verb string, content []byte) {
				// Each transfer ends in a reset behind 600 KB more than the one before.
				if most := 600_000 + sent.Load(); verb == "RETR" && int64(len(content)) > most {
					if tc.on != nil {
						sent.Store(most)
					}
					_, _ = data.Write(content[:most])
					time.Sleep(50 * time.Millisecond) // so that the reset throws nothing away
					reset(data)
					return
				}
				_, _ = data.Write(content)
			}
			s.put("big.txt", text, r.Clock.Now())
			r.Collect(hasty(r, s.addr))
			r.Healthy()
			r.Tickets(want...)
			if got, most := s.bytes(), int64(float64(len(text))*tc.most); got > most {
				t.Errorf("%d bytes for a file of %d", got, len(text))
			}
			if n := len(s.commands("REST")); n < 2 {
				t.Errorf("%d resumed", n)
			}
		})
	}
}

// A file that is another behind a cut is not put together of two.
func TestReplacedBehindACut(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	text, _ := rig.Lines(0, 20000)
	other, want := rig.Lines(50000, 70000)
	s := newScripted(t, &scripted{features: mlst})
	var cut atomic.Bool
	s.send = func(data net.Conn, verb string, content []byte) {
		if verb == "RETR" && !cut.Swap(true) {
			_, _ = data.Write(content[:len(content)/2])
			s.put("a.txt", other, r.Clock.Now().Add(time.Second))
			time.Sleep(50 * time.Millisecond)
			reset(data)
			return
		}
		_, _ = data.Write(content)
	}
	s.put("a.txt", text, r.Clock.Now())
	c := hasty(r, s.addr)
	r.Collect(c)
	r.Tickets()
	r.Collect(c)
	r.Healthy()
	r.Tickets(want...)
}

// A file that grows while it is read is collected when it has settled.
func TestGrowsWhileItIsRead(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	text, want := rig.Lines(0, 3000)
	s := newScripted(t, &scripted{features: mlst})
	var grown atomic.Bool
	s.send = func(data net.Conn, verb string, content []byte) {
		if verb == "RETR" && !grown.Swap(true) {
			s.put("a.txt", text+"call 1\r\n", r.Clock.Now().Add(time.Second))
			content = []byte(text + "call 1\r\n")
		}
		_, _ = data.Write(content)
	}
	s.put("a.txt", text, r.Clock.Now())
	c := hasty(r, s.addr)
	r.Collect(c)
	r.Tickets()
	r.Collect(c)
	r.Healthy()
	r.Tickets(append(want, "call 1")...)
}

// A transfer of a byte a second is given up, and does not keep the others waiting.
func TestTooSlow(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	slow, _ := rig.Lines(0, 1000)
	s := newScripted(t, &scripted{features: mlst})
	s.send = func(data net.Conn, verb string, content []byte) {
		if verb == "RETR" && len(content) > 100 {
			drip(data, string(content), 50*time.Millisecond)
			return
		}
		_, _ = data.Write(content)
	}
	s.put("slow.txt", slow, r.Clock.Now().Add(-time.Hour))
	s.put("fast.txt", "call 1\r\n", r.Clock.Now())
	began := time.Now()
	r.Collect(hasty(r, s.addr))
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
	r.Ill("slow.txt", "too slow or stands still", "attempt 1 of 5")
	r.Tickets("call 1")
}

// A listing that breaks off is no listing.
func TestListingThatBreaksOff(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{features: mlst})
	var broken atomic.Bool
	s.send = func(data net.Conn, verb string, content []byte) {
		if verb == "MLSD" && broken.Load() {
			_, _ = data.Write(content[:len(content)/2])
			reset(data)
			return
		}
		_, _ = data.Write(content)
	}
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	s.put("b.txt", "call 2\r\n", r.Clock.Now())
	c := hasty(r, s.addr)
	r.Collect(c)
	broken.Store(true)
	for range 5 {
		r.Clock.Add(time.Hour)
		if err := r.Look(c); err == nil {
			t.Fatal("half a listing is taken")
		}
	}
	r.Ill("cannot be listed")
	broken.Store(false)
	r.Collect(c)
	r.Healthy()
	r.Tickets("call 1", "call 2")
	if n := len(s.commands("RETR")); n != 2 {
		t.Errorf("%d transfers: it forgot what it has", n)
	}
}

// Where a firewall lets only what follows PASV through, EPSV is not tried again.
func TestDeadEPSV(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{features: mlst, on: on("EPSV", "229 here (|||1|)")})
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	s.put("b.txt", "call 2\r\n", r.Clock.Now())
	r.Collect(hasty(r, s.addr))
	r.Healthy()
	r.Tickets("call 1", "call 2")
	if n := len(s.commands("EPSV")); n != 2 { // one a look
		t.Errorf("tried %d times", n)
	}
}

// In active mode only the server may connect.
func TestStrangerInActiveMode(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{features: mlst})
	s.on = func(verb, arg string) string {
		if verb == "RETR" {
			port := s.commands("PORT")
			f := strings.Split(strings.TrimPrefix(port[len(port)-1], "PORT "), ",")
			var high, low int
			_, _ = fmt.Sscan(f[4]+" "+f[5], &high, &low)
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			stranger, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", high<<8|low))
			if err != nil {
				return "425 " + err.Error()
			}
			_, _ = io.WriteString(stranger, "call 99\r\n")
			_ = stranger.Close()
		}
		return ""
	}
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	r.Collect(hasty(r, s.addr, func(c *config.FTP) { c.Active = true }))
	r.Healthy()
	r.Tickets("call 1")
}

// The server half-closes or says good-bye between two files.
func TestGoodByeBetweenFiles(t *testing.T) {
	for _, answer := range []string{"421 idle too long", "vanish"} {
		t.Run(answer, func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			s := newScripted(t, &scripted{features: mlst})
			var n atomic.Int32
			s.on = func(verb, _ string) string {
				if verb == "MLST" && n.Add(1)%4 == 0 {
					return answer
				}
				return ""
			}
			var want []string
			for i := range 10 {
				s.put(fmt.Sprintf("f%d", i), fmt.Sprintf("call %d\r\n", i), r.Clock.Now())
				want = append(want, fmt.Sprintf("call %d", i))
			}
			r.Collect(hasty(r, s.addr))
			r.Healthy()
			r.Tickets(want...)
		})
	}
}

func TestNamesThatAreNone(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{features: mlst, listing: func(string) string {
		var b strings.Builder
		for _, name := range []string{"../../etc/passwd", "/etc/passwd", "..", ".", "", "a\x00b"} {
			fmt.Fprintf(&b, "type=file;size=8;modify=20261121085900; %s\r\n", name)
		}
		return b.String() + "type=OS.unix=slink:/etc/passwd;size=8;modify=20261121085900; link\r\n"
	}})
	r.Collect(hasty(r, s.addr))
	r.Ill("link is no regular file")
	if n := s.commands("RETR"); len(n) > 0 {
		t.Errorf("it fetched %v", n)
	}
}

func TestHundredThousand(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	var b strings.Builder
	const n = 100_000
	for i := range n {
		fmt.Fprintf(&b, "type=file;size=0;modify=20261121085900;unix.mode=0644; gez%06d.txt\r\n", i)
	}
	all := b.String() + "type=file;size=8;modify=20261121085900; z.txt\r\n"
	s := newScripted(t, &scripted{features: mlst, listing: func(string) string { return all }})
	s.put("z.txt", "call 1\r\n", time.Date(2026, 11, 21, 8, 59, 0, 0, time.UTC))
	began := time.Now()
	r.Collect(hasty(r, s.addr))
	t.Logf("%d entries, twice: %s", n, time.Since(began))
	r.Healthy()
	r.Tickets("call 1")
}

func TestConfiguration(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	for _, tc := range []struct {
		change func(*config.FTP)
		says   string
	}{
		{func(c *config.FTP) { c.Addr = "10.1.0.9" }, "addr"},
		{func(c *config.FTP) { c.Implicit = true }, "implicit"},
		{func(c *config.FTP) { c.ActivePorts = "9-1" }, "active_ports"},
		{func(c *config.FTP) { c.ActiveAddress = "us" }, "active_address"},
		{func(c *config.FTP) { c.TLS = &config.TLS{CA: filepath.Join(r.Dir, "none")} }, "ca"},
		{func(c *config.FTP) { c.Dir = "/x\r\nDELE y" }, "line end"},
		{func(c *config.FTP) { c.Dir, c.After.Move = "/x", "../x" }, "the folder itself"},
		{func(c *config.FTP) { c.Pattern = "[" }, "pattern"},
	} {
		cfg := &config.FTP{Remote: config.Remote{Addr: "10.1.0.9:21", User: "u"}}
		tc.change(cfg)
		if _, err := New(r.Link, cfg, ""); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v", tc.says, err)
		}
	}
	if got := rig.Names(t, r.Temp); !slices.Equal(got, nil) {
		t.Errorf("it touched %v", got)
	}
}

// Where the line drops over a removal, the file may be gone: that is for the
// journal to find out, and no failure of the file's.
func TestDroppedOverADeletion(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newScripted(t, &scripted{on: on("DELE", "vanish")})
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	now := time.Duration(0)
	c := collector(r, s.addr, func(c *config.FTP) { c.After = config.After{Delete: &now} })
	var err error
	for range 3 {
		err = r.Look(c)
		r.Clock.Add(2 * time.Minute)
	}
	if !rig.Gone(err) {
		t.Errorf("a server that hangs up is no server that is away: %v", err)
	}
	r.Tickets("call 1")
}
