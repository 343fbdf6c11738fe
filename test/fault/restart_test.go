package fault

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/platform/bus/bustest"
	"trunkline.internal/test/kit"
)

// flow is a PBX that never rests: a ticket every few milliseconds over TCP, if it
// has an address, and files beside it.
type flow struct {
	t          *testing.T
	tcp, files *pbx
	dir        string

	mu     sync.Mutex // of what was sent
	ending chan struct{}
	ended  sync.WaitGroup
}

func newFlow(t *testing.T, addr, dir string) *flow {
	f := &flow{t: t, tcp: &pbx{t: t, addr: addr}, files: &pbx{t: t}, dir: dir, ending: make(chan struct{})}
	if addr != "" {
		f.ended.Go(f.talk)
	}
	f.ended.Go(f.write)
	t.Cleanup(f.end)
	return f
}

// end ends the sending in good order.
func (f *flow) end() {
	select {
	case <-f.ending:
	default:
		close(f.ending)
	}
	f.ended.Wait()
}

// sent are the tickets of each link until now.
func (f *flow) sent() map[string][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string][]string{"a": f.tcp.sent[:len(f.tcp.sent):len(f.tcp.sent)], "f": f.files.sent[:len(f.files.sent):len(f.files.sent)]}
}

const (
	ticketEvery = 4 * time.Millisecond
	fileEvery   = 150 * time.Millisecond
)

// talk sends until the end. It looks whether the other side hangs up, does so
// too, and comes again.
func (f *flow) talk() {
	for {
		conn, err := net.Dial("tcp", f.tcp.addr)
		if err == nil {
			if !f.sendTo(conn) {
				return
			}
		}
		select {
		case <-f.ending:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *flow) sendTo(conn net.Conn) (more bool) {
	defer conn.Close()
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		_, _ = conn.Read(make([]byte, 1))
	}()
	for {
		select {
		case <-f.ending:
			return false
		case <-hungUp:
			return true
		case <-time.After(ticketEvery):
		}
		f.mu.Lock()
		text := f.tcp.tickets(1)
		f.mu.Unlock()
		if _, err := io.WriteString(conn, text); err != nil && !errors.Is(err, net.ErrClosed) {
			f.t.Errorf("a ticket went to nobody: %v", err)
			return true
		}
	}
}

func (f *flow) write() {
	for n := 0; ; n++ {
		select {
		case <-f.ending:
			return
		case <-time.After(fileEvery):
		}
		f.mu.Lock()
		text := f.files.tickets(20)
		f.mu.Unlock()
		path := filepath.Join(f.dir, fmt.Sprintf("%d.csv", n))
		if err := errors.Join(os.WriteFile(path+".part", []byte(text), 0o600), os.Rename(path+".part", path)); err != nil {
			f.t.Error(err)
			return
		}
	}
}

// folder is a site with a link that collects from a folder.
func folder(dir string) string {
	return fmt.Sprintf("sites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n"+
		"      - {id: f, model: avaya-ipoffice, files: {dir: %q, pattern: \"*.csv\", grows: false, every: 100ms, settle: 50ms}}\n", dir)
}

// Whatever is stopped and started while tickets flow, in good order or not, each
// is in the table once, without a hand's turn.
func TestRestarts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	addr, dir := kit.FreePort(t), t.TempDir()
	listening := sites("lyon", map[string]string{"a": addr})
	collecting := folder(dir)
	tcp, poll := s.service("ingest-tcp", listening), s.service("ingest-poll", collecting)
	parser, sink := s.service("parser", ""), s.service("sink", "")
	f := newFlow(t, addr, dir)
	flows := func(t *testing.T) {
		t.Helper()
		before := f.sent()
		kit.Await(t, "tickets flow", func() bool {
			now := f.sent()
			return len(now["a"]) > len(before["a"])+50 && len(now["f"]) > len(before["f"])+20
		}, func() string { return "they do not" })
	}
	compare := func(t *testing.T) {
		t.Helper()
		flows(t)
		for link, sent := range f.sent() {
			s.has(t, link, sent)
		}
	}
	flows(t)
	for _, part := range []struct {
		name string
		turn func(t *testing.T)
	}{
		{"ingest", func(t *testing.T) {
			for range 2 {
				tcp.MustStop()
				tcp = s.service("ingest-tcp", listening)
				poll.MustStop()
				poll = s.service("ingest-poll", collecting)
			}
		}},
		{"a newer parser beside the older", func(t *testing.T) {
			newer := s.service("newer/parser", "")
			kit.Await(t, "both parse", func() bool {
				out, err := s.query("SELECT uniqExact(parser_version) FROM receipts")
				return err == nil && out == "2"
			}, func() string { return "one does" })
			flows(t)
			parser.MustStop()
			flows(t)
			parser = newer
		}},
		{"sink", func(t *testing.T) {
			for range 2 {
				sink.MustStop()
				flows(t)
				sink = s.service("sink", "")
			}
		}},
		{"a migration", func(t *testing.T) {
			newer := s.service("newer/sink", "")
			for _, table := range []string{"cdrs", "receipts"} {
				if _, err := s.query("SELECT upgraded FROM " + table + " LIMIT 1"); err != nil {
					t.Errorf("the newer sink is ready without its schema: %v", err)
				}
			}
			// The older one runs on the newer schema.
			written := sink.Metric("trunkline_sink_batch_rows_count", "")
			kit.Await(t, "the older sink writes beside the newer", func() bool { return sink.Metric("trunkline_sink_batch_rows_count", "") > written }, sink.Log)
			newer.MustStop()
			flows(t)
			sink.MustStop()
			sink = s.service("sink", "") // one version back
		}},
		{"NATS", func(t *testing.T) {
			s.nats.MustStop()
			s.startNATS()
			flows(t)
			s.nats.Kill()
			s.startNATS()
			flows(t)
		}},
		{"ClickHouse", func(t *testing.T) {
			s.engine.MustStop()
			flows(t)
			s.startEngine()
			flows(t)
			s.engine.Kill()
			s.startEngine()
		}},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.turn(t)
			compare(t)
		})
	}
	f.end()
	for link, sent := range f.sent() {
		s.has(t, link, sent)
		if have, err := s.kept(link); err != nil || len(have) != len(sent) {
			t.Errorf("%s: %d tickets in the table, %d were sent (%v)", link, len(have), len(sent), err)
		}
	}
	for _, p := range []*kit.Process{tcp, poll, parser, sink} {
		p.MustStop()
	}
}

