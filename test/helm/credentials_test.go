package helm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// Each workload is at NATS who it should be: a site's pods the site, the hub's
// each their role, and who has none of its own what all have.
func TestCredentials(t *testing.T) {
	for name, want := range map[string]map[string][2]string{
		"edge": {
			"listen-acme": {"hub-acme/site.creds", "acme-lyon"}, "dial-acme": {"hub-acme/site.creds", "acme-lyon"}, "poll-acme": {"hub-acme/site.creds", "acme-lyon"},
			"listen-bonnard": {"hub-bonnard/site.creds", "bonnard-nantes"}, "dial-bonnard": {"hub-bonnard/site.creds", "bonnard-nantes"},
		},
		"hub": {
			"parser": {"nats-parser/parser.creds", "parser"}, "sink": {"nats-sink/sink.creds", "sink"}, "migrate": {"nats-sink/sink.creds", "sink"},
			"reconcile": {"nats-operator/operator.creds", "operator"},
		},
		"fifty-sites": {"poll": {"nats/services.creds", "services"}, "reconcile": {"nats-operator/operator.creds", "operator"}},
	} {
		o, found := rendered(t, name), 0
		for _, w := range o.workloads() {
			cfg, _, err := load(t, o, w)
			if err != nil {
				t.Fatal(err)
			}
			who, ok := want[strings.TrimPrefix(w.Name, "t-trunkline-")]
			if !ok {
				if name != "fifty-sites" {
					t.Errorf("%s: there is %s, too", name, w.Name)
				}
				continue
			}
			found++
			if n := cfg.NATS; n.CredsFile != "/run/secrets/"+who[0] || n.InboxPrefix != access.InboxPrefix(who[1]) {
				t.Errorf("%s: %s is %s with inbox %s", name, w.Name, n.CredsFile, n.InboxPrefix)
			}
			mayBe(t, w, cfg)
		}
		if found != len(want) {
			t.Errorf("%s: %d workloads, want %d", name, found, len(want))
		}
	}
}

// mayBe: what a site's user may not do, its pods do not try. Streams and leases are
// its spool's.
func mayBe(t *testing.T, w workload, cfg *config.Config) {
	t.Helper()
	if role := strings.TrimPrefix(cfg.NATS.InboxPrefix, "_INBOX_"); !slices.ContainsFunc(cfg.Sites, func(s config.Site) bool { return s.ID == role }) &&
		!slices.ContainsFunc(access.Roles, func(r access.Role) bool { return r.Name == role }) && len(w.claims) > 0 && cfg.NATS.Spool == nil {
		t.Errorf("%s: %s is no role and no site of it, or it has no spool", w.Name, role)
	}
	if site := w.Labels["app.kubernetes.io/component"]; strings.HasPrefix(site, "site-") && (cfg.NATS.Spool == nil || len(w.claims) != 1) {
		t.Errorf("%s: a site's user needs a spool", w.Name)
	}
}

// A group's pods deliver under the credentials of its sites. Renewed ones count
// without a restart, as soon as the old ones are revoked.
func TestCredentialsAreRenewed(t *testing.T) {
	hub, err := access.Create(filepath.Join(t.TempDir(), "operator"), access.Hub{Store: "/data", Etc: "/etc/nats"})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Auth: hub.Server()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	as := func(role string) []nats.Option {
		return []nats.Option{nats.UserCredentials(hub.Creds(role)), nats.CustomInboxPrefix(access.InboxPrefix(role))}
	}
	nc, err := nats.Connect(srv.URL(), as("operator")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	// Streams and buckets are there before a site comes.
	b, err := bus.Connect(bus.Config{URL: srv.URL(), Name: "hub", Options: as("services"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.Run(t.Context(), func() {}) }()
	ready, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Ready(ready); err != nil {
		t.Fatal(err)
	}
	delivered := func(want uint64) {
		t.Helper()
		var info *nats.StreamInfo
		kit.Await(t, fmt.Sprintf("%d messages at the hub", want), func() bool {
			info, err = js.StreamInfo(wire.StreamTickets)
			return err == nil && info.State.Msgs == want
		}, func() string { return fmt.Sprintf("%v %+v", err, info) })
	}

	port, secret, etc := kit.FreePort(t), t.TempDir(), t.TempDir()
	renew := func(generation string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "site.creds")
		err := hub.SiteCreds(file, "acme-lyon", "acme-lille")
		text, readErr := os.ReadFile(file)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		mount(t, secret, generation, map[string]string{"site.creds": string(text)})
	}
	renew("..one")
	values := filepath.Join(t.TempDir(), "values.yaml")
	text, err := os.ReadFile(example("edge"))
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("tls://hub.example:4222", srv.URL(), "  tls: {ca: /run/secrets/hub-ca/ca.crt}\n", "",
		":1080\", allow: [10.1.0.0/16]", port[strings.LastIndexByte(port, ':'):]+"\"").Replace(string(text)))
	if err := os.WriteFile(values, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range renderedFrom(t, chart, values).configs {
		if c.Name == "t-trunkline-listen-acme" {
			mount(t, etc, "..one", map[string]string{"trunkline.yaml": strings.ReplaceAll(c.Data["trunkline.yaml"], "/run/secrets/hub-acme", secret)})
		}
	}
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(binaries, "ingest-tcp"), "-c", filepath.Join(etc, "trunkline.yaml"))
	cmd.Env = append(os.Environ(), "TRUNKLINE_DATA="+t.TempDir(), "TRUNKLINE_METRICS_LISTEN=off")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || t.Failed() {
			t.Errorf("ingest-tcp: %v\n%s", err, log.String())
		}
	})
	pbx := connect(t, port)
	ring := func() {
		t.Helper()
		if _, err := fmt.Fprintf(pbx, "%s,00:00:07,3,201,I,201,5550123,,0,1000001,0,E201,Anna,T9001,Line 1,0,0\r\n", time.Now().Format("2006/01/02 15:04:05")); err != nil {
			t.Fatal(err)
		}
	}
	ring()
	delivered(1)

	renew("..two")
	if n, err := hub.Revoke("acme-lyon", true); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := hub.Push(t.Context(), srv.URL()); err != nil {
		t.Fatal(err)
	}
	ring()
	delivered(2)
}
