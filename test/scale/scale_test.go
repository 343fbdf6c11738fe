package scale

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// size is how much a run has.
type size struct {
	processes, total, each int     // sites that are processes; all sites; links of each
	even                   float64 // tickets a second
	evenFor, peakFor       time.Duration
	day                    int // tickets of the site that is away, which come faster
	dayFor                 time.Duration
	down                   time.Duration // the hub
	atOnce                 int           // tickets of each link
	sampled                int           // one ticket in so many
}

var (
	smallSize = size{processes: 2, total: 40, each: 5, even: 100, evenFor: time.Second, peakFor: 2 * time.Second, day: 2000, dayFor: time.Second, down: 200 * time.Millisecond, atOnce: 10, sampled: 1}
	fullSize  = size{processes: 20, total: 1000, each: 5, even: 250, evenFor: 30 * time.Second, peakFor: time.Minute, day: 20_000, dayFor: 20 * time.Second, down: 10 * time.Second, atOnce: 20, sampled: 1}
)

// A hub with many sites: an even load, ten times that, a site that comes back
// after a day, the hub's restart, and everybody at once.
func TestScale(t *testing.T) {
	n := smallSize
	if full() {
		n = fullSize
	}
	where, own := places(t, n.processes)
	var hosts []string
	for _, p := range where {
		hosts = append(hosts, p.hub)
	}
	h := newHub(t, hosts, n.sampled)
	r := &run{hub: h, size: n}
	defer r.print()
	r.phase("all sites come", func() { r.begin(where) })
	defer r.end()

	r.phase("even load", func() { drive(t.Context(), h.ledger.links, n.even, n.evenFor) })
	r.phase("peak, 10 times", func() { drive(t.Context(), h.ledger.links, 10*n.even, n.peakFor) })
	r.phase("a site is away", func() { r.away() })
	r.phase("it hands over", func() { r.handOver() })
	r.phase("the hub restarts", func() { r.restart() })
	r.phase("everybody at once", func() { r.atOnce() })
	r.stopHanding()
	r.hands.Wait()
	h.ledger.drain(3 * time.Minute)
	r.stopWatching()
	r.watcher.Wait()
	h.ledger.look(time.Time{})
	h.ledger.compare()

	how := "in network namespaces of their own"
	if !own {
		how = "on addresses of loopback"
	}
	r.disk()
	t.Logf("%d sites (%d processes with spools, %s; the others connections of one process), %d links, %d tickets, on %d cores",
		n.total, n.processes, how, n.total*n.each, h.ledger.made(), runtime.NumCPU())
}

// run is a measuring run.
type run struct {
	*hub
	size
	phases []phase
	notes  []string

	hands, watcher            sync.WaitGroup
	stopHanding, stopWatching context.CancelFunc
}

// phase is what was measured in a part of a run.
type phase struct {
	name     string
	from, to time.Time
	tickets  int
	cpu      map[string]time.Duration
	memory   map[string]int
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *run) phase(name string, do func()) {
	p := phase{name: name, from: time.Now(), cpu: r.cpu(), memory: make(map[string]int)}
	made := r.ledger.made()
	do()
	p.to, p.tickets = time.Now(), r.ledger.made()-made
	for name, used := range r.cpu() {
		p.cpu[name] = used - p.cpu[name]
	}
	for _, d := range r.parts() {
		p.memory[d.Name] = d.Memory()
	}
	for _, s := range r.sites {
		p.memory[sitesName] += s.Memory() / len(r.sites)
	}
	r.phases = append(r.phases, p)
}

// Names of what is measured beside the hub's processes.
const (
	sitesName  = "site processes" // an average one
	othersName = "other sites"    // and all PBXs
)

func (r *run) cpu() map[string]time.Duration {
	out := make(map[string]time.Duration)
	for _, d := range r.parts() {
		out[d.Name] = d.CPU()
	}
	for _, s := range r.sites {
		out[sitesName] += s.CPU() / time.Duration(len(r.sites))
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		r.t.Fatal(err)
	}
	out[othersName] = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return out
}

