package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// What a run is given: its seed, and how many faults it injects or how long it
// lasts.
const (
	envSeed   = "TRUNKLINE_CHAOS_SEED"
	envFaults = "TRUNKLINE_CHAOS_FAULTS"
	envFor    = "TRUNKLINE_CHAOS_FOR"

	defaultFaults = 200
)

const clock = "15:04:05.000"

var begin = time.Now()

var paris = func() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return z
}()

// chaos is one run.
type chaos struct {
	t          *testing.T
	seed       uint64
	dir        string
	nats       string // address of the server itself, beside all faults
	clickhouse string
	hub        *nats.Conn
	js         jetstream.JetStream

	broker, engine *process
	services       []*process
	hubLines       map[*process]*proxy // of services to NATS
	pbxLines       []*proxy            // between PBXs and ingest
	sourceLines    []*proxy            // between ingest and databases, APIs and FTP servers
	fronts         []*front
	disks          []*disk
	pbxs           []*pbx
	sources        []*source
	wazo           *source
	enough         chan struct{} // closed when the PBXs are to end

	mu     sync.Mutex
	events []event
	bad    []string
	counts map[string]int
}

// event is something that happened, to a process or in general.
type event struct {
	at   time.Time
	of   *process
	kind string
	text string
}

// note writes an event down.
func (c *chaos) note(of *process, kind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, event{time.Now(), of, kind, fmt.Sprintf(format, args...)})
}

// wrong is what must not happen, whatever the tickets say.
func (c *chaos) wrong(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	c.bad = append(c.bad, time.Now().Format(clock)+" "+text)
	c.events = append(c.events, event{time.Now(), nil, "wrong", text})
}

// happened tells whether something of a kind happened to one of the processes.
func (c *chaos) happened(to []*process, kind string, from, until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.events, func(e event) bool {
		return e.kind == kind && slices.Contains(to, e.of) && e.at.After(from) && e.at.Before(until)
	})
}

// ends counts how often one of the processes ended or lost what it held.
func (c *chaos) ends(of []*process) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if slices.Contains(of, e.of) {
			n++
		}
	}
	return n
}

func TestChaos(t *testing.T) {
	c := &chaos{t: t, seed: uint64(number(t, envSeed, 20261120)), counts: make(map[string]int), hubLines: make(map[*process]*proxy), enough: make(chan struct{})}
	faults := number(t, envFaults, defaultFaults)
	var lasts time.Duration
	if v := os.Getenv(envFor); v != "" {
		var err error
		if lasts, err = time.ParseDuration(v); err != nil {
			t.Fatalf("%s: %v", envFor, err)
		}
	}
	t.Logf("seed %d", c.seed)
	c.build()
	t.Cleanup(c.finish)
	c.awaitReady()

	giving, stopGiving := context.WithCancel(t.Context())
	var running sync.WaitGroup
	c.give(giving, &running)
	ready := time.Now()
	c.inject(faults, lasts)
	broken := time.Since(ready)
	c.heal()
	close(c.enough)
	stopGiving()
	c.awaitGiven(&running)
	t.Logf("%s to start, %s of faults", ready.Sub(begin).Round(time.Second), broken.Round(time.Second))
	healed := time.Now()
	a := c.drain()
	c.report(a, broken, time.Since(healed))
}

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	v := os.Getenv(env)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: give a number", env, v)
	}
	return n
}

// give lets all PBXs give tickets until ctx is done, and finish what they began.
func (c *chaos) give(ctx context.Context, running *sync.WaitGroup) {
	for _, p := range c.pbxs {
		running.Go(func() { p.run(ctx) })
	}
	for _, s := range c.sources {
		switch {
		case s.made: // it is asked to the end
			go s.run(c.t.Context(), c.t)
		case s.fed: // its end is the feed's, when all is handed over
			running.Go(func() { s.run(c.t.Context(), c.t) })
		default:
			running.Go(func() { s.run(ctx, c.t) })
		}
	}
}

// awaitGiven waits until every PBX has handed over what it began to.
func (c *chaos) awaitGiven(running *sync.WaitGroup) {
	given := make(chan struct{})
	go func() { running.Wait(); close(given) }()
	select {
	case <-given:
		return
	case <-time.After(drainWithin):
	}
	for _, p := range c.pbxs {
		if !p.over.Load() {
			c.wrong("%s/%s cannot hand over its last tickets", p.site, p.link)
		}
	}
	for _, s := range c.sources {
		if !s.made && !s.over.Load() {
			c.wrong("%s/%s cannot hand over its last tickets", s.site, s.link)
		}
	}
}

