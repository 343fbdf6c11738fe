package chaos

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/engine"
	"trunkline.internal/pbxsim"
	"trunkline.internal/pbxsim/mariadb"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// build makes everything and starts the processes.
func (c *chaos) build() {
	t := c.t
	c.dir = t.TempDir()
	c.nats, c.clickhouse = kit.FreePort(t), kit.FreePort(t)
	hubDisk, edgeDisk := c.newDisk("hub", 1<<30), c.newDisk("edge", 256<<20)
	c.broker = c.process("nats", part.Command(part.NATS, filepath.Join(hubDisk.dir, "nats"), c.nats))
	c.engine = c.process("clickhouse", part.Command(part.ClickHouse, filepath.Join(c.dir, "clickhouse"), c.clickhouse))
	hubDisk.of = c.broker
	c.file("token", part.Token)
	c.connect()

	db, err := mariadb.Start(context.Background(), filepath.Join(c.dir, "mariadb"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	c.file("password", db.Password())
	links := c.links(db)

	for _, name := range []string{"parser-1", "parser-2", "sink-1", "sink-2"} {
		f := newFront(t, c.clickhouse)
		c.fronts = append(c.fronts, f)
		c.service(name, filepath.Join(c.dir, name), "", f, "")
	}
	for _, s := range []struct{ name, site, spool string }{
		{"ingest-tcp-1", "lyon", ""},
		{"ingest-tcp-2", "lyon", ""},
		{"ingest-poll-1", "lyon", ""},
		{"ingest-poll-2", "lyon", ""},
		{"edge-ingest-tcp", "nice", "spool: {max_bytes: 64MiB}"},
		{"edge-ingest-poll", "nice", "spool: {max_bytes: 64MiB}"},
	} {
		data := filepath.Join(c.dir, s.name)
		if s.spool != "" {
			data = filepath.Join(edgeDisk.dir, s.name)
		}
		yaml := strings.Join(links[s.name], "\n      - ")
		p := c.service(s.name, data, s.spool, c.fronts[0], fmt.Sprintf("sites:\n  - id: %s\n    timezone: Europe/Paris\n    country: %s\n    outside_prefix: %q\n    links:\n      - %s\n",
			s.site, pbxsim.Country, pbxsim.OutsidePrefix, yaml))
		if s.name == "edge-ingest-tcp" {
			edgeDisk.of = p
		}
	}
	for _, p := range c.pbxs {
		p.readers = c.named(p.by...)
	}
	for _, s := range c.sources {
		s.readers = c.named(s.by...)
	}
}

// named finds services.
func (c *chaos) named(names ...string) (out []*process) {
	for _, p := range c.services {
		for _, n := range names {
			if p.Name == n {
				out = append(out, p)
			}
		}
	}
	return out
}

// service starts one with a line of its own to NATS.
func (c *chaos) service(name, data, spool string, ch *front, sites string) *process {
	line := newProxy(c.t, "nats of "+name, c.nats, false)
	metrics := kit.FreePort(c.t)
	// Small streams are trimmed in the run.
	config := fmt.Sprintf("data: %q\nnats: {url: %q, tickets: {max_bytes: 64MiB}, cdrs: {max_bytes: 96MiB}, %s}\n"+
		"clickhouse: {addr: [%q], protocol: http, user: %s, password_file: %q}\nmetrics: {listen: %q}\n%s",
		data, "nats://"+line.addr, spool, ch.Listener.Addr(), engine.WriterUser, filepath.Join(c.dir, "token"), metrics, sites)
	file := c.file(name+".yaml", strings.Replace(config, ", }", "}", 1))
	kind := strings.TrimPrefix(strings.TrimRight(name, "-12"), "edge-")
	p := c.process(name, program(kind, file))
	p.Metrics = metrics
	c.services = append(c.services, p)
	c.hubLines[p] = line
	return p
}

// file writes one and returns its name.
func (c *chaos) file(name, text string) string {
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *chaos) folder(name string) string {
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// connect reaches the NATS server beside all faults.
func (c *chaos) connect() {
	var err error
	c.hub, err = nats.Connect("nats://"+c.nats, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err == nil {
		c.js, err = jetstream.New(c.hub)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(c.hub.Close)
}

// links makes the PBXs, and the YAML of their links by service.
func (c *chaos) links(db *mariadb.Server) map[string][]string {
	links := make(map[string][]string)
	link := func(id, model, wire string, by ...string) {
		for _, name := range by {
			links[name] = append(links[name], fmt.Sprintf("{id: %s, model: %s, %s}", id, model, wire))
		}
	}
	tcp := []string{"ingest-tcp-1", "ingest-tcp-2"}
	edge := []string{"edge-ingest-tcp"}
	c.listens(link, "lyon", "front-desk", "avaya-ipoffice", true, tcp[0])
	c.listens(link, "lyon", "annex", "avaya-ipoffice", false, tcp[1])
	c.dials(link, "lyon", "warehouse", "mitel-3300", true, tcp...)
	c.dials(link, "lyon", "branch", "3cx", false, tcp...)
	c.listens(link, "nice", "office", "mitel-a400-pc5", true, edge[0])
	c.listens(link, "nice", "shop", "unify-hipath", false, edge[0])
	c.dials(link, "nice", "depot", "shoretel", true, edge...)

	poll := []string{"ingest-poll-1", "ingest-poll-2"}
	const soon = "every: 200ms, settle: 300ms"
	live := pbxsim.Options{Rate: 900}
	// A hotel link repeats what was not acknowledged.
	layout := c.file("hotel.yaml.layout", pbxsim.AHLLayout("lrc"))
	hotel := c.source("lyon", "hotel", "alcatel-oxe-ahl", pbxsim.Options{Listen: "127.0.0.1:0", Resend: time.Second, Feed: c.feed("alcatel-oxe-ahl", "", 60*time.Millisecond)}, tcp...)
	hotel.repeats = true
	line := c.line(&c.sourceLines, "hotel", hotel.sim.Addr(), false)
	link("hotel", "alcatel-oxe-ahl", fmt.Sprintf("parse: {layout: %q}, ahl: {dial: %q}", layout, line.addr), tcp...)

	cucm := live
	cucm.Dir, cucm.FileEvery = c.folder("cucm"), 500*time.Millisecond
	c.source("lyon", "cucm", "cisco-cucm", cucm, poll...)
	link("cucm", "cisco-cucm", fmt.Sprintf("files: {dir: %q, after: {delete: 1s}, %s}", cucm.Dir, soon), poll...)

	master := live
	master.Dir = c.folder("master")
	c.source("lyon", "master", "asterisk", master, poll...)
	link("master", "asterisk", fmt.Sprintf("files: {dir: %q, every: 200ms}", master.Dir), poll...)

	hipath := live
	ftp := c.folder("ftp")
	hipath.Dir, hipath.FileEvery = c.folder("ftp/hipath"), 700*time.Millisecond
	c.source("lyon", "hipath", "unify-hipath", hipath, poll...)
	line = c.line(&c.sourceLines, "ftp", kit.Vsftpd(c.t, ftp, db.Password()), false)
	link("hipath", "unify-hipath", fmt.Sprintf("ftp: {addr: %q, user: ftp, password_file: %q, dir: %q, %s}", line.addr, filepath.Join(c.dir, "password"), hipath.Dir, soon), poll...)

	wazo := c.source("lyon", "wazo", "wazo", pbxsim.Options{Listen: "127.0.0.1:0", Password: db.Password(), Feed: c.feed("wazo", "wazo", 60*time.Millisecond)}, poll...)
	line = c.line(&c.sourceLines, "wazo", wazo.sim.Addr(), false)
	link("wazo", "wazo", fmt.Sprintf("http: {url: %q, user: cdr, password_file: %q, %s}", "http://"+line.addr, filepath.Join(c.dir, "password"), soon), poll...)

	hotline := c.source("lyon", "hotline", "asterisk", pbxsim.Options{DSN: db.DSN("hotline"), CreateTable: true, Feed: c.feed("asterisk", "", 30*time.Millisecond)}, poll...)
	if err := hotline.sim.(*pbxsim.Asterisk).Create(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	line = c.line(&c.sourceLines, "mysql", db.Addr(), false)
	link("hotline", "asterisk", fmt.Sprintf("mysql: {addr: %q, database: hotline, user: %s, password_file: %q, every: 200ms}", line.addr, db.User(), filepath.Join(c.dir, "password")), poll...)

	grows := live
	grows.Dir, grows.Grows = c.folder("grows"), true
	c.source("nice", "grows", "3cx", grows, "edge-ingest-poll")
	link("grows", "3cx", fmt.Sprintf("files: {dir: %q, pattern: cdr.log, grows: true, every: 200ms}", grows.Dir), "edge-ingest-poll")

	oxo := live
	oxo.Rate, oxo.Dir = 300, c.folder("oxo")
	c.source("nice", "oxo", "alcatel-oxo", oxo, "edge-ingest-poll")
	link("oxo", "alcatel-oxo", fmt.Sprintf("files: {dir: %q, after: {move: %q}, %s}", oxo.Dir, c.folder("oxo-done"), soon), "edge-ingest-poll")
	return links
}

type linker func(id, model, wire string, by ...string)

// line is a proxy on the way to a source.
func (c *chaos) line(among *[]*proxy, name, to string, small bool) *proxy {
	p := newProxy(c.t, name, to, small)
	*among = append(*among, p)
	return p
}

func (c *chaos) pbx(site, link, model string, by ...string) *pbx {
	seed := c.seed + uint64(len(c.pbxs))
	p := &pbx{site: site, link: link, model: model, by: by, next: unique(c.t, model, seed), rand: rand.New(rand.NewPCG(seed, 1))}
	c.pbxs = append(c.pbxs, p)
	return p
}

// listens is a PBX that comes to us, through a line that can be bad or not.
func (c *chaos) listens(link linker, site, id, model string, through bool, by string) {
	at := kit.FreePort(c.t)
	p := c.pbx(site, id, model, by)
	p.reader = at
	if through {
		p.via = c.line(&c.pbxLines, id, at, true)
		p.reader = p.via.addr
	}
	link(id, model, fmt.Sprintf("tcp: {listen: %q}", at), by)
}

// dials is a PBX that we go to.
func (c *chaos) dials(link linker, site, id, model string, through bool, by ...string) {
	lc := net.ListenConfig{Control: small}
	l, err := lc.Listen(c.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	p := c.pbx(site, id, model, by...)
	p.listener = l
	at := l.Addr().String()
	if through {
		p.via = c.line(&c.pbxLines, id, at, true)
		at = p.via.addr
	}
	link(id, model, fmt.Sprintf("tcp: {dial: %q}", at), by...)
}

func (c *chaos) source(site, link, model string, o pbxsim.Options, by ...string) *source {
	o.Seed = c.seed + 100 + uint64(len(c.sources))
	s := newSource(c.t, site, link, model, o)
	s.by = by
	if link == "wazo" {
		// What an API has is handed over when it is asked for.
		s.made = true
		c.wazo = s
	}
	c.sources = append(c.sources, s)
	return s
}

// feed gives calls at a pace until the PBXs are to end.
func (c *chaos) feed(model, made string, every time.Duration) iter.Seq[pbxsim.Ticket] {
	return func(yield func(pbxsim.Ticket) bool) {
		r := c.chance(uint64(len(model)))
		tickets, err := pbxsim.Tickets(model, pbxsim.Options{Seed: c.seed, Count: 1 << 22, Zone: paris, From: begin.AddDate(0, -6, 0), To: begin.AddDate(0, 0, -1)})
		if err != nil {
			c.t.Error(err)
			return
		}
		for x := range tickets {
			select {
			case <-c.enough:
				return
			case <-time.After(time.Duration(r.ExpFloat64() * float64(every))):
			}
			if made != "" {
				c.wazo.add(x.Bytes, time.Now())
			}
			if !yield(x) {
				return
			}
		}
	}
}

// disk is a small one that can be full.
type disk struct {
	name, dir string
	own       bool     // a file system of its own
	of        *process // whose it is
}

// newDisk makes a file system of its own where that is allowed; else its process
// may write no further.
func (c *chaos) newDisk(name string, size int) *disk {
	d := &disk{name: name, dir: c.folder("disk-" + name)}
	err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	d.own = err == nil
	if d.own {
		c.t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	} else if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) {
		c.t.Fatal(err)
	}
	c.disks = append(c.disks, d)
	return d
}

func (c *chaos) awaitReady() {
	t := c.t
	for _, p := range c.services {
		kit.Await(t, p.Name+" is ready", p.Ready, p.Log)
	}
}

// finish ends all processes.
func (c *chaos) finish() {
	for _, p := range append([]*process{c.broker, c.engine}, c.services...) {
		p.finish()
	}
}
