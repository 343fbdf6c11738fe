package fault

import (
	"fmt"
	"net"
	"testing"
	"time"

	"trunkline.internal/platform/bus/bustest"
	"trunkline.internal/test/kit"
)

// A node dies without a word. Within 15 s another has its links, that dial and
// that poll, and each ticket is there once.
func TestNodeDies(t *testing.T) {
	t.Parallel()
	const within = 15 * time.Second
	h := newHub(t)
	h.Start()
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	came := make(chan net.Conn)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			came <- conn
		}
	}()
	links := folder(dir) + fmt.Sprintf("      - {id: d, model: avaya-ipoffice, tcp: {dial: %q}}\n", listener.Addr())
	node := func() (tcp, poll *kit.Process) {
		start := func(name string) *kit.Process {
			p := start(t, name, t.TempDir(), fmt.Sprintf("{url: %q}", h.URL(bustest.Services)), links)
			p.AwaitReady()
			return p
		}
		return start("ingest-tcp"), start("ingest-poll")
	}
	has := func(link string, n int) {
		t.Helper()
		kit.Await(t, fmt.Sprintf("%d tickets of %s", n, link), func() bool { return len(h.lines("lyon", link)) >= n }, func() string { return fmt.Sprint(len(h.lines("lyon", link))) })
	}

	tcp, poll := node()
	dialled, files := &pbx{t: t, conn: <-came}, newFlow(t, "", dir)
	dialled.send(50)
	has("d", 50)
	has("f", 40)
	_, other := node()

	died := time.Now()
	tcp.Kill()
	poll.Kill()
	select {
	case dialled.conn = <-came:
	case <-time.After(within):
		t.Fatalf("nobody dials within %s", within)
	}
	t.Logf("the link that dials is taken after %s", time.Since(died).Round(10*time.Millisecond))
	kit.Await(t, "the other collects", func() bool { return other.Metric("trunkline_poll_tickets_total", "") > 0 }, other.Log)
	took := time.Since(died)
	t.Logf("the link that polls is taken after %s", took.Round(10*time.Millisecond))
	if took > within {
		t.Errorf("that is more than %s", within)
	}
	dialled.send(50)
	has("d", 100)
	dialled.compare(h, "lyon", "d")
	files.end()
	has("f", len(files.sent()["f"]))
	times := make(map[string]int)
	for _, line := range h.lines("lyon", "f") {
		times[line]++
	}
	for _, line := range files.sent()["f"] {
		if times[line] != 1 {
			t.Errorf("%d times: %s", times[line], line)
		}
	}
}
