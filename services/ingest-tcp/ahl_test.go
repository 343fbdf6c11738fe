package ingesttcp

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/ahl"
	"trunkline.internal/platform/config"
)

func ahlLink(dial, check string) config.LinkOf {
	l := newLink("hotel", "alcatel-oxe-ahl", config.TCP{})
	l.TCP, l.AHL = nil, &config.AHL{Dial: dial, Check: check}
	return l
}

func TestAHLDialogue(t *testing.T) {
	for _, check := range []ahl.Check{ahl.None, ahl.LRC, ahl.LRCHex} {
		t.Run(check.String(), func(t *testing.T) {
			want := hotelFrames(t, check, 0, 20)
			test := hotelFrame(t, check, "")
			want = append(want, test)
			r, s := runHotel(t, check.String(), func(p hotelPBX, n int) bool {
				for i, f := range want {
					if i%3 == 0 {
						for _, b := range []byte(f[:len(f)-1]) {
							p.Write([]byte{b})
						}
						p.say(f[len(f)-1:], ahl.ACK)
						continue
					}
					p.deliver(f)
				}
				return false
			})
			got, incomplete := r.frames()
			same(t, got, want)
			same(t, incomplete, nil)
			if st := s.Links()[0]; st.Wire != pbx.AHLDial || st.Tickets != uint64(len(want)) || st.Err != nil {
				t.Errorf("state %+v", st)
			}
			if r.log.String() != "" {
				t.Errorf("a normal day logs:\n%s", r.log)
			}
		})
	}
}

func TestAHLWrongCheck(t *testing.T) {
	f := hotelFrames(t, ahl.LRC, 0, 3)
	bad := strings.Replace(f[1], "0199", "0198", 1)
	r, s := runHotel(t, "", func(p hotelPBX, n int) bool {
		p.deliver(f[0])
		p.say(bad, ahl.NAK)
		p.say(strings.Replace(f[1], "0199", "0\x0399", 1), ahl.NAK)
		p.quiet(100 * time.Millisecond)
		p.deliver(f[1])
		p.deliver(f[2])
		return false
	})
	got, rest := r.frames()
	same(t, got, f)
	same(t, rest, nil)
	if n := s.framesOf(t, "wrong_check"); n != 2 {
		t.Errorf("%d wrong checks", n)
	}
	for _, want := range []string{"lyon/hotel", "try none, lrc, lrc-hex"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("no %q in %s", want, r.log)
		}
	}
	if strings.Contains(r.log.String(), "0199") {
		t.Error("a number is logged")
	}
}

// The PBX sends again what it thinks we do not have: on the same connection, and
// on the next.
func TestAHLLostAnswer(t *testing.T) {
	f := hotelFrames(t, ahl.LRC, 0, 4)
	r, s := runHotel(t, "lrc", func(p hotelPBX, n int) bool {
		switch n {
		case 1:
			p.deliver(f[0])
			p.say(f[0], ahl.ACK) // the first answer was lost in a serial box
			p.say(f[0], ahl.ACK)
			p.deliver(f[1])
			p.deliver(f[0]) // another call that prints the same
			io.WriteString(p, f[2])
			await(t, "the frame", func() bool { got, _ := p.r.frames(); return len(got) == 4 })
			return true // it hangs up before it reads the answer
		case 2:
			p.say(f[2], ahl.ACK)
			p.deliver(f[3])
		}
		return false
	})
	got, _ := r.frames()
	same(t, got, []string{f[0], f[1], f[0], f[2], f[3]})
	if n := s.framesOf(t, "repeated"); n != 3 {
		t.Errorf("%d repeated", n)
	}
}

// Long after its acknowledgement the same frame is another ticket.
func TestAHLSameTicketLater(t *testing.T) {
	f := hotelFrames(t, ahl.LRC, 0, 1)[0]
	r := newRig(t, false)
	done := make(chan struct{})
	p := newServer(t, func(c net.Conn, n int) {
		p := hotelPBX{c, t, r}
		p.deliver(f)
		time.Sleep(20 * time.Millisecond)
		p.deliver(f)
		close(done)
		untilClosed(c)
	})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	s.timing.repeat = 10 * time.Millisecond
	r.run(s)
	<-done
	got, _ := r.frames()
	same(t, got, []string{f, f})
}

