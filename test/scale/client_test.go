package scale

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
)

// client is a site that is nothing but its connection to the hub: what a site's
// forwarder is there.
type client struct {
	*bus.Bus
	id      string
	tickets *bus.Committer
}

func (h *hub) newClient(i int) (*client, error) {
	c := &client{id: siteID(i)}
	opts, err := service.NATSOptions(config.NATS{CredsFile: h.creds(c.id), InboxPrefix: inbox(c.id), TLS: config.TLS{CA: h.folder.CA()}})
	if err != nil {
		return nil, err
	}
	c.Bus, err = bus.Connect(bus.Config{
		URL: "tls://127.0.0.1:" + h.port, Name: c.id, Role: bus.Guest, Options: opts, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	c.tickets = c.NewCommitter(wire.StreamTickets)
	return c, nil
}

// run is the connection and its committer until ctx is done.
func (c *client) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { _ = c.Bus.Run(ctx, func() {}) })
	_ = c.tickets.Run(ctx)
	all.Wait()
}

// forward hands a link's tickets to the hub, as a forwarder does: a ticket a
// message, in order, and what waits in one batch.
type forward struct {
	*link
	by      *client
	origin  string
	forever context.Context // of the client
}

func (f *forward) run(ctx context.Context) {
	var back bus.Backoff
	for f.by.Announce(f.forever, pbx.Settings{Site: f.site, Link: f.id, Model: f.model, Timezone: zone, Country: "GB"}) != nil {
		if f.by.Wait(f.forever, &back) != nil {
			return
		}
	}
	f.poke()
	for last := false; !last; {
		select {
		case <-f.wake:
		case <-ctx.Done():
			last = true
		}
		for {
			tickets, first := f.take(), f.handed
			if len(tickets) == 0 {
				break
			}
			msgs := make([]*nats.Msg, len(tickets))
			for i, text := range tickets {
				m := bus.TicketMessage{
					Address:  wire.Address{Model: f.model, Site: f.site, Link: f.id},
					Received: time.Now(), Origin: f.origin, Offset: identity.Position(int64(first+i) * 200), Name: "192.0.2." + strconv.Itoa(first%250),
					Payload: []byte(text),
				}
				msgs[i] = m.Msg()
			}
			if err := f.by.tickets.Publish(f.forever, msgs...); err != nil {
				return // the comparison tells
			}
			f.gave(len(tickets))
		}
	}
}

// addClients makes the sites from first on.
func (h *hub) addClients(first, n, links int) error {
	for i := range n {
		c, err := h.newClient(first + i)
		if err != nil {
			return fmt.Errorf("site %d: %w", first+i, err)
		}
		h.clients = append(h.clients, c)
		for k := range links {
			l := h.ledger.link(c.id, fmt.Sprintf("pbx-%d", k), speaks)
			h.ways = append(h.ways, &forward{link: l, by: c, origin: identity.Connection(), forever: h.forever})
		}
		h.running.Go(func() { c.run(h.forever) })
	}
	return nil
}
