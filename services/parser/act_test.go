package parser

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// An act passes through without being parsed, of a link that is not known too, and
// an older parser, which does not know the header, makes a receipt without tickets
// of it.
func TestAct(t *testing.T) {
	r := start(t)
	act := bus.Act(bus.ActCollected, "ingest-poll@here", "cdr_1", time.Unix(1e9, 0), nil, map[string]int{"tickets": 3})
	m := bus.NewAct(wire.Address{Site: "lyon", Link: "nobody-knows"}, "file:00:cdr_1", act)
	if err := r.tickets.Publish(t.Context(), m.Msg()); err != nil {
		t.Fatal(err)
	}
	if got, want := r.act(t), act; !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}

	reader, err := NewReader(settings)
	if err != nil {
		t.Fatal(err)
	}
	m.Act = nil
	if b := reader.Read(m); b.TicketCount != 0 || len(b.Cdrs)+len(b.Others) != 0 {
		t.Errorf("an older parser makes %v of it", b)
	}
}
