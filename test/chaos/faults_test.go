package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// fault breaks something, and mends it before it returns. It is not counted where
// it says that there was nothing to break.
type fault struct {
	kind string
	do   func(r *rand.Rand) (what string, ok bool)
}

// lane injects one fault after another, at a pace, from decks of all its kinds:
// none is forgotten, and their order is chance.
type lane struct {
	pause  time.Duration
	atOnce int // how many at a time
	faults []fault
}

func (c *chaos) lanes() []lane {
	return []lane{
		{120 * time.Millisecond, 4, []fault{
			{"cut a PBX's line", c.cutPBX},
			{"cut a PBX's line again", c.cutPBX},
			{"hold a PBX's line", c.stillPBX},
			{"slow a PBX's line", c.slowPBX},
			{"cut a source's line", c.cutSource},
			{"hold a source's line", c.stillSource},
			{"cut a service from NATS", c.cutNATS},
			{"cut a service from NATS again", c.cutNATS},
			{"hold a service's line to NATS", c.stillNATS},
			{"slow a service's line to NATS", c.slowNATS},
			{"drop acknowledgements", c.dropAcks},
			{"drop acknowledgements again", c.dropAcks},
			{"ClickHouse fails", c.failClickHouse},
			{"ClickHouse fails again", c.failClickHouse},
			{"ClickHouse fails once more", c.failClickHouse},
			{"slow ClickHouse", c.slowClickHouse},
			{"hold a process for a moment", c.holdProcess},
			{"flood", c.flood},
		}},
		{700 * time.Millisecond, 2, c.ofServices()},
		{2500 * time.Millisecond, 1, []fault{
			{"kill NATS", c.end(&c.broker, true)},
			{"stop NATS", c.end(&c.broker, false)},
			{"kill ClickHouse", c.end(&c.engine, true)},
			{"stop ClickHouse", c.end(&c.engine, false)},
			{"fill a disk", c.fillDisk},
			{"fill a disk again", c.fillDisk},
			{"fill a stream", c.fillStream},
			{"fill a stream again", c.fillStream},
			{"let a file grow no further", c.limitFiles},
		}},
		{9 * time.Second, 1, []fault{
			{"pause one of two that hold links", c.pauseReplica("ingest-tcp-1", "ingest-tcp-2", "ingest-poll-1", "ingest-poll-2")},
			{"pause one of two parsers or sinks", c.pauseReplica("parser-1", "parser-2", "sink-1", "sink-2")},
		}},
	}
}

// ofServices are kill -9 and an orderly end of each.
func (c *chaos) ofServices() (out []fault) {
	for i := range c.services {
		out = append(out,
			fault{"kill a service", c.end(&c.services[i], true)},
			fault{"kill a service", c.end(&c.services[i], true)},
			fault{"stop a service", c.end(&c.services[i], false)})
	}
	return out
}

// inject breaks things until there were so many faults, and of each kind one, or
// for so long.
func (c *chaos) inject(faults int, lasts time.Duration) {
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	if lasts > 0 {
		ctx, stop = context.WithTimeout(ctx, lasts)
		defer stop()
	}
	var rounds, all sync.WaitGroup
	for i, l := range c.lanes() {
		rounds.Add(1)
		all.Go(func() { c.drive(ctx, l, c.chance(uint64(1000+i)), rounds.Done) })
	}
	rounded := make(chan struct{})
	go func() { rounds.Wait(); close(rounded) }()
	for told := time.Now(); ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		select {
		case <-rounded:
			if lasts == 0 && c.injected() >= faults {
				stop()
			}
		default:
		}
		if time.Since(told) > time.Minute {
			told = time.Now()
			c.t.Logf("%s: %d faults", time.Since(begin).Round(time.Second), c.injected())
		}
	}
	all.Wait()
}

func (c *chaos) injected() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.counts {
		n += of
	}
	return n
}

// drive is a lane until ctx is done; round is called when each of its faults had
// its turn.
func (c *chaos) drive(ctx context.Context, l lane, r *rand.Rand, round func()) {
	places := make(chan struct{}, l.atOnce)
	var under sync.WaitGroup
	defer under.Wait()
	once := sync.OnceFunc(round)
	defer once()
	for ctx.Err() == nil {
		for _, i := range r.Perm(len(l.faults)) {
			pause := time.Duration(r.ExpFloat64() * float64(l.pause))
			own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			places <- struct{}{}
			under.Go(func() {
				defer func() { <-places }()
				c.inflict(l.faults[i], own)
			})
		}
		once()
	}
}

func (c *chaos) inflict(f fault, r *rand.Rand) {
	at := time.Now()
	what, ok := f.do(r)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kindOf(f.kind)]++
	c.events = append(c.events, event{at, nil, "fault", fmt.Sprintf("%s: %s, mended at %s", f.kind, what, time.Now().Format(clock))})
}

func kindOf(kind string) string {
	for _, again := range []string{" again", " once more"} {
		if n := len(kind) - len(again); n > 0 && kind[n:] == again {
			return kind[:n]
		}
	}
	return kind
}

func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

