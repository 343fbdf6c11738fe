package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/service"
	"trunkline.internal/test/kit"
)

// yaml is a service's nats part.
func (h *securedHub) yaml(role string) string {
	return fmt.Sprintf("nats: {url: %q, creds_file: %q, inbox_prefix: %s, tls: {ca: %q}}\n", h.url, h.folder.Creds(role), access.InboxPrefix(role), h.folder.CA())
}

// A site's bundle, the hub's generated configuration and each service's own
// credentials, and nothing more: a ticket gets from the PBX into ClickHouse. Then
// the site's credentials are renewed, revoked and given again.
func TestSiteDeliversWithItsOwnCredentials(t *testing.T) {
	t.Parallel()
	h := newSecuredHub(t, "lyon")
	ch, clickhouse := startClickHouse(t)
	for _, s := range []*process{
		startService(t, serviceProgram(t, "parser"), h.yaml("parser")), startService(t, serviceProgram(t, "sink"), h.yaml("sink")+clickhouse),
	} {
		s.awaitReady(t)
	}

	// The bundle as it is, but for the folders of this machine and the link.
	text, err := os.ReadFile(filepath.Join(h.folder.Site("lyon"), "trunkline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	listen := freePort(t)
	bundle := strings.NewReplacer(
		"/etc/trunkline/", h.folder.Site("lyon")+"/", "/var/lib/trunkline", t.TempDir(),
		"links: []", fmt.Sprintf("links: [{id: front-desk, model: avaya-ipoffice, tcp: {listen: %q}}]", listen),
	).Replace(string(text))
	ingest := startService(t, serviceProgram(t, "ingest-tcp"), bundle)
	ingest.awaitReady(t)
	// Another link of the site is collected at the hub.
	atHub := freePort(t)
	startService(t, serviceProgram(t, "ingest-tcp"), h.yaml("ingest")+site(fmt.Sprintf("{id: back-office, model: avaya-ipoffice, tcp: {listen: %q}}", atHub))).awaitReady(t)
	sent := 0
	sendTo := func(conn io.Writer) {
		t.Helper()
		sent++
		if _, err := fmt.Fprintf(conn, "2026/11/20 10:00:00,00:00:05,3,0199000123,I,201,0199000199,,0,%d,0,E201,Reception,T9001,Line 1.0,0,0,,,,,,,,,,,\r\n", 1000000+sent); err != nil {
			t.Fatal(err)
		}
	}
	dial := func(addr string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	conn := dial(listen)
	send := func() { t.Helper(); sendTo(conn) }
	query := func(q string) string {
		out, err := kit.Query(ch, q)
		if err != nil {
			return err.Error()
		}
		return out
	}
	arrive := func(when string) {
		t.Helper()
		kit.Await(t, when, func() bool { return query("SELECT count() FROM calls WHERE site = 'lyon'") == fmt.Sprint(sent) },
			func() string { return query("SELECT count() FROM calls") + "\n" + ingest.text() })
	}
	send()
	sendTo(dial(atHub))
	arrive("the first tickets are in ClickHouse")

	// People at the hub see the site.
	operator := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(operator, []byte(h.yaml("operator")+clickhouse), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := mustTrunkline(t, "status", "-c", operator); !strings.Contains(out, "lyon/front-desk") || !strings.Contains(out, "collecting") {
		t.Errorf("status: %s", out)
	}

	if out, err := trunkline(t, "status", "-c", operator, "lion"); err == nil || !strings.Contains(out+err.Error(), "no link of lion") {
		t.Errorf("the status of a site that nobody knows: %v: %s", err, out)
	}
	parser := filepath.Join(t.TempDir(), "parser.yaml")
	if err := os.WriteFile(parser, []byte(h.yaml("parser")), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if out, err := trunkline(t, "status", "-c", parser); err == nil || !strings.Contains(out+err.Error(), "role operator") {
		t.Errorf("status with a service's credentials: %v: %s", err, out)
	} else if took := time.Since(began); took > 3*time.Second {
		t.Errorf("status with a service's credentials is refused after %s", took)
	}
	mustTrunkline(t, "replay", "--dry-run", "--site", "lyon", "--from", "2026-01-01", "--to", "2099-01-01", "-c", operator)
	if out := mustTrunkline(t, "reload", "-c", operator); !strings.Contains(out, "ingest-tcp") {
		t.Errorf("reload: %s", out)
	}
	mustTrunkline(t, "backup", "--streams", "-c", operator, filepath.Join(t.TempDir(), "backup"))

	// New credentials take the place of the old ones while everything runs.
	dir := string(h.folder)
	mustTrunkline(t, "init", "site", "lyon", "--renew", dir)
	mustTrunkline(t, "init", "revoke", "lyon", "--old", "--hub", h.url, dir)
	if out, err := trunkline(t, "init", "revoke", "lyon", "--old", "--hub", h.url, dir); err != nil {
		t.Errorf("again: %v %s", err, out)
	}
	send()
	arrive("after new credentials")

	// A stolen machine: nothing of it arrives, also when the hub was started anew
	// with a configuration from before. Its tickets wait in its spool.
	auth := filepath.Join(h.folder.Server(), "auth.conf")
	old, err := os.ReadFile(auth)
	if err != nil {
		t.Fatal(err)
	}
	mustTrunkline(t, "init", "revoke", "lyon", "--hub", h.url, dir)
	opts, err := service.NATSOptions(h.site("lyon"))
	if err != nil {
		t.Fatal(err)
	}
	if nc, err := nats.Connect(h.url, opts...); err == nil {
		nc.Close()
		t.Error("revoked credentials are let in")
	}
	send()
	addr := h.srv.Addr().String()
	h.stop()
	if err := os.WriteFile(auth, old, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start(addr)
	if nc, err := nats.Connect(h.url, opts...); err == nil {
		nc.Close()
		t.Error("after a restart revoked credentials are let in")
	}
	if got := query("SELECT count() FROM calls"); got != fmt.Sprint(sent-1) {
		t.Errorf("%s calls, want %d", got, sent-1)
	}
	mustTrunkline(t, "init", "site", "lyon", "--renew", dir)
	arrive("with credentials again, what waited")
}

// `trunkline run` as the hub of sites: it asks for credentials, speaks TLS
// everywhere, and takes a renewed certificate without a restart.
func TestRunAsHub(t *testing.T) {
	t.Parallel()
	folder := access.Folder(filepath.Join(t.TempDir(), "operator"))
	dir := string(folder)
	mustTrunkline(t, "init", "hub", dir)
	mustTrunkline(t, "init", "tls", "127.0.0.1", dir)
	listen, sql, metrics := freePort(t), freePort(t), freePort(t)
	h := &securedHub{t: t, folder: folder, url: "tls://" + listen}
	mustTrunkline(t, "init", "site", "lyon", "--hub", h.url, dir)
	cert, key := filepath.Join(folder.Server(), "nats.crt"), filepath.Join(folder.Server(), "nats.key")
	own := fmt.Sprintf("tls: {cert: %q, key: %q}", cert, key)
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	text := fmt.Sprintf("data: %q\nnats: {listen: %q, listen_%s, auth: %q, creds_file: %q, inbox_prefix: %s}\nsql: {listen: %q, %s}\nmetrics: {listen: %q, %s}\n%s",
		t.TempDir(), listen, own, folder.Server(), folder.Creds("services"), access.InboxPrefix("services"), sql, own, metrics, own,
		site(`{id: front-desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := kit.StartFile(t, binary, file)
	mustTrunkline(t, "health", "-c", file)
	operator := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(operator, []byte(h.yaml("operator")+fmt.Sprintf("sql: {listen: %q, %s}\n", sql, own)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := mustTrunkline(t, "status", "-c", operator); !strings.Contains(out, "lyon/front-desk") {
		t.Errorf("status: %s", out)
	}
	mustTrunkline(t, "replay", "--dry-run", "--site", "lyon", "--from", "2026-01-01", "--to", "2099-01-01", "-c", operator)

	ca, err := os.ReadFile(folder.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	get := func(url string) (body, serial string) {
		t.Helper()
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b), res.TLS.PeerCertificates[0].SerialNumber.String()
	}
	if body, _ := get("https://" + sql + "/?query=SELECT%201"); body != "1\n" {
		t.Errorf("SQL: %q", body)
	}
	if res, err := http.Get("http://" + metrics + "/metrics"); err == nil {
		if res.Body.Close(); res.StatusCode == http.StatusOK {
			t.Error("metrics are given in clear")
		}
	}

	// Nobody without credentials; the site, and only its own subjects.
	if nc, err := nats.Connect(h.url, nats.RootCAs(folder.CA())); err == nil {
		nc.Close()
		t.Error("it lets everybody in")
	}
	opts, err := service.NATSOptions(h.site("lyon"))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(h.url, append(opts, nats.ReconnectWait(10*time.Millisecond), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request("tickets.v1.avaya-ipoffice.lyon.a", []byte("x"), 5*time.Second); err != nil {
		t.Errorf("its own tickets: %v", err)
	}
	_ = nc.Publish("tickets.v1.avaya-ipoffice.paris.a", []byte("x"))
	_, _ = nc.SubscribeSync("_INBOX.>")
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	refused := func(what string) bool {
		body, _ := get("https://" + metrics + "/metrics")
		return strings.Contains(body, `trunkline_nats_server_refused_total{what="`+what+`"} 1`)
	}
	for _, what := range []string{"login", "publish", "subscribe"} {
		kit.Await(t, what+" is counted at the hub", func() bool { return refused(what) }, in.Log)
	}

	// A renewed certificate, on every door.
	ports := []string{"https://" + sql + "/?query=SELECT%201", "https://" + metrics + "/healthz"}
	var before []string
	for _, p := range ports {
		_, serial := get(p)
		before = append(before, serial)
	}
	was := certificateOf(t, nc)
	mustTrunkline(t, "init", "tls", "--renew", "127.0.0.1", dir)
	for i, p := range ports {
		if _, serial := get(p); serial == before[i] {
			t.Errorf("%s keeps the old certificate", p)
		}
	}
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	kit.Await(t, "a client connects again to the new certificate", func() bool { return nc.IsConnected() && certificateOf(t, nc) != was }, func() string { return nc.Status().String() })
	if body, _ := get("https://" + metrics + "/metrics"); !strings.Contains(body, "trunkline_tls_certificate_expiry_timestamp_seconds{file=\""+cert) {
		t.Error("nothing tells when the certificate expires")
	}
	// The sink and the commands went on.
	mustTrunkline(t, "health", "-c", file)
	// A site that is revoked is put out at once.
	mustTrunkline(t, "init", "revoke", "lyon", "--hub", h.url, dir)
	kit.Await(t, "the revoked site is out", func() bool { return !nc.IsConnected() }, func() string { return nc.Status().String() })
	if err := in.Stop(); err != nil {
		t.Error(err)
	}
	// An auth that is no such folder is told.
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte(strings.Replace(text, "auth: "+fmt.Sprintf("%q", folder.Server()), "auth: /nowhere", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := trunkline(t, "run", "-c", bad); err == nil || !strings.Contains(out, "nats.auth") {
		t.Errorf("it starts: %s", out)
	}
}

// certificateOf is the serial number of the server's certificate; empty while there is no
// connection.
func certificateOf(t *testing.T, nc *nats.Conn) string {
	t.Helper()
	state, err := nc.TLSConnectionState()
	if err != nil || len(state.PeerCertificates) == 0 {
		return ""
	}
	return state.PeerCertificates[0].SerialNumber.String()
}
