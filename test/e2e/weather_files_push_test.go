package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
)

// pushes is a delivery of whole files to our server.
func pushes(t *testing.T, wire catalogue.Wire, link string, text string) (*delivery, string) {
	t.Helper()
	model, ok := catalogue.Lookup("cisco-cucm")
	if !ok {
		t.Fatal("no cisco-cucm")
	}
	d := &delivery{model: model, wire: wire, given: []byte(text), settings: catalogue.Settings{Link: link}, push: freePort(t)}
	return d, fmt.Sprintf("model: cisco-cucm, %s: {listen: %q, password_env: CDR_PASSWORD}", wire, d.push)
}

var passive = regexp.MustCompile(`\(\|\|\|(\d+)\|\)`)

// ftpPeer says a few lines to our server and reads what it answers; a STOR is
// followed by bytes, and a reset where they break off.
func ftpPeer(t *testing.T, addr, password, stor string, given []byte, breaks bool) (last string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	hear := func() string {
		n, _ := conn.Read(buf)
		return string(buf[:n])
	}
	ask := func(line string) string {
		io.WriteString(conn, line+"\r\n")
		return hear()
	}
	hear()
	ask("USER ftp-server")
	if last = ask("PASS " + password); stor == "" || !strings.HasPrefix(last, "230") {
		return last
	}
	m := passive.FindStringSubmatch(ask("EPSV"))
	if m == nil {
		t.Fatal("no passive mode")
	}
	data, err := net.Dial("tcp", "127.0.0.1:"+m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	ask("STOR " + stor)
	slowly(data, bytes.NewReader(given), 1, 0)
	if breaks {
		data.(*net.TCPConn).SetLinger(0)
	}
	data.Close()
	return hear()
}

// An upload breaks off, and comes again, a byte at a time, and once more; others
// say something else, or have another password.
func uploadFTP(t *testing.T) *storm {
	head, text := cdrs(0, 10)
	d, wire := pushes(t, catalogue.FTPServer, "ftp-server", head+text)
	return &storm{wire, func(t *testing.T, s *sky) {
		if said := ftpPeer(t, d.push, db.Password(), "cdr_A_01_1", d.given[:len(d.given)/2], true); !strings.HasPrefix(said, "4") && !strings.HasPrefix(said, "5") {
			t.Errorf("an upload that broke off is answered %q", said)
		}
		s.told(t, "ftp-server", "an upload of cdr_A_01_1 was not taken", "the upload broke off", "the PBX has to send it again")
		for range 2 {
			if said := ftpPeer(t, d.push, db.Password(), "cdr_A_01_1", d.given, false); !strings.HasPrefix(said, "226") {
				t.Errorf("an upload is answered %q", said)
			}
		}
		s.await(t, "ftp-server", 10)
		s.over(t, "ftp-server", "was not taken")
		stranger, err := net.Dial("tcp", d.push)
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		io.WriteString(stranger, "SSH-2.0-OpenSSH_9.6\r\n")
		for range 4 {
			if said := ftpPeer(t, d.push, "wrong", "", nil, false); !strings.HasPrefix(said, "530") {
				t.Errorf("a wrong password is answered %q", said)
			}
		}
		s.told(t, "ftp-server", "user ftp-server was refused from 127.0.0.1", "the PBX has another password than the link")
	}, ticketsOf(text)}
}

// The connection is reset inside the file, and the PBX sends it again.
func uploadSFTP(t *testing.T) *storm {
	head, text := cdrs(0, 1000)
	d, wire := pushes(t, catalogue.SFTPServer, "sftp-server", head+text)
	g := newGale(t, d.push, func(n int) gust {
		if n == 1 {
			return gust{cutUp: 70_000}
		}
		return gust{hold: true} // the PBX comes again when it has been told
	})
	d.push = g.addr
	return &storm{wire, func(t *testing.T, s *sky) {
		go func() {
			for !s.says("sftp-server", "was not taken", "the PBX has to send it again") {
				select {
				case <-t.Context().Done():
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
			g.calm()
		}()
		d.put(t, len(d.given))
		s.over(t, "sftp-server", "was not taken")
	}, ticketsOf(text)}
}
