package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// The program is killed in full flow and started again, several times. Every
// file and row ticket is there exactly once, and so is every TCP ticket that the
// PBX had handed over 100 ms before a kill: so it runs alone.
func TestKill(t *testing.T) {
	now := time.Now()
	pbxs := five(t, "killed", pbxsim.Options{
		Seed: 77, Burst: true, Count: 1 << 20, From: now.Add(-20 * 24 * time.Hour), To: now.Add(-24 * time.Hour),
		Faults: pbxsim.Faults{PauseEvery: 10, Pause: 20 * time.Millisecond},
	})
	sims := make([]pbxsim.Simulator, len(pbxs))
	links := make([]string, len(pbxs))
	avaya := freePort(t)
	for i, p := range pbxs {
		if p.model == "avaya-ipoffice" {
			p.options.Addr = avaya
			p.wire = fmt.Sprintf(`tcp: {listen: %q}`, avaya)
		}
		if p.fetched() {
			// Files and rows are paced by their own intervals.
			p.options.Faults = pbxsim.Faults{}
			p.options.Count = 3000
		}
		sims[i], links[i] = p.yaml(t)
		if sims[i] == nil {
			var err error
			if sims[i], err = pbxsim.New(p.model, p.options); err != nil {
				t.Fatal(err)
			}
		}
	}
	config := kit.Config(t.TempDir(), site(links...))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for i, p := range pbxs {
		running.Go(func() {
			if err := sims[i].Run(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", p.model, err)
			}
		})
	}
	// safe has what must be there: on TCP what was handed over to a program that
	// lived for 100 ms more, elsewhere everything. What a PBX wrote to a
	// connection whose other side had just died is in neither.
	safe := make(map[string]map[string]bool)
	for _, p := range pbxs {
		safe[p.link] = make(map[string]bool)
	}
	var in *kit.Instance
	var started time.Time
	for range 3 {
		in = kit.Start(t, binary, config)
		started = time.Now()
		before := make(map[string]int)
		for _, p := range pbxs {
			before[p.link] = len(p.sent.all())
		}
		kit.Await(t, "tickets flow on every TCP link", func() bool {
			for _, p := range pbxs {
				if !p.fetched() && len(p.sent.all()) < before[p.link]+200 {
					return false
				}
			}
			return in.Count("SELECT sum(ticket_count) FROM receipts FINAL") > 0
		}, func() string { return fmt.Sprint(before) })
		killed := time.Now()
		in.Kill()
		for _, p := range pbxs {
			for _, x := range p.sent.between(started, killed.Add(-100*time.Millisecond)) {
				safe[p.link][key(x)] = true
			}
		}
	}
	in = kit.Start(t, binary, config)
	started = time.Now()
	stopAfterMore(t, pbxs)
	stop()
	running.Wait()
	for _, p := range pbxs {
		from := started
		if p.fetched() {
			from = time.Time{}
		}
		for _, x := range p.sent.between(from, time.Now()) {
			safe[p.link][key(x)] = true
		}
	}
	for _, p := range pbxs {
		t.Run(p.model, func(t *testing.T) {
			in := in.For(t)
			sent := make(map[string]int)
			for _, x := range p.sent.all() {
				sent[key(x)]++
			}
			var kept map[string]int
			lost := 0
			kit.Await(t, "every safe ticket is kept", func() bool {
				kept = make(map[string]int)
				for _, line := range strings.Split(in.MustQuery(fmt.Sprintf(
					"SELECT hex(raw) FROM calls WHERE link = '%[1]s' UNION ALL SELECT hex(raw) FROM other_tickets FINAL WHERE link = '%[1]s' FORMAT TSV", p.link)), "\n") {
					kept[keyOf(unhex(line))]++
				}
				lost = 0
				for k := range safe[p.link] {
					if kept[k] == 0 {
						lost++
					}
				}
				return lost == 0
			}, func() string { return fmt.Sprintf("%d of %d lost", lost, len(safe[p.link])) })
			doubled := 0
			for k, n := range kept {
				if sent[k] > 0 && n > sent[k] {
					doubled++
				}
			}
			if doubled > 0 {
				t.Errorf("%d doubled", doubled)
			}
			t.Logf("%d tickets sent, %d of them safe, %d kept", len(sent), len(safe[p.link]), len(kept))
		})
	}
}

// stopAfterMore waits until every bounded PBX has handed over all it has.
func stopAfterMore(t *testing.T, pbxs []*pbx) {
	t.Helper()
	kit.Await(t, "files and rows are all handed over", func() bool {
		for _, p := range pbxs {
			if p.fetched() && len(p.sent.all()) < p.options.Count {
				return false
			}
		}
		return true
	}, func() string { return "some are not" })
}

// Ctrl-C drains, and a second start goes on where the first stopped.
func TestRestart(t *testing.T) {
	t.Parallel()
	now := time.Now()
	pbxs := five(t, "restarted", pbxsim.Options{Seed: 5, Burst: true, Count: 150, From: now.Add(-9 * 24 * time.Hour), To: now.Add(-24 * time.Hour)})[3:]
	for _, p := range pbxs {
		p.sent = sent{}
	}
	sims := make([]pbxsim.Simulator, len(pbxs))
	links := make([]string, len(pbxs))
	for i, p := range pbxs {
		_, links[i] = p.yaml(t)
		var err error
		if sims[i], err = pbxsim.New(p.model, p.options); err != nil {
			t.Fatal(err)
		}
		if err := sims[i].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	config := kit.Config(t.TempDir(), site(links...))
	for range 2 {
		in := kit.Start(t, binary, config)
		for _, p := range pbxs {
			check(t, in, p)
		}
		if err := in.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
