package fault

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/engine"
	"trunkline.internal/test/kit"
)

// writing is the token of the engine's writer.
const writing = "token-of-the-tests-only"

// portOf is the port of host:port.
func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

// playing runs the test binary in a role; tool is a command in front, or nil.
func playing(t testing.TB, tool []string, role, dir, listen string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(tool[:len(tool):len(tool)], self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), envRole+"="+role, envDir+"="+dir, envListen+"="+listen, envToken+"="+writing)
	return spawn(t, "", cmd)
}

// natsServer runs a NATS server, and waits until its streams are open.
func natsServer(t testing.TB, tool []string, role, dir, addr string) *process {
	t.Helper()
	p := playing(t, tool, role, dir, addr)
	bound(t, p, addr)
	return p
}

func bound(t testing.TB, p *process, addr string) {
	t.Helper()
	kit.Await(t, "a server listens on "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, p.Log)
}

// stack is the whole as processes: NATS, ClickHouse, and the services.
type stack struct {
	t                  testing.TB
	natsAddr, sqlAddr  string
	natsDir, engineDir string
	token              string // file
	nats, engine       *process
}

// newStack starts NATS and ClickHouse.
func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{
		t: t, natsAddr: kit.FreePort(t), sqlAddr: kit.FreePort(t), natsDir: t.TempDir(), engineDir: t.TempDir(),
		token: filepath.Join(t.TempDir(), "token"),
	}
	if err := os.WriteFile(s.token, []byte(writing), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startNATS()
	s.startEngine(nil)
	return s
}

func (s *stack) startNATS() { s.nats = natsServer(s.t, nil, roleNATS, s.natsDir, s.natsAddr) }

func (s *stack) startEngine(tool []string) {
	s.t.Helper()
	s.engine = playing(s.t, tool, roleEngine, s.engineDir, s.sqlAddr)
	bound(s.t, s.engine, s.sqlAddr)
}

// service starts a service, and waits until it is ready. name may begin with
// `newer/`.
func (s *stack) service(name, sites string) *process {
	s.t.Helper()
	p := start(s.t, name, s.t.TempDir(), fmt.Sprintf("{url: %q}", "nats://"+s.natsAddr),
		fmt.Sprintf("clickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\n%s", s.sqlAddr, engine.WriterUser, s.token, sites))
	p.ready()
	return p
}

// ready waits until the service is.
func (p *process) ready() {
	p.t.Helper()
	kit.Await(p.t, strings.Join(p.cmd.Args, " ")+" is ready", func() bool { code, _ := p.get("/readyz"); return code == http.StatusOK }, p.Log)
}

// query asks the engine as a reader.
func (s *stack) query(q string) (string, error) {
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Post("http://"+s.sqlAddr+"/?database=trunkline&wait_end_of_query=1", "text/plain", strings.NewReader(q))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n"), err
}

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