// drainWithin bounds how long the pipeline may stand still with something left.
const drainWithin = 2 * time.Minute

// drain waits until nothing is on its way, and compares.
func (c *chaos) drain() *account {
	var last *account
	var still string
	have := 0
	for end := time.Now().Add(drainWithin); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if n := c.rows(); n > have {
			have, end = n, time.Now().Add(drainWithin)
		}
		if still = c.onTheWay(); still != "" {
			continue
		}
		a, err := c.compare()
		if err != nil {
			still = err.Error()
			continue
		}
		still = ""
		if last = a; len(a.wrong) == 0 {
			// What comes twice comes late.
			time.Sleep(time.Second)
			if a, err := c.compare(); err == nil {
				return a
			}
		}
	}
	if still != "" {
		c.wrong("after %s something is still on its way: %s", drainWithin, still)
	}
	if last == nil {
		var err error
		if last, err = c.compare(); err != nil {
			c.t.Fatal(err)
		}
	}
	return last
}

// rows is how many calls there are.
func (c *chaos) rows() (n int) {
	_ = kit.Rows(c.clickhouse, "SELECT count() FROM calls", func(f []string) { n, _ = strconv.Atoi(f[0]) })
	return n
}

// onTheWay is what is not yet where it should be; empty: nothing.
func (c *chaos) onTheWay() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, of := range [][2]string{{wire.StreamTickets, wire.ConsumerParser}, {wire.StreamCdrs, wire.ConsumerSink}} {
		consumer, err := c.js.Consumer(ctx, of[0], of[1])
		if err != nil {
			return err.Error()
		}
		if i := consumer.CachedInfo(); i.NumPending > 0 || i.NumAckPending > 0 {
			return fmt.Sprintf("%d messages of %s are not taken, %d not acknowledged", i.NumPending, of[0], i.NumAckPending)
		}
	}
	for _, p := range c.services {
		if strings.HasPrefix(p.Name, "edge") {
			code, body := p.Get("/metrics")
			if n := kit.SumMetric(body, "trunkline_spool_messages", ""); code != http.StatusOK || n > 0 {
				return fmt.Sprintf("%v messages in the spool of %s", n, p.Name)
			}
		}
	}
	return ""
}

// report tells what there was, and fails where it is not as it should be.
func (c *chaos) report(a *account, broken, drained time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(c.counts)) {
		total += c.counts[kind]
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, c.counts[kind]))
	}
	c.t.Logf("seed %d: %d faults in %s: %s", c.seed, total, broken.Round(time.Second), strings.Join(kinds, ", "))
	c.t.Logf("%d tickets handed over, %.0f a second; %d kept once and byte for byte; drained in %s", a.handed, float64(a.handed)/broken.Seconds(), a.kept, drained.Round(time.Second))
	for _, p := range c.pbxs {
		c.t.Logf("  %s/%s %s: %d tickets on %d connections", p.site, p.link, p.model, p.count(), len(p.conns))
	}
	for _, s := range c.sources {
		c.t.Logf("  %s/%s %s: %d tickets", s.site, s.link, s.model, s.count())
	}
	c.t.Logf("in the permitted window: %d halves kept as cut off, %d frames repeated to another reader, at most %d bytes on a connection", a.cut, a.repeated, a.worst)
	for _, why := range slices.Sorted(maps.Keys(a.lost)) {
		l := a.lost[why]
		c.t.Logf("  %s: %d tickets, %d bytes on %d connections", why, l.tickets, l.bytes, l.connections)
	}
	for _, text := range c.bad {
		c.t.Error(text)
	}
	sums := make(map[string]int)
	for _, d := range a.wrong {
		sums[d.site+"/"+d.link+" "+d.what]++
	}
	for _, of := range slices.Sorted(maps.Keys(sums)) {
		c.t.Errorf("%s: %d tickets", of, sums[of])
	}
	told := make(map[string]int)
	for _, d := range a.wrong {
		if of := d.site + "/" + d.link + " " + d.what; told[of] < maxTold {
			told[of]++
			c.t.Errorf("%s/%s: %s %s: %.300q\n%s", d.site, d.link, d.what, d.detail, d.raw, c.history(d))
		}
	}
}

// maxTold is how many differences of a link and kind are told with their history.
const maxTold = 3

// chance is a source of chance of its own for each purpose.
func (c *chaos) chance(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, purpose)) }
