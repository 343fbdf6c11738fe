package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// Each wire that brings a stream is under weather of its own, all at a time, in one
// program. Every ticket is in the ledger once and byte for byte, what was cut off
// with its bytes; the reason is in `trunkline status`; and two quiet neighbours do
// not notice. It runs alone: some reasons stand in the status for a second only.
func TestWeatherOnStreams(t *testing.T) {
	all := slices.Concat(streamWeather("listen"), streamWeather("dial"), loginWeather(t), oxeWeather(t), ahlWeather(t), postWeather(t), tftpWeather(t))
	neighbours := []*calm{newCalm("calm-listen", `tcp: {listen: "127.0.0.1:0"}`), newCalm("calm-dial", `tcp: {dial: "{addr}"}`)}
	for _, c := range neighbours {
		all = append(all, &c.weather)
	}
	s := &season{t: t, counts: make(map[string]int), heard: make(map[string]string), calm: make(chan struct{}), over: make(chan struct{})}
	end := sync.OnceFunc(func() { close(s.over) })
	t.Cleanup(end)
	hush := sync.OnceFunc(func() { close(s.calm) })
	t.Cleanup(hush)
	var links []string
	for _, w := range all {
		w.over, w.want = make(chan struct{}), make(map[kept]int)
		w.finish = sync.OnceFunc(func() { close(w.over) })
		switch {
		case w.talk == nil:
			w.addr = "127.0.0.1:1"
			w.finish()
		case w.dials():
			s.listens(w)
		case strings.HasPrefix(w.wire, "tftp"):
			w.addr = freeUDP(t)
		case strings.HasPrefix(w.wire, "http_server"):
			w.addr = freePort(t)
		}
		if w.apart != nil {
			continue
		}
		links = append(links, fmt.Sprintf("{id: %s, model: %s, %s}", w.name, w.model, strings.ReplaceAll(w.wire, "{addr}", w.addr)))
	}
	s.o = newOperator(t, site(links...))
	for _, w := range all {
		if w.apart != nil {
			s.o.sites("hotel.yaml", w.apart("wrong", w.addr))
		}
	}
	s.in = kit.StartFile(t, binary, s.o.file)
	began := time.Now()
	var watching, coming sync.WaitGroup
	watching.Go(func() {
		s.watch(func(at time.Time, counts map[string]int) {
			for _, c := range neighbours {
				c.look(at, counts)
			}
		})
	})
	for _, w := range all {
		if w.dials() {
			continue
		}
		if w.addr == "" {
			w.addr = s.in.Listens["lyon/"+w.name]
		}
		coming.Go(func() { s.comes(w) })
	}
	for _, w := range all[:len(all)-len(neighbours)] {
		select {
		case <-w.over:
		case <-time.After(time.Minute):
			t.Errorf("%s does not come to its end", w.name)
		}
		s.act(w, func(p *peer) { p.isTold(w.says...) })
		if testing.Verbose() {
			t.Logf("%.1f s: %s; status told:\n%s", time.Since(began).Seconds(), w.name, s.heardOf(w))
		}
	}
	hush()
	for _, c := range neighbours {
		<-c.weather.over
		s.act(&c.weather, (*peer).arrived)
	}
	end()
	watching.Wait()
	coming.Wait()
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) { s.ledger(t, w) })
	}
	for _, c := range neighbours {
		c.mu.Lock()
		slices.Sort(c.took)
		if len(c.took) == 0 {
			t.Fatalf("%s: no delay is known", c.name)
		}
		median, most := c.took[len(c.took)/2], c.took[len(c.took)-1]
		t.Logf("%s: %d tickets, from send to calls %s in the median, %s at most", c.name, len(c.took), median.Round(time.Millisecond), most.Round(time.Millisecond))
		if median > 4*time.Second || most > 10*time.Second {
			t.Errorf("%s notices the weather: %s in the median, %s at most", c.name, median, most)
		}
		c.mu.Unlock()
	}
}

// calm is a link in quiet weather, which must not notice the others'.
type calm struct {
	weather
	mu    sync.Mutex
	at    []time.Time     // when each ticket was sent
	took  []time.Duration // until it was seen in calls
	every time.Duration
}

func newCalm(name, wire string) *calm {
	c := &calm{weather: weather{name: name, model: "avaya-ipoffice", wire: wire}, every: 150 * time.Millisecond}
	c.talk = func(p *peer, n int) bool {
		for !closed(p.s.calm) {
			raw := ticket(time.Now())
			c.keeps("CALL", raw)
			c.mu.Lock()
			c.at = append(c.at, time.Now())
			c.mu.Unlock()
			p.say(raw + "\r\n")
			time.Sleep(c.every)
		}
		return false
	}
	return c
}

func (c *calm) look(at time.Time, counts map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.took) < min(counts[c.name], len(c.at)) {
		c.took = append(c.took, at.Sub(c.at[len(c.took)]))
	}
}

var tickets atomic.Int64

// ticket is an IP Office's, of a call that ends at the given time; no two are
// equal.
func ticket(end time.Time) string {
	n := tickets.Add(1)
	return fmt.Sprintf("%s,00:00:05,4,01990012%02d,I,201,201,,0,1%06d,0,E201,Extn201,T9001,Line 1.1,0,0,,,,,,,,,,,,,",
		end.Add(-9*time.Second).In(paris).Format("2006/01/02 15:04:05"), n%100, n)
}

// some are so many tickets.
func some(n int) (raw []string) {
	for range n {
		raw = append(raw, ticket(time.Now()))
	}
	return raw
}

// lines are tickets as they are sent.
func lines(raw ...string) string { return strings.Join(raw, "\r\n") + "\r\n" }

// drawn are so many tickets of another model, each once.
func drawn(t *testing.T, model string, n int) (raw []string) {
	t.Helper()
	seq, err := pbxsim.Tickets(model, pbxsim.Options{Seed: 7, Count: 3 * n, Zone: paris, From: time.Now().Add(-5 * time.Hour), To: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for x := range seq {
		if text := string(x.Bytes); x.Want == pbxsim.WantCDR && !slices.Contains(raw, text) && len(raw) < n {
			raw = append(raw, text)
		}
	}
	if len(raw) < n {
		t.Fatalf("%d tickets of %s", len(raw), model)
	}
	return raw
}
