package bus

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"trunkline.internal/proto/wire"
)

// lines are a log's.
type lines struct {
	sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.Lock()
	defer l.Unlock()
	return l.text.String()
}

// One server cannot keep what is there three times: that is said of each stream,
// and the service goes on. It cannot make new streams so, and says why.
func TestMoreReplicasThanServers(t *testing.T) {
	srv := serve(t, t.TempDir(), "")
	connect(t, srv)
	var log lines
	three := func(c *Config) { c.Replicas, c.Log = 3, slog.New(slog.NewTextHandler(&log, nil)) }
	b := connect(t, srv, three)
	c := committer(t, b, wire.StreamTickets)
	if err := c.Publish(t.Context(), message(1, "a")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{wire.StreamTickets, wire.StreamCdrs, bucketStream + wire.BucketPositions} {
		if !strings.Contains(log.String(), "stream="+name+" replicas=1 wanted=3") {
			t.Errorf("nothing is said of %s:\n%s", name, log.String())
		}
	}

	empty := serve(t, t.TempDir(), "")
	none, err := Connect(Config{URL: "nats://embedded", Name: "test", Replicas: 3, Options: append(b.cfg.Options[:0:0], empty.Option()), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	await(t, none.Conn.IsConnected)
	if err := none.ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "nats.replicas is 3, and this NATS cannot have so many") {
		t.Errorf("%v", err)
	}
}
