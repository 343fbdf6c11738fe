package parser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
)

// What nobody could have sent is answered all the same, and costs nobody else.
func TestForeignMessagesAreBuried(t *testing.T) {
	for name, c := range map[string]struct {
		subject string
		header  map[string]string
	}{
		"too short a subject": {subject: "tickets.v1.noise"},
		"too long a subject":  {subject: "tickets.v1.a.b.c.d"},
		"binary subject":      {subject: "tickets.v1.mitel-3300.\xff.icp"},
		"binary origin":       {header: map[string]string{wire.HeaderOrigin: "tcp:\xff\xfe"}},
		"binary offset":       {header: map[string]string{wire.HeaderOffset: "\xff"}},
		"binary incomplete":   {header: map[string]string{wire.HeaderIncomplete: "\xff"}},
		"binary id":           {header: map[string]string{"Nats-Msg-Id": "\xff"}},
		"no id":               {header: map[string]string{"Nats-Msg-Id": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			if err := r.Links.Put(t.Context(), settings); err != nil {
				t.Fatal(err)
			}
			foreign := message("call 1\r\n").Msg()
			if c.subject != "" {
				foreign.Subject = c.subject
			}
			for k, v := range c.header {
				foreign.Header.Set(k, v)
				if v == "" {
					foreign.Header.Del(k)
				}
			}
			good := message("call 2\r\n")
			good.Offset = "200"
			if err := r.tickets.Publish(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			if err := r.tickets.Publish(t.Context(), good.Msg()); err != nil {
				t.Fatal(err)
			}
			ids := make(map[string]bool)
			for _, b := range r.receipts(t, 2) {
				if b.TicketCount != 1 || b.MessageId == "" || strings.ContainsAny(b.Site+b.Link+b.Model, "*>") {
					t.Errorf("receipt %v", b)
				}
				ids[b.MessageId] = true
			}
			if len(ids) != 2 {
				t.Errorf("message ids %v", ids)
			}
		})
	}
}

func sole(c *bus.Config) { c.Sole = true }

// abandon takes the next ticket message and dies of it.
func (r *running) abandon(t *testing.T) {
	t.Helper()
	c, err := r.Consumer(t.Context(), wire.StreamTickets, jetstream.ConsumerConfig{Durable: wire.ConsumerParser, AckWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(jetstream.FetchMaxWait(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

// A sole process makes its consumer anew, which counts deliveries from one
// again: a message that kills it must not do so for ever.
func TestPoisonOfASoleProcess(t *testing.T) {
	useTold(t)
	srv := broker(t)
	r := connect(t, srv, sole)
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.tickets.Publish(t.Context(), message("call 1\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	for range attempts {
		if _, err := r.Attempts.Begin(t.Context(), "TICKETS.1"); err != nil {
			t.Fatal(err)
		}
	}
	r.abandon(t)
	again := connect(t, srv, sole)
	again.parse(t)
	if got := again.receipts(t, 1)[0]; got.DeadCount != 1 || got.Others[0].Reason != ReasonPoison {
		t.Errorf("receipt %v", got)
	}
}

// While the stream CDRS has no room the parser waits, and can be stopped. That
// is no message's fault: however often the parser begins anew, the message is
// read.
func TestWaitingForRoomIsNoAttempt(t *testing.T) {
	useTold(t)
	srv := broker(t)
	full := func(c *bus.Config) { c.Sole, c.CdrsMaxBytes = true, 1 }
	r := connect(t, srv, full)
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.tickets.Publish(t.Context(), message("call 1\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	r.abandon(t)
	for range attempts + 1 {
		again := connect(t, srv, full)
		again.parse(t)
		again.awaitWaiting(t)
		again.stop()
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
	last := connect(t, srv, sole)
	last.parse(t)
	if got := last.receipts(t, 1)[0]; got.CdrCount != 1 {
		t.Errorf("receipt %v", got)
	}
}

// awaitWaiting waits until a receipt could not be published.
func (r *running) awaitWaiting(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		families, err := r.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "trunkline_commit_retries_total" && f.GetMetric()[0].GetCounter().GetValue() > 0 {
				return
			}
		}
	}
	t.Fatal("no receipt waits")
}

// However much waits of a link that nobody describes, the others go on.
func TestAnUnknownLinkStopsNobody(t *testing.T) {
	r := start(t)
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	var msgs []*nats.Msg
	for i := range 6000 {
		m := message("call 1\r\n")
		m.Link, m.Offset = "late", fmt.Sprint(i)
		msgs = append(msgs, m.Msg())
	}
	if err := r.tickets.Publish(t.Context(), append(msgs, message("call 2\r\n").Msg())...); err != nil {
		t.Fatal(err)
	}
	if got := r.receipts(t, 1)[0]; got.Link != "icp" || got.CdrCount != 1 {
		t.Errorf("receipt %v", got)
	}
}
