package parser

import (
	"strings"
	"testing"

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
