package tftp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// quick makes a test of minutes one of seconds.
var quick = timing{
	retry: 30 * time.Millisecond, retryMax: 100 * time.Millisecond, quiet: 5 * time.Second, whole: 30 * time.Second,
	dally: 900 * time.Millisecond, bind: 10 * time.Millisecond,
}

// program finds a program of the distribution.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if p := filepath.Join(dir, name); isFile(p) {
			return p
		}
	}
	t.Fatalf("%s is missing: run make servers", name)
	return ""
}

func isFile(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular()
}

// rig is an inbox on a link.
type rig struct {
	*Inbox
	t      testing.TB
	health *kit.Health
	reg    *prometheus.Registry
}

func newRig(t testing.TB, n *kit.NATS, data string, c *config.TFTP, change ...func(*link.Options)) *rig {
	t.Helper()
	r := &rig{t: t, health: &kit.Health{}, reg: prometheus.NewRegistry()}
	l := n.Link(t, "unify-hipath", time.Now, append([]func(*link.Options){func(o *link.Options) {
		meters, err := link.NewMeters(r.reg)
		if err != nil {
			t.Fatal(err)
		}
		o.Metrics, o.Health = meters.Of("lyon", "pbx"), r.health.Set
	}}, change...)...)
	var err error
	if r.Inbox, err = New(data, l, c); err != nil {
		t.Fatal(err)
	}
	r.timing = quick
	return r
}

// serve listens until the test ends.
func (r *rig) serve(s *Servers) string {
	r.t.Helper()
	ctx, stop := contextOf(r.t)
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, r.Inbox) })
	r.t.Cleanup(func() { stop(); running.Wait() })
	var at netip.AddrPort
	kit.Await(r.t, "listening", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		at = r.bound
		return at.IsValid()
	})
	return at.String()
}

func servers() *Servers {
	s := NewServers(slog.New(slog.DiscardHandler))
	s.timing = quick
	return s
}

// files are the ticket files in a folder, by name.
func (r *rig) files() map[string]string {
	r.t.Helper()
	out := make(map[string]string)
	entries, err := os.ReadDir(r.Dir())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name()[0] == '.' && !strings.HasSuffix(e.Name(), ".part") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.Dir(), e.Name()))
		if err != nil {
			continue // it got its name just now
		}
		out[e.Name()] = string(text)
	}
	return out
}

// contents are the files' contents, sorted.
func (r *rig) contents() []string {
	var out []string
	for _, text := range r.files() {
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// files counted by what became of them.
func (r *rig) counted(result string) float64 {
	r.t.Helper()
	all, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.Metric {
			for _, label := range m.Label {
				if family.GetName() == "trunkline_poll_files_total" && label.GetName() == "result" && label.GetValue() == result {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

// put sends a file as the real client does.
func put(t testing.TB, addr, mode, name, text string) string {
	t.Helper()
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return client(t, addr, "-m", mode, "-c", "put", local, name)
}

func client(t testing.TB, addr string, args ...string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	at := slices.Index(args, "-c")
	out, err := exec.Command(program(t, "tftp"), slices.Concat(args[:at], []string{host, port}, args[at:])...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

// ask sends one packet from a port of its own and waits for the answer.
func ask(t testing.TB, conn *net.UDPConn, to string, p []byte) ([]byte, netip.AddrPort) {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort(p, netip.MustParseAddrPort(to)); err != nil {
		t.Fatal(err)
	}
	return hear(t, conn)
}

func hear(t testing.TB, conn *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 2000)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal("no answer: ", err)
	}
	return buf[:n], unmapped(from)
}

func port(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func writeRequest(name string) []byte { return []byte("\x00\x02" + name + "\x00octet\x00") }

// sender is a PBX that pushes a file. A naive one answers each acknowledgement
// again, the older mistake of TFTP.
func sender(t testing.TB, to, name, text string, naive bool) error {
	conn := port(t)
	dest := netip.MustParseAddrPort(to)
	peer := netip.AddrPort{}
	packet, block := writeRequest(name), 0
	send := func() {
		at := peer
		if !at.IsValid() {
			at = dest
		}
		_, _ = conn.WriteToUDPAddrPort(packet, at)
	}
	send()
	buf := make([]byte, 2000)
	end := time.Now().Add(20 * time.Second)
	for time.Now().Before(end) {
		_ = conn.SetReadDeadline(time.Now().Add(80 * time.Millisecond))
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			send()
			continue
		}
		from = unmapped(from)
		if peer.IsValid() && from != peer {
			continue
		}
		switch p := buf[:n]; kind(p) {
		case opError:
			return theirError(p)
		case opAck:
			peer = from
			switch int(blockOf(p)) {
			case block:
				if block > 0 && len(packet) < maxPacketHead+defaultBlock {
					return nil
				}
				at := min(block*defaultBlock, len(text))
				block++
				packet = dataPacket(block, text[at:min(at+defaultBlock, len(text))])
				send()
			case block - 1:
				if naive {
					send()
				}
			}
		}
	}
	return errors.New("given up")
}

// lossy is a line between a client and a server that loses, doubles and turns
// round packets, the same ones in each run as far as both sides send the same.
type lossy struct {
	t      testing.TB
	server netip.AddrPort
	front  *net.UDPConn
	mu     sync.Mutex
	dice   *rand.Rand
	// lost and doubled packets, and those that were overtaken.
	lost, doubled, late int
	sessions            map[netip.AddrPort]*net.UDPConn
}

func newLossy(t testing.TB, server string, seed uint64) *lossy {
	l := &lossy{
		t: t, server: netip.MustParseAddrPort(server), front: port(t), dice: rand.New(rand.NewPCG(seed, 1)),
		sessions: make(map[netip.AddrPort]*net.UDPConn),
	}
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := l.front.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			up := l.session(unmapped(from))
			l.pass(buf[:n], func(p []byte) { _, _ = up.WriteToUDPAddrPort(p, l.server) })
		}
	}()
	return l
}

func (l *lossy) addr() string { return l.front.LocalAddr().String() }

// session relays between a client and the ports of the server.
func (l *lossy) session(client netip.AddrPort) *net.UDPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if up := l.sessions[client]; up != nil {
		return up
	}
	up, down := port(l.t), port(l.t)
	l.sessions[client] = up
	var mu sync.Mutex
	var peer netip.AddrPort
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := up.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			mu.Lock()
			peer = from
			mu.Unlock()
			l.pass(buf[:n], func(p []byte) { _, _ = down.WriteToUDPAddrPort(p, client) })
		}
	}()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, _, err := down.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			mu.Lock()
			to := peer
			mu.Unlock()
			l.pass(buf[:n], func(p []byte) { _, _ = up.WriteToUDPAddrPort(p, to) })
		}
	}()
	return up
}

func (l *lossy) pass(p []byte, send func([]byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch roll := l.dice.IntN(100); {
	case roll < 15:
		l.lost++
	case roll < 25:
		l.doubled++
		send(p)
		send(p)
	case roll < 35:
		l.late++
		later := bytes.Clone(p)
		time.AfterFunc(time.Duration(5+l.dice.IntN(60))*time.Millisecond, func() { send(later) })
	default:
		send(p)
	}
}
