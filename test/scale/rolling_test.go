package scale

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/engine"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// plan is how long a run with rolling restarts is.
type plan struct {
	rate   float64       // tickets a second
	lasts  time.Duration // at least; and each process is restarted once
	every  time.Duration // a restart, but not before the last one is ready
	drains time.Duration // at most, for what is on its way at the end
}

var (
	shortPlan = plan{rate: 400, every: 500 * time.Millisecond, drains: time.Minute}
	longPlan  = plan{rate: 2000, lasts: 10 * time.Minute, every: 5 * time.Second, drains: 5 * time.Minute}
)

// member is a process of the cluster, and where it tells that it is ready.
type member struct {
	*kit.Process
	health string

	slowest time.Duration // from asking it to stop until it was ready again
}

// cluster is two of every service on three NATS servers.
type cluster struct {
	t       *testing.T
	dir     string
	urls    string    // of NATS
	members []*member // in the order of their restarts
	ledger  *ledger
	ways    []hander
	stops   []stop
}

// stop is when a member was asked to stop.
type stop struct {
	at   time.Time
	name string
}

// Each process of a cluster is stopped and started again, one after the other,
// round after round, while tickets flow.
func TestRollingCluster(t *testing.T) {
	plan := shortPlan
	if full() {
		plan = longPlan
		plan.lasts = lasting(t, plan.lasts)
	}
	c := newCluster(t)
	began := time.Now()

	handing, stopHanding := context.WithCancel(t.Context())
	var hands, others sync.WaitGroup
	for _, w := range c.ways {
		hands.Go(func() { w.run(handing) })
	}
	watching, stopWatching := context.WithCancel(t.Context())
	others.Go(func() { c.ledger.watch(watching) })
	driving, stopDriving := context.WithCancel(t.Context())
	var driver sync.WaitGroup
	driver.Go(func() { drive(driving, c.ledger.links, plan.rate, time.Hour) })

	restarts := c.roll(plan)
	stopDriving()
	driver.Wait()
	ended := time.Now()
	stopHanding()
	hands.Wait()
	c.ledger.drain(plan.drains)
	drained := time.Since(ended)
	stopWatching()
	others.Wait()
	c.ledger.look(time.Time{})
	c.ledger.compare()

	s := c.ledger.spread(began, ended)
	t.Logf("%d tickets in %s, %.0f a second, %d restarts; all can be queried %s after the last", c.ledger.made(), ended.Sub(began).Round(time.Second),
		float64(c.ledger.made())/ended.Sub(began).Seconds(), restarts, drained.Round(100*time.Millisecond))
	t.Logf("until a ticket can be queried: half within %s, 99 %% within %s, the last after %s; %.2f %% within 2 s, %.2f %% within 5 s (%d tickets sampled, looked for every %s)",
		s.p50, s.p99, s.worst, 100*s.within2, 100*s.within5, s.n, lookEvery)
	late := c.late()
	for _, name := range slices.Sorted(maps.Keys(late)) {
		t.Logf("  %d of the sampled tickets came after more than 5 s that were made around a restart of %s", late[name], name)
	}
	for _, p := range c.members {
		t.Logf("  %-14s %6.1f s of CPU, %4d MiB, at the slowest %s from its end until it was ready again", p.Name, p.CPU().Seconds(), p.Memory()>>20, p.slowest.Round(10*time.Millisecond))
	}
}

// late counts the tickets that took more than 5 s, by the restart that they met: the
// first one behind their making, or the last one before if that was just now.
func (c *cluster) late() map[string]int {
	counts := make(map[string]int)
	for _, l := range c.ledger.lags {
		if l.after <= 5*time.Second {
			continue
		}
		made, name := time.UnixMilli(l.made), "nothing"
		for _, s := range c.stops {
			if s.at.Before(made.Add(time.Second)) {
				name = s.name
			}
		}
		counts[name]++
	}
	return counts
}

