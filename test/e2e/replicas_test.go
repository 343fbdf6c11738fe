package e2e

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// Streams and buckets of a cluster get the replicas that the configuration has now,
// with what they hold; never fewer by themselves, and no more than there are servers.
func TestReplicas(t *testing.T) {
	t.Parallel()
	urls := cluster(t, "grows")
	names := []string{wire.StreamTickets, wire.StreamCdrs, "KV_" + wire.BucketPositions, "KV_" + wire.BucketLeases}
	replicas := func(js jetstream.JetStream) (out []int) {
		for _, name := range names {
			s, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s.CachedInfo().Config.Replicas)
		}
		return out
	}
	for _, step := range []struct {
		given, want int
		says        string
	}{{1, 1, ""}, {3, 3, ""}, {1, 3, ""}, {5, 3, "stream=TICKETS replicas=3 wanted=5"}} {
		var log strings.Builder
		running, stop := context.WithCancel(t.Context())
		b, err := bus.Connect(bus.Config{URL: urls, Name: "test", Replicas: step.given, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- b.Run(running, func() {}) }()
		if err := b.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, n := range replicas(b.JS) {
			if n != step.want {
				t.Errorf("nats.replicas %d: %s has %d, want %d", step.given, names[i], n, step.want)
			}
		}
		kit.Await(t, "a ticket is taken", func() bool {
			// What comes before the stream has a leader is not answered.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := b.JS.PublishMsg(ctx, &nats.Msg{Subject: wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "desk"}.TicketSubject(), Data: []byte("a")})
			return err == nil
		}, func() string { return log.String() })
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if said := log.String(); !strings.Contains(said, step.says) || (step.says == "") != !strings.Contains(said, "fewer replicas") {
			t.Errorf("nats.replicas %d: %q is said, want %q", step.given, said, step.says)
		}
	}
}
