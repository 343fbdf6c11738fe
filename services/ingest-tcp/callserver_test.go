package ingesttcp

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"trunkline.internal/pbx/cut"
)

// oxeMessage is a message of 772 bytes of the given type.
func oxeMessage(kind byte, text string) string {
	m := make([]byte, oxeTicket)
	copy(m, []byte{1, 0, kind, 0})
	copy(m[4:], text)
	return string(m)
}

// oxeTickets are messages with calls that can be told apart.
func oxeTickets(from, n int) (out []string) {
	for i := range n {
		out = append(out, oxeMessage(2, fmt.Sprintf("ED5.2%-520d", from+i)))
	}
	return out
}

// framed puts its length before a message.
func framed(message string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(message)))) + message
}

// callServer is the simulated CPU of an OXE. It serves one client at a time.
type callServer struct {
	*server
	heard chan string // every message of the client's, behind hello and start
}

func newCallServer(t testing.TB, role func(n int) byte, talk func(c net.Conn, p *callServer, n int)) *callServer {
	t.Helper()
	p := &callServer{heard: make(chan string, 1000)}
	p.server = newServer(t, func(c net.Conn, n int) {
		hello := make([]byte, 3)
		if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "\x00\x01S" {
			t.Errorf("hello % x, %v", hello, err)
			return
		}
		if r := role(n); r != 'P' {
			io.WriteString(c, framed(string(r)))
			if rest, _ := io.ReadAll(c); len(rest) > 0 {
				t.Errorf("a call server that is not the main one was sent % x", rest)
			}
			return
		}
		// As seen in the field: in pieces, and with what follows at once.
		pieces := [][]string{{"\x00\x01", "P"}, {"\x00\x01P"}, {"\x00\x01P\x03\x04"}}[n%3]
		for _, piece := range pieces {
			io.WriteString(c, piece)
			time.Sleep(2 * time.Millisecond) // so that it travels alone
		}
		start := make([]byte, 4)
		if _, err := io.ReadFull(c, start); err != nil || string(start) != "\x00\x02\x00\x00" {
			t.Errorf("start % x, %v", start, err)
			return
		}
		if n%3 == 2 {
			io.WriteString(c, framed(oxeMessage(1, ""))[2:]) // the message whose length is there already
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				var length [2]byte
				if _, err := io.ReadFull(c, length[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				p.heard <- string(b)
			}
		}()
		talk(c, p, n)
		c.(*net.TCPConn).CloseWrite()
		<-gone
	})
	return p
}

func isMain(int) byte { return 'P' }

// answered waits for the answers to n keep-alives.
func (p *callServer) answered(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case s := <-p.heard:
			if s != "TEST_RSP" {
				t.Errorf("heard %q", s)
			}
		case <-time.After(10 * time.Second):
			t.Error("a keep-alive is not answered")
			return
		}
	}
}

// oxeMessages are the tickets of the stream without the empty messages.
func (r *rig) oxeMessages() (whole, incomplete []string) {
	r.t.Helper()
	for _, m := range r.messages() {
		if m.Incomplete != "" {
			incomplete = append(incomplete, m.Incomplete+" "+string(m.Payload))
			continue
		}
		if err := cut.Each(cut.OXE, m.Payload, func(_ int, ticket []byte) bool {
			if string(ticket) != oxeMessage(1, "") {
				whole = append(whole, string(ticket))
			}
			return true
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	return whole, incomplete
}

func (r *rig) awaitOXE(want []string) {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%d messages", len(want)), func() bool {
		got, _ := r.oxeMessages()
		return len(got) >= len(want)
	})
	got, _ := r.oxeMessages()
	same(r.t, got, want)
}