// roll restarts the processes in turn.
func (c *cluster) roll(plan plan) (restarts int) {
	began := time.Now()
	for ; restarts < len(c.members) || time.Since(began) < plan.lasts; restarts++ {
		next := time.Now().Add(plan.every)
		p := c.members[restarts%len(c.members)]
		from := time.Now()
		c.stops = append(c.stops, stop{from, p.Name})
		if err := p.Restart(); err != nil {
			c.t.Error(err)
		}
		p.AwaitAnswer(p.health)
		p.slowest = max(p.slowest, time.Since(from))
		time.Sleep(time.Until(next))
	}
	return restarts
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, dir: t.TempDir()}
	var nats []*member
	var urls, routes, ports []string
	for range 3 {
		ports = append(ports, kit.FreePort(t))
		routes = append(routes, "nats://"+ports[len(ports)-1])
	}
	for i := range 3 {
		name, listen, health := fmt.Sprintf("nats-%d", i+1), kit.FreePort(t), kit.FreePort(t)
		// Three copies: an acknowledgement means two, and disks follow.
		file := write(t, c.dir, name+".conf", fmt.Sprintf(
			"server_name: %s\nlisten: %q\nhttp: %q\nmax_payload: 2MB\njetstream {store_dir: %q}\ncluster {name: hub, listen: %q, routes: [%s]}\n",
			name, listen, health, filepath.Join(c.dir, name), ports[i], strings.Join(routes, ", ")))
		nats = append(nats, &member{Process: kit.NewProcess(t, name, part.Command(natsOf, file, "")), health: "http://" + health + "/healthz"})
		urls = append(urls, "nats://"+listen)
	}
	c.urls = strings.Join(urls, ",")
	sql := kit.FreePort(t)
	front := &member{Process: kit.NewProcess(t, "clickhouse", part.Command(part.ClickHouse, filepath.Join(c.dir, "clickhouse"), sql)), health: "http://" + sql + "/ping"}
	for _, p := range append(nats, front) {
		p.AwaitAnswer(p.health)
	}
	every := 1
	if full() {
		every = 10
	}
	c.ledger = newLedger(t, sql, every)
	secret := write(t, c.dir, "token", part.Token)
	service := func(kind string, n int, sites string) *member {
		name, metrics := fmt.Sprintf("%s-%d", kind, n), kit.FreePort(t)
		config := write(t, c.dir, name+".yaml", fmt.Sprintf(
			"data: %q\nnats: {url: %q, replicas: 3}\nclickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\nmetrics: {listen: %q}\n%s",
			filepath.Join(c.dir, name), c.urls, sql, engine.WriterUser, secret, metrics, sites))
		p := &member{Process: kit.NewProcess(t, name, program(kind, config)), health: "http://" + metrics + "/readyz"}
		p.Metrics = metrics
		return p
	}
	tcp, poll := c.links()
	var services [2][]*member
	for i := range 2 {
		services[i] = []*member{
			service("sink", i+1, ""), service("parser", i+1, ""), service("ingest-tcp", i+1, tcp[i]), service("ingest-poll", i+1, poll),
		}
	}
	for _, p := range append(services[0], services[1]...) {
		p.AwaitReady()
	}
	c.members = append(c.members, nats[0])
	c.members = append(c.members, services[0]...)
	c.members = append(c.members, nats[1], front)
	c.members = append(c.members, services[1]...)
	c.members = append(c.members, nats[2])
	return c
}

// links makes PBXs, and the sites' configuration: of each ingest-tcp those that
// come to it, and of both those that they dial, and of both ingest-poll the logs.
func (c *cluster) links() (tcp [2]string, poll string) {
	t := c.t
	const each = 10
	head := "sites:\n  - id: %s\n    timezone: " + zone + "\n    country: GB\n    links:\n"
	dialled := ""
	for i := range 2 * each {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		id := fmt.Sprintf("dialled-%02d", i)
		c.ways = append(c.ways, &socket{link: c.ledger.link("york", id, speaks), listen: l})
		dialled += fmt.Sprintf("      - {id: %s, model: %s, tcp: {dial: %q}}\n", id, speaks, l.Addr())
	}
	for r := range tcp {
		tcp[r] = fmt.Sprintf(head, "york")
		for i := range each {
			id, listen := fmt.Sprintf("comes-%d-%02d", r+1, i), kit.FreePort(t)
			c.ways = append(c.ways, &socket{link: c.ledger.link("york", id, speaks), to: listen})
			tcp[r] += fmt.Sprintf("      - {id: %s, model: %s, tcp: {listen: %q}}\n", id, speaks, listen)
		}
		tcp[r] += dialled
	}
	poll = fmt.Sprintf(head, "leeds")
	for i := range each {
		id := fmt.Sprintf("log-%02d", i)
		dir := filepath.Join(c.dir, id)
		b, text := c.ledger.book("leeds", id, dir)
		c.ways = append(c.ways, b)
		poll += "      - " + text
	}
	return tcp, poll
}

// book makes a PBX that writes a log, and the YAML of its link.
func (g *ledger) book(site, id, dir string) (*book, string) {
	g.t.Helper()
	f, err := os.OpenFile(write(g.t, dir, "Master.csv", ""), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	return &book{link: g.link(site, id, writes), file: f}, fmt.Sprintf("{id: %s, model: %s, files: {dir: %q, every: 500ms}}\n", id, writes, dir)
}