func TestAHLOddities(t *testing.T) {
	f := hotelFrames(t, ahl.LRC, 0, 4)
	r, s := runHotel(t, "lrc", func(p hotelPBX, n int) bool {
		io.WriteString(p, "AHL 5.2\r\n") // a connection message
		p.deliver(f[0])
		io.WriteString(p, "\x05\x06\x15\x00\x04\r\n") // an enquiry, and answers to nothing
		p.quiet(20 * time.Millisecond)
		io.WriteString(p, f[1][:8]) // a frame that does not end
		p.quiet(150 * time.Millisecond)
		p.deliver(f[1])
		p.say(f[2][:9]+f[2], ahl.ACK)
		io.WriteString(p, "tail")
		p.quiet(150 * time.Millisecond)
		p.deliver(f[3])
		return false
	})
	got, noise := r.frames()
	same(t, got, f)
	same(t, noise, []string{"cut-off AHL 5.2\r\n", "cut-off tail"})
	for kind, want := range map[string]int{"enquiry": 1, "answer": 2, "noise": 2, "broken": 2} {
		if n := s.framesOf(t, kind); n != want {
			t.Errorf("%s: %d, want %d", kind, n, want)
		}
	}
}

// A wrong check is told, and costs nothing.
func TestAHLCheckOfAnotherKind(t *testing.T) {
	for _, tc := range []struct {
		ours, theirs ahl.Check
		answer       byte
		want         string
	}{
		{ahl.None, ahl.LRC, ahl.ACK, "set check: lrc or lrc-hex"},
		{ahl.None, ahl.LRCHex, ahl.ACK, "set check: lrc or lrc-hex"},
		{ahl.LRC, ahl.None, 0, "Try none, lrc, lrc-hex"},
		{ahl.LRCHex, ahl.None, 0, "Try none, lrc, lrc-hex"},
		{ahl.LRC, ahl.LRCHex, ahl.NAK, "try none, lrc, lrc-hex"},
		{ahl.LRCHex, ahl.LRC, 0, "Try none, lrc, lrc-hex"},
	} {
		t.Run(tc.ours.String()+" for "+tc.theirs.String(), func(t *testing.T) {
			f := hotelFrames(t, tc.theirs, 0, 1)[0]
			r, _ := runHotel(t, tc.ours.String(), func(p hotelPBX, n int) bool {
				io.WriteString(p, f)
				if b := p.answer(200 * time.Millisecond); b != tc.answer {
					t.Errorf("answer %#02x", b)
				}
				return false
			})
			await(t, "the remedy", func() bool { return strings.Contains(r.log.String(), tc.want) })
			got, noise := r.frames()
			if tc.answer == ahl.ACK != (len(got) == 1) || tc.ours == ahl.None && len(noise) > 0 {
				t.Errorf("stored %q, %q", got, noise)
			}
		})
	}
}

func TestNoHotelLink(t *testing.T) {
	r := newRig(t, false)
	p := newServer(t, func(c net.Conn, n int) {
		io.WriteString(c, strings.Repeat("01.01.26 10:00 203 line of a printer\r\n", 4000))
		untilClosed(c)
	})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	r.run(s)
	await(t, "the error", func() bool {
		err := s.Links()[0].Err
		return err != nil && strings.Contains(err.Error(), "lyon/hotel at "+p.Addr().String()) && strings.Contains(err.Error(), "port of the hotel link")
	})
	whole, _ := r.frames()
	same(t, whole, nil)
}

func TestAHLHangsUp(t *testing.T) {
	r := newRig(t, false)
	p := newServer(t, func(c net.Conn, n int) {})
	s := r.service(ahlLink(p.Addr().String(), "lrc"))
	r.run(s)
	await(t, "two attempts", func() bool { return p.conns.Load() >= 2 })
	await(t, "the error", func() bool {
		err := s.Links()[0].Err
		return err != nil && strings.Contains(err.Error(), "another program connected")
	})
}

// Who loses the lease stops answering, and another one dials.
func TestAHLLease(t *testing.T) {
	r := newRig(t, false)
	f := hotelFrames(t, ahl.LRC, 0, 2)
	p := newServer(t, func(c net.Conn, n int) {
		hotelPBX{c, t, r}.deliver(f[n-1])
		untilClosed(c)
	})
	one, two := r.service(ahlLink(p.Addr().String(), "lrc")), r.service(ahlLink(p.Addr().String(), "lrc"))
	stop := r.run(one)
	await(t, "one", func() bool { return one.Links()[0].Tickets == 1 })
	r.run(two)
	stop()
	await(t, "two", func() bool { return two.Links()[0].Tickets == 1 })
	if got, _ := r.frames(); !slices.Equal(got, f) {
		t.Errorf("%q", got)
	}
}
