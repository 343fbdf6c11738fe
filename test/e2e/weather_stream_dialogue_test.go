package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
)

// kx speaks the log-in of a KX-TDA, up to the password.
func (p *peer) kx(every time.Duration) {
	p.drip("\r\n-", every)
	p.hears("SMDR\r")
	p.drip("SMDR\rEnter Password:", every)
}

// letsIn is the end of a log-in that goes well.
func (p *peer) letsIn(password string) {
	p.hears(password + "\r")
	p.keeps("login_dialogue", "*******")
	p.say("*******\r\n")
}

const factory = "PCCSMDR"

// loginWeather is that of a Panasonic, which wants a log-in.
func loginWeather(t *testing.T) []*weather {
	t.Helper()
	raw := drawn(t, "panasonic-kx", 40)
	next := func(n int) (out []string) {
		out, raw = raw[:n:n], raw[n:]
		return out
	}
	one, two, three, four, five := next(8), next(1), next(3), next(3), next(3)
	passwords := t.TempDir()
	for _, which := range []string{"wrong", "right"} {
		writeFile(t, filepath.Join(passwords, which), which+"-one\n", 0o600)
	}
	hotel := func(which, addr string) string {
		return fmt.Sprintf("sites:\n  - id: hotel\n    timezone: Europe/Paris\n    country: FR\n    links:\n      - {id: kx-refuses, model: panasonic-kx, parse: {date_order: dmy}, tcp: {dial: %q, password_file: %q}}\n",
			addr, filepath.Join(passwords, which))
	}
	var refusedAt time.Time
	all := []*weather{
		{name: "kx-drips", talk: func(p *peer, n int) bool {
			p.kx(5 * time.Millisecond)
			p.letsIn(factory)
			p.drip(lines(p.calls(three...)...), 2*time.Millisecond)
			return false
		}},
		{name: "kx-resets", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.kx(time.Microsecond)
			p.letsIn(factory)
			if n > 1 {
				p.say(lines(p.calls(two...)...))
				return false
			}
			p.say(lines(p.calls(one...)...))
			p.arrived()
			half := two[0][:40]
			p.keeps(cutOff, half)
			p.say(half)
			p.reset()
			return true
		}},
		// Refused, it is left alone, until the operator gives the right password.
		{name: "kx-refuses", apart: hotel, talk: func(p *peer, n int) bool {
			p.kx(time.Microsecond)
			if n == 1 {
				p.hears("wrong-one\r")
				p.say("*********\rNo such command.\r-")
				p.isTold("log-in failed", "the password is wrong; set password_env or password_file")
				p.s.o.sites("hotel.yaml", hotel("right", p.addr))
				contains(p.s.t, p.s.o.must("reload"), "hotel/kx-refuses")
				return true
			}
			p.hears("right-one\r")
			p.say("\r\n" + lines(p.calls(four...)...))
			return false
		}},
		{name: "kx-locks", says: []string{"log-in failed"}, talk: func(p *peer, n int) bool {
			if n > 1 && time.Since(refusedAt) < 30*time.Second {
				p.s.t.Errorf("it logs in again %s after a refusal", time.Since(refusedAt))
			}
			p.kx(time.Microsecond)
			p.hears(factory + "\r")
			refusedAt = time.Now()
			p.say("*******\rNo such command.\r-")
			p.untilClosed()
			p.finish()
			return true
		}},
		{name: "kx-ssh", says: []string{`the PBX hung up before it printed "assword:", it printed "OpenSSH_`, noneParses}, talk: func(p *peer, n int) bool {
			greeting := []string{"SSH-2.0-OpenSSH_9.9p1 Debian-3", "Invalid SSH identification string."}
			p.keeps("no_date", greeting...)
			p.say(greeting[0] + "\r\n")
			p.hears("SMDR\r")
			p.say(greeting[1] + "\r\n")
			p.Close()
			p.finish()
			return true
		}},
		// Another PBX asks for no log-in, and has forgotten what it sent.
		{name: "kx-foreign", says: []string{noneParses}, talk: func(p *peer, n int) bool {
			raw := some(1000)
			p.keeps("no_date", raw...)
			p.say(lines(raw...))
			return false
		}},
		{name: "kx-mute", says: []string{`did not print "-" within 15s`}, talk: func(p *peer, n int) bool {
			raw := some(2)
			p.keeps("no_date", raw...)
			p.say(lines(raw...))
			p.untilClosed()
			p.finish()
			return true
		}},
		{name: "kx-half-closes", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.kx(time.Microsecond)
			p.letsIn(factory)
			p.say(lines(p.calls(five...)...))
			p.keeps(cutOff, five[0][:60])
			p.say(five[0][:60])
			p.Conn.(*net.TCPConn).CloseWrite()
			p.untilClosed()
			return false
		}},
	}
	for _, w := range all {
		w.model, w.wire = "panasonic-kx", `parse: {date_order: dmy}, tcp: {dial: "{addr}"}`
	}
	return all
}

// framed is a message of an OXE behind its length.
func framed(message string) string {
	return string([]byte{byte(len(message) >> 8), byte(len(message))}) + message
}

func (p *peer) callServer() {
	p.hears("\x00\x01S")
	p.say("\x00\x01P")
	p.hears("\x00\x02\x00\x00")
}

