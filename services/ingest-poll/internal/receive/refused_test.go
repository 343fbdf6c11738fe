package receive

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func TestFTPRefusedLogins(t *testing.T) {
	r := collecting(t)
	var clock kit.Clock
	r.tries = newTries(clock.Now)
	x := r.ftp("cisco-cucm", "cucm")
	r.collect(x)
	y := r.ftp("cisco-cucm", "other", func(c *config.FTPServer) { c.Listen = x.Addr().String() })
	for range 3 {
		p := dialFTP(t, x)
		if text := p.try("cucm", "wrong").want(530); text != errLogin.Error() {
			t.Errorf("%q", text)
		}
		if got := p.read(); got.code != 0 {
			t.Errorf("it may try again at once: %d", got.code)
		}
	}
	r.alarm(x, "user cucm was refused from 127.0.0.1", "another password")
	// Now even the right one has to wait, but not another PBX behind the address.
	if text := dialFTP(t, x).try("cucm", canary).want(530); text != errResting.Error() {
		t.Errorf("%q", text)
	}
	dialFTP(t, y).try("other", canary).want(230)
	clock.Add(time.Minute)
	dialFTP(t, x).try("cucm", "wrong").want(530)
	dialFTP(t, x).try("cucm", canary).want(530)
	clock.Add(time.Minute)
	dialFTP(t, x).try("cucm", canary).want(230)
	r.alarm(x)
	for range 4 {
		if text := dialFTP(t, x).try("nobody", canary).want(530); text != errLogin.Error() && text != errResting.Error() {
			t.Errorf("%q", text)
		}
	}
	if got := r.count("logins_total", "cucm", "resting"); got != 3 {
		t.Errorf("%v rested", got)
	}
	dialFTP(t, x).cmd("STOR x").want(530)

	// A password that is changed in its file counts at once; none at all is no password.
	write(t, r.secret.PasswordFile, "another")
	dialFTP(t, x).try("cucm", "another").want(230)
	write(t, r.secret.PasswordFile, "\n")
	dialFTP(t, x).try("cucm", "").want(530)
	r.alarm(x, "password is empty")
	if err := os.Remove(r.secret.PasswordFile); err != nil {
		t.Fatal(err)
	}
	dialFTP(t, x).try("cucm", "").want(530)
	r.alarm(x, "password_file")
}

func TestTriesAreBounded(t *testing.T) {
	clock := kit.NewClock()
	tries := newTries(clock.Now)
	for n := range 3 * maxTries {
		tries.failed(tryKey{user: strconv.Itoa(n)})
		clock.Add(time.Millisecond)
	}
	if got := len(tries.of); got > maxTries {
		t.Errorf("%d are remembered", got)
	}
	if a, b := network(netip.MustParseAddr("2001:db8::1")), network(netip.MustParseAddr("2001:db8::2")); a != b {
		t.Errorf("%s and %s are two", a, b)
	}
}

func TestAllow(t *testing.T) {
	r := newRig(t)
	far := func(c *config.FTPServer) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	x := r.ftp("cisco-cucm", "cucm", far)
	p := connect(t, x.Addr().String())
	if got, err := io.ReadAll(p); len(got) != 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("it was told %q, %v", got, err)
	}
	if got := r.count("logins_total", "cucm", "not_allowed"); got != 1 {
		t.Errorf("%v refused", got)
	}
	// Another link of the address lets it connect, but not as this user.
	y := r.ftp("cisco-cucm", "near", func(c *config.FTPServer) {
		c.Listen, c.Allow = x.Addr().String(), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	dialFTP(t, y).try("cucm", canary).want(530)
	dialFTP(t, y).try("near", canary).want(230)
}

func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t)
	x := r.ftp("cisco-cucm", "cucm")
	var open []*peer
	for range maxConnectionsPeer {
		open = append(open, dialFTP(t, x))
	}
	if got := connect(t, x.Addr().String()).read(); got.code != 0 {
		t.Errorf("%d", got.code)
	}
	if got := r.count("logins_total", "cucm", "too_many"); got != 1 {
		t.Errorf("%v refused", got)
	}
	open[0].cmd("QUIT").want(221)
	open[0].Close()
	kit.Await(t, "a free place", func() bool { return connect(t, x.Addr().String()).read().code == 220 })
}

