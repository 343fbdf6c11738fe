package sink_test

import (
	"fmt"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink"
)

// TestKept reads what the sink wrote, by both protocols and as a reader without
// password.
func TestKept(t *testing.T) {
	at := func(c *v1.Cdr, position int) *v1.Cdr {
		c.Position = fmt.Sprint(position)
		c.Raw = []byte("12345678")
		return c
	}
	b := newBench(t)
	b.start(b.config())
	live := receipt(0, []*v1.Cdr{at(call("a", day, 0), 0), at(call("b", day.AddDate(0, 1, 0), 0), 10)})
	aside := other("c", v1.Outcome_OUTCOME_DEAD)
	aside.Position, aside.Raw = "20", []byte("\x01what is this")
	live.Others, live.TicketCount, live.DeadCount = []*v1.OtherTicket{aside}, 3, 1
	live.Place.Preamble = []byte("head")
	replayed := receipt(2, []*v1.Cdr{at(call("d", day, 2), 0)})
	foreign := receipt(0, []*v1.Cdr{at(call("e", day, 0), 0)})
	foreign.Link, foreign.Cdrs[0].Link = "cellar", "cellar"
	older := receipt(0, []*v1.Cdr{call("f", day, 0)})
	b.publish(live, replayed, foreign, older)
	b.settled()

	bridged := b.config()
	bridged.Protocol, bridged.Addr = "native", []string{newBridge(t).listener.Addr().String()}
	nobody := config.ClickHouse{Addr: []string{"127.0.0.1:1"}, Protocol: "http", Database: b.database}
	reader := config.ClickHouse{Addr: b.config().Addr, Protocol: "http", Database: b.database}
	for name, servers := range map[string][]config.ClickHouse{"writer": {b.config()}, "native": {bridged}, "the second, as reader": {nobody, reader}} {
		t.Run(name, func(t *testing.T) { testKept(t, live.MessageId, servers) })
	}
	if _, err := sink.OpenKept(t.Context(), nobody); err == nil {
		t.Error("a server that is not there is open")
	}
	reader.Database = "other"
	if _, err := sink.OpenKept(t.Context(), reader); err == nil {
		t.Error("a database that is not there is open")
	}
}

func testKept(t *testing.T, message string, servers []config.ClickHouse) {
	ctx := t.Context()
	k, err := sink.OpenKept(ctx, servers...)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	received := day.Add(time.Hour)
	s := sink.KeptSelection{Site: "lyon", From: received, To: received.Add(time.Microsecond)}
	links, counts, err := k.Links(ctx, s)
	desk, cellar := sink.KeptLink{Site: "lyon", Link: "front-desk"}, sink.KeptLink{Site: "lyon", Link: "cellar"}
	if err != nil || len(links) != 2 || links[0] != cellar || counts[cellar].All() != 1 || counts[desk] != (sink.KeptCounts{Calls: 4, Dead: 1}) {
		t.Errorf("links %v, counts %v, %v", links, counts, err)
	}
	if n, err := k.Highest(ctx); err != nil || n != 2 {
		t.Errorf("highest revision %d, %v", n, err)
	}
	if c, err := k.Made(ctx, desk, 2); err != nil || c != (sink.KeptCounts{Calls: 1}) {
		t.Errorf("made %v, %v", c, err)
	}

	read := func(s sink.KeptSelection) (messages []*sink.KeptMessage, cannot int) {
		t.Helper()
		err := k.Messages(ctx, s, func(m *sink.KeptMessage) error { messages = append(messages, m); return nil }, func(_ string, n int) { cannot += n })
		if err != nil {
			t.Fatal(err)
		}
		return messages, cannot
	}
	s.Link, s.Below = "front-desk", 2
	messages, cannot := read(s)
	if len(messages) != 1 || cannot != 1 {
		t.Fatalf("%d messages, %d tickets that cannot be read", len(messages), cannot)
	}
	m := messages[0]
	if p := m.Pieces[0]; m.ID != message || m.Replayed || len(m.Pieces) != 1 || string(p.Payload) != "12345678\r\n12345678\r\n\x01what is this\n" ||
		string(p.Preamble) != "head" || p.Origin != "tcp:0" || p.Name != "10.0.0.1" || !p.Received.Equal(received) || p.Offset != "0" {
		t.Errorf("%+v of %+v", p, m)
	}
	s.Below = 3
	if messages, _ = read(s); len(messages) != 2 {
		t.Errorf("%d messages below 3", len(messages))
	}
	s.Aside, s.Reason = true, "page_header"
	if messages, cannot = read(s); len(messages) != 1 || cannot != 0 || messages[0].Tickets[0].ID != "c" || messages[0].Pieces[0].Offset != "20" {
		t.Errorf("%d messages aside, %d cannot be read", len(messages), cannot)
	}
	s.Reason = "other"
	if messages, _ = read(s); len(messages) != 0 {
		t.Errorf("%d messages aside for another reason", len(messages))
	}
	s.Aside, s.Reason, s.To = false, "", received
	s.From = received.AddDate(0, 0, -1)
	if messages, _ = read(s); len(messages) != 0 {
		t.Errorf("%d messages received before", len(messages))
	}

	groups, err := k.Aside(ctx, sink.KeptSelection{Site: "lyon"})
	if err != nil || len(groups) != 1 {
		t.Fatalf("groups %v, %v", groups, err)
	}
	if g := groups[0]; g.Count != 1 || g.Outcome != "dead" || g.Reason != "page_header" || string(g.Example) != "\x01what is this" || g.ParserVersion != "1.0" || !g.First.Equal(received) || g.Link != "front-desk" {
		t.Errorf("%+v", g)
	}
}
