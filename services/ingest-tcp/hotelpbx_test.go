package ingesttcp

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"trunkline.internal/pbx/ahl"
)

// hotelFrame is a frame of our making: nobody has published a ticket's.
func hotelFrame(t testing.TB, c ahl.Check, text string) string {
	t.Helper()
	f, err := c.Append(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(f)
}

func hotelFrames(t testing.TB, c ahl.Check, from, n int) (out []string) {
	t.Helper()
	for i := range n {
		out = append(out, hotelFrame(t, c, fmt.Sprintf("T%05d 0199000012 00:01:%02d", 20_000+from+i, i%60)))
	}
	return out
}

// hotelPBX is the simulated PBX's side of one connection: it sends a frame and
// waits for its answer.
type hotelPBX struct {
	net.Conn
	t testing.TB
	r *rig
}

// answer is the next byte of ours, 0 when none comes in time.
func (p hotelPBX) answer(within time.Duration) byte {
	p.t.Helper()
	var b [1]byte
	p.SetReadDeadline(time.Now().Add(within))
	defer p.SetReadDeadline(time.Time{})
	if _, err := p.Read(b[:]); err != nil {
		return 0
	}
	if b[0] != ahl.ACK && b[0] != ahl.NAK {
		p.t.Errorf("the PBX is sent %#02x", b[0])
	}
	return b[0]
}

// say sends and wants an answer.
func (p hotelPBX) say(text string, want byte) {
	p.t.Helper()
	io.WriteString(p, text)
	if got := p.answer(10 * time.Second); got != want {
		p.t.Errorf("%q is answered %#02x, want %#02x", text, got, want)
	}
}

// deliver sends a frame, whose acknowledgement must say that NATS has it.
func (p hotelPBX) deliver(frame string) {
	p.t.Helper()
	p.say(frame, ahl.ACK)
	got, _ := p.r.frames()
	if len(got) == 0 || got[len(got)-1] != frame {
		p.t.Errorf("%q is acknowledged and not stored", frame)
	}
}

// quiet wants that we send nothing.
func (p hotelPBX) quiet(during time.Duration) {
	p.t.Helper()
	if b := p.answer(during); b != 0 {
		p.t.Errorf("unasked for, the PBX is sent %#02x", b)
	}
}

func (r *rig) frames() (whole, incomplete []string) {
	r.t.Helper()
	for _, m := range r.messages() {
		if m.Incomplete != "" {
			incomplete = append(incomplete, m.Incomplete+" "+string(m.Payload))
		} else {
			whole = append(whole, string(m.Payload))
		}
	}
	return whole, incomplete
}

// hotel runs a link against a PBX and waits until the PBX's last word.
func runHotel(t *testing.T, check string, talk func(p hotelPBX, n int) (more bool)) (*rig, *Service) {
	t.Helper()
	r := newRig(t, false)
	done := make(chan struct{})
	over := false
	p := newServer(t, func(c net.Conn, n int) {
		if !over && !talk(hotelPBX{c, t, r}, n) {
			over = true
			close(done)
			untilClosed(c)
		}
	})
	s := r.service(ahlLink(p.Addr().String(), check))
	s.timing.rest = 50 * time.Millisecond
	r.run(s)
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the PBX does not come to its end")
	}
	return r, s
}

func (s *Service) framesOf(t testing.TB, kind string) int {
	return int(value(t, s.metrics.frames, map[string]string{"kind": kind}))
}
