package fault

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/bus/bustest"
	"trunkline.internal/test/kit"
)

// hub is the NATS server of the services, as a site reaches it.
type hub struct {
	*bustest.Hub
	t *testing.T

	last int // messages that were read
	had  []*bus.TicketMessage
}

// newHub makes a hub whose streams exist, and stops it.
func newHub(t *testing.T, sites ...string) *hub {
	t.Helper()
	h := &hub{Hub: bustest.New(t, sites...), t: t}
	h.Stop()
	return h
}

// messages are those of the stream TICKETS, in order.
func (h *hub) messages() []*bus.TicketMessage {
	h.t.Helper()
	if n := h.Count(); n != h.last {
		h.last, h.had = n, bustest.Tickets(h.t, bustest.Stored(h.t, h.Bus))
	}
	return h.had
}

// lines are the tickets of a link, in the order in which they came; a message
// that came twice is an error.
func (h *hub) lines(site, link string) (out []string) {
	h.t.Helper()
	ids := make(map[string]bool)
	for _, m := range h.messages() {
		if m.Site != site || m.Link != link {
			continue
		}
		if ids[m.ID] {
			h.t.Errorf("%s/%s: the message at %s %s came twice", site, link, m.Origin, m.Offset)
		}
		ids[m.ID] = true
		for line := range strings.Lines(string(m.Payload)) {
			out = append(out, line)
		}
	}
	return out
}

// start runs a service until the test ends. sites is the rest of the
// configuration.
func start(t testing.TB, name, data, nats, sites string) *kit.Process {
	t.Helper()
	return startUnder(t, nil, name, data, nats, sites)
}

// startUnder is start with a command in front, that runs the service.
func startUnder(t testing.TB, tool []string, name, data, nats, sites string) *kit.Process {
	t.Helper()
	metrics := kit.FreePort(t)
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	text := fmt.Sprintf("data: %q\nnats: %s\nmetrics: {listen: %q}\n%s", data, nats, metrics, sites)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(tool[:len(tool):len(tool)], filepath.Join(binaries, name), "-c", file)
	p := kit.NewProcess(t, name, kit.Command(args[0], args[1:]...))
	p.Metrics = metrics
	return p
}

// pbx is a PBX that connects to us and sends numbered tickets.
type pbx struct {
	t    *testing.T
	addr string
	conn net.Conn
	sent []string
	size int // of a ticket; 0: small
}

func (p *pbx) connect() {
	p.t.Helper()
	if p.conn != nil {
		p.conn.Close()
	}
	kit.Await(p.t, p.addr+" is bound", func() bool {
		c, err := net.Dial("tcp", p.addr)
		p.conn = c
		return err == nil
	}, func() string { return "it is not" })
	p.t.Cleanup(func() { p.conn.Close() })
}

// send sends n tickets, and waits for as long as nobody reads them.
func (p *pbx) send(n int) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, p.tickets(n)); err != nil {
		p.t.Fatal(err)
	}
}

// tickets makes the next n.
func (p *pbx) tickets(n int) string {
	var text strings.Builder
	for range n {
		line := fmt.Sprintf("2026/11/20 10:00:00,00:00:05,3,0199000123,I,201,0199000199,,0,%d,0,E201,Reception,T9001,Line 1.0,0,0,,,,,,,,,,,%s\r\n", 1000000+len(p.sent), strings.Repeat("x", p.size))
		p.sent = append(p.sent, line)
		text.WriteString(line)
	}
	return text.String()
}

// compare fails unless the hub has what was sent, each once and in order.
func (p *pbx) compare(h *hub, site, link string) {
	p.t.Helper()
	got := h.lines(site, link)
	for i, line := range got {
		if i >= len(p.sent) || line != p.sent[i] {
			p.t.Fatalf("%s/%s: ticket %d of %d is %.60q", site, link, i, len(got), line)
		}
	}
	if len(got) != len(p.sent) {
		p.t.Errorf("%s/%s: %d tickets, want %d", site, link, len(got), len(p.sent))
	}
}

// ask asks the processes how their links are, as trunkline status does.
func (h *hub) ask(subject string, question []byte) (answers [][]byte) {
	h.t.Helper()
	inbox := nats.NewInbox()
	sub, err := h.Bus.Conn.SubscribeSync(inbox)
	if err != nil {
		h.t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := h.Bus.Conn.PublishRequest(subject, inbox, question); err != nil {
		h.t.Fatal(err)
	}
	for {
		msg, err := sub.NextMsg(500 * time.Millisecond)
		if err != nil {
			return answers
		}
		answers = append(answers, msg.Data)
	}
}
