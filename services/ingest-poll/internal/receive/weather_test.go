package receive

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/kit"
)

// peer is a client that behaves badly, or says what it likes.
type peer struct {
	t testing.TB
	net.Conn
	in   *bufio.Reader
	addr string
}

type reply struct {
	t    testing.TB
	code int
	text string
}

func (r reply) want(code int) string {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("it answered %d %s, want %d", r.code, r.text, code)
	}
	return r.text
}

func (r reply) refused(code int) {
	r.t.Helper()
	r.want(code)
}

func dialFTP(t testing.TB, x *Receiver) *peer {
	t.Helper()
	p := connect(t, x.Addr().String())
	p.read().want(220)
	return p
}

func connect(t testing.TB, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t, c, bufio.NewReader(c), addr}
}

func (p *peer) read() reply {
	p.t.Helper()
	for {
		text, err := p.in.ReadString('\n')
		if err != nil {
			return reply{p.t, 0, err.Error()}
		}
		if len(text) > 3 && text[3] == ' ' {
			code, _ := strconv.Atoi(text[:3])
			return reply{p.t, code, strings.TrimSpace(text[4:])}
		}
	}
}

func (p *peer) cmd(text string) reply {
	p.t.Helper()
	if _, err := io.WriteString(p, text+"\r\n"); err != nil {
		return reply{p.t, 0, err.Error()}
	}
	return p.read()
}

func (p *peer) login(password string) *peer {
	p.t.Helper()
	p.try("", password).want(230)
	return p
}

func (p *peer) try(user, password string) reply {
	p.t.Helper()
	if user == "" {
		user = "cucm"
		if strings.Contains(p.t.Name(), "Append") || strings.Contains(p.t.Name(), "Text") {
			user = "mitel"
		}
	}
	if r := p.cmd("USER " + user); r.code != 331 {
		return r
	}
	return p.cmd("PASS " + password)
}

// begin opens a transfer.
func (p *peer) begin(command string) (net.Conn, reply) {
	p.t.Helper()
	text := p.cmd("EPSV").want(229)
	m := regexp.MustCompile(`\(\|\|\|(\d+)\|\)`).FindStringSubmatch(text)
	if m == nil {
		p.t.Fatalf("passive at %q", text)
	}
	data, err := net.Dial("tcp", "127.0.0.1:"+m[1])
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { data.Close() })
	return data, p.cmd(command)
}

func (p *peer) upload(command, text string) reply {
	p.t.Helper()
	data, r := p.begin(command)
	if r.code != 150 {
		return r
	}
	if _, err := io.WriteString(data, text); err != nil {
		p.t.Fatal(err)
	}
	data.Close()
	return p.read()
}

// Whatever a peer does wrong costs it the file, and nobody else anything.
func TestFTPBadWeather(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	r.timing = timing{login: 2 * time.Second, idle: 3 * time.Second, transfer: 500 * time.Millisecond, retry: 10 * time.Millisecond, stop: 5 * time.Second}
	x := r.ftp("cisco-cucm", "cucm")
	r.collect(x)
	broken := 0
	awaitBroken := func(what string) {
		t.Helper()
		broken++
		kit.Await(t, what, func() bool { return x.Seen().Broken >= broken })
		if got := visible(t, x); len(got) != 0 {
			t.Errorf("%s: left behind: %q", what, got)
		}
	}
	half := cdr("a", "b")[:60]

	p := dialFTP(t, x).login(canary)
	data, _ := p.begin("STOR cdr_1")
	_, _ = io.WriteString(data, half)
	_ = data.(*net.TCPConn).SetLinger(0)
	data.Close()
	if got := p.read(); got.code < 400 {
		t.Errorf("a reset transfer is answered %d %s", got.code, got.text)
	}
	awaitBroken("a reset")

	// A program that is killed closes both connections.
	data, _ = p.begin("STOR cdr_1")
	_, _ = io.WriteString(data, half)
	p.Close()
	data.Close()
	awaitBroken("a killed peer")

	// One that closes only the control connection.
	p = dialFTP(t, x).login(canary)
	data, _ = p.begin("STOR cdr_1")
	_, _ = io.WriteString(data, half)
	p.Close()
	awaitBroken("a peer that went away")

	// One that says nothing more.
	p = dialFTP(t, x).login(canary)
	data, _ = p.begin("STOR cdr_1")
	_, _ = io.WriteString(data, half)
	awaitBroken("a silent peer")

	// One that lets us connect and says nothing more.
	p = dialFTP(t, x).login(canary)
	theirs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	port := theirs.Addr().(*net.TCPAddr).Port
	p.cmd(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&255)).want(200)
	p.cmd("STOR cdr_1").want(150)
	awaitBroken("a silent peer that we connected to")

	// One that breaks off itself.
	p = dialFTP(t, x).login(canary)
	data, _ = p.begin("STOR cdr_1")
	_, _ = io.WriteString(data, half)
	p.cmd("ABOR")
	awaitBroken("an abort")

	// One that wants a transfer and never connects.
	p = dialFTP(t, x).login(canary)
	p.cmd("EPSV").want(229)
	if got := p.cmd("STOR cdr_1"); got.code != 0 && got.code != 425 {
		t.Errorf("%d %s", got.code, got.text)
	}
	awaitBroken("no transfer")

	r.alarm(x, "cdr_1", "send it again")

	// A byte at a time is slow, not wrong.
	p = dialFTP(t, x).login(canary)
	data, _ = p.begin("STOR cdr_1")
	for _, b := range []byte(cdr("a")) {
		if _, err := data.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	data.Close()
	p.read().want(226)
	r.alarm(x)
	r.expect(line("a"))

	// Bytes before the greeting, garbage, a line without end, silence.
	early := connect(t, x.Addr().String())
	_, _ = io.WriteString(early, "\x16\x03\x01\x02garbage\r\nUSER cucm\r\nPASS "+canary+"\r\n")
	for {
		got := early.read()
		if got.code == 230 {
			break
		}
		if got.code == 0 {
			t.Fatal(got.text)
		}
	}
	long := dialFTP(t, x)
	go func() { _, _ = long.Write(make([]byte, 1<<20)) }()
	if got := long.read(); got.code != 0 {
		t.Errorf("%d", got.code)
	}
	silent := connect(t, x.Addr().String())
	silent.read().want(220)
	idle := dialFTP(t, x).login(canary)
	chatty := dialFTP(t, x)
	for began := time.Now(); chatty.cmd("NOOP").code != 0; {
		if time.Since(began) > 10*time.Second {
			t.Fatal("a peer that does not log in stays for ever")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := silent.read(); got.code != 0 && got.code != 421 {
		t.Errorf("%d %s", got.code, got.text)
	}
	if got := idle.read(); got.code != 421 {
		t.Errorf("an idle peer hears %d %s", got.code, got.text)
	}
}
