package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// cluster starts three NATS servers that keep everything three times.
func cluster(t *testing.T, name string) (urls string) {
	t.Helper()
	var routes []*url.URL
	var ports [3]string
	for i := range ports {
		ports[i] = freePort(t)
		routes = append(routes, &url.URL{Scheme: "nats", Host: ports[i]})
	}
	var all []string
	var servers []*natsserver.Server
	for i := range ports {
		o := &natsserver.Options{
			ServerName: fmt.Sprint(name, i), Host: "127.0.0.1", Port: -1, JetStream: true, JetStreamMaxStore: 1 << 50, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: natsserver.ClusterOpts{Name: name, Host: "127.0.0.1"}, Routes: routes,
		}
		if _, err := fmt.Sscanf(ports[i], "127.0.0.1:%d", &o.Cluster.Port); err != nil {
			t.Fatal(err)
		}
		s, err := natsserver.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers, all = append(servers, s), append(all, s.ClientURL())
	}
	kit.Await(t, "the cluster has a leader", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(ports) {
				return true
			}
		}
		return false
	}, func() string { return "none" })
	return strings.Join(all, ",")
}

// What a cluster keeps is copied and put back into an empty one, by the commands:
// three times again, with the parser where it was.
func TestBackupCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	config := func(urls string) string {
		file := filepath.Join(t.TempDir(), "trunkline.yaml")
		writeFile(t, file, fmt.Sprintf("nats: {url: %q, replicas: 3}\n", urls), 0o600)
		return file
	}
	command := func(want bool, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
		if (err == nil) != want {
			t.Fatalf("trunkline %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	from := cluster(t, "old")
	b, err := bus.Connect(bus.Config{URL: from, Name: "test", Replicas: 3, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- b.Run(running, func() {}) }()
	defer func() { stop(); <-ran }()
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	a := wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "desk"}
	for i := range 500 {
		if _, err := b.JS.PublishMsg(ctx, &nats.Msg{
			Subject: a.TicketSubject(), Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint("m", i)}}, Data: fmt.Appendf(nil, avayaTicket, 1, 1, 1, i),
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if _, err := b.Positions.Put(ctx, bus.PositionKey("lyon", "desk", fmt.Sprint(i)), []byte("position"), 0); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Consumer(ctx, wire.StreamTickets, jetstream.ConsumerConfig{Durable: wire.ConsumerParser})
	if err != nil {
		t.Fatal(err)
	}
	answer(t, c, 200)

	backup := filepath.Join(t.TempDir(), "backup")
	contains(t, command(true, "backup", "--streams", "-c", config(from), backup), "stream TICKETS", "500 messages", "20 keys", "is whole")
	contains(t, command(false, "restore", "--data", filepath.Join(t.TempDir(), "data"), backup), "only what NATS kept: restore it with --streams")
	contains(t, command(false, "restore", "--streams", "-c", config(from), backup), "NATS has KV_positions", "nothing was touched")

	to := cluster(t, "new")
	contains(t, command(true, "restore", "--streams", "-c", config(to), backup), "stream TICKETS", "500 messages", "20 keys")
	nc, err := nats.Connect(to)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{wire.StreamTickets, wire.StreamCdrs, "KV_" + wire.BucketPositions} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if info := s.CachedInfo(); info.Config.Replicas != 3 {
			t.Errorf("%s is kept %d times", name, info.Config.Replicas)
		}
	}
	again, err := js.Consumer(ctx, wire.StreamTickets, wire.ConsumerParser)
	if err != nil {
		t.Fatal(err)
	}
	if seq := answer(t, again, 1); seq != 201 {
		t.Errorf("the parser goes on at %d, not at 201", seq)
	}
}

// answer answers so many messages, and tells the sequence of the last.
func answer(t *testing.T, c jetstream.Consumer, n int) (last uint64) {
	t.Helper()
	for n > 0 {
		batch, err := c.Fetch(n, jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err == nil {
				err = m.DoubleAck(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			last = meta.Sequence.Stream
			n, got = n-1, got+1
		}
		if got == 0 {
			t.Fatalf("no message comes: %v", batch.Error())
		}
	}
	return last
}