// oxeWeather is that of an OXE's real-time tickets.
func oxeWeather(t *testing.T) []*weather {
	t.Helper()
	raw := drawn(t, "alcatel-oxe", 12)
	wrong := func(length string) func(p *peer, n int) bool {
		return func(p *peer, n int) bool {
			if n > 1 {
				p.isTold("a message begins with")
				p.callServer()
				p.say(framed(p.calls(raw[4])[0]))
				return false
			}
			p.callServer()
			if length == "\xff\xff" {
				p.keeps("not_a_ticket", length)
			}
			m := p.calls(raw[:4]...)
			p.say(framed(m[0]), length+m[1], framed(m[2]), framed(m[3]))
			return true
		}
	}
	all := []*weather{
		{name: "oxe-drips", talk: func(p *peer, n int) bool {
			p.hears("\x00\x01S")
			p.drip("\x00\x01P", 20*time.Millisecond)
			p.hears("\x00\x02\x00\x00")
			for _, m := range p.calls(raw[:2]...) {
				p.drip(framed(m), time.Millisecond)
			}
			p.drip("\x00\x08TEST_REQ", 20*time.Millisecond)
			p.hears("\x00\x08TEST_RSP")
			return false
		}},
		{name: "oxe-resets", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.callServer()
			p.say(framed(p.calls(raw[n])[0]))
			p.arrived()
			if n > 2 {
				return false
			}
			half := framed(raw[0])[:300]
			p.keeps(cutOff, half[2:])
			p.say(half)
			p.reset()
			p.arrived()
			return true
		}},
		{name: "oxe-half-closes", says: []string{newestCut}, talk: func(p *peer, n int) bool {
			p.callServer()
			p.say(framed(p.calls(raw[n])[0]))
			p.arrived()
			if n > 1 {
				return false
			}
			half := framed(raw[0])[:500]
			p.keeps(cutOff, half[2:])
			p.say(half)
			p.Conn.(*net.TCPConn).CloseWrite()
			p.untilClosed()
			return true
		}},
		// A wrong length hides none of the tickets that it goes through.
		{name: "oxe-short-length", talk: wrong("\x01\xf4")},
		{name: "oxe-long-length", talk: wrong("\x03\xe8")},
		{name: "oxe-no-length", talk: wrong("\xff\xff")},
		{name: "oxe-foreign", says: []string{"it answers 32 32", "is no real-time ticket output of an OXE"}, talk: func(p *peer, n int) bool {
			p.hears("\x00\x01S")
			p.say("220 mail.example ESMTP Postfix\r\n")
			p.untilClosed()
			p.finish()
			return true
		}},
		{name: "oxe-standby", says: []string{"add the other call server's address to dial"}, talk: func(p *peer, n int) bool {
			p.hears("\x00\x01S")
			p.say("\x00\x01S")
			p.untilClosed()
			p.finish()
			return true
		}},
	}
	for _, w := range all {
		w.model, w.wire = "alcatel-oxe", `oxe: {dial: ["{addr}"]}`
	}
	return all
}

// ahlWeather is that of a hotel link, whose frames are answered.
func ahlWeather(t *testing.T) []*weather {
	t.Helper()
	const ack, nak = "\x06", "\x15"
	raw := drawn(t, "alcatel-oxe-ahl", 6)
	layout := filepath.Join(t.TempDir(), "hotel.yaml")
	writeFile(t, layout, pbxsim.AHLLayout("lrc"), 0o600)
	deliver := func(p *peer, frames ...string) {
		for _, f := range frames {
			p.say(f)
			p.hears(ack)
		}
	}
	all := []*weather{
		{name: "ahl-drips", talk: func(p *peer, n int) bool {
			for _, f := range p.calls(raw[:3]...) {
				p.drip(f, 4*time.Millisecond)
				p.hears(ack)
			}
			return false
		}},
		{name: "ahl-wrong-check", talk: func(p *peer, n int) bool {
			deliver(p, p.calls(raw[0])...)
			for _, at := range []int{3, 30, len(raw[1]) - 1} {
				spoiled := []byte(raw[1])
				spoiled[at] ^= 1
				p.say(string(spoiled))
				p.hears(nak)
			}
			p.isTold("the check characters of its frames are wrong")
			deliver(p, p.calls(raw[1], raw[2])...)
			return false
		}},
		{name: "ahl-unended", talk: func(p *peer, n int) bool {
			p.say(raw[0][:20])
			p.isTold("a frame did not end")
			deliver(p, p.calls(raw[0])...)
			return false
		}},
		{name: "ahl-resets", talk: func(p *peer, n int) bool {
			switch n {
			case 1: // what is not acknowledged comes again
				deliver(p, p.calls(raw[0])...)
				p.say(raw[1][:20])
				p.reset()
			case 2: // the acknowledgement is lost
				p.say(p.calls(raw[1])[0])
				p.arrived()
				p.reset()
			default:
				deliver(p, raw[1])
				deliver(p, p.calls(raw[2])...)
			}
			return n < 3
		}},
		{name: "ahl-foreign", says: []string{noneParses}, talk: func(p *peer, n int) bool {
			p.keeps(cutOff, lines(foreigners[2]...))
			p.say(lines(foreigners[2]...))
			return false
		}},
	}
	for _, w := range all {
		w.model, w.wire = "alcatel-oxe-ahl", fmt.Sprintf(`parse: {layout: %q}, ahl: {dial: "{addr}"}`, layout)
	}
	return slices.Clip(all)
}
