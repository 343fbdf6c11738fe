package helm_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/platform/natsd"
	"trunkline.internal/test/kit"
)

// mount puts files into a folder as the kubelet mounts a ConfigMap: below a link
// that is replaced as a whole.
func mount(t *testing.T, dir, generation string, files map[string]string) {
	t.Helper()
	err := os.MkdirAll(filepath.Join(dir, generation), 0o755)
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, generation, name), []byte(text), 0o600))
		if _, missing := os.Lstat(filepath.Join(dir, name)); missing != nil {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	err = errors.Join(err, os.Symlink(generation, filepath.Join(dir, "..data_tmp")),
		os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	if err != nil {
		t.Fatal(err)
	}
}

// The service takes a changed ConfigMap over while it runs, and the PBX that is
// connected does not notice: this is why a changed site restarts no pod.
func TestConfigMapIsTakenOver(t *testing.T) {
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	first, second := kit.FreePort(t), kit.FreePort(t)
	colon := func(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }
	text, err := os.ReadFile(example("one-site"))
	if err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("nats://nats.nats.svc.cluster.local:4222", srv.URL()+"\n  spool: null\n  replicas: 1",
		":1080", colon(first), "10.1.0.0/16", "127.0.0.0/8").Replace(string(text))
	files := func(values string) map[string]string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range renderedFrom(t, chart, file).configs {
			if c.Name == "t-trunkline-listen-lyon" {
				return c.Data
			}
		}
		t.Fatal("nobody listens")
		return nil
	}
	dir := t.TempDir()
	mount(t, dir, "..one", files(values))
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(binaries, "ingest-tcp"), "-c", filepath.Join(dir, "trunkline.yaml"))
	cmd.Env = append(os.Environ(), "TRUNKLINE_DATA="+t.TempDir(), "TRUNKLINE_METRICS_LISTEN=off")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		if err != nil || t.Failed() {
			t.Errorf("ingest-tcp: %v\n%s", err, log.String())
		}
	})
	pbx := connect(t, first)
	mount(t, dir, "..two", files(values+"      - {id: door, model: avaya-ipoffice, tcp: {listen: \""+colon(second)+"\", allow: [127.0.0.0/8]}}\n"))
	connect(t, second)
	if err := pbx.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := pbx.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other link's connection: %v", err)
	}
}

// connect waits for who listens on an address.
func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
