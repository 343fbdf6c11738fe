package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// head is that of a post.
func (p *peer) head(method, more string) string {
	return method + " /lyon/" + p.name + " HTTP/1.1\r\nHost: trunkline\r\nContent-Type: application/json\r\n" + more + "\r\n"
}

func (p *peer) post(body string) string {
	return p.head("POST", fmt.Sprintf("Content-Length: %d\r\n", len(body))) + body
}

// answers waits for the answer to a post.
func (p *peer) answers(code int) {
	p.SetReadDeadline(time.Now().Add(time.Minute))
	res, err := http.ReadResponse(bufio.NewReader(p), nil)
	if err != nil {
		p.fatalf("no answer %d: %v", code, err)
	}
	res.Body.Close()
	if res.StatusCode != code {
		p.fatalf("answered %s, want %d", res.Status, code)
	}
}

// postWeather is that of a PBX that posts.
func postWeather(t *testing.T) []*weather {
	t.Helper()
	raw := drawn(t, "grandstream-ucm", 12)
	all := []*weather{
		{name: "post-large", says: []string{"was refused with 413: a body has at most 16 MiB: post in smaller parts"}, talk: func(p *peer, n int) bool {
			if n == 1 {
				p.say(p.head("POST", fmt.Sprintf("Content-Length: %d\r\n", 17<<20)), strings.Repeat(" ", 64<<10))
				p.answers(http.StatusRequestEntityTooLarge)
				p.isTold("was refused with 413")
				return true
			}
			p.say(p.post(lines(p.calls(raw[:3]...)...)))
			p.answers(http.StatusOK)
			return false
		}},
		{name: "post-breaks", says: []string{"broke off behind"}, talk: func(p *peer, n int) bool {
			body := lines(raw[:3]...)
			switch half := p.post(body)[:len(p.post(body))-len(body)/2]; n {
			case 1:
				p.say(half)
				p.reset()
				p.isTold("broke off behind")
			case 2:
				p.say(half)
				p.Conn.(*net.TCPConn).CloseWrite()
				p.untilClosed()
			case 3: // all of it came, and the answer finds nobody
				p.calls(raw[:3]...)
				p.say(p.post(body))
				p.reset()
				p.arrived()
			case 4:
				p.say(p.post(body))
				p.answers(http.StatusOK)
			default:
				p.say(p.post(lines(p.calls(raw[3:5]...)...)))
				p.answers(http.StatusOK)
			}
			return n < 5
		}},
		{name: "post-drips", talk: func(p *peer, n int) bool {
			p.drip(p.post(lines(p.calls(raw[:2]...)...)), time.Millisecond)
			p.answers(http.StatusOK)
			return false
		}},
		{name: "post-foreign", says: []string{"was refused with 405: tickets come with POST or PUT"}, talk: func(p *peer, n int) bool {
			switch n {
			case 1:
				p.say(lines(foreigners[0]...) + "\r\n")
				p.answers(http.StatusBadRequest)
			case 2:
				p.say(p.head("GET", ""))
				p.answers(http.StatusMethodNotAllowed)
				p.isTold("was refused with 405")
			default:
				p.say(p.post(lines(p.calls(raw[:2]...)...)))
				p.answers(http.StatusOK)
			}
			return n < 3
		}},
	}
	for _, w := range all {
		w.model, w.wire = "grandstream-ucm", "http_server: {listen: {addr}}"
	}
	return all
}

// datagrams is the PBX's side of a TFTP transfer.
type datagrams struct {
	*peer
	conn *net.UDPConn
	to   net.Addr // the transfer's own port, once it is known
}

func (p *peer) tftp(name string) *datagrams {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		p.fatalf("%v", err)
	}
	p.s.t.Cleanup(func() { conn.Close() })
	d := &datagrams{peer: p, conn: conn}
	server, err := net.ResolveUDPAddr("udp", p.addr)
	if err != nil {
		p.fatalf("%v", err)
	}
	p.await("the transfer begins", func() bool { // it listens a moment after it is ready
		d.to = server
		d.send("\x00\x02" + name + "\x00octet\x00")
		return d.acked(0, 200*time.Millisecond)
	})
	return d
}

func (d *datagrams) send(packet string) {
	if _, err := d.conn.WriteTo([]byte(packet), d.to); err != nil {
		d.fatalf("%v", err)
	}
}

// acked waits for the answer to a block.
func (d *datagrams) acked(block int, within time.Duration) bool {
	d.conn.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 600)
	for {
		n, from, err := d.conn.ReadFrom(buf)
		if err != nil {
			return false
		}
		if n >= 4 && buf[1] == 4 && int(buf[2])<<8+int(buf[3]) == block {
			d.to = from
			return true
		}
	}
}

func data(text string, block int) (packet string, last bool) {
	const size = 512
	rest := text[min(len(text), (block-1)*size):]
	return string([]byte{0, 3, byte(block >> 8), byte(block)}) + rest[:min(len(rest), size)], len(rest) < size
}

// put sends a file: each block twice, as a network does that loses and doubles.
func (d *datagrams) put(text string) {
	for block, last := 1, false; !last; block++ {
		var packet string
		packet, last = data(text, block)
		d.send(packet)
		d.send(packet)
		if !d.acked(block, time.Minute) {
			d.fatalf("block %d is not acknowledged", block)
		}
		if block%5 == 1 || last { // that acknowledgement was lost
			d.await("it is acknowledged again", func() bool {
				d.send(packet)
				return d.acked(block, 300*time.Millisecond)
			})
		}
	}
}

// tftpWeather is that of a PBX that pushes its files.
func tftpWeather(t *testing.T) []*weather {
	t.Helper()
	var raw []string
	at := time.Now().Add(-time.Hour).In(paris)
	for i := range 60 {
		raw = append(raw, at.Format("02.01.06|15:04:05")+fmt.Sprintf("|%d|1%02d||00:00:11|01990%05d||2||||||", i%30, i, i))
	}
	all := []*weather{
		{name: "tftp-loses", talk: func(p *peer, n int) bool {
			p.calls(raw...)
			p.tftp("gez.txt").put(lines(raw...))
			p.arrived()
			p.tftp("gez.txt").put(lines(raw...)) // it did not hear of the end
			return false
		}},
		{name: "tftp-breaks", says: []string{"was not taken, the PBX has to send it again: the peer broke it off"}, talk: func(p *peer, n int) bool {
			d := p.tftp("gez.txt")
			packet, _ := data(lines(raw...), 1)
			d.send(packet)
			if !d.acked(1, time.Minute) {
				p.fatalf("a block is not acknowledged")
			}
			d.send("\x00\x05\x00\x00line down\x00")
			p.isTold("the peer broke it off")
			p.calls(raw...)
			p.tftp("gez.txt").put(lines(raw...))
			return false
		}},
	}
	for _, w := range all {
		w.model, w.wire = "unify-hipath", "tftp: {listen: {addr}}"
	}
	return all
}
