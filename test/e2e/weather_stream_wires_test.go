package e2e

import (
	"net"
	"strings"
	"testing"
	"time"
)

const (
	cutOff     = "cut-off"
	noneParses = "and none parses ("
	newestCut  = ", the newest for cut-off"
)

// foreigners greet as other services do, line by line, and a PBX of another kind.
var foreigners = [][]string{
	{"SSH-2.0-OpenSSH_9.9p1 Debian-3"},
	{"HTTP/1.1 400 Bad Request", "Server: nginx/1.26.3", "Connection: close"},
	{"220 mail.example ESMTP Postfix"},
	{"11/20 10:05 00:00:12 201   003 0199001234", "11/20 10:06 00:01:12 202   003 0199001235"},
}

// streamWeather is that of TCP without a dialogue, whoever dials.
func streamWeather(way string) []*weather {
	wire := map[string]string{"listen": `tcp: {listen: "127.0.0.1:0"}`, "dial": `tcp: {dial: "{addr}"}`}[way]
	all := []*weather{
		{name: "vanishes", says: []string{newestCut}, wire: strings.TrimSuffix(wire, "}") + ", idle: 2s}", talk: func(p *peer, n int) bool {
			p.say(lines(p.calls(some(3)...)...))
			if n == 1 {
				p.say(p.half()) // and nothing more, not even an end
			}
			p.arrived()
			return n == 1
		}},
		{name: "drips", talk: func(p *peer, n int) bool {
			p.drip(lines(p.calls(some(3)...)...), 2*time.Millisecond)
			p.drip(lines(p.calls(some(1)...)...), 40*time.Millisecond)
			return false
		}},
		{name: "resets", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.say(lines(p.calls(some(2)...)...))
			p.arrived()
			if n > 3 {
				return false
			}
			p.say(p.half())
			p.reset()
			p.arrived()
			return true
		}},
		{name: "half-closes", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.say(lines(p.calls(some(2)...)...))
			if n > 1 {
				return false
			}
			last := ticket(time.Now())
			p.keeps(cutOff, last) // a line end is missing: it may not be all of it
			p.say(last)
			p.Conn.(*net.TCPConn).CloseWrite()
			p.untilClosed()
			return true
		}},
		{name: "endless", says: []string{"no line end in 1 MiB"}, whole: beginOfTheEndless, talk: func(p *peer, n int) bool {
			if n == 1 {
				for nines := strings.Repeat("9", 64<<10); p.sentBytes() < 10<<20 && p.tries(nines); {
				}
				p.isTold("no line end in 1 MiB")
				return true
			}
			p.say(lines(p.calls(some(endlessCalls)...)...))
			return false
		}},
		{name: "nuls", says: []string{"2 dead tickets"}, talk: func(p *peer, n int) bool {
			raw := p.calls(some(3)...)
			p.say("\x00\x00", raw[0]+"\r\n\x00\x00", raw[1]+"\x00", raw[2]+"\r\x00\n")
			torn := ticket(time.Now())
			p.keeps("too_few_columns", torn[:40])
			p.keeps("bad_start", torn[40:])
			p.say(torn[:40]+"\x00", torn[40:]+"\r\n")
			return false
		}},
		{name: "foreign", says: []string{noneParses}, talk: func(p *peer, n int) bool {
			text := foreigners[n-1]
			p.keeps("too_few_columns", text...)
			p.say(lines(text...) + "\r\n")
			p.arrived()
			return n < len(foreigners)
		}},
		{name: "clock-hour", says: []string{"the PBX's clock is +1 h off"}, future: 4, talk: func(p *peer, n int) bool {
			for _, late := range []time.Duration{0, time.Hour, time.Hour, time.Hour, time.Hour, -time.Hour} {
				p.say(lines(p.calls(ticket(time.Now().Add(late)))...))
			}
			return false
		}},
		{name: "clock-year", says: []string{"the PBX's clock is +8760 h off"}, future: 3, talk: func(p *peer, n int) bool {
			const year = 8760 * time.Hour
			for _, late := range []time.Duration{0, year, year, year, -year} {
				p.say(lines(p.calls(ticket(time.Now().Add(late)))...))
			}
			return false
		}},
	}
	if way == "dial" {
		all = append(all, &weather{name: "nobody", says: []string{"cannot reach the PBX at"}})
	}
	for _, w := range all {
		w.name, w.model = way+"-"+w.name, "avaya-ipoffice"
		if w.wire == "" {
			w.wire = wire
		}
	}
	return all
}

// half is a ticket that breaks off.
func (w *weather) half() string {
	half := ticket(time.Now())[:50]
	w.keeps(cutOff, half)
	return half
}

const endlessCalls = 6

// beginOfTheEndless is what is kept of a line of 10 MB, in pieces.
func beginOfTheEndless(t *testing.T, all map[kept]int) {
	t.Helper()
	pieces, calls := 0, 0
	for k, n := range all {
		switch {
		case k.as == "too-long" && strings.Trim(k.raw, "9") == "":
			pieces += n * len(k.raw)
		case k.as == "CALL":
			calls += n
		default:
			t.Errorf("%d × %s %.100q", n, k.as, k.raw)
		}
	}
	if pieces < 1<<20 || pieces > 3<<20 || calls != endlessCalls {
		t.Errorf("%d bytes of the endless line, and %d calls", pieces, calls)
	}
}
