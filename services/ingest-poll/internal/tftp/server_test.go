package tftp

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

const local = "127.0.0.1:0"

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "21.11.26|%02d:%02d:%02d|%d|101||00:00:11|01990%05d||2||||||\r\n", i/3600, i/60%60, i%60, i%30, i)
	}
	return b.String()
}

func TestPutByTheRealClient(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	addr := r.serve(servers())
	text := lines(3000)
	want := map[string]string{"octet.txt": text, "even.txt": text[:1024], "ascii.txt": "one\r\ntwo\rthree\r\n"}
	for name, text := range want {
		mode := "octet"
		if name == "ascii.txt" {
			mode, text = "netascii", "one\ntwo\rthree\n"
		}
		if out := put(t, addr, mode, name, text); out != "" {
			t.Errorf("%s: %s", name, out)
		}
		// It is there when the client is told so.
		if got := r.files()[name]; got != want[name] {
			t.Errorf("%s: %d bytes of %d: %.80q", name, len(got), len(want[name]), got)
		}
	}
	if out := put(t, addr, "octet", "empty", ""); out != "" {
		t.Error(out)
	}
	if out := put(t, addr, "octet", "octet.txt", "something else\r\n"); out != "" {
		t.Error(out)
	}
	if got := r.files(); len(got) != 4 || got["octet.txt"] != text {
		t.Errorf("%q", slices.Collect(maps.Keys(got)))
	}
	out := client(t, addr, "-c", "get", "octet.txt", filepath.Join(t.TempDir(), "got"))
	if !strings.Contains(out, "only taken here") {
		t.Errorf("get: %q", out)
	}
	if s := r.Seen(); s.Received != 5 || s.Broken != 1 || !s.Peer.IsValid() || !strings.Contains(s.Why, "only taken here") {
		t.Errorf("%+v", s)
	}
}

// From the wire to JetStream, and what is pushed twice counts once.
func TestTicketsArrive(t *testing.T) {
	n := kit.Start(t)
	r := newRig(t, n, t.TempDir(), &config.TFTP{Listen: local})
	addr := r.serve(servers())
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := lines(700)
	for _, one := range [][2]string{{"cdr1", text}, {"cdr2", lineA}, {"cdr1", text}} {
		if out := put(t, addr, "octet", one[0], one[1]); out != "" {
			t.Fatal(out)
		}
		kit.Await(t, "collecting", func() bool {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			return r.State().Waiting == 0
		})
	}
	got := kit.Texts(n.Collected(t))
	if len(got) != 701 {
		t.Errorf("%d tickets", len(got))
	}
	slices.Sort(got)
	if want := strings.Split(lineA+text, "\r\n"); !slices.Equal(got, slices.Sorted(slices.Values(want[:701]))) {
		t.Error("other tickets arrived")
	}
	if key := r.Key("lyon.pbx"); len(key) != len("lyon.pbx.")+16 {
		t.Error(key)
	}
}

func TestBadLine(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	addr := r.serve(servers())
	var running sync.WaitGroup
	want := make(map[string]string)
	for seed := range 8 {
		name, text := fmt.Sprintf("cdr%d", seed), fmt.Sprint("file ", seed, "\r\n")+lines(120)
		want[name] = text
		line := newLossy(t, addr, uint64(seed))
		running.Go(func() {
			if err := sender(t, line.addr(), name, text, seed%2 == 1); err != nil && err.Error() != "given up" {
				t.Errorf("%s: %v", name, err)
			}
			line.mu.Lock()
			defer line.mu.Unlock()
			if line.lost == 0 || line.doubled == 0 || line.late == 0 {
				t.Error("the line was a good one")
			}
		})
	}
	running.Wait()
	if got := r.files(); !maps.Equal(got, want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

func TestWhoMaySend(t *testing.T) {
	loop := netip.MustParsePrefix("127.0.0.1/32")
	other := netip.MustParsePrefix("192.0.2.0/24")
	s := servers()
	in := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local, Allow: []netip.Prefix{other}})
	addr := in.serve(s)
	if out := put(t, addr, "octet", "a", lineA); !strings.Contains(out, "in no list") {
		t.Errorf("%q", out)
	}
	in.l.Alarms.Begin()
	in.tell()
	in.l.Alarms.End()
	if got := in.health.Text(); !strings.Contains(got, "127.0.0.1") || !strings.Contains(got, "`allow`") {
		t.Error(got)
	}
	// Two links on one port.
	mine := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local, Allow: []netip.Prefix{loop}})
	mine.listen = in.listen
	if both := mine.serve(s); both != addr {
		t.Fatal(both, addr)
	}
	if out := put(t, addr, "octet", "a", lineA); out != "" {
		t.Error(out)
	}
	if len(mine.files()) != 1 || len(in.files()) != 0 {
		t.Error(mine.files(), in.files())
	}
}

