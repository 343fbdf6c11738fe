package login

import (
	"net"
	"os"
	"testing"
	"time"

	"trunkline.internal/services/ingest-tcp/internal/telnet"
)

func TestBlank(t *testing.T) {
	for _, c := range []struct{ password, heard, want string }{
		{"hunter2", "hunter2\r\nDate  Time\r\n", "*******\r\nDate  Time\r\n"},
		{"hunter2", "HUNTER2\rhunter2 hunter2\r\n", "*******\r******* *******\r\n"},
		{"hunter2", "wrong password 'hunter2', try 1 of 3\r\n-", "wrong password '*******', try 1 of 3\r\n-"},
		{"hunter2", "04/03/26 10:05 201 01\r\n", "04/03/26 10:05 201 01\r\n"},
		// A number may be part of a ticket, and stays there.
		{"0130", "0130\r\n04/03/26 10:05 201 01 0130\r\n", "****\r\n04/03/26 10:05 201 01 0130\r\n"},
		{"013001300", "04/03/26 10:05 013001300\r\n013001300", "04/03/26 10:05 013001300\r\n*********"},
		{"SMITH", "SMITH\r\n04/03/26 10:05 201 SMITH\r\n", "*****\r\n04/03/26 10:05 201 SMITH\r\n"},
		{"1", "attempt 1 failed\r\n", "attempt * failed\r\n"},
		{"hunter2", "\r\nhunte", "\r\n*****"},
		{"hunter2", "04/03/26 CHUN", "04/03/26 CHUN"},
		{"", "hunter2\r\n", "hunter2\r\n"},
		{"hunter2", "", ""},
	} {
		got := []byte(c.heard)
		if blank(got, c.password); string(got) != c.want {
			t.Errorf("password %q in %q: %q, want %q", c.password, c.heard, got, c.want)
		}
	}
}

// script is a connection that gives these in turn; an empty one is the end of our
// patience.
type script struct {
	net.Conn
	reads []string
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.reads) == 0 || s.reads[0] == "" {
		s.reads = s.reads[min(1, len(s.reads)):]
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, s.reads[0])
	s.reads = s.reads[1:]
	return n, nil
}
func (s *script) Write(b []byte) (int, error)      { return len(b), nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// An echo is blanked also where it comes slower than the PBX has to ask again.
func TestSlowEcho(t *testing.T) {
	for _, c := range []struct {
		reads      []string
		want, left string
	}{
		{[]string{"-", "Password:", "hun", "", "t", "", "er2\r\n04/03", "", "later"}, "*******\r\n04/03", "later"},
		{[]string{"-", "Password:", "hunt", "", "", "later"}, "****", "later"},
		{[]string{"-", "Password:", "", "later"}, "", "later"},
		// Not an echo: nothing is waited for.
		{[]string{"-", "Password:", "04/03/26 10:05 20", "", "later"}, "04/03/26 10:05 20", "later"},
	} {
		conn := &script{reads: c.reads}
		heard, _, err := dialogue.Run(t.Context(), conn, telnet.NewReader(conn, true))
		if err != nil || string(heard) != c.want || len(conn.reads) != 1 || conn.reads[0] != c.left {
			t.Errorf("%q, left %q, want %q and %q: %v", heard, conn.reads, c.want, c.left, err)
		}
	}
}
