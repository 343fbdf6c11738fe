package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// securedHub is a NATS server with the configuration that trunkline init made.
type securedHub struct {
	t      *testing.T
	folder access.Folder
	srv    *natsserver.Server
	url    string
}

// trunkline runs a command of the program's.
func trunkline(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(binary, args...).CombinedOutput()
	return string(out), err
}

func mustTrunkline(t *testing.T, args ...string) string {
	t.Helper()
	out, err := trunkline(t, args...)
	if err != nil {
		t.Fatalf("trunkline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if strings.Contains(out, "PRIVATE") || strings.Contains(out, "SEED") {
		t.Errorf("trunkline %s prints a secret", strings.Join(args, " "))
	}
	return out
}

func newSecuredHub(t *testing.T, sites ...string) *securedHub {
	t.Helper()
	h := &securedHub{t: t, folder: access.Folder(filepath.Join(t.TempDir(), "operator"))}
	dir := string(h.folder)
	mustTrunkline(t, "init", "hub", "--store", t.TempDir(), "--etc", h.folder.Server(), dir)
	mustTrunkline(t, "init", "tls", "--etc", h.folder.Server(), "127.0.0.1", dir)
	h.start("127.0.0.1:0")
	t.Cleanup(func() { h.stop() })
	for _, s := range sites {
		mustTrunkline(t, "init", "site", s, "--hub", h.url, "--timezone", "Europe/Paris", "--country", "FR", "--outside-prefix", "0", dir)
	}
	return h
}

// start reads the generated configuration as nats-server does.
func (h *securedHub) start(listen string) {
	h.t.Helper()
	opts, err := natsserver.ProcessConfigFile(filepath.Join(h.folder.Server(), "nats.conf"))
	if err != nil {
		h.t.Fatal(err)
	}
	if !opts.SyncAlways || opts.Host != "0.0.0.0" || opts.Port != 4222 {
		h.t.Errorf("sync_interval always %v, listens on %s:%d", opts.SyncAlways, opts.Host, opts.Port)
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		h.t.Fatal(err)
	}
	opts.Host, opts.NoSigs, opts.NoLog = host, true, true
	if opts.Port = -1; port != "0" {
		if _, err := fmt.Sscan(port, &opts.Port); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.srv, err = natsserver.NewServer(opts); err != nil {
		h.t.Fatal(err)
	}
	h.srv.Start()
	if !h.srv.ReadyForConnections(20 * time.Second) {
		h.t.Fatal("the hub does not start")
	}
	h.url = "tls://" + h.srv.Addr().String()
}

func (h *securedHub) stop() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
}

// nats is the configuration of a service or a person at the hub.
func (h *securedHub) nats(role string) config.NATS {
	return config.NATS{URL: h.url, CredsFile: h.folder.Creds(role), InboxPrefix: access.InboxPrefix(role), TLS: config.TLS{CA: h.folder.CA()}}
}

// site is the configuration of a site's machine.
func (h *securedHub) site(name string) config.NATS {
	c := h.nats(name)
	c.CredsFile = filepath.Join(h.folder.Site(name), "site.creds")
	return c
}

// connect connects as the services do.
func (h *securedHub) connect(c config.NATS, role bus.Role, reg prometheus.Registerer) *bus.Bus {
	h.t.Helper()
	opts, err := service.NATSOptions(c)
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := bus.Connect(bus.Config{URL: c.URL, Name: "test", Options: opts, Role: role, Log: slog.New(slog.DiscardHandler), Metrics: reg})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx, func() {}) }()
	h.t.Cleanup(func() { cancel(); <-done })
	ready, end := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer end()
	if err := b.Ready(ready); err != nil {
		h.t.Fatalf("%s: %v, %v", c.CredsFile, err, b.Conn.LastError())
	}
	return b
}

