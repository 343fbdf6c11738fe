package pbxsim

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func logIn(t *testing.T, c net.Conn, password string) {
	t.Helper()
	expect(t, c, "\r-")
	say(t, c, "SMDR\r\n")
	expect(t, c, "SMDR\rEnter Password:")
	say(t, c, password+"\r\n")
	expect(t, c, strings.Repeat("*", len(password)))
}

func TestKXTDA(t *testing.T) {
	o := options(150)
	o.Listen, o.Telnet = "127.0.0.1:0", true
	var log truth
	log.listen(&o)
	s := newSim(t, panasonicKX, o)
	done, _ := running(t, s)
	c := dial(t, s.Addr())
	expect(t, c, "\xff\xfb\x01\xff\xfb\x03\xff\xfd\x03")
	say(t, c, "\xff\xfd\x01\xff\xfa\x18\x00x\xff\xf0")
	logIn(t, c, "pccsmdr")
	expect(t, c, "\r\n")
	got := readAll(t, c)
	if got != log.wire("\r\n") {
		t.Errorf("%d bytes arrived", len(got))
	}
	if !strings.HasPrefix(got, "\f  Date     Time   Ext CO Dial Number") {
		t.Errorf("a session begins with %.60q", got)
	}
	ended(t, done)
}

func TestKXTDALogIn(t *testing.T) {
	var mu sync.Mutex
	now := at
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	o := Options{Listen: "127.0.0.1:0", Password: "fictional", Rate: .001, Clock: clock}
	s := newSim(t, panasonicKX, o)
	running(t, s)

	c := dial(t, s.Addr())
	expect(t, c, "\r-")
	say(t, c, "HELP\r")
	expect(t, c, "HELP\rSMDR  HELP  Q\r-")
	say(t, c, "SNDR\b\r")
	expect(t, c, "SNDR\rNo such command.\r-")
	say(t, c, "\rQ\r")
	if got := readAll(t, c); got != "\r-Q" {
		t.Errorf("the end of a session: %q", got)
	}

	c = awaitPrompt(t, s.Addr())
	say(t, c, "smdr\rwrong\rsmdr\rwrong\rsmdr\rwrong\r")
	got := readAll(t, c)
	if strings.Count(got, "No such command.") != 3 || !strings.HasSuffix(got, "No such command.\r") {
		t.Errorf("three wrong passwords: %q", got)
	}

	c = dial(t, s.Addr())
	if got := readAll(t, c); got != "" {
		t.Errorf("locked, it says %q", got)
	}
	mu.Lock()
	now = now.Add(2 * time.Minute)
	mu.Unlock()
	c = awaitPrompt(t, s.Addr())
	say(t, c, "SMDR\rfictional\r")
	expect(t, c, "SMDR\rEnter Password:*********\r\n\f  Date ")

	refused := dial(t, s.Addr())
	if got := readAll(t, refused); got != "" {
		t.Errorf("a second session got %q", got)
	}
}

// awaitPrompt connects until the session before is over.
func awaitPrompt(t *testing.T, addr string) net.Conn {
	t.Helper()
	for range 1000 {
		c := dial(t, addr)
		b := make([]byte, 2)
		if _, err := io.ReadFull(c, b); err == nil && string(b) == "\r-" {
			return c
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no prompt")
	return nil
}

func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"SMDR\r", "\nPCCSMDR\r\n", "\xff\xfd\x01q\r", "\xff\xfa\x18\x00\xff\xf0SMDR\n", "\xff", strings.Repeat("x", 80), "a\b\bb\x7f\r"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		echoed := 0
		line, err := readLine(r, func(byte) error { echoed++; return nil })
		if err == nil && (len(line) > 64 || strings.ContainsAny(line, "\r\n\x00") || echoed < len(line) || strings.Contains(line, "\xff")) {
			t.Errorf("%q reads as %q", in, line)
		}
	})
}
