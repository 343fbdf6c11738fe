package tftp

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// realServer is the distribution's, private to the test, and the folder it gives.
func realServer(t testing.TB) (addr, dir string) {
	t.Helper()
	dir = t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // it reads as nobody
			t.Fatal(err)
		}
	}
	exe := program(t, "in.tftpd")
	for range 10 {
		free := port(t)
		addr = free.LocalAddr().String()
		free.Close()
		var out bytes.Buffer
		c := exec.Command(exe, "--foreground", "--address", addr, "--user", "nobody", "--retransmit", "60000", "--secure", dir)
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		t.Cleanup(func() { _ = c.Process.Kill(); <-ended })
		probe := port(t)
		for alive := true; alive; {
			_, _ = probe.WriteTo(readPacket("none"), mustUDP(t, addr))
			_ = probe.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, _, err := probe.ReadFrom(make([]byte, 600)); err == nil {
				return addr, dir
			}
			select {
			case <-ended:
				alive = false
				t.Log(out.String())
			default:
			}
		}
	}
	t.Fatal("in.tftpd does not run")
	return "", ""
}

func mustUDP(t testing.TB, addr string) *net.UDPAddr {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func give(t testing.TB, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "gez.txt"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFetchFromTheRealServer(t *testing.T) {
	addr, dir := realServer(t)
	n := kit.Start(t)
	clock := kit.NewClock()
	r := newRig(t, n, t.TempDir(), &config.TFTP{Fetch: addr, File: "gez.txt"})
	r.l.Now, r.dir.now = clock.Now, clock.Now
	defer r.Close()
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func() string {
		t.Helper()
		r.l.Alarms.Begin()
		if err := r.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Add(time.Second) // so long files rest
		if err := r.Folder.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.l.Alarms.End()
		clock.Add(16 * time.Minute)
		return r.health.Text()
	}
	if got := look(); !strings.Contains(got, "there is no such file") {
		t.Errorf("%q", got)
	}
	text := lines(300)
	// All at once; more behind it, since our last answer was lost; nothing new;
	// nothing at all; and the buffer was emptied.
	for _, given := range []string{text, text + lineA, text + lineA, "", lineB, ""} {
		give(t, dir, given)
		if got := look(); got != "" {
			t.Errorf("%q", got)
		}
	}
	if err := os.Remove(filepath.Join(dir, "gez.txt")); err != nil {
		t.Fatal(err)
	}
	if got := look(); got != "" {
		t.Errorf("%q", got)
	}
	got := kit.Texts(n.Collected(t))
	want := strings.Split(text+lineA+lineB, "\r\n")
	slices.Sort(got)
	if want = slices.Sorted(slices.Values(want[:302])); !slices.Equal(got, want) {
		t.Errorf("%d tickets, want %d", len(got), len(want))
	}
}

func fetchTo(t testing.TB, d *Dir, addr string, timing timing) error {
	t.Helper()
	f, err := d.Create("gez.txt", -1, "10.1.0.9")
	if err != nil {
		t.Fatal(err)
	}
	linger, err := fetch(t.Context(), addr, "gez.txt", f, timing)
	if err == nil {
		linger(t.Context())
	}
	return err
}

func TestFetchOverABadLine(t *testing.T) {
	addr, dir := realServer(t)
	text := lines(150)
	give(t, dir, text)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			d, _, _ := testDir(t, t.TempDir(), true)
			if err := fetchTo(t, d, newLossy(t, addr, seed).addr(), quick); err != nil {
				t.Error(err)
			}
			got := slices.Collect(maps.Values(inDir(t, d)))
			if len(got) != 1 || got[0] != text {
				t.Errorf("%d files", len(got))
			}
		})
	}
}

// A PBX, packet by packet.
func TestFetchOnTheWire(t *testing.T) {
	timing := quick
	timing.quiet = 400 * time.Millisecond
	full := strings.Repeat("x", defaultBlock)
	for name, c := range map[string]struct {
		answers []string // to the request, and to each acknowledgement
		want    string
		fails   string
	}{
		"whole":           {[]string{string(dataPacket(1, full)), string(dataPacket(2, lineA))}, full + lineA, ""},
		"silent":          {nil, "", "fell silent"},
		"vanishes":        {[]string{string(dataPacket(1, full))}, "", "fell silent"},
		"begins late":     {[]string{string(dataPacket(2, lineA))}, "", "fell silent"},
		"denied":          {[]string{string(errorPacket(refuse(codeAccess, "no")))}, "", "no (TFTP error 2)"},
		"breaks off":      {[]string{string(dataPacket(1, full)), string(errorPacket(refuse(codeOther, "reset")))}, "", "reset (TFTP error 0)"},
		"options unasked": {[]string{"\x00\x06blksize\x001024\x00"}, "", "no option was asked for"},
		"garbage":         {[]string{"220 FTP ready\r\n"}, "", "fell silent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front, side := port(t), port(t)
			d, _, _ := testDir(t, t.TempDir(), true)
			go func() {
				buf := make([]byte, 600)
				_, us, err := front.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				for _, a := range c.answers {
					_, _ = side.WriteToUDPAddrPort([]byte(a), us)
					n, _, err := side.ReadFromUDPAddrPort(buf)
					if err != nil {
						return
					}
					// The last answer only behind the file's name.
					if a == c.answers[len(c.answers)-1] && c.want != "" && (kind(buf[:n]) != opAck || len(inDir(t, d)) != 1) {
						t.Errorf("%q, %q", buf[:n], inDir(t, d))
					}
				}
			}()
			err := fetchTo(t, d, front.LocalAddr().String(), timing)
			got := ""
			for _, text := range inDir(t, d) {
				got = text
			}
			if got != c.want || c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A second answer to a request that was doubled on the way is another transfer.
func TestFetchTwoAnswers(t *testing.T) {
	front, one, two := port(t), port(t), port(t)
	d, _, _ := testDir(t, t.TempDir(), true)
	done := make(chan error, 1)
	go func() { done <- fetchTo(t, d, front.LocalAddr().String(), quick) }()
	buf := make([]byte, 600)
	_ = front.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, us, err := front.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Repeat("x", defaultBlock)
	if got, _ := ask(t, one, us.String(), dataPacket(1, full)); string(got) != string(ackPacket(1)) {
		t.Fatalf("%q", got)
	}
	if got, _ := ask(t, two, us.String(), dataPacket(1, full)); kind(got) != opError || blockOf(got) != codeStranger {
		t.Fatalf("%q", got)
	}
	_, _ = one.WriteToUDPAddrPort(dataPacket(2, lineA), us)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := inDir(t, d); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestFetchTrouble(t *testing.T) {
	front := port(t)
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Fetch: front.LocalAddr().String(), File: "gez.txt"})
	defer r.Close()
	r.timing.quiet = 50 * time.Millisecond
	clock := kit.NewClock()
	r.l.Now, r.dir.now = clock.Now, clock.Now
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for range 60 {
		before := r.Seen().Broken
		r.fetchDue(t.Context())
		tries += r.Seen().Broken - before
		clock.Add(time.Minute)
	}
	// 1, 2, 4, 8, 15, 15 minutes.
	if tries != 7 {
		t.Errorf("%d tries in an hour", tries)
	}
	r.l.Alarms.Begin()
	r.tell()
	r.l.Alarms.End()
	if got := r.health.Text(); !strings.Contains(got, front.LocalAddr().String()) || !strings.Contains(got, "firewall") {
		t.Error(got)
	}
}
