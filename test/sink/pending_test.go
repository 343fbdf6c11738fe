package sink_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// A block may be of receipts with one ticket each: while ClickHouse is away they
// all wait unacknowledged, and none keeps the next from being read.
func TestManySmallReceiptsWait(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	b.breakWith(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	c := b.bus.NewCommitter(wire.StreamCdrs)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	const receipts = 20_000
	var msgs []*nats.Msg
	for range receipts {
		r := receipt(0, nil, other("", v1.Outcome_OUTCOME_IGNORED))
		r.Others[0].TicketId = r.MessageId
		data, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, &nats.Msg{Subject: wire.Address{Model: r.Model, Site: r.Site, Link: r.Link}.CdrSubject(), Header: nats.Header{}, Data: data})
	}
	if err := c.Publish(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
	b.until("all of them wait", func() bool { return b.consumer().NumAckPending == receipts })
	b.mend()
	b.await("SELECT count() FROM DB.other_tickets FINAL", "20000")
}
