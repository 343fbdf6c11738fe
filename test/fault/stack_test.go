package fault

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trunkline.internal/engine"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// portOf is the port of host:port.
func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

// listening runs a part that listens, and waits until it does. tool is a command in
// front, or none.
func listening(t testing.TB, name, dir, addr string, tool ...string) *kit.Process {
	t.Helper()
	p := kit.NewProcess(t, name, part.Command(name, dir, addr, tool...))
	p.AwaitListens(addr)
	return p
}

// stack is the whole as processes: NATS, ClickHouse, and the services.
type stack struct {
	t                  testing.TB
	natsAddr, sqlAddr  string
	natsDir, engineDir string
	token              string // file
	nats, engine       *kit.Process
}

// newStack starts NATS and ClickHouse.
func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{
		t: t, natsAddr: kit.FreePort(t), sqlAddr: kit.FreePort(t), natsDir: t.TempDir(), engineDir: t.TempDir(),
		token: filepath.Join(t.TempDir(), "token"),
	}
	if err := os.WriteFile(s.token, []byte(part.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startNATS()
	s.startEngine()
	return s
}

func (s *stack) startNATS() { s.nats = listening(s.t, part.NATS, s.natsDir, s.natsAddr) }

func (s *stack) startEngine(tool ...string) {
	s.t.Helper()
	s.engine = listening(s.t, part.ClickHouse, s.engineDir, s.sqlAddr, tool...)
}

// service starts a service, and waits until it is ready. name may begin with
// `newer/`.
func (s *stack) service(name, sites string) *kit.Process {
	s.t.Helper()
	p := start(s.t, name, s.t.TempDir(), fmt.Sprintf("{url: %q}", "nats://"+s.natsAddr),
		fmt.Sprintf("clickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\n%s", s.sqlAddr, engine.WriterUser, s.token, sites))
	p.AwaitReady()
	return p
}

// query asks the engine as a reader.
func (s *stack) query(q string) (string, error) { return kit.Query(s.sqlAddr, q) }

// kept are the tickets of a link in the table, and how often each.
func (s *stack) kept(link string) (map[string]int, error) {
	text, err := s.query("SELECT raw FROM calls WHERE link = '" + link + "' UNION ALL SELECT raw FROM other_tickets FINAL WHERE link = '" + link + "' FORMAT TSVRaw")
	if err != nil {
		return nil, err
	}
	out := make(map[string]int)
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			out[line]++
		}
	}
	return out, nil
}

// has waits until the table has every ticket that was sent, and fails where it has
// one twice.
func (s *stack) has(t *testing.T, link string, sent []string) {
	t.Helper()
	var have map[string]int
	state := ""
	kit.Await(t, fmt.Sprintf("the table has the %d tickets of %s", len(sent), link), func() bool {
		var err error
		if have, err = s.kept(link); err != nil {
			state = err.Error()
			return false
		}
		missing, first := 0, ""
		for _, line := range sent {
			if have[strings.TrimRight(line, "\r\n")] == 0 {
				if missing++; missing == 1 {
					first = line
				}
			}
		}
		state = fmt.Sprintf("%d are missing, the first is %s", missing, first)
		return missing == 0
	}, func() string { return state })
	for line, n := range have {
		if n > 1 {
			t.Errorf("%s: %d times in the table: %s", link, n, line)
		}
	}
}