// counter is the sum of a metric's values.
func counter(t *testing.T, reg *prometheus.Registry, name, label string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && len(m.Label) == 1 && m.Label[0].GetValue() == label {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// A site's credentials try every subject but their own: all is refused, nothing
// arrives, and each try is seen in a metric.
func TestSiteMayDoOnlyItsOwn(t *testing.T) {
	t.Parallel()
	h := newSecuredHub(t, "lyon", "paris")
	services := h.connect(h.nats("services"), bus.Hub, nil)
	// Whatever reaches anybody at all is seen.
	var arrived atomic.Int64
	h.watch(&arrived)

	reg := prometheus.NewRegistry()
	thief := h.connect(h.site("lyon"), bus.Guest, reg)
	own, other := wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "a"}, wire.Address{Model: "avaya-ipoffice", Site: "paris", Link: "a"}

	// Its own it may: with an acknowledgement, so that the inbox works too.
	committed, err := thief.Conn.Request(own.TicketSubject(), []byte("x"), 5*time.Second)
	if err != nil || !strings.Contains(string(committed.Data), wire.StreamTickets) {
		t.Fatalf("its own tickets: %v %s", err, committed.Data)
	}
	kit.Await(t, "its own ticket is seen", func() bool { return arrived.Load() > 0 }, func() string { return "none is" })
	before := arrived.Load()

	api := func(rest string) string { return "$JS.API." + rest }
	publish := []string{
		other.TicketSubject(), "tickets.v1.avaya-ipoffice.lyon2.a", "tickets.v1.lyon.avaya-ipoffice.a", "tickets.v1.avaya-ipoffice.lyon.a.b", "tickets.v2.avaya-ipoffice.lyon.a", "tickets.v1.x.LYON.a",
		own.CdrSubject(), other.CdrSubject(), wire.Event("paris", "a", "silent"),
		"$KV.links.paris.a", "$KV.links.lyon", "$KV.links.lyon.a.b",
		wire.AskLinks, wire.AskCounts, wire.AskReload, "ask.v1.anything",
		"_INBOX_paris.x", "_INBOX_services.x", "_INBOX_operator.x", "_INBOX.x", "_INBOX_lyon.x",
		api("INFO"), api("STREAM.NAMES"), api("STREAM.INFO.TICKETS"), api("STREAM.CREATE.X"), api("STREAM.UPDATE.TICKETS"), api("STREAM.DELETE.TICKETS"), api("STREAM.PURGE.TICKETS"),
		api("STREAM.MSG.GET.TICKETS"), api("STREAM.MSG.DELETE.TICKETS"), api("DIRECT.GET.KV_links"), api("STREAM.SNAPSHOT.TICKETS"), api("STREAM.RESTORE.TICKETS"),
		api("CONSUMER.CREATE.TICKETS.x"), api("CONSUMER.DURABLE.CREATE.TICKETS.x"), api("CONSUMER.MSG.NEXT.TICKETS.parser"), api("CONSUMER.DELETE.TICKETS.parser"), api("CONSUMER.LIST.TICKETS"), api("ACCOUNT.PURGE.x"), api("META.LEADER.STEPDOWN"),
		"$JS.ACK.TICKETS.parser.1.1.1.1.1", "$JS.FC.TICKETS.x", "$JS.EVENT.ADVISORY.x", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.PING", "$G", "anything",
	}
	for _, bucket := range []string{wire.BucketPositions, wire.BucketAttempts, wire.BucketLeases, wire.BucketUsual, wire.BucketReplays} {
		publish = append(publish, "$KV."+bucket+".lyon.a", "$KV."+bucket+".paris.a")
	}
	subscribe := []string{
		">", "*", "*.>", "tickets.>", wire.TicketSubjects, own.TicketSubject(), other.TicketSubject(), wire.CdrSubjects, "events.v1.>", "events.v1.lyon.>",
		"$KV.>", "$KV.links.>", "$KV.links.lyon.a", wire.AskCounts, "ask.v1.>", "ask.v1.*",
		"_INBOX.>", "_INBOX_paris.>", "_INBOX_services.>", "_INBOX_operator.>", "_INBOX_*.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$JS.ACK.>", "$SYS.>",
	}
	for _, subject := range publish {
		if err := thief.Conn.PublishRequest(subject, access.InboxPrefix("lyon")+".answer", []byte("stolen")); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, subject := range subscribe {
		if _, err := thief.Conn.Subscribe(subject, func(*nats.Msg) { t.Errorf("%s is heard", subject) }); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	if err := thief.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
	seen := func(what string) float64 { return counter(t, reg, "trunkline_nats_forbidden_total", what) }
	kit.Await(t, "every try is counted", func() bool {
		return seen("publish") == float64(len(publish)) && seen("subscribe") == float64(len(subscribe))
	}, func() string {
		return fmt.Sprintf("%v of %d publishes, %v of %d subscriptions", seen("publish"), len(publish), seen("subscribe"), len(subscribe))
	})
	if now := arrived.Load(); now != before {
		t.Errorf("%d messages of the thief's arrived", now-before)
	}
	stream, err := services.JS.Stream(t.Context(), wire.StreamTickets)
	if err != nil || stream.CachedInfo().State.Msgs != 1 {
		t.Errorf("the stream: %v, %+v", err, stream.CachedInfo().State)
	}
	// Nor does any of it reach a committer as a time-out.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	committer := thief.NewCommitter(wire.StreamTickets)
	go func() { _ = committer.Run(ctx) }()
	if err := committer.Publish(ctx, &nats.Msg{Subject: other.TicketSubject(), Header: nats.Header{nats.MsgIdHdr: {"x"}}, Data: []byte("x")}); !errors.Is(err, bus.ErrForbidden) || !strings.Contains(err.Error(), other.TicketSubject()) {
		t.Errorf("another site's ticket: %v", err)
	}
}

// watch counts what arrives anywhere in the account, with a user of all rights
// that only a holder of the operator's keys can make.
func (h *securedHub) watch(arrived *atomic.Int64) {
	h.t.Helper()
	for _, role := range []string{"operator", "services"} {
		c := h.nats(role)
		opts, err := service.NATSOptions(c)
		if err != nil {
			h.t.Fatal(err)
		}
		nc, err := nats.Connect(c.URL, opts...)
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(nc.Close)
		subjects := []string{access.InboxPrefix(role) + ".>", wire.AskCounts, wire.AskLinks, wire.AskReload}
		if role == "operator" {
			subjects = []string{access.InboxPrefix(role) + ".>", "events.v1.>", wire.TicketSubjects, wire.CdrSubjects}
		}
		for _, s := range subjects {
			if _, err := nc.Subscribe(s, func(*nats.Msg) { arrived.Add(1) }); err != nil {
				h.t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			h.t.Fatal(err)
		}
		if err := nc.LastError(); err != nil {
			h.t.Fatalf("%s: %v", role, err)
		}
	}
}
