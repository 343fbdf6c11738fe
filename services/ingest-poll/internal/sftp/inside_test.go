package sftp

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// inside is a server in this process, for what a private OpenSSH cannot do: log-ins
// with a password that is no account's, and pauses on command.
type inside struct {
	*sshd
	logins atomic.Int32 // passwords that were tried
}

// newInside starts one. keyboard asks for the password as a question; change sets
// what else is odd.
func newInside(r *rig.Rig, keyboard bool, change ...func(*ssh.ServerConfig)) *inside {
	r.Helper()
	host := filepath.Join(r.TempDir(), "host")
	s := &inside{sshd: &sshd{user: "adfexc", hostKey: newKey(r, host, "")}}
	pem, err := os.ReadFile(host)
	if err != nil {
		r.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		r.Fatal(err)
	}
	cfg := &ssh.ServerConfig{}
	cfg.AddHostKey(signer)
	right := func(password string) (*ssh.Permissions, error) {
		if s.logins.Add(1); password != rig.Canary {
			return nil, errors.New("wrong: " + password)
		}
		return nil, nil
	}
	if keyboard {
		cfg.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password:"}, []bool{false})
			if err != nil {
				return nil, err
			}
			return right(answers[0])
		}
	} else {
		cfg.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) { return right(string(password)) }
	}
	for _, c := range change {
		c(cfg)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	s.addr = l.Addr().String()
	serveAll(r, l, func(c net.Conn) { serveSFTP(c, cfg) })
	return s
}

// serveAll serves every connection until the test ends.
func serveAll(t testing.TB, l net.Listener, serve func(net.Conn)) {
	var mu sync.Mutex
	var conns []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
}

func serveSFTP(c net.Conn, cfg *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for n := range channels {
		channel, requests, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			for q := range requests {
				_ = q.Reply(q.Type == "subsystem", nil)
			}
		}()
		server, err := sftp.NewServer(channel)
		if err != nil {
			return
		}
		_ = server.Serve()
		_ = channel.Close()
	}
}