// A replica is stopped in its tracks, its link goes to the other, and it wakes:
// each ticket is there once.
func TestPausedReplicaWakes(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Start()
	dir := t.TempDir()
	run := func() *kit.Process {
		p := start(t, "ingest-poll", t.TempDir(), fmt.Sprintf("{url: %q}", h.URL(bustest.Services)), folder(dir))
		p.AwaitReady()
		return p
	}
	one := run()
	f := newFlow(t, "", dir)
	has := func(n int) {
		t.Helper()
		kit.Await(t, fmt.Sprintf("%d tickets", n), func() bool { return len(h.lines("lyon", "f")) >= n }, func() string { return fmt.Sprint(len(h.lines("lyon", "f"))) })
	}
	has(100)
	two := run()
	one.Signal(syscall.SIGSTOP)
	has(len(f.sent()["f"]) + 20)
	if two.Metric("trunkline_poll_tickets_total", "") == 0 {
		t.Error("the tickets went on, and not by the other replica")
	}
	one.Signal(syscall.SIGCONT)
	kit.Await(t, "the first knows that it has lost its lease", func() bool { return strings.Contains(one.Log(), "lease lost") }, one.Log)
	has(len(f.sent()["f"]) + 20)
	f.end()
	has(len(f.sent()["f"]))
	times := make(map[string]int)
	for _, line := range h.lines("lyon", "f") {
		times[line]++
	}
	for _, line := range f.sent()["f"] {
		if times[line] != 1 {
			t.Errorf("%d times: %s", times[line], line)
		}
	}
}
