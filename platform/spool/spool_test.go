package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

func (p *place) empty() bool {
	s, err := p.Bus().JS.Stream(context.Background(), wire.StreamSpool)
	return err == nil && s.CachedInfo().State.Msgs == 0
}

// Without the hub tickets are taken, and handed over when it comes: all, once, in
// order, with the settings before them.
func TestHubAway(t *testing.T) {
	h := newHub(t, "lyon")
	h.Stop()
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("lyon", "a")
	p.announce("lyon", "b")
	const n = 2500
	p.publish("lyon", "a", 0, n)
	p.publish("lyon", "b", 0, 10)
	await(t, "the spool is measured", func() bool {
		var s trunklinev1.ProcessState
		p.Tell(&s)
		return s.SpoolMessages == n+10 && s.SpoolBytes > 0 && s.SpoolMaxBytes == 32<<20 && s.SpoolOldestTime != nil
	})
	if note := p.Note(); !strings.Contains(note, "away since") || !strings.Contains(note, "2510 messages") {
		t.Errorf("note %q", note)
	}
	h.Start()
	await(t, "all is handed over", p.empty)
	h.compare("lyon", "a", n)
	h.compare("lyon", "b", 10)
	if got := h.settings(t, "lyon", "a"); got.Timezone != "Europe/Paris" {
		t.Errorf("settings %+v", got)
	}
	await(t, "the note changes", func() bool { return p.Note() == "connected, 0 messages in the spool" })
}

