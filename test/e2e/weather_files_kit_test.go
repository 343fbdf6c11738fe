package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// longAgo is when the calls were.
var longAgo = time.Now().Add(-10 * 24 * time.Hour).Truncate(time.Minute)

// ticketsOf are the tickets of a text, one a line.
func ticketsOf(text string) (out []string) {
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimRight(line, "\r\n"))
	}
	return out
}

// gust is what happens to a connection.
type gust struct {
	// reset at once; or says is what a service prints that is not the right one.
	reset bool
	says  string
	// cut is after how many bytes from the server, cutUp from the client, the
	// connection is reset.
	cut, cutUp int64
	// bytes that come at a time, with a pause between; 0: all.
	bytes int
	pause time.Duration
	// hold waits until the weather is calm.
	hold bool
}

// gale stands between us and a server.
type gale struct {
	addr, to string
	blow     func(n int) gust // of the n-th connection, from 1
	conns    atomic.Int32
	quiet    chan struct{}
	calm     func()
}

func newGale(t *testing.T, to string, blow func(n int) gust) *gale {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gale{addr: l.Addr().String(), to: to, blow: blow, quiet: make(chan struct{})}
	g.calm = sync.OnceFunc(func() { close(g.quiet) })
	t.Cleanup(func() { l.Close(); g.calm() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go g.carry(conn.(*net.TCPConn))
		}
	}()
	return g
}

func (g *gale) carry(conn *net.TCPConn) {
	defer conn.Close()
	it := g.blow(int(g.conns.Add(1)))
	select {
	case <-g.quiet:
		it = gust{}
	default:
	}
	switch {
	case it.hold:
		<-g.quiet
	case it.reset:
		conn.SetLinger(0)
		return
	case it.says != "":
		// A server that is spoken to in another tongue hangs up some day.
		io.WriteString(conn, it.says)
		conn.SetReadDeadline(time.Now().Add(time.Second))
		io.Copy(io.Discard, conn)
		return
	}
	up, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer up.Close()
	server := up.(*net.TCPConn)
	reset := func() {
		conn.SetLinger(0)
		server.SetLinger(0)
		conn.Close()
		server.Close()
	}
	go func() {
		defer server.CloseWrite()
		if it.cutUp > 0 {
			io.CopyN(server, conn, it.cutUp)
			reset()
			return
		}
		io.Copy(server, conn)
	}()
	switch {
	case it.cut > 0:
		io.CopyN(conn, server, it.cut)
		reset()
	case it.bytes > 0:
		slowly(conn, server, it.bytes, it.pause)
	default:
		io.Copy(conn, server)
	}
}

// slowly copies a few bytes at a time.
func slowly(to io.Writer, from io.Reader, bytes int, pause time.Duration) {
	in := bufio.NewReader(from)
	buf := make([]byte, bytes)
	for {
		n, err := in.Read(buf)
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// ftpd is an FTP server with weather of its own, for what vsftpd never does.
type ftpd struct {
	addr string

	mu    sync.Mutex
	files map[string]string
	// others are so many names that no ticket file has.
	others int
	// ahead is how far its clock is.
	ahead    time.Duration
	password string
	refused  int // log-ins
	// denied are files that it does not give.
	denied bool
	// cuts are after how many bytes the next transfers are reset.
	cuts []int
	// bytewise gives a byte at a time, answers and files.
	bytewise bool
}

func newFTPD(t *testing.T, d *ftpd) *ftpd {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go d.serve(conn)
		}
	}()
	return d
}

// change changes it under way.
func (d *ftpd) change(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
}

func (d *ftpd) facts(name string) string {
	return fmt.Sprintf("type=file;size=%d;modify=%s; %s\r\n", len(d.files[name]), longAgo.Add(d.ahead).UTC().Format("20060102150405"), name)
}

func (d *ftpd) serve(conn net.Conn) {
	defer conn.Close()
	in, rest, passed := bufio.NewScanner(conn), 0, false
	var data net.Listener
	defer func() {
		if data != nil {
			data.Close()
		}
	}()
	write := func(to io.Writer, text string) {
		if d.bytewise {
			slowly(to, strings.NewReader(text), 1, 100*time.Microsecond)
			return
		}
		io.WriteString(to, text)
	}
	say := func(format string, args ...any) { write(conn, fmt.Sprintf(format, args...)+"\r\n") }
	say("220 ready")
	for in.Scan() {
		command, arg, _ := strings.Cut(in.Text(), " ")
		d.mu.Lock()
		text, there := d.files[arg]
		facts, denied := d.facts(arg), d.denied
		d.mu.Unlock()
		if !passed && command != "USER" && command != "PASS" {
			say("530 log in")
			continue
		}
		switch command {
		case "USER":
			say("331 and the password")
		case "PASS":
			d.mu.Lock()
			if passed = arg == d.password; !passed {
				d.refused++
			}
			d.mu.Unlock()
			if passed {
				say("230 in")
			} else {
				say("530 no")
			}
		case "FEAT":
			say("211-Features\r\n MLST type*;size*;modify*;\r\n REST STREAM\r\n211 End")
		case "REST":
			rest, _ = strconv.Atoi(arg)
			say("350 go on")
		case "EPSV":
			if data != nil {
				data.Close()
			}
			data, _ = net.Listen("tcp", "127.0.0.1:0")
			say("229 (|||%d|)", data.Addr().(*net.TCPAddr).Port)
		case "MLST":
			if there {
				say("250-it\r\n %s250 End", facts)
			} else {
				say("550 none")
			}
		case "MLSD":
			say("150 here it comes")
			handOver(data, func(to net.Conn) { write(to, d.listing()) })
			say("226 done")
		case "RETR":
			if denied || !there {
				say("550 Permission denied")
				continue
			}
			say("150 here it comes")
			cut := d.cut()
			handOver(data, func(to net.Conn) {
				if text = text[rest:]; cut >= 0 && cut < len(text) {
					write(to, text[:cut])
					to.(*net.TCPConn).SetLinger(0)
					return
				}
				write(to, text)
			})
			rest = 0
			if cut >= 0 {
				say("426 broken")
			} else {
				say("226 done")
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("200 all right")
		}
	}
}

// handOver serves who connects for a transfer.
func handOver(data net.Listener, do func(net.Conn)) {
	if data == nil {
		return
	}
	conn, err := data.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	do(conn)
}

func (d *ftpd) cut() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.cuts) == 0 {
		return -1
	}
	n := d.cuts[0]
	d.cuts = d.cuts[1:]
	return n
}

func (d *ftpd) listing() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for i := range d.others {
		fmt.Fprintf(&b, "type=file;size=1000;modify=20260101000000; voicemail_%06d.wav\r\n", i)
	}
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		b.WriteString(d.facts(name))
	}
	return b.String()
}
