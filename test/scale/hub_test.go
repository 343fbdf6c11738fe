package scale

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trunkline.internal/engine"
	"trunkline.internal/platform/access"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// hub is one NATS server, ClickHouse, a parser and a sink, and a thousand sites
// with credentials of their own, over TLS.
type hub struct {
	t      *testing.T
	dir    string
	port   string // of NATS
	folder access.Folder
	ledger *ledger
	ways   []hander

	nats, clickhouse, parser, sink *kit.Process
	sites                          []*site
	clients                        []*client
	forever                        context.Context // of the clients
	running                        sync.WaitGroup
}

// newHub starts it. hosts are addresses by which sites reach it.
func newHub(t *testing.T, hosts []string, every int) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir()}
	var stop context.CancelFunc
	h.forever, stop = context.WithCancel(context.Background())
	t.Cleanup(func() { stop(); h.running.Wait() })
	var err error
	if h.folder, err = access.Create(filepath.Join(h.dir, "operator"), access.Hub{Store: filepath.Join(h.dir, "nats"), Etc: "."}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.folder.Certificate("nats", append([]string{"127.0.0.1"}, hosts...), false); err != nil {
		t.Fatal(err)
	}
	addr, health, sql := kit.FreePort(t), kit.FreePort(t), kit.FreePort(t)
	if _, h.port, err = net.SplitHostPort(addr); err != nil {
		t.Fatal(err)
	}
	// What `trunkline init hub` wrote, at a port of the test's own.
	conf := write(t, h.folder.Server(), "scale.conf", fmt.Sprintf(`server_name: hub
listen: "0.0.0.0:%[1]s"
http: %[2]q
max_payload: 2MB
jetstream { store_dir: %[3]q, sync_interval: always }
resolver { type: full, dir: %[4]q }
include "auth.conf"
tls { cert_file: %[5]q, key_file: %[6]q, timeout: 10 }
`, h.port, health, filepath.Join(h.dir, "nats"), filepath.Join(h.dir, "nats", "jwt"), filepath.Join(h.folder.Server(), "nats.crt"), filepath.Join(h.folder.Server(), "nats.key")))
	h.nats = kit.NewProcess(t, "nats", part.Command(natsOf, conf, ""))
	h.clickhouse = kit.NewProcess(t, "clickhouse", part.Command(part.ClickHouse, filepath.Join(h.dir, "clickhouse"), sql))
	h.nats.AwaitAnswer("http://" + health + "/healthz")
	h.clickhouse.AwaitAnswer("http://" + sql + "/ping")
	secret := write(t, h.dir, "token", part.Token)
	for name, d := range map[string]**kit.Process{"sink": &h.sink, "parser": &h.parser} {
		metrics := kit.FreePort(t)
		config := write(t, h.dir, name+".yaml", fmt.Sprintf(
			"data: %q\nnats: {url: \"tls://127.0.0.1:%s\", %s}\nclickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\nmetrics: {listen: %q}\n",
			filepath.Join(h.dir, name), h.port, h.user(h.folder.Creds(name), name), sql, engine.WriterUser, secret, metrics))
		*d = kit.NewProcess(t, name, program(name, config))
		(*d).Metrics = metrics
	}
	h.sink.AwaitReady()
	h.parser.AwaitReady()
	h.ledger = newLedger(t, sql, every)
	return h
}

// user is how a user of the hub is told in a configuration.
func (h *hub) user(creds, name string) string {
	return fmt.Sprintf("creds_file: %q, inbox_prefix: %s, tls: {ca: %q}", creds, inbox(name), h.folder.CA())
}

func inbox(name string) string { return access.InboxPrefix(name) }

// creds are a site's.
func (h *hub) creds(site string) string {
	h.t.Helper()
	file := filepath.Join(h.dir, "creds", site+".creds")
	if err := h.folder.SiteCreds(file, site); err != nil && !strings.Contains(err.Error(), "is there already") {
		h.t.Fatal(err)
	}
	return file
}

// parts are the hub's processes.
func (h *hub) parts() []*kit.Process { return []*kit.Process{h.nats, h.clickhouse, h.parser, h.sink} }
