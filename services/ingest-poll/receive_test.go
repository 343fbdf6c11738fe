package ingestpoll

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// A PBX pushes files, the process is stopped and started, and two processes
// receive for one link.
func TestServiceReceives(t *testing.T) {
	n := kit.Start(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	of := func() config.LinkOf {
		return config.LinkOf{Link: &config.Link{ID: "cucm", Model: "cisco-cucm", SFTPServer: &config.SFTPServer{Receiver: config.Receiver{
			Listen: "127.0.0.1:0", User: "cucm", Secret: config.Secret{PasswordFile: password},
		}}}, Site: site()}
	}
	var h healths
	start := func(data string) (*Service, func()) {
		t.Helper()
		s, err := New([]config.LinkOf{of()}, Deps{
			Bus: n.Bus, Tickets: n.Tickets, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), SetHealth: h.set, Data: data,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.links[0].every = 10 * time.Millisecond
		return s, run(t, s)
	}
	push := func(addr net.Addr, id int) {
		t.Helper()
		c, err := ssh.Dial("tcp", addr.String(), &ssh.ClientConfig{
			User: "cucm", Auth: []ssh.AuthMethod{ssh.Password("s3cret")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := sftp.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Create(fmt.Sprintf("cdr_Cluster_01_20261121%04d_%d", id, id))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, fmt.Sprintf("\"cdrRecordType\",\"pkid\"\nINTEGER,UNIQUEIDENTIFIER\n1,\"%d\"", id)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	arrived := func(want int) {
		t.Helper()
		kit.Await(t, fmt.Sprintf("ticket %d", want), func() bool { return len(n.Collected(t)) == want })
	}
	one, two := t.TempDir(), t.TempDir()
	s, stop := start(one)
	other, _ := start(two)
	push(s.links[0].receiver.Addr(), 1)
	push(other.links[0].receiver.Addr(), 2)
	push(other.links[0].receiver.Addr(), 1) // resent to the other process
	arrived(2)
	if got := s.Links()[0]; got.Wire != "sftp_server" || got.Source != "127.0.0.1:0" {
		t.Errorf("%+v", got)
	}
	stop()
	s, stop = start(one)
	push(s.links[0].receiver.Addr(), 3)
	arrived(3)
	stop()
	if got := h.of("lyon/cucm"); got != "<nil>" {
		t.Errorf("health %q", got)
	}
	if model, _ := pbx.Lookup("cisco-cucm"); model.Key == nil {
		t.Error("the test counts on the key of the tickets")
	}
	for _, dir := range []string{one, two} {
		found, err := filepath.Glob(filepath.Join(dir, "inbox", "lyon", "cucm", "cdr_*"))
		if err != nil || len(found) != 2 {
			t.Errorf("%q, %v", found, err)
		}
	}
}

// A link that its PBX logs in to does not start without the password: it would turn
// every ticket away.
func TestPasswordThatIsNotSet(t *testing.T) {
	t.Setenv("PBX_PASSWORD", "")
	empty := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "none")
	n := kit.Start(t)
	for says, secret := range map[string]config.Secret{
		"the environment has no variable NOT_SET_PASSWORD": {PasswordEnv: "NOT_SET_PASSWORD"},
		"password_file: open " + missing:                   {PasswordFile: missing},
		"the password is empty":                            {PasswordFile: empty},
		"_server: the password is empty":                   {PasswordEnv: "PBX_PASSWORD"},
	} {
		receiver := config.Receiver{Listen: "127.0.0.1:0", User: "pbx", Secret: secret}
		for wire, l := range map[string]*config.Link{
			"http_server": {ID: "posts", Model: "grandstream-ucm", HTTPServer: &config.HTTPServer{Listen: "127.0.0.1:0", Path: "/a", User: "pbx", Secret: secret}},
			"ftp_server":  {ID: "cucm", Model: "cisco-cucm", FTPServer: &config.FTPServer{Receiver: receiver}},
			"sftp_server": {ID: "cucm", Model: "cisco-cucm", SFTPServer: &config.SFTPServer{Receiver: receiver}},
		} {
			_, err := New([]config.LinkOf{{Link: l, Site: site()}}, Deps{Bus: n.Bus, Tickets: n.Tickets, Log: slog.New(slog.DiscardHandler), Data: t.TempDir()})
			for _, word := range []string{"site lyon, link " + l.ID + ": " + wire + ": ", says, "set it for this process"} {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %v does not say %q", wire, err, word)
				}
			}
		}
	}
}
