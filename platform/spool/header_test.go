package spool

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
)

// What a ticket was published under at the site is nothing to the hub: a header
// that holds for the spool would keep the ticket there for ever.
func TestHeadersOfTheSpoolStayThere(t *testing.T) {
	h := newHub(t, "lyon")
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("lyon", "a")
	if _, err := p.Bus().JS.PublishMsg(t.Context(), ticket("lyon", "a", 0), jetstream.WithExpectStream(wire.StreamSpool)); err != nil {
		t.Fatal(err)
	}
	p.publish("lyon", "a", 1, 1)
	await(t, "all is handed over", p.empty)
	h.compare("lyon", "a", 2)
}
