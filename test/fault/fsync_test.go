package fault

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/ahl"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// block is a file of a stream's messages.
func block(c *call, stream string) bool {
	return c.writes() && strings.Contains(c.path, "/streams/"+stream+"/msgs/") && strings.HasSuffix(c.path, ".blk")
}

// wroteTicket is the call that wrote a ticket into a stream.
func wroteTicket(all []*call, stream, ticket string) *call {
	for _, c := range all {
		if block(c, stream) && strings.Contains(c.text, ticket) {
			return c
		}
	}
	return nil
}

var ackLine = regexp.MustCompile(`\{\\"stream\\":\\"TICKETS\\",[^}]*\\"seq\\": ?(\d+)`)

// tooEarly lists the acknowledgements of tickets that were given before the
// tickets were on disk; tickets[i] is the message i+1 of the stream.
func tooEarly(all []*call, tickets []string) (early []string, acks int) {
	for _, c := range all {
		if !c.writes() || !strings.HasPrefix(c.path, "socket:") {
			continue
		}
		for _, m := range ackLine.FindAllStringSubmatch(c.text, -1) {
			acks++
			n, _ := strconv.Atoi(m[1])
			for i, ticket := range tickets[:min(n, len(tickets))] {
				wrote := wroteTicket(all, "TICKETS", ticket)
				if wrote == nil || !synced(all, wrote, c) {
					early = append(early, fmt.Sprintf("message %d by the acknowledgement of message %d", i+1, n))
				}
			}
		}
	}
	return early, acks
}

// An acknowledgement of ours to a PBX rests on NATS' to us, and that on a sync of
// what it acknowledges.
func TestAcknowledgedIsOnDisk(t *testing.T) {
	for _, c := range []struct {
		role  string
		early bool
	}{{part.NATS, false}, {forgetful, true}} {
		t.Run(c.role, func(t *testing.T) {
			tr, tool := tracer(t)
			addr := kit.FreePort(t)
			listening(t, c.role, t.TempDir(), addr, tool...)
			a := &pbx{t: t, addr: kit.FreePort(t)}
			p := start(t, "ingest-tcp", t.TempDir(), fmt.Sprintf("{url: %q}", "nats://"+addr), sites("lyon", map[string]string{"a": a.addr}))
			p.AwaitReady()
			a.connect()
			for i := range 10 {
				a.send(1)
				p.AwaitMetric("trunkline_tcp_tickets_total", "", float64(i+1))
			}
			var tickets []string
			for _, line := range a.sent {
				tickets = append(tickets, strings.TrimRight(line, "\r\n"))
			}
			early, acks := tooEarly(tr.calls(), tickets)
			if acks != len(tickets) {
				t.Fatalf("%d acknowledgements of %d tickets", acks, len(tickets))
			}
			switch {
			case c.early && len(early) == 0:
				t.Error("a server that does not sync passes for one that does")
			case !c.early && len(early) > 0:
				t.Errorf("acknowledged and not on disk: %s", strings.Join(early, "; "))
			}
		})
	}
}

// What answers a PBX: the text of a write to it.
const (
	answerOfPost  = `stored: 1 tickets`
	answerOfFrame = `"\6", 1`
)

// answered fails unless each ticket, in order, has an answer that was written when
// the spool had it on disk.
func answered(t *testing.T, all []*call, answer string, tickets []string) {
	t.Helper()
	n := 0
	for _, c := range all {
		if !c.writes() || !strings.HasPrefix(c.path, "socket:") || !strings.Contains(c.text, answer) {
			continue
		}
		if n == len(tickets) {
			t.Fatal("more answers than tickets")
		}
		if wrote := wroteTicket(all, "SPOOL", tickets[n]); wrote == nil || !synced(all, wrote, c) {
			t.Errorf("%s is answered and not on disk", tickets[n])
		}
		n++
	}
	if n != len(tickets) {
		t.Errorf("%d answers to %d tickets", n, len(tickets))
	}
}

