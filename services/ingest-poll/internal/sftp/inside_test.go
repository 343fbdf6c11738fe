package sftp

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/services/ingest-poll/internal/kit"
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
	s.addr = kit.Serve(r, func(c net.Conn) { serveSFTP(c, cfg) })
	return s
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
