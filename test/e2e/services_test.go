package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/engine"
	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// The four services as processes of their own, as Compose runs them, on a NATS
// server and a ClickHouse they reach over the network. A parser and the sink are
// replaced in the flow, and the PBX notices nothing.
func TestServices(t *testing.T) {
	t.Parallel()
	broker, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	ch, clickhouse := startClickHouse(t)
	listen := freePort(t)
	p := &pbx{model: "avaya-ipoffice", link: "front-desk", wire: fmt.Sprintf("tcp: {listen: %q}", listen), options: pbxsim.Options{
		Addr: listen, Retry: 100 * time.Millisecond, Seed: 9, Burst: true, Count: 1500,
		From: time.Now().Add(-9 * 24 * time.Hour), To: time.Now().Add(-24 * time.Hour),
		Faults: pbxsim.Faults{PauseEvery: 20, Pause: 20 * time.Millisecond, Split: true},
	}}
	sim, link := p.yaml(t)
	if sim, err = pbxsim.New(p.model, p.options); err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("nats: {url: %q}\n%s%s", broker.URL(), clickhouse, site(link))
	service := func(name string) *process {
		return startService(t, serviceProgram(t, name), base)
	}
	services := []*process{service("ingest-tcp"), service("ingest-poll"), service("parser"), service("sink")}
	for _, s := range services {
		s.awaitReady(t)
	}
	done := make(chan error, 1)
	go func() { done <- sim.Run(t.Context()) }()
	kit.Await(t, "tickets flow", func() bool { return len(p.sent.all()) > 300 }, func() string { return "" })
	for i, name := range map[int]string{2: "parser", 3: "sink"} {
		services[i].stop(t)
		services[i] = service(name)
		services[i].awaitReady(t)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	query := func(q string) string {
		out, err := kit.Query(ch, q)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := fmt.Sprint(len(p.sent.all()))
	kit.Await(t, want+" tickets", func() bool {
		return query("SELECT (SELECT count() FROM calls) + (SELECT count() FROM other_tickets FINAL)") == want
	}, func() string {
		return query("SELECT (SELECT count() FROM calls), (SELECT count() FROM other_tickets FINAL), (SELECT sum(ticket_count) FROM receipts FINAL)")
	})
	for _, s := range services {
		s.stop(t)
	}
}

// startClickHouse starts one apart: a process can have one engine only. config is
// that of who writes to it.
func startClickHouse(t *testing.T) (addr, config string) {
	t.Helper()
	addr = freePort(t)
	token := filepath.Join(t.TempDir(), "token")
	writeFile(t, token, part.Token, 0o600)
	p := kit.NewProcess(t, "clickhouse", part.Command(part.ClickHouse, t.TempDir(), addr))
	p.AwaitAnswer("http://" + addr + "/ping")
	return addr, fmt.Sprintf("clickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\n", addr, engine.WriterUser, token)
}

// buildServices builds the services once, beside the program.
var buildServices = sync.OnceValue(func() error { return kit.BuildServices(filepath.Dir(binary), kit.AllServices) })

func serviceProgram(t *testing.T, name string) string {
	t.Helper()
	if err := buildServices(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(filepath.Dir(binary), name)
}

// process is a running service.
type process struct {
	cmd    *exec.Cmd
	config string
	log    strings.Builder
	mu     sync.Mutex
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func startService(t *testing.T, binary, base string) *process {
	t.Helper()
	p := &process{config: filepath.Join(t.TempDir(), "trunkline.yaml")}
	text := fmt.Sprintf("metrics: {listen: %q}\n%s", freePort(t), base)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(binary, "-c", p.config)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", binary, p.text())
		}
	})
	return p
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// awaitReady asks the service as its image does.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	kit.Await(t, p.cmd.Path+" is ready", func() bool {
		return exec.Command(p.cmd.Path, "-c", p.config, "-health").Run() == nil
	}, p.text)
}

// stop asks the service to drain.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", p.cmd.Path, err, p.text())
	}
}

// A service says what is wrong with its configuration, and does not start.
func TestServiceRefusesConfiguration(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ config, says string }{
		"a model that does not exist": {site(`{id: x, model: avaya, tcp: {listen: ":1080"}}`), "trunkline.yaml:"},
		"a wire of another model":     {site(`{id: x, model: alcatel-oxe, tcp: {dial: "10.0.0.1:2533"}}`), "offers no tcp.dial"},
		"two links on a port":         {site(`{id: x, model: avaya-ipoffice, tcp: {listen: ":1080"}}`, `{id: y, model: avaya-ipoffice, tcp: {listen: ":1080"}}`), "allow"},
	} {
		if _, err := kit.TryStart(t, binary, kit.Config(t.TempDir(), tc.config)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := strings.Replace(kit.Config(t.TempDir(), site()), `sql: {listen: "127.0.0.1:0"}`, fmt.Sprintf("sql: {listen: %q}", taken.Addr()), 1)
	if _, err := kit.TryStart(t, binary, strings.Replace(config, "    links:\n      - \n", "", 1)); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("a taken port: %v", err)
	}
}