func TestLinksShareAnAddress(t *testing.T) {
	r := newRig(t)
	x := r.ftp("cisco-cucm", "cucm")
	addr := x.Addr().String()
	on := func(c *config.FTPServer) { c.Listen = addr }
	second, err := r.FTP(r.link("cisco-cucm", "second"), &config.FTPServer{Receiver: config.Receiver{Listen: addr, Secret: r.secret}})
	if err != nil {
		t.Fatal(err)
	}
	stop := r.serve(second)
	px, py := dialFTP(t, x).login(canary), dialFTP(t, second)
	py.try("second", canary).want(230)
	px.upload("STOR cdr_1", cdr("a")).want(226)
	py.upload("STOR cdr_1", cdr("b")).want(226)
	holds(t, x, "cdr_1", cdr("a"))
	holds(t, second, "cdr_1", cdr("b"))
	// One that is stopped closes nobody else's connections, and its own at once.
	data, _ := py.begin("STOR cdr_2")
	_, _ = io.WriteString(data, "half")
	stop()
	if got := py.read(); got.code == 226 {
		t.Errorf("%d", got.code)
	}
	if got := visible(t, second); !slices.Equal(got, []string{"cdr_1"}) {
		t.Errorf("%q", got)
	}
	px.upload("STOR cdr_2", cdr("c")).want(226)
	dialFTP(t, x).try("second", canary).want(530)

	// What cannot share is told, and goes on when it can.
	r.timing.retry = 10 * time.Millisecond
	twin := r.ftp("cisco-cucm", "twin", on, func(c *config.FTPServer) { c.User = "cucm" })
	other := r.ftp("cisco-cucm", "other", on, func(c *config.FTPServer) { c.Passive = "50000-50010" })
	ssh := r.sftp("cisco-cucm", "ssh", func(c *config.SFTPServer) { c.Listen = addr })
	for x, want := range map[*Receiver]string{twin: "has the user cucm", other: "same passive", ssh: "another port"} {
		x.mu.Lock()
		if err := x.troubles["listen"].err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, nothing of %q", err, want)
		}
		x.mu.Unlock()
	}
}

func TestAddressInUse(t *testing.T) {
	r := collecting(t)
	r.timing.retry = 10 * time.Millisecond
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := r.ftp("cisco-cucm", "cucm", func(c *config.FTPServer) { c.Listen = other.Addr().String() })
	r.collect(x)
	r.alarm(x, other.Addr().String(), "another program")
	other.Close()
	kit.Await(t, "the address", func() bool { return x.Addr() != nil })
	r.alarm(x)
	dialFTP(t, x).login(canary)
}

func TestFTPFullDisk(t *testing.T) {
	x := newRig(t).ftp("cisco-cucm", "cucm")
	x.mu.Lock()
	x.space = func(string) (space, error) { return space{free: 1, total: 1 << 40}, nil }
	x.mu.Unlock()
	p := dialFTP(t, x).login(canary)
	text := p.upload("STOR cdr_1", cdr("a")).want(552)
	if !strings.Contains(text, "nearly full") {
		t.Errorf("%q", text)
	}
}

func TestPassivePortsRunOut(t *testing.T) {
	r := collecting(t)
	held, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	port := held.Addr().(*net.TCPAddr).Port
	only := fmt.Sprintf("%d-%d", port, port)
	x := r.ftp("cisco-cucm", "cucm", func(c *config.FTPServer) { c.Passive = only })
	r.collect(x)
	dialFTP(t, x).login(canary).cmd("EPSV").want(421)
	r.alarm(x, only, "more ports")
}

// While a PBX is set up, what is refused is told; later it is a stranger.
func TestStrangers(t *testing.T) {
	r := collecting(t)
	x := r.ftp("cisco-cucm", "cucm", func(c *config.FTPServer) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	r.collect(x)
	_ = connect(t, x.Addr().String()).read()
	r.alarm(x, "127.0.0.1", "allow")
	y := r.ftp("cisco-cucm", "other")
	r.collect(y)
	dialFTP(t, y).try("typo"+canary, canary).want(530)
	r.alarm(y, "no such user", "log in as other")
	dialFTP(t, y).try("other", canary).want(230)
	r.alarm(y)
	dialFTP(t, y).try("root", canary).want(530)
	r.alarm(y)
}

// What the disk says is for us, not for the peer.
func TestErrorsOfTheDisk(t *testing.T) {
	r := collecting(t)
	x := r.ftp("cisco-cucm", "cucm")
	r.collect(x)
	told := x.told(fmt.Errorf("write %s: %w", x.dir, errors.New("input/output error")))
	if strings.Contains(told.Error(), x.dir) || !strings.Contains(told.Error(), "again later") {
		t.Errorf("%v", told)
	}
	r.alarm(x, x.dir, "input/output error")
}