// A post is answered when the spool has its tickets on disk.
func TestPostIsAnsweredFromDisk(t *testing.T) {
	h := newHub(t, "lyon")
	tr, tool := tracer(t)
	addr := kit.FreePort(t)
	p := startUnder(t, tool, "ingest-poll", t.TempDir(), h.spooling("lyon", "64MB"), fmt.Sprintf(
		"sites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n      - {id: p, model: grandstream-ucm, http_server: {listen: %q}}\n", addr))
	p.AwaitReady()
	var tickets []string
	for i := range 5 {
		ticket := fmt.Sprintf("call-%d", 1000+i)
		tickets = append(tickets, ticket)
		said := ""
		kit.Await(t, "the post is taken", func() bool {
			res, err := http.Post("http://"+addr+"/lyon/p", "application/json", strings.NewReader(`{"AcctId":"`+strconv.Itoa(i)+`","uniqueid":"`+ticket+`"}`))
			if err != nil {
				said = err.Error()
				return false
			}
			defer res.Body.Close()
			said = res.Status
			return res.StatusCode == http.StatusOK
		}, func() string { return said })
	}
	answered(t, tr.calls(), answerOfPost, tickets)
}

// A frame of a hotel link is acknowledged when the spool has it on disk.
func TestFrameIsAcknowledgedFromDisk(t *testing.T) {
	h := newHub(t, "lyon")
	tr, tool := tracer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	startUnder(t, tool, "ingest-tcp", t.TempDir(), h.spooling("lyon", "64MB"), fmt.Sprintf(
		"sites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n      - {id: h, model: alcatel-oxe-ahl, ahl: {dial: %q, check: lrc}}\n", l.Addr()))
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var tickets []string
	for i := range 5 {
		ticket := fmt.Sprintf("T%05d 0199000012 00:01:05", 20_000+i)
		tickets = append(tickets, ticket)
		frame, err := ahl.LRC.Append(nil, []byte(ticket))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1)
		if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != ahl.ACK {
			t.Fatalf("the frame is answered %#02x: %v", answer, err)
		}
	}
	answered(t, tr.calls(), answerOfFrame, tickets)
}

// An insert is confirmed when the files of its part are on disk, and the folder
// that has them under its last name.
func TestInsertIsConfirmedFromDisk(t *testing.T) {
	s := newStack(t)
	s.engine.MustStop()
	tr, tool := tracer(t)
	s.startEngine(tool...)
	a := kit.FreePort(t)
	s.service("ingest-tcp", sites("lyon", map[string]string{"a": a}))
	s.service("parser", "")
	sink := s.service("sink", "")
	p := &pbx{t: t, addr: a}
	p.connect()
	const tickets = 3
	migrated := len(tr.calls())
	for i := range tickets {
		p.send(1)
		// Nobody asks the engine meanwhile: all it answers is an insert.
		sink.AwaitMetric("trunkline_sink_batch_rows_count", "", float64(i+1))
	}
	parts, all := 0, tr.calls()[migrated:]
	for _, renamed := range all {
		names := renamedPart.FindStringSubmatch(renamed.text)
		if !strings.HasPrefix(renamed.name, "rename") || names == nil {
			continue
		}
		parts++
		i := slices.IndexFunc(all, func(c *call) bool {
			return renamed.before(c) && c.writes() && strings.HasPrefix(c.path, "socket:") && strings.Contains(c.text, `"HTTP/1.1 200 OK`)
		})
		if i < 0 {
			t.Fatal("an insert is not answered")
		}
		files := 0
		for _, c := range all {
			if c.writes() && strings.HasPrefix(c.path, names[1]+"/") {
				files++
				if !synced(all, c, all[i]) {
					t.Errorf("confirmed and not on disk: %s", c.path)
				}
			}
		}
		if files == 0 || !synced(all, &call{path: names[2], begin: renamed.begin, end: renamed.end}, all[i]) {
			t.Errorf("confirmed and its folder not on disk, with %d files: %s", files, names[2])
		}
	}
	if parts < 2*tickets { // of calls and of receipts
		t.Errorf("%d parts of %d tickets", parts, tickets)
	}
}

// renamedPart is a part that gets its last name.
var renamedPart = regexp.MustCompile(`"([^"]*/tmp_insert_[^"/]*)/?".* "([^"]*[^"/])/?"`)
