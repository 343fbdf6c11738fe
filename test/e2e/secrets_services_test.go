package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/test/kit"
)

// The passwords of NATS and ClickHouse, right and wrong, with a ClickHouse behind a
// proxy that repeats what it was given.
func TestSecretsOfServices(t *testing.T) {
	t.Parallel()
	var b birds
	// No sign of it needs an escape in a URL's user.
	right, wrong, key := "Nt~RIGHT-7_Qx.Vw55", "Nt~WRONG-7_Qx.Vw66", b.hatch("clickhouse", "writer")
	b.all = append(b.all, canary{"nats", "hub", right}, canary{"nats-wrong", "hub", wrong})
	hub, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, JetStreamMaxStore: 1 << 50, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, Username: "hub", Password: right,
	})
	if err != nil {
		t.Fatal(err)
	}
	hub.Start()
	t.Cleanup(func() { hub.Shutdown(); hub.WaitForShutdown() })
	if !hub.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not start")
	}
	var asked atomic.Int32
	ch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("X-ClickHouse-Key")
		if given != key {
			t.Errorf("ClickHouse heard %q", given)
		}
		asked.Add(1)
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "Code: 516. DB::Exception: %s: no %s here, Authorization: %v. (AUTHENTICATION_FAILED)", r.Header.Get("X-ClickHouse-User"), given, r.Header)
	}))
	t.Cleanup(ch.Close)
	file := filepath.Join(t.TempDir(), "key")
	writeFile(t, file, key+"\r\n", 0o600)
	url := func(password string) string { return fmt.Sprintf("nats://hub:%s@%s", password, hub.Addr()) }
	base := func(url string) string {
		return fmt.Sprintf("nats: {url: %q}\nclickhouse: {addr: [%q], protocol: http, user: writer, password_file: %q}\n%s", url, strings.TrimPrefix(ch.URL, "http://"), file,
			site(fmt.Sprintf("{id: desk, model: avaya-ipoffice, tcp: {listen: %q}}", freePort(t))))
	}
	sink := startDebug(t, serviceProgram(t, "sink"), base(url(right)))
	shut := startDebug(t, serviceProgram(t, "ingest-tcp"), base(url(wrong)))
	kit.Await(t, "ClickHouse was asked", func() bool { return asked.Load() >= 2 }, sink.text)
	kit.Await(t, "both say what is wrong", func() bool {
		return strings.Contains(sink.text(), "waiting for clickhouse") && strings.Contains(shut.text(), "waiting for nats")
	}, func() string { return sink.text() + shut.text() })
	for _, p := range []*process{sink, shut} {
		name := filepath.Base(p.cmd.Path)
		b.search(t, "the log of "+name, p.text())
		for _, path := range []string{"/metrics", "/readyz"} {
			b.search(t, path+" of "+name, ask(t, p, path))
		}
		p.stop(t)
		b.search(t, "the last words of "+name, p.text())
	}
	contains(t, sink.text(), "code 516")
	for _, u := range []string{url(wrong), "nats://hub:" + wrong + "@127.0.0.1:port", "hub:" + wrong + "@127.0.0.1:1"} {
		o := &operator{t: t, file: filepath.Join(t.TempDir(), "trunkline.yaml")}
		writeFile(t, o.file, fmt.Sprintf("data: %q\nmetrics: {listen: \"off\"}\n%s", t.TempDir(), base(u)), 0o600)
		for _, args := range [][]string{{"status"}, {"check", "--wait", "100ms"}, {"tail"}, {"reload"}} {
			out, err := o.try(args...)
			if len(out) < 20 || err == nil && args[0] != "check" { // which takes the place of a service that does not run
				t.Errorf("trunkline %s with a wrong password of NATS: %v %q", args[0], err, out)
			}
			b.search(t, "trunkline "+args[0], out)
		}
	}
}

// startDebug runs a service that logs all it can.
func startDebug(t *testing.T, binary, base string) *process {
	t.Helper()
	p := &process{config: filepath.Join(t.TempDir(), "trunkline.yaml")}
	writeFile(t, p.config, fmt.Sprintf("metrics: {listen: %q}\n%s", freePort(t), base), 0o600)
	p.cmd = exec.Command(binary, "-c", p.config, "-debug")
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

// ask asks a service for one of its pages.
func ask(t *testing.T, p *process, path string) string {
	t.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	_, addr, _ := strings.Cut(string(text), `listen: "`)
	addr, _, _ = strings.Cut(addr, `"`)
	return fetch(t, "http://"+addr+path)
}
