package pbxsim

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// startOXE is the client's part until the tickets begin; role is what the call server says it is.
func startOXE(t *testing.T, addr string) (c net.Conn, role string) {
	t.Helper()
	c = dial(t, addr)
	say(t, c, "\x00\x01S")
	b := make([]byte, 3)
	if n, err := io.ReadFull(c, b); err != nil {
		return c, string(b[:n])
	}
	if role = string(b[2:]); role == oxeRoleMain {
		say(t, c, "\x00\x02\x00\x00")
	}
	return c, role
}

// messages reads messages until the connection ends, and answers keep-alives as long as it should.
func messages(t *testing.T, c net.Conn, answers int) (got []string, asked int) {
	t.Helper()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return got, asked
		}
		text := make([]byte, binary.BigEndian.Uint16(length[:]))
		n, err := io.ReadFull(c, text)
		switch {
		case err == nil && string(text) == "TEST_REQ":
			if asked++; asked <= answers {
				say(t, c, "\x00\x08TEST_RSP")
			}
		case err == nil && string(text) == oxeRoleOther:
			got = append(got, "handed over")
		default:
			got = append(got, string(text[:n]))
		}
	}
}

// The call servers change roles three times and drop the line; all that was sent arrives at the one client.
func TestOXE(t *testing.T) {
	o := options(200)
	o.Listen, o.Standby, o.HandOver = "127.0.0.1:0", "127.0.0.1:0", 50
	o.Faults = Faults{Split: true, DropEvery: 90}
	var log truth
	log.listen(&o)
	s := newSim(t, alcatelOXE, o).(*OXE)
	done, _ := running(t, s)
	var got []string
	handOvers, refused := 0, 0
	for over := false; !over; {
		for _, addr := range []string{s.Addr(), s.Standby()} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				over = true
				break
			}
			c.Close()
			c, role := startOXE(t, addr)
			if role != oxeRoleMain {
				refused++
				c.Close()
				continue
			}
			texts, _ := messages(t, c, 1000)
			c.Close()
			for _, text := range texts {
				if text == "handed over" {
					handOvers++
					continue
				}
				got = append(got, text)
			}
		}
	}
	ended(t, done)
	var want []string
	cut := 0
	for _, x := range log.sent {
		want = append(want, string(x.Bytes))
		if x.Odd == OddCut {
			cut++
		} else if len(x.Bytes) != oxeMessage {
			t.Errorf("a message of %d bytes", len(x.Bytes))
		}
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%d messages arrived of %d", len(got), len(want))
	}
	if handOvers < 3 || refused == 0 || cut < 2 {
		t.Errorf("%d hand-overs, %d times not the main one, %d messages cut", handOvers, refused, cut)
	}
}

func TestOXEServesOneClientThatAnswers(t *testing.T) {
	o := Options{Listen: "127.0.0.1:0", Rate: .001, KeepAlive: 200 * time.Millisecond}
	s := newSim(t, alcatelOXE, o)
	running(t, s)
	first, role := startOXE(t, s.Addr())
	if role != oxeRoleMain {
		t.Fatalf("role %q", role)
	}
	if _, role := startOXE(t, s.Addr()); role == oxeRoleMain {
		t.Error("two clients at once")
	}
	// It hangs up on who answers no more.
	if got, asked := messages(t, first, 2); asked != 3 || len(got) > 1 {
		t.Errorf("%d keep-alives, then the end; %d messages", asked, len(got))
	}
}

// frontOffice takes frames, and acknowledges those whose check characters are right.
func frontOffice(t *testing.T, c net.Conn, answer func(frame []byte, right bool) byte) (taken []string) {
	t.Helper()
	var buf []byte
	b := make([]byte, 512)
	for {
		n, err := c.Read(b)
		buf = append(buf, b[:n]...)
		for {
			end := bytes.IndexByte(buf, ahlETX)
			if end < 0 || end+1 >= len(buf) {
				break
			}
			frame := buf[:end+2]
			sum := byte(0)
			for _, x := range frame[1 : end+1] {
				sum ^= x
			}
			a := answer(frame, sum == frame[end+1])
			if a == ahlACK {
				taken = append(taken, string(frame))
			}
			if a != 0 {
				say(t, c, string([]byte{a}))
			}
			buf = append([]byte(nil), buf[end+2:]...)
		}
		if err != nil {
			return taken
		}
	}
}

// Spoilt frames come again, as do those whose answer was lost or did not come, and those that the line's end cut.
func TestAHL(t *testing.T) {
	o := options(200)
	o.Listen, o.Resend = "127.0.0.1:0", 50*time.Millisecond
	o.Faults = Faults{Split: true, SpoilEvery: 30, DeafEvery: 40, DropEvery: 70, PauseEvery: 50, Pause: time.Millisecond}
	var log truth
	log.listen(&o)
	s := newSim(t, alcatelAHL, o)
	done, _ := running(t, s)
	var got []string
	spoilt, unanswered, conns := 0, 0, 0
	for {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			break
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		conns++
		got = append(got, frontOffice(t, c, func(frame []byte, right bool) byte {
			if !right {
				spoilt++
				return ahlNAK
			}
			if len(got) == 0 && unanswered == 0 {
				unanswered++
				return 0
			}
			return ahlACK
		})...)
		c.Close()
		if len(got) >= 200 {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
		}
	}
	var want []string
	for _, x := range log.sent {
		want = append(want, string(x.Bytes))
	}
	// What was acknowledged and came again stands twice in a row.
	var once []string
	twice := 0
	for i, f := range got {
		if i > 0 && got[i-1] == f {
			twice++
			continue
		}
		once = append(once, f)
	}
	if strings.Join(once, "") != strings.Join(want, "") {
		t.Errorf("%d frames arrived of %d", len(once), len(want))
	}
	if spoilt < 3 || twice < 3 || conns < 3 || unanswered != 1 {
		t.Errorf("%d spoilt, %d twice, %d connections, %d without an answer", spoilt, twice, conns, unanswered)
	}
}
