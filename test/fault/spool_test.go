package fault

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// spooling is the part `nats:` of a site with a spool.
func (h *hub) spooling(site, maxBytes string) string {
	return fmt.Sprintf("{url: %q, inbox_prefix: _INBOX_%s, spool: {max_bytes: %s}}", h.URL(site), site, maxBytes)
}

// sites is a site with listening links.
func sites(id string, links map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sites:\n  - id: %s\n    timezone: Europe/Paris\n    links:\n", id)
	for link, addr := range links {
		fmt.Fprintf(&b, "      - {id: %s, model: avaya-ipoffice, tcp: {listen: %q}}\n", link, addr)
	}
	return b.String()
}

const drained = "trunkline_spool_messages"

// The hub is away from the start. The process is ready, takes tickets, and hands
// them over when the hub comes.
func TestHubAwayFromTheStart(t *testing.T) {
	h := newHub(t, "lyon")
	a, b := &pbx{t: t, addr: kit.FreePort(t)}, &pbx{t: t, addr: kit.FreePort(t)}
	p := start(t, "ingest-tcp", t.TempDir(), h.spooling("lyon", "64MB"), sites("lyon", map[string]string{"a": a.addr, "b": b.addr}))
	a.connect()
	b.connect()
	for range 30 {
		a.send(100)
		b.send(10)
	}
	p.AwaitMetric("trunkline_tcp_tickets_total", "", 3300)
	if code, body := p.Get("/readyz"); code != 200 || !strings.Contains(body, "away since") {
		t.Errorf("readyz %d %s", code, body)
	}
	h.Start()
	kit.Await(t, "all is handed over", func() bool { return len(h.lines("lyon", "a"))+len(h.lines("lyon", "b")) >= 3300 }, func() string { return note(p) })
	a.compare(h, "lyon", "a")
	b.compare(h, "lyon", "b")
	p.MustStop()
}

// note is the line of /readyz on the hub.
func note(p *kit.Process) string {
	_, body := p.Get("/readyz")
	return body
}

// The hub is killed and started in the middle of the flow.
func TestHubRestartsInTheFlow(t *testing.T) {
	h := newHub(t, "lyon")
	h.Start()
	a := &pbx{t: t, addr: kit.FreePort(t)}
	p := start(t, "ingest-tcp", t.TempDir(), h.spooling("lyon", "64MB"), sites("lyon", map[string]string{"a": a.addr}))
	a.connect()
	for range 4 {
		for range 20 {
			a.send(25)
		}
		h.Stop()
		for range 20 {
			a.send(25)
		}
		h.Start()
	}
	kit.Await(t, "all is handed over", func() bool { return len(h.lines("lyon", "a")) >= len(a.sent) }, func() string { return note(p) })
	a.compare(h, "lyon", "a")
}

// The process is killed again and again, with tickets in its spool and while it
// hands them over.
func TestKilledWithABacklog(t *testing.T) {
	h := newHub(t, "lyon")
	data := t.TempDir()
	a := &pbx{t: t, addr: kit.FreePort(t)}
	run := func() *kit.Process {
		return start(t, "ingest-tcp", data, h.spooling("lyon", "64MB"), sites("lyon", map[string]string{"a": a.addr}))
	}
	p := run()
	for range 2 { // hub away: what is acknowledged is on disk
		a.connect()
		for range 300 {
			a.send(10)
		}
		p.AwaitMetric("trunkline_tcp_tickets_total", "", 3000)
		p.Kill()
		p = run()
	}
	a.connect()
	h.Start()
	for i := range 6 {
		a.send(50)
		p.AwaitMetric("trunkline_tcp_tickets_total", "", 50)
		// Somewhere in the handing over.
		time.Sleep(time.Duration(i*i) * 15 * time.Millisecond)
		p.Kill()
		p = run()
		a.connect()
	}
	kit.Await(t, "all is handed over", func() bool { return len(h.lines("lyon", "a")) >= len(a.sent) }, func() string { return note(p) })
	p.AwaitMetric(drained, "", 0)
	a.compare(h, "lyon", "a")
}

// A full spool is told before it is full, stops the PBX, and goes on by itself.
func TestFullSpool(t *testing.T) {
	h := newHub(t, "lyon")
	a := &pbx{t: t, addr: kit.FreePort(t), size: 4000}
	p := start(t, "ingest-tcp", t.TempDir(), h.spooling("lyon", "16MiB"), sites("lyon", map[string]string{"a": a.addr}))
	a.connect()
	tickets, sending := a.tickets(6000), make(chan error, 1) // 24 MB
	go func() {
		_, err := io.WriteString(a.conn, tickets)
		sending <- err
	}()
	kit.Await(t, "the alarm", func() bool { return strings.Contains(p.Log(), "the spool fills") }, func() string { return note(p) })
	kit.Await(t, "the spool is full", func() bool {
		return p.Metric("trunkline_commit_retries_total", `reason="stream_full"`) > 0
	}, func() string { return note(p) })
	if got := p.Metric("trunkline_spool_bytes", ""); got > 16<<20 {
		t.Errorf("%v bytes in the spool", got)
	}
	select {
	case err := <-sending:
		t.Fatalf("the PBX got rid of 24 MB in a spool of 16 MiB: %v", err)
	case <-time.After(time.Second):
	}
	if code, body := p.Get("/readyz"); code != 200 {
		t.Errorf("readyz %d %s", code, body)
	}
	h.Start()
	select {
	case err := <-sending:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the PBX still waits")
	}
	kit.Await(t, "all is handed over", func() bool { return len(h.lines("lyon", "a")) >= len(a.sent) }, func() string { return note(p) })
	a.compare(h, "lyon", "a")
	kit.Await(t, "the alarm is over", func() bool { return strings.Contains(p.Log(), "has room again") }, func() string { return note(p) })
}

