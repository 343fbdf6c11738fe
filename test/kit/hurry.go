package kit

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

// Hurry makes what was delivered to nobody come again within a second, and not
// within a minute or two. A service that starts later undoes it.
func Hurry(t testing.TB, urls string, options ...nats.Option) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := nats.Connect(urls, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for stream, consumer := range map[string]string{wire.StreamTickets: wire.ConsumerParser, wire.StreamCdrs: wire.ConsumerSink} {
		c, err := js.Consumer(ctx, stream, consumer)
		if err != nil {
			t.Fatal(err)
		}
		cfg := c.CachedInfo().Config
		cfg.AckWait = time.Second
		if _, err := js.UpdateConsumer(ctx, stream, cfg); err != nil {
			t.Fatal(err)
		}
	}
}
