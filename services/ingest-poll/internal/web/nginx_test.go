package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const (
	canary = "Canary-5a1e"
	folder = "/trf/backup/pc/tickets/"
)

// nginx is a real web server with a directory index.
type nginx struct {
	t         testing.TB
	root, dir string
	addr      string
	cmd       *exec.Cmd
	pin       string
}

// startNginx runs a server; more is configuration of the folder.
func startNginx(t testing.TB, secure bool, more string) *nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("this test needs a real web server, nginx: make servers installs it")
		}
	}
	n := &nginx{t: t, root: t.TempDir()}
	n.dir = filepath.Join(n.root, "www", folder)
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(more, "autoindex") {
		more += " autoindex on;"
	}
	tls := ""
	if secure {
		tls = " ssl; ssl_certificate " + n.root + "/cert.pem; ssl_certificate_key " + n.root + "/key.pem"
		n.certify()
	}
	n.write("../../../../../users", "collector:{PLAIN}"+canary+"\n")
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n.addr = l.Addr().String()
		l.Close()
		n.write("../../../../../nginx.conf", fmt.Sprintf(`
daemon off; master_process off; error_log stderr; pid %[1]s/pid;
events { worker_connections 64; }
http {
	access_log %[1]s/access.log; default_type text/plain;
	client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
	server {
		listen %[2]s%[3]s;
		root %[1]s/www;
		location / { %[4]s }
	}
}`, n.root, n.addr, tls, more))
		n.cmd = exec.Command(program, "-p", n.root, "-c", n.root+"/nginx.conf")
		var out bytes.Buffer
		n.cmd.Stderr = &out
		if err := n.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { n.cmd.Wait(); close(exited) }()
		for {
			conn, err := net.Dial("tcp", n.addr)
			if err == nil {
				conn.Close()
				t.Cleanup(func() { n.cmd.Process.Kill(); <-exited })
				return n
			}
			select {
			case <-exited:
			case <-time.After(5 * time.Millisecond):
				continue
			}
			break
		}
		if !strings.Contains(out.String(), "in use") {
			t.Fatalf("nginx: %s", out.String())
		}
	}
	t.Fatal("no free port")
	return nil
}

const basic = `auth_basic "web management"; auth_basic_user_file users;`

func (n *nginx) certify() {
	c, err := kit.NewCertificate()
	if err != nil {
		n.t.Fatal(err)
	}
	n.pin = pinOf(c.Certificate)
	n.write("../../../../../cert.pem", string(c.PEM))
	n.write("../../../../../key.pem", string(c.Key))
}

func (n *nginx) write(name, content string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(content), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nginx) append(name, content string) {
	n.t.Helper()
	f, err := os.OpenFile(filepath.Join(n.dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(content)
		f.Close()
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// requests are the lines of the access log that hold a text.
func (n *nginx) requests(text string) (out []string) {
	n.t.Helper()
	b, err := os.ReadFile(n.root + "/access.log")
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// rig is a link that collects from a server.
type rig struct {
	t      testing.TB
	nats   *kit.NATS
	health kit.Health
	log    kit.Log
	ahead  time.Duration // of the clock
	cfg    config.HTTP
	timing timing
	*Collector
}

func newRig(t testing.TB, url string, change ...func(*rig)) *rig {
	t.Helper()
	t.Setenv("PBX_PASSWORD", canary)
	r := &rig{t: t, nats: kit.Start(t), timing: usual}
	r.cfg = config.HTTP{URL: url, User: "collector", Secret: config.Secret{PasswordEnv: "PBX_PASSWORD"}}
	for _, c := range change {
		c(r)
	}
	r.restart()
	t.Cleanup(func() {
		if all := r.log.String() + r.health.Text(); strings.Contains(all, canary) || strings.Contains(all, "Y29sbGVjdG9y") {
			t.Error("the password is in the log or the state")
		}
	})
	return r
}

func (r *rig) restart(change ...func(*link.Options)) {
	r.t.Helper()
	l := r.nats.Link(r.t, "mitel-a5000-v2", func() time.Time { return time.Now().Add(r.ahead) }, append(change, func(o *link.Options) {
		o.Health = r.health.Set
		o.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	})...)
	c, err := newCollector(l, &r.cfg, filepath.Join(r.t.TempDir(), "http"), r.timing)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Load(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	r.Collector = c
}

func (r *rig) try(ctx context.Context) error { return kit.Look(ctx, r.Collector.Link, r) }

// look looks, and again when everything has settled.
func (r *rig) look() {
	r.t.Helper()
	for range 2 {
		if err := r.try(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		r.ahead += time.Minute
	}
}

func (r *rig) texts(want ...string) {
	r.t.Helper()
	r.nats.Holds(r.t, &r.health, want...)
}

func lines(of string, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%s 0199001234 %d\r\n", of, i)
	}
	return b.String()
}

func texts(of string, from, to int) []string {
	return strings.Split(strings.TrimSuffix(lines(of, from, to), "\r\n"), "\r\n")
}

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}