// Two sites with users of their own, and one that takes the other's name: it is
// refused, and that is said at the hub and at the site.
func TestForeignSite(t *testing.T) {
	h := newHub(t, "lyon", "nice")
	h.Start()
	lyon, nice, thief := &pbx{t: t, addr: kit.FreePort(t)}, &pbx{t: t, addr: kit.FreePort(t)}, &pbx{t: t, addr: kit.FreePort(t)}
	start(t, "ingest-tcp", t.TempDir(), h.spooling("lyon", "64MB"), sites("lyon", map[string]string{"a": lyon.addr}))
	start(t, "ingest-tcp", t.TempDir(), h.spooling("nice", "64MB"), sites("nice", map[string]string{"a": nice.addr}))
	bad := start(t, "ingest-tcp", t.TempDir(), h.spooling("lyon", "64MB"), sites("nice", map[string]string{"b": thief.addr}))
	for _, p := range []*pbx{lyon, nice, thief} {
		p.connect()
		p.send(40)
	}
	kit.Await(t, "the others are handed over", func() bool { return len(h.lines("lyon", "a"))+len(h.lines("nice", "a")) == 80 }, func() string { return "" })
	lyon.compare(h, "lyon", "a")
	nice.compare(h, "nice", "a")
	kit.Await(t, "it is said in the log", func() bool {
		return strings.Contains(bad.Log(), "allow our NATS user to publish on $KV.links.nice.b")
	}, bad.Log)
	if bad.Metric("trunkline_commit_refused_total", `reason="forbidden"`) == 0 || bad.Metric("trunkline_commit_retries_total", `reason="timeout"`) != 0 {
		t.Error("a refused publish is not counted as such")
	}
	bad.AwaitMetric("trunkline_tcp_tickets_total", "", 40) // kept at the site
	said := func() (problem string) {
		question, err := proto.Marshal(&trunklinev1.AskLinks{})
		if err != nil {
			t.Fatal(err)
		}
		for _, answer := range h.ask(wire.AskLinks, question) {
			var s trunklinev1.ProcessState
			if err := proto.Unmarshal(answer, &s); err != nil {
				t.Fatal(err)
			}
			if s.SpoolProblem != "" && s.SpoolMessages > 0 && s.SpoolMaxBytes == 64e6 {
				problem = s.SpoolProblem
			}
		}
		return problem
	}
	kit.Await(t, "the hub is told", func() bool { return strings.Contains(said(), "link nice/b") }, said)
	answers := 0
	kit.Await(t, "each process takes a reload", func() bool {
		answers = len(h.ask(wire.AskReload, nil))
		return answers == 3
	}, func() string { return fmt.Sprint(answers, " do") })
	if got := len(h.lines("nice", "b")); got != 0 {
		t.Errorf("%d tickets of a link that this user may not publish", got)
	}
}

// A folder is collected without the hub, once, over a restart; its positions are
// the site's.
func TestFilesWithoutTheHub(t *testing.T) {
	h := newHub(t, "lyon")
	dir, data := t.TempDir(), t.TempDir()
	config := fmt.Sprintf("sites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n"+
		"      - {id: f, model: avaya-ipoffice, files: {dir: %q, pattern: \"*.csv\", grows: false, every: 100ms, settle: 100ms, after: rename}}\n", dir)
	source := &pbx{t: t}
	write := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source.tickets(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	collected := func(name string) {
		t.Helper()
		kit.Await(t, name+" is collected", func() bool {
			_, err := os.Stat(filepath.Join(dir, name+".old"))
			return err == nil
		}, func() string { return "it is not" })
	}
	p := start(t, "ingest-poll", data, h.spooling("lyon", "64MB"), config)
	write("1.csv", 200)
	collected("1.csv")
	p.Kill()
	p = start(t, "ingest-poll", data, h.spooling("lyon", "64MB"), config)
	write("2.csv", 100)
	collected("2.csv")
	h.Start()
	kit.Await(t, "all is handed over", func() bool { return len(h.lines("lyon", "f")) >= 300 }, func() string { return note(p) })
	source.compare(h, "lyon", "f")
	p.MustStop()
}