func TestPortInUse(t *testing.T) {
	taken := port(t)
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: taken.LocalAddr().String()})
	ctx, stop := contextOf(t)
	var running sync.WaitGroup
	running.Go(func() { servers().Run(ctx, r.Inbox) })
	defer running.Wait()
	defer stop()
	told := func() string {
		r.l.Alarms.Begin()
		r.tell()
		r.l.Alarms.End()
		return r.health.Text()
	}
	kit.Await(t, "an alarm", func() bool { return strings.Contains(told(), "CAP_NET_BIND_SERVICE") })
	taken.Close()
	kit.Await(t, "listening", func() bool { return told() == "" })
}

// Packet by packet: each transfer has a port, strangers are told so, doubled
// requests begin one transfer, and garbage ends nothing.
func TestOnTheWire(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	s := servers()
	s.timing.retry, s.timing.dally = time.Minute, time.Minute // only what is asked for
	addr := r.serve(s)
	pbx, stranger := port(t), port(t)
	request := writeRequest("a")
	answer, tid := ask(t, pbx, addr, request)
	if string(answer) != string(ackPacket(0)) || tid.String() == addr {
		t.Fatalf("%q from %s", answer, tid)
	}
	if again, from := ask(t, pbx, addr, request); string(again) != string(ackPacket(0)) || from != tid {
		t.Fatalf("%q from %s, not %s", again, from, tid)
	}
	if got, from := ask(t, stranger, tid.String(), dataPacket(1, "evil")); kind(got) != opError || blockOf(got) != codeStranger || from != tid {
		t.Fatalf("%q", got)
	}
	for _, junk := range []string{"", "\x00", "\x00\x04", "HELLO WORLD", "\x00\x04\x00\x09", "\x00\x03\x00\x07later"} {
		if _, err := pbx.WriteToUDPAddrPort([]byte(junk), tid); err != nil {
			t.Fatal(err)
		}
		if _, err := pbx.WriteToUDPAddrPort([]byte(junk), netip.MustParseAddrPort(addr)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := ask(t, pbx, tid.String(), dataPacket(1, lineA)); string(got) != string(ackPacket(1)) {
		t.Fatalf("%q", got)
	}
	if got := r.files(); got["a"] != lineA || len(got) != 1 {
		t.Errorf("%q", got)
	}
	// The last answer is lost: it is asked for again.
	insist(t, pbx, tid, dataPacket(1, lineA))
}

// insist sends a block that came already until it is acknowledged again.
func insist(t testing.TB, pbx *net.UDPConn, tid netip.AddrPort, block []byte) {
	t.Helper()
	kit.Await(t, "an answer to who missed the last one", func() bool {
		_, _ = pbx.WriteToUDPAddrPort(block, tid)
		_ = pbx.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		buf := make([]byte, 100)
		n, _, err := pbx.ReadFromUDPAddrPort(buf)
		return err == nil && string(buf[:n]) == string(ackPacket(blockOf(block)))
	})
}

// Who vanishes leaves nothing behind, and who says it broke off neither.
func TestPeerVanishes(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	s := servers()
	s.timing.quiet = 300 * time.Millisecond
	addr := r.serve(s)
	full := strings.Repeat("x", defaultBlock)
	for i, last := range [][]byte{dataPacket(1, full), errorPacket(refuse(codeOther, "stop, secret\x1b[2J")), dataPacket(1, full+"x")} {
		pbx := port(t)
		_, tid := ask(t, pbx, addr, writeRequest(fmt.Sprint("cdr", i)))
		if _, err := pbx.WriteToUDPAddrPort(last, tid); err != nil {
			t.Fatal(err)
		}
	}
	kit.Await(t, "three broken", func() bool { return r.Seen().Broken == 3 && r.counted("broken") == 3 })
	if got := r.files(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	r.l.Alarms.Begin()
	r.tell()
	r.l.Alarms.End()
	if got := r.health.Text(); !strings.Contains(got, "has to send it again") || strings.Contains(got, "\x1b") {
		t.Error(got)
	}
	if out := put(t, addr, "octet", "next", lineA); out != "" {
		t.Error(out)
	}
}

// A slow one holds up nobody, and a stop tells it so.
func TestStop(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	s := servers()
	s.timing.retry = time.Minute
	ctx, stop := contextOf(t)
	ended := make(chan struct{})
	go func() { s.Run(ctx, r.Inbox); close(ended) }()
	defer stop()
	var addr string
	kit.Await(t, "listening", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		addr = r.bound.String()
		return r.bound.IsValid()
	})
	slow := port(t)
	_, tid := ask(t, slow, addr, writeRequest("slow"))
	if got, _ := ask(t, slow, tid.String(), dataPacket(1, strings.Repeat("x", defaultBlock))); string(got) != string(ackPacket(1)) {
		t.Fatalf("%q", got)
	}
	if out := put(t, addr, "octet", "fast", lineA); out != "" {
		t.Error(out)
	}
	stop()
	if got, _ := hear(t, slow); kind(got) != opError || !strings.Contains(string(got), "again later") {
		t.Errorf("%q", got)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
	if got := r.files(); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if _, err := net.ListenPacket("udp", addr); err != nil {
		t.Error("the port is still taken:", err)
	}
}

// The folder breaks under a transfer: the PBX is told nothing of this machine.
func TestDiskFails(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	addr := r.serve(servers())
	if err := os.RemoveAll(r.Dir()); err != nil {
		t.Fatal(err)
	}
	out := put(t, addr, "octet", "a", lineA)
	if !strings.Contains(out, "send it again later") || strings.Contains(out, r.Dir()) {
		t.Errorf("%q", out)
	}
}

// A PBX that hears none of our last answers gives up, and sends its buffer again
// in its next session, under the next name. One that heard us sends what is new.
func TestLastAnswerIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		deaf bool
		want []string
	}{"lost": {true, []string{lineA, lineB}}, "heard": {false, []string{lineA, lineA + lineB}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
			s := servers()
			s.timing.dally = time.Minute
			addr := r.serve(s)
			pbx := port(t)
			_, tid := ask(t, pbx, addr, writeRequest("cdr1"))
			ask(t, pbx, tid.String(), dataPacket(1, lineA))
			if c.deaf {
				insist(t, pbx, tid, dataPacket(1, lineA))
			}
			if out := put(t, addr, "octet", "cdr2", lineA+lineB); out != "" {
				t.Fatal(out)
			}
			if got := r.contents(); !slices.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// A PBX may send each file from one and the same port.
func TestOnePort(t *testing.T) {
	r := newRig(t, &kit.NATS{}, t.TempDir(), &config.TFTP{Listen: local})
	addr := r.serve(servers())
	pbx := port(t)
	for i, text := range []string{lineA, lineB, lineB, lineC} {
		answer, tid := ask(t, pbx, addr, writeRequest(fmt.Sprint("cdr", i)))
		if string(answer) != string(ackPacket(0)) {
			t.Fatalf("%q", answer)
		}
		if got, from := ask(t, pbx, tid.String(), dataPacket(1, text)); string(got) != string(ackPacket(1)) || from != tid {
			t.Fatalf("%q", got)
		}
	}
	if got := r.contents(); !slices.Equal(got, []string{lineA, lineB, lineB, lineC}) {
		t.Errorf("%q", got)
	}
}