func (h *hub) settings(t *testing.T, site, link string) (out pbx.Settings) {
	t.Helper()
	kv, err := h.Bus.JS.KeyValue(t.Context(), wire.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), wire.LinkKey(site, link))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.Value(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The hub is restarted again and again while tickets flow.
func TestHubRestarts(t *testing.T) {
	h := newHub(t, "lyon")
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("lyon", "a")
	const rounds, each = 4, 700
	for i := range rounds {
		p.publish("lyon", "a", i*each, each/2)
		h.Stop()
		p.publish("lyon", "a", i*each+each/2, each/2)
		h.Start()
	}
	await(t, "all is handed over", p.empty)
	h.compare("lyon", "a", rounds*each)
}

// A hub that has revoked our credentials is not just away.
func TestHubRefusesCredentials(t *testing.T) {
	h := newHub(t, "lyon")
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	h.Stop()
	lyon := h.Opts.Users[1]
	right := lyon.Password
	lyon.Password = "another"
	h.Start()
	await(t, "it is said", func() bool { return strings.Contains(p.Note(), "does not take nats.creds_file") })
	h.Stop()
	lyon.Password = right
	h.Start()
	await(t, "it is let in again", func() bool { return strings.HasPrefix(p.Note(), "connected") })
}

// A spool that is opened again hands over what is left, also of a link that the
// configuration does not have any more.
func TestReopened(t *testing.T) {
	h := newHub(t, "lyon")
	h.Stop()
	dir := t.TempDir()
	p := openSpool(t, dir, h.guest("lyon"))
	p.announce("lyon", "a")
	p.publish("lyon", "a", 0, 1200)
	p.stop()
	h.Start()
	p = openSpool(t, dir, h.guest("lyon"))
	await(t, "all is handed over", p.empty)
	h.compare("lyon", "a", 1200)
	if got := h.settings(t, "lyon", "a"); got.Link != "a" {
		t.Errorf("settings %+v", got)
	}
}

// What the hub has and the spool still holds is known by its id.
func TestHandedOverAndNotPurged(t *testing.T) {
	h := newHub(t, "lyon")
	guest := h.guest("lyon")
	hubCommitter := h.Bus.NewCommitter(wire.StreamTickets)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = hubCommitter.Run(ctx) }()
	for i := range 30 {
		if err := hubCommitter.Publish(t.Context(), ticket("lyon", "a", i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	p := openSpool(t, t.TempDir(), guest)
	p.publish("lyon", "a", 0, 60)
	await(t, "all is handed over", p.empty)
	h.compare("lyon", "a", 60)
}

// A changed setting reaches the hub without a ticket.
func TestSettingsChange(t *testing.T) {
	h := newHub(t, "lyon")
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("lyon", "a")
	p.publish("lyon", "a", 0, 1)
	await(t, "it is handed over", p.empty)
	changed := settings("lyon", "a")
	changed.Timezone = "America/New_York"
	if err := p.Bus().Links.Put(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	await(t, "the hub knows it", func() bool { return h.settings(t, "lyon", "a").Timezone == "America/New_York" })
}

// Each site publishes under its own name only. A refused link says so at once,
// keeps its tickets, and does not stop the others; when the hub allows it, they go.
func TestForeignSite(t *testing.T) {
	h := newHub(t, "lyon", "nice")
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("nice", "x") // misconfigured: nice has a user of its own
	p.announce("lyon", "a")
	p.publish("nice", "x", 0, 20)
	p.publish("lyon", "a", 0, 20)
	began := time.Now()
	await(t, "it is said", func() bool { return strings.Contains(p.problem(), "link nice/x") })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a forbidden publish is told after %s, as a time-out would be", took)
	}
	for _, want := range []string{"allow our NATS user to publish on", "$KV.links.nice.x"} {
		if got := p.problem(); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	await(t, "the others go on", func() bool { return h.Count() == 20 })
	h.compare("lyon", "a", 20)
	h.compare("nice", "x", 0)
	if !strings.Contains(p.log.String(), "a link stands still") {
		t.Error("it is not logged")
	}
	h.Stop()
	for _, u := range h.Opts.Users {
		if u.Username == "lyon" {
			u.Permissions.Publish.Allow = append(u.Permissions.Publish.Allow, "tickets.v1.*.nice.*", "$KV.links.nice.*")
		}
	}
	h.Start()
	await(t, "what was kept is handed over", p.empty)
	h.compare("nice", "x", 20)
	if got := p.problem(); got != "" {
		t.Errorf("still %q", got)
	}
}

// Tickets whose settings the hub allows and themselves not.
func TestForbiddenTickets(t *testing.T) {
	h := newHub(t, "lyon", "nice")
	h.Stop()
	for _, u := range h.Opts.Users {
		if u.Username == "lyon" {
			u.Permissions.Publish.Allow = append(u.Permissions.Publish.Allow, "$KV.links.nice.*")
		}
	}
	h.Start()
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("nice", "x")
	p.announce("lyon", "a")
	for i := range 10 { // in one commit, and beside others
		p.publish("nice", "x", i*100, 100)
		p.publish("lyon", "a", i*100, 100)
	}
	await(t, "it is said", func() bool {
		return strings.Contains(p.problem(), "allow our NATS user to publish on tickets.v1.avaya-ipoffice.nice.x")
	})
	await(t, "the others go on", func() bool { return h.Count() == 1000 })
	h.compare("lyon", "a", 1000)
}

// A user that may not hear answers on the prefix that we use.
func TestForbiddenInbox(t *testing.T) {
	h := newHub(t, "lyon")
	guest := h.Connect("lyon", bus.Guest) // on _INBOX
	defer guest.Close()
	await(t, "it connects", guest.Conn.IsConnected)
	began := time.Now()
	err := guest.Announce(t.Context(), settings("lyon", "a"))
	if err == nil || errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), "nats.inbox_prefix") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("told after %s", took)
	}
}

// A full spool takes nothing, loses nothing, and goes on by itself.
func TestFull(t *testing.T) {
	h := newHub(t, "lyon")
	h.Stop()
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	p.announce("lyon", "a")
	large := strings.Repeat("x", 128<<10)
	message := func(i int) *nats.Msg {
		m := ticket("lyon", "a", i)
		m.Data = append(m.Data, large...)
		return m
	}
	taken := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := p.tickets.Publish(ctx, message(taken))
		cancel()
		if err != nil {
			break
		}
		taken++
	}
	if taken < 200 || taken > 256 {
		t.Errorf("%d messages of 128 KiB in 32 MiB", taken)
	}
	await(t, "the alarm", func() bool { return strings.Contains(p.log.String(), "the spool fills") })
	if n := strings.Count(p.log.String(), "the spool fills"); n != 1 {
		t.Errorf("the alarm is told %d times", n)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- p.tickets.Publish(t.Context(), message(taken+1)) }()
	h.Start()
	select {
	case err := <-waiting:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("publishing does not go on when there is room again")
	}
	await(t, "all is handed over", p.empty)
	await(t, "the alarm is over", func() bool { return strings.Contains(p.log.String(), "has room again") })
	// The message whose publish was given up may have been taken too.
	if got := h.Count(); got != taken+1 && got != taken+2 {
		t.Errorf("%d messages, want %d", got, taken+1)
	}
}