// begin lets all sites come: one in four of the processes reads logs.
func (r *run) begin(where []*place) {
	began := time.Now()
	for i, p := range where {
		r.sites = append(r.sites, r.newSite(p, i, r.each, i%4 == 1))
	}
	if err := r.addClients(r.processes, r.total-r.processes, r.each); err != nil {
		r.t.Fatal(err)
	}
	var handing, watching context.Context
	handing, r.stopHanding = context.WithCancel(context.Background())
	watching, r.stopWatching = context.WithCancel(context.Background())
	for _, w := range r.ways {
		r.hands.Go(func() { w.run(handing) })
	}
	r.watcher.Go(func() { r.ledger.watch(watching) })
	for _, s := range r.sites {
		s.AwaitReady()
	}
	r.note("all %d sites are connected after %s", r.total, r.awaitAll(began, r.total))
	for _, l := range r.ledger.links {
		l.make(1, time.Now())
	}
	r.ledger.await("SELECT count() FROM calls", fmt.Sprint(r.ledger.made()))
	r.note("a ticket of each of %d links is in the table after %s", len(r.ledger.links), time.Since(began).Round(100*time.Millisecond))
}

// end lets nobody hand anything over any more.
func (r *run) end() {
	r.stopHanding()
	r.stopWatching()
	r.hands.Wait()
	r.watcher.Wait()
}

// connected counts the sites that have a connection to the hub.
func (r *run) connected() (n int) {
	for _, c := range r.clients {
		if c.Away().IsZero() {
			n++
		}
	}
	for _, s := range r.sites {
		if n < len(r.clients) {
			return n // not yet worth asking
		}
		n += int(s.Metric("trunkline_nats_connected", `server="hub"`))
	}
	return n
}

// awaitAll waits until so many are connected, and tells how long it took a half
// and nearly all of them.
func (r *run) awaitAll(from time.Time, all int) string {
	r.t.Helper()
	var half, most time.Duration
	n := 0
	kit.Await(r.t, "all sites are connected", func() bool {
		n = r.connected()
		since := time.Since(from).Round(10 * time.Millisecond)
		if half == 0 && 2*n >= all {
			half = since
		}
		if most == 0 && 100*n >= 99*all {
			most = since
		}
		return n >= all
	}, func() string { return fmt.Sprintf("%d of %d", n, all) })
	return fmt.Sprintf("%s (a half %s, 99 %% %s)", time.Since(from).Round(10*time.Millisecond), half, most)
}

// meanwhile keeps the even load while something is done.
func (r *run) meanwhile(do func()) {
	ctx, stop := context.WithCancel(r.t.Context())
	var driver sync.WaitGroup
	driver.Go(func() { drive(ctx, r.ledger.links, r.even, time.Hour) })
	do()
	stop()
	driver.Wait()
}

// spooled and forwarded are messages that a site's spool has taken, and that the hub
// has taken of them.
func (s *site) spooled() float64 {
	return s.Metric("trunkline_commit_messages_total", `stream="SPOOL"`)
}

func (s *site) forwarded() float64 { return s.Metric("trunkline_spool_forwarded_total", "") }

// away fills the spool of the first site with the tickets of a day.
func (r *run) away() {
	s := r.sites[0]
	if err := s.away(); err != nil {
		r.t.Fatal(err)
	}
	began := time.Now()
	had := s.Metric("trunkline_tcp_tickets_total", "")
	r.meanwhile(func() {
		drive(r.t.Context(), s.links, float64(r.day)/r.dayFor.Seconds(), r.dayFor)
		kit.Await(r.t, "the spool has a day's tickets", func() bool { return s.Metric("trunkline_tcp_tickets_total", "") >= had+float64(r.day) },
			func() string { return fmt.Sprint(s.Metric("trunkline_tcp_tickets_total", "")) })
	})
	r.note("a site without the hub: %d tickets, made in %s, are in its spool after %s; %.0f messages wait there", r.day, r.dayFor,
		time.Since(began).Round(100*time.Millisecond), s.spooled()-s.forwarded())
}