func one[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// spoil makes a line bad for a while.
func spoil(p *proxy, slow, still time.Duration, deaf bool, d time.Duration) string {
	p.set(slow, still, deaf)
	time.Sleep(d)
	p.heal()
	return fmt.Sprintf("%s for %s", p.name, d)
}

func (c *chaos) cutPBX(r *rand.Rand) (string, bool) {
	p := one(r, c.pbxLines)
	p.cut(1, r)
	return p.name, true
}

func (c *chaos) stillPBX(r *rand.Rand) (string, bool) {
	d := between(r, 100*time.Millisecond, 1500*time.Millisecond)
	return spoil(one(r, c.pbxLines), 0, d, false, d), true
}

func (c *chaos) slowPBX(r *rand.Rand) (string, bool) {
	return spoil(one(r, c.pbxLines), between(r, time.Millisecond, 60*time.Millisecond), 0, false, time.Second), true
}

func (c *chaos) cutSource(r *rand.Rand) (string, bool) {
	p := one(r, c.sourceLines)
	p.cut(1, r)
	return p.name, true
}

func (c *chaos) stillSource(r *rand.Rand) (string, bool) {
	d := between(r, 100*time.Millisecond, time.Second)
	return spoil(one(r, c.sourceLines), 0, d, false, d), true
}

func (c *chaos) hubLine(r *rand.Rand) *proxy { return c.hubLines[one(r, c.services)] }

func (c *chaos) cutNATS(r *rand.Rand) (string, bool) {
	p := c.hubLine(r)
	p.cut(-1, r)
	return p.name, true
}

func (c *chaos) stillNATS(r *rand.Rand) (string, bool) {
	d := between(r, 100*time.Millisecond, 1500*time.Millisecond)
	return spoil(c.hubLine(r), 0, d, false, d), true
}

func (c *chaos) slowNATS(r *rand.Rand) (string, bool) {
	return spoil(c.hubLine(r), between(r, time.Millisecond, 30*time.Millisecond), 0, false, time.Second), true
}

// dropAcks lets everything reach NATS and nothing come back, and then breaks the
// line.
func (c *chaos) dropAcks(r *rand.Rand) (string, bool) {
	p := c.hubLine(r)
	d := between(r, 20*time.Millisecond, 400*time.Millisecond)
	p.set(0, 0, true)
	time.Sleep(d)
	p.cut(-1, r)
	p.heal()
	return fmt.Sprintf("%s for %s", p.name, d), true
}

// sinkFront is a front that a sink uses.
func (c *chaos) sinkFront(r *rand.Rand) (int, *front) {
	n := 1 + r.IntN(2)
	return n, c.fronts[1+n] // behind those of the parsers, which ask nothing
}

func (c *chaos) failClickHouse(r *rand.Rand) (string, bool) {
	n, f := c.sinkFront(r)
	it, times := one(r, answers), 1+r.IntN(3)
	f.fail(it, times)
	return fmt.Sprintf("%s for the next %d requests of sink-%d", it.name, times, n), true
}

func (c *chaos) slowClickHouse(r *rand.Rand) (string, bool) {
	n, f := c.sinkFront(r)
	d := between(r, 10*time.Millisecond, 800*time.Millisecond)
	f.delay(d)
	time.Sleep(2 * time.Second)
	f.delay(0)
	return fmt.Sprintf("sink-%d by %s", n, d), true
}

// holdProcess stops one for less than a lease.
func (c *chaos) holdProcess(r *rand.Rand) (string, bool) {
	p, d := one(r, append([]*process{c.broker, c.engine}, c.services...)), between(r, 50*time.Millisecond, time.Second)
	return fmt.Sprintf("%s for %s", p.Name, d), p.pause(d)
}

// flood lets a PBX have many tickets at once.
func (c *chaos) flood(r *rand.Rand) (string, bool) {
	p, n := one(r, c.pbxs), 100+r.IntN(400)
	p.mu.Lock()
	p.flood += n
	p.mu.Unlock()
	return fmt.Sprintf("%d tickets of %s", n, p.link), true
}

// end kills a process, or asks it to end, and starts it again.
func (c *chaos) end(p **process, kill bool) func(*rand.Rand) (string, bool) {
	return func(r *rand.Rand) (string, bool) {
		away := between(r, 0, time.Second)
		return fmt.Sprintf("%s, away for %s", (*p).Name, away), (*p).end(kill, away)
	}
}

// pauseReplica holds one of several that could do the same for longer than a lease
// lasts; then there are two that think they have it.
func (c *chaos) pauseReplica(names ...string) func(*rand.Rand) (string, bool) {
	return func(r *rand.Rand) (string, bool) {
		p, d := one(r, c.named(names...)), between(r, 13*time.Second, 17*time.Second)
		return fmt.Sprintf("%s for %s", p.Name, d), p.pause(d)
	}
}

// heal makes everything well. What was begun is over already.
func (c *chaos) heal() {
	for _, lines := range [][]*proxy{c.pbxLines, c.sourceLines} {
		for _, p := range lines {
			p.heal()
		}
	}
	for _, p := range c.hubLines {
		p.heal()
	}
	for _, f := range c.fronts {
		f.heal()
	}
}