// The disk has less room than the configuration asks for: the spool is smaller.
func TestBoundedByTheDisk(t *testing.T) {
	h := newHub(t, "lyon")
	var free atomic.Uint64
	free.Store(unbounded)
	p := openSpool(t, t.TempDir(), h.guest("lyon"), func(s *Spool) {
		s.most, s.disk = 1<<30, func(string) (uint64, uint64, error) { return free.Load(), 1 << 40, nil }
	})
	bounded := func(want uint64) {
		t.Helper()
		await(t, fmt.Sprint("it may hold ", want), func() bool {
			var s trunklinev1.ProcessState
			p.Tell(&s)
			return s.SpoolMaxBytes == want
		})
	}
	bounded(1 << 30)
	free.Store(maxSpare + 100<<20)
	bounded(100 << 20)
	if !strings.Contains(p.log.String(), "no room for a spool") {
		t.Error("it is not said")
	}
	free.Store(1 << 20)
	bounded(1)
	taken := make(chan error, 1)
	go func() { taken <- p.tickets.Publish(t.Context(), ticket("lyon", "a", 0)) }()
	await(t, "nothing is taken", func() bool { return strings.Contains(p.log.String(), "publish is waiting") })
	free.Store(unbounded)
	bounded(1 << 30)
	if err := <-taken; err != nil {
		t.Error(err)
	}
	await(t, "it is handed over", p.empty)
}

// A message that is too large for the hub holds its link, and no other.
func TestTooLarge(t *testing.T) {
	h := newHub(t, "lyon")
	h.Stop()
	h.Opts.MaxPayload = 64 << 10
	h.Start()
	p := openSpool(t, t.TempDir(), h.guest("lyon"))
	large := ticket("lyon", "a", 3)
	large.Data = append(large.Data, make([]byte, 128<<10)...)
	p.publish("lyon", "a", 0, 3)
	if err := p.tickets.Publish(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	p.publish("lyon", "a", 4, 3)
	p.publish("lyon", "b", 0, 50)
	await(t, "it is said", func() bool { return strings.Contains(p.problem(), "maximum payload") })
	await(t, "the other link goes on", func() bool { return len(h.of("lyon", "b")) == 50 })
	h.Stop()
	h.Opts.MaxPayload = 1 << 20
	h.Start()
	await(t, "what was kept is handed over", p.empty)
	if got := len(h.of("lyon", "a")); got != 7 {
		t.Errorf("%d messages, want 7", got)
	}
}

// A hundred sites hand over at the same time, after the hub was away: more than it
// takes batches of at a time.
func TestHundredSites(t *testing.T) {
	const sites, rounds, each = 100, 4, 50
	var names []string
	for i := range sites {
		names = append(names, fmt.Sprintf("site-%d", i))
	}
	h := newHub(t, names...)
	var all sync.WaitGroup
	halfway := make(chan struct{}, sites)
	for _, site := range names {
		guest := h.guest(site)
		t.Cleanup(guest.Close)
		tickets := guest.NewCommitter(wire.StreamTickets)
		all.Go(func() { _ = tickets.Run(t.Context()) })
		all.Go(func() {
			for round := range rounds {
				var msgs []*nats.Msg
				for i := range each {
					msgs = append(msgs, ticket(site, "a", round*each+i))
				}
				if err := tickets.Publish(t.Context(), msgs...); err != nil {
					t.Error(err)
				}
				if round == rounds/2-1 {
					halfway <- struct{}{}
				}
			}
		})
	}
	t.Cleanup(all.Wait)
	<-halfway
	h.Stop()
	h.Start()
	await(t, "all is there", func() bool { return h.Count() >= sites*rounds*each })
	next := make(map[string]int)
	for _, m := range h.stored() {
		if m.Offset != fmt.Sprint(next[m.Site]) {
			t.Fatalf("%s: %s where %d is expected", m.Site, m.Offset, next[m.Site])
		}
		next[m.Site]++
	}
}
