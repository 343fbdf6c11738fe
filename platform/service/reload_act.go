package service

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
)

// reloaded is what the audit keeps of a reload, of one site.
type reloaded struct {
	Added     []string `json:"added,omitempty"`
	Removed   []string `json:"removed,omitempty"`
	Restarted []string `json:"restarted,omitempty"`
	Retold    []string `json:"retold,omitempty"`
}

// linkCount tells how many links of a site a configuration has.
type linkCount struct {
	Links int `json:"links"`
	*reloaded
}

func (r *Reloader) self() string {
	if p := r.Process(); p != nil {
		return p.Service + "@" + p.Host
	}
	return "unknown"
}

// audit tells of a reload, once for each site of which links changed: a site may
// publish only under its own name. It stands under the first of those links.
func (r *Reloader) audit(who string, changes config.Changes) {
	if r.Tickets == nil {
		return
	}
	was, is := count(r.before), count(r.links)
	sites, address := make(map[string]*reloaded), make(map[string]wire.Address)
	for _, l := range slices.Concat(r.before, r.links) {
		name := l.Site.ID + "/" + l.ID
		one := reloaded{}
		for _, c := range []struct {
			names []string
			into  *[]string
		}{{changes.Added, &one.Added}, {changes.Removed, &one.Removed}, {changes.Restarted, &one.Restarted}, {changes.Retold, &one.Retold}} {
			if slices.Contains(c.names, name) {
				*c.into = []string{l.ID}
			}
		}
		if len(one.Added)+len(one.Removed)+len(one.Restarted)+len(one.Retold) == 0 {
			continue
		}
		if sites[l.Site.ID] == nil {
			sites[l.Site.ID] = new(reloaded)
			address[l.Site.ID] = wire.Address{Site: l.Site.ID, Link: l.ID}
		}
		sites[l.Site.ID].add(one)
	}
	now := time.Now()
	var msgs []*nats.Msg
	for _, site := range slices.Sorted(maps.Keys(sites)) {
		act := bus.Act(bus.ActReload, who, "configuration of "+r.self()+", site "+site, now, linkCount{Links: was[site]}, linkCount{is[site], sites[site]})
		m := bus.NewAct(address[site], rand.Text(), act)
		act.Link = "" // it is about all of the site
		msgs = append(msgs, m.Msg())
	}
	select {
	case r.acts <- msgs:
	default: // nats has been away for so many reloads: the log has them
	}
}

func (o *reloaded) add(one reloaded) {
	for _, c := range [][2]*[]string{{&o.Added, &one.Added}, {&o.Removed, &one.Removed}, {&o.Restarted, &one.Restarted}, {&o.Retold, &one.Retold}} {
		for _, id := range *c[1] {
			if !slices.Contains(*c[0], id) {
				*c[0] = append(*c[0], id)
			}
		}
	}
}

func count(links []config.LinkOf) map[string]int {
	n := make(map[string]int)
	for _, l := range links {
		n[l.Site.ID]++
	}
	return n
}

// tellActs publishes what the audit is to be told, until ctx is done.
func (r *Reloader) tellActs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case msgs := <-r.acts:
			if err := r.Tickets.Publish(ctx, msgs...); err != nil && ctx.Err() == nil {
				r.Log.Error("a reload is not told to the audit", "error", err)
			}
		}
	}
}