// handOver lets it back.
func (r *run) handOver() {
	s := r.sites[0]
	waits, had := s.spooled()-s.forwarded(), s.forwarded()
	began := time.Now()
	if err := s.back(); err != nil {
		r.t.Fatal(err)
	}
	var first time.Time
	r.meanwhile(func() {
		kit.Await(r.t, "the spool is empty", func() bool {
			now := s.forwarded()
			if first.IsZero() && now > had {
				first = time.Now()
			}
			return now >= s.spooled()
		}, func() string { return fmt.Sprintf("%.0f of %.0f are handed over", s.forwarded(), s.spooled()) })
	})
	took := max(time.Since(first), time.Millisecond)
	r.note("its line is back: it begins to hand over after %s, and is through with what waited %s later: %.0f messages, %.0f tickets a second", first.Sub(began).Round(100*time.Millisecond),
		took.Round(100*time.Millisecond), waits/took.Seconds(), float64(r.day)/took.Seconds())
}

// restart restarts the hub's NATS server.
func (r *run) restart() {
	r.meanwhile(func() {
		if err := r.nats.Stop(); err != nil {
			r.t.Error(err)
		}
		time.Sleep(r.down)
		r.nats.Start()
		began, cpu := time.Now(), r.nats.CPU()
		text := r.awaitAll(began, r.total)
		r.note("the hub's NATS was away for %s: all %d sites are back %s after its start; it took %.1f s of CPU", r.down, r.total, text, (r.nats.CPU() - cpu).Seconds())
		time.Sleep(r.evenFor / 4)
	})
}

// atOnce lets all links hand over what waited.
func (r *run) atOnce() {
	began, before := time.Now(), r.ledger.made()
	for _, l := range r.ledger.links {
		l.make(r.size.atOnce, time.Now())
	}
	n := float64(r.ledger.made() - before)
	r.awaitHanded()
	handed := time.Since(began)
	kit.Await(r.t, "they can be queried", func() bool { return !r.ledger.unseen(began) }, func() string { return "some cannot" })
	r.note("%.0f tickets at once, one a message: %.0f a second to the hub or a spool, %.0f a second into the table", n, n/handed.Seconds(), n/time.Since(began).Seconds())
}

// disk tells what a ticket takes on the hub's disks.
func (r *run) disk() {
	n := int64(r.ledger.made())
	for _, pattern := range []string{"nats/jetstream/*/streams/TICKETS", "nats/jetstream/*/streams/CDRS", "clickhouse"} {
		dirs, err := filepath.Glob(filepath.Join(r.dir, pattern))
		if err != nil || len(dirs) != 1 {
			r.t.Fatalf("%s: %v, %v", pattern, dirs, err)
		}
		size := int64(0)
		err = filepath.WalkDir(dirs[0], func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a merge took it away
			}
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.note("%s: %d bytes of disk a ticket", filepath.Base(pattern), size/n)
	}
}

func (r *run) awaitHanded() {
	kit.Await(r.t, "all is handed over", func() bool {
		for _, l := range r.ledger.links {
			l.mu.Lock()
			waits := l.handed < len(l.made)
			l.mu.Unlock()
			if waits {
				return false
			}
		}
		return true
	}, func() string { return "it is not" })
}

// print writes the table.
func (r *run) print() {
	names := []string{"nats", "clickhouse", "parser", "sink", sitesName, othersName}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| phase | s | tickets/s | queryable: half, 99 %%, last | cores: %s |\n|---|---|---|---|---|\n", strings.Join(names, ", "))
	for _, p := range r.phases {
		took := p.to.Sub(p.from)
		s := r.ledger.spread(p.from, p.to)
		var cores []string
		for _, name := range names {
			cores = append(cores, fmt.Sprintf("%.3f", p.cpu[name].Seconds()/took.Seconds()))
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.1f s, %.1f s, %.1f s | %s |\n", p.name, took.Seconds(), float64(p.tickets)/took.Seconds(),
			s.p50.Seconds(), s.p99.Seconds(), s.worst.Seconds(), strings.Join(cores, ", "))
	}
	fmt.Fprintf(&b, "\n| MiB at the end of | %s |\n|---|---|\n", strings.Join(names[:5], ", "))
	for _, p := range r.phases {
		var sizes []string
		for _, name := range names[:5] {
			sizes = append(sizes, fmt.Sprint(p.memory[name]>>20))
		}
		fmt.Fprintf(&b, "| %s | %s |\n", p.name, strings.Join(sizes, ", "))
	}
	for _, n := range r.notes {
		fmt.Fprintf(&b, "\n- %s", n)
	}
	r.t.Log(b.String())
}
