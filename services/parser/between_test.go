package parser

import (
	"testing"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// floor is the last ticket message that is acknowledged without a gap.
func (r *running) floor(t *testing.T) uint64 {
	t.Helper()
	c, err := r.JS.Consumer(t.Context(), wire.StreamTickets, wire.ConsumerParser)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().AckFloor.Stream
}

// A parser dies when its receipt is stored and the ticket message not
// acknowledged: the next one publishes the same receipt, which is no second one.
func TestDiesBetweenPublishAndAck(t *testing.T) {
	r := start(t)
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.tickets.Publish(t.Context(), message("call 1\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	r.receipts(t, 1)
	r.stop()
	// The acknowledgement is unsaid.
	if err := r.JS.DeleteConsumer(t.Context(), wire.StreamTickets, wire.ConsumerParser); err != nil {
		t.Fatal(err)
	}
	r.parse(t)
	for end := time.Now().Add(30 * time.Second); r.floor(t) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the message is not acknowledged again")
		}
	}
	s, err := r.JS.Stream(t.Context(), wire.StreamCdrs)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d receipts of one message", n)
	}
}

// A ticket message is acknowledged behind its receipt, not before.
func TestNoAckBeforeTheReceipt(t *testing.T) {
	useTold(t)
	r := connect(t, broker(t), func(c *bus.Config) { c.CdrsMaxBytes = 1 })
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.tickets.Publish(t.Context(), message("call 1\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	r.parse(t)
	r.awaitWaiting(t)
	if r.floor(t) != 0 {
		t.Error("acknowledged, and its receipt waits for room")
	}
	s, err := r.JS.Stream(t.Context(), wire.StreamCdrs)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 1 << 20
	if _, err := r.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := r.receipts(t, 1)[0]; got.CdrCount != 1 {
		t.Errorf("receipt %v", got)
	}
}
