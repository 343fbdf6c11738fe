package fault

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/bus/bustest"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// lossBound is what a killed ingest-tcp can lose of a connection, in bytes: what
// it may have read and not published, a read beyond that, and the receive buffer,
// which Linux doubles. docs/delivery.md tells it.
const lossBound = wire.MaxMessage + 16<<10 + 2*16<<10

// Loads under which it is killed.
const (
	usual   = "100 tickets a second"
	flood   = "as fast as it takes them"
	stopped = "NATS does not answer"
)

// shot is a connection whose other side was killed.
type shot struct {
	load, peer string
	killed     time.Time
	taken      int // bytes that our machine acknowledged to the PBX's
	written    []mark
}

// mark is when the bytes up to an offset were written.
type mark struct {
	upTo int
	at   time.Time
}

// since is how long before the kill the byte at an offset was written.
func (s *shot) since(offset int) time.Duration {
	for _, m := range s.written {
		if m.upTo > offset {
			return s.killed.Sub(m.at)
		}
	}
	return 0
}

// fire sends under the load for a while, and kills the other side.
func (s *shot) fire(t *testing.T, p, nats *kit.Process, addr string, after time.Duration) {
	t.Helper()
	source := &pbx{t: t, addr: addr}
	source.connect()
	s.peer = source.conn.LocalAddr().String()
	tickets := 40
	if s.load == usual {
		tickets = 1
	}
	text := source.tickets(tickets)
	blocked := make(chan struct{})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		once := sync.OnceFunc(func() { close(blocked) })
		for n := 0; ; {
			wait := time.AfterFunc(200*time.Millisecond, once)
			m, err := io.WriteString(source.conn, text)
			wait.Stop()
			n += m
			s.written = append(s.written, mark{n, time.Now()})
			if err != nil {
				return
			}
			if s.load == usual {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	time.Sleep(after)
	if s.load == stopped {
		nats.Signal(syscall.SIGSTOP)
		select {
		case <-blocked:
		case <-sent:
		}
		defer nats.Signal(syscall.SIGCONT)
	}
	s.killed = time.Now()
	p.Kill()
	<-sent
	raw, err := source.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	if cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	s.taken = int(info.Bytes_acked) - 1 // it counts the SYN
}

// ingest-tcp is killed at random moments. What it had taken from a PBX and NATS
// has not, which is all that can be lost, is bounded.
func TestLossWhenKilled(t *testing.T) {
	const kills, seed = 60, 20261123
	addr, listen := kit.FreePort(t), kit.FreePort(t)
	nats := listening(t, part.NATS, t.TempDir(), addr)
	random := rand.New(rand.NewPCG(seed, 0))
	var shots []*shot
	for n := range kills {
		s := &shot{load: flood}
		switch {
		case n%6 == 5:
			s.load = stopped
		case n%2 == 0:
			s.load = usual
		}
		p := start(t, "ingest-tcp", t.TempDir(), fmt.Sprintf("{url: %q}", "nats://"+addr), sites("lyon", map[string]string{"a": listen}))
		s.fire(t, p, nats, listen, time.Duration(random.IntN(100_000))*time.Microsecond)
		shots = append(shots, s)
	}
	b, err := bus.Connect(bus.Config{URL: "nats://" + addr, Name: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	kept := make(map[string]int)
	for _, m := range bustest.Tickets(t, bustest.Stored(t, b)) {
		kept[m.Name] += len(m.Payload)
	}
	for _, load := range []string{usual, flood, stopped} {
		var lost []int
		var oldest time.Duration
		for _, s := range shots {
			if s.load != load {
				continue
			}
			n := s.taken - kept[s.peer]
			if n < 0 || s.taken == 0 {
				t.Fatalf("%s: %d bytes kept of %d", load, kept[s.peer], s.taken)
			}
			lost = append(lost, n)
			if n > 0 {
				oldest = max(oldest, s.since(kept[s.peer]))
			}
		}
		slices.Sort(lost)
		most := lost[len(lost)-1]
		t.Logf("%s: %d kills lost at most %d bytes, half of them at most %d; the oldest had come %s before", load, len(lost), most, lost[len(lost)/2], oldest.Round(time.Millisecond))
		if most > lossBound {
			t.Errorf("%s: %d bytes were lost, more than %d", load, most, lossBound)
		}
	}
}
