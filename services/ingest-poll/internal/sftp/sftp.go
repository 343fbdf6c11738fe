// Package sftp fetches ticket files from an SSH server.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

// New makes the collector of a folder on an SSH server; it touches nothing. temp is
// the folder of temporary files, empty: the system's.
func New(l *link.Link, c *config.SFTP, temp string) (*remote.Collector, error) {
	s, err := newServer(l, c)
	if err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	out, err := remote.New(l, remote.Options{Config: &c.Remote, URL: "sftp://" + c.Addr, Dial: s.dial, Temp: temp})
	if err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	return out, nil
}

// step is how long the server may take for an answer.
const step = 30 * time.Second

type server struct {
	cfg  *config.SFTP
	dir  string
	key  *hostKey // nil: none is configured
	step time.Duration
	pace remote.Pace
}

func newServer(l *link.Link, c *config.SFTP) (*server, error) {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return nil, fmt.Errorf("addr: %w", err)
	}
	if c.KeyFile == "" && !c.Set() {
		return nil, errors.New("give password_env, password_file or key_file: we log in with it")
	}
	s := &server{cfg: c, dir: c.Dir, step: step, pace: remote.DefaultPace}
	if s.dir == "" {
		s.dir = l.PBX.Files.Dir
	}
	if c.HostKey != "" {
		var err error
		if s.key, err = parseHostKey(c.HostKey); err != nil {
			return nil, fmt.Errorf("host_key: %w", err)
		}
	}
	return s, nil
}

// dial connects, makes sure of the server, and logs in.
func (s *server) dial(ctx context.Context) (remote.Session, error) {
	auth, err := s.auth()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: s.step}
	raw, err := d.DialContext(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("the server does not answer: is it on, is its SSH service started, does the firewall let us through? %w", err)
	}
	out, err := s.open(ctx, raw, auth)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return out, nil
}

func (s *server) open(ctx context.Context, raw net.Conn, auth *auth) (*session, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if err := raw.SetDeadline(time.Now().Add(s.step)); err != nil {
		return nil, err
	}
	check := &check{want: s.key}
	cfg := &ssh.ClientConfig{User: s.cfg.User, Auth: auth.methods(), HostKeyCallback: check.see}
	s.algorithms(cfg)
	conn, channels, requests, err := ssh.NewClientConn(raw, s.cfg.Addr, cfg)
	var agreed *ssh.AlgorithmNegotiationError
	switch {
	case check.err != nil:
		return nil, check.err
	case errors.As(err, &agreed) && !s.cfg.Legacy:
		return nil, fmt.Errorf("the server is too old for us: update it, or say legacy: true, which also takes algorithms that are broken: %w", err)
	case err != nil && auth.used:
		return nil, fmt.Errorf("%w: compare user %s and its password or key with the server's, and may it use SFTP? %w", remote.ErrRefused, s.cfg.User, err)
	case err != nil:
		return nil, fmt.Errorf("no SSH with the server: is this its SSH port? %w", err)
	}
	client := ssh.NewClient(conn, channels, requests)
	out, err := s.subsystem(client)
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("the server lets user %s in but offers no SFTP: switch it on there: %w", s.cfg.User, err)
	}
	out.raw = raw
	return out, raw.SetDeadline(time.Time{})
}

func (s *server) subsystem(client *ssh.Client) (*session, error) {
	channel, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	in, err := channel.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := channel.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := channel.RequestSubsystem("sftp"); err != nil {
		return nil, err
	}
	bounded := &meter{in: out}
	files, err := sftp.NewClientPipe(bounded, in)
	if err != nil {
		return nil, err
	}
	return &session{server: s, client: client, files: files, meter: bounded}, nil
}

// algorithms of our side. What the host key is known to be is asked for, since a
// server that has several shows only one.
func (s *server) algorithms(c *ssh.ClientConfig) {
	good := ssh.SupportedAlgorithms()
	hostKeys := good.HostKeys
	if s.cfg.Legacy {
		bad := ssh.InsecureAlgorithms()
		c.KeyExchanges = append(good.KeyExchanges, bad.KeyExchanges...)
		c.Ciphers = append(good.Ciphers, bad.Ciphers...)
		c.MACs = append(good.MACs, bad.MACs...)
		hostKeys = append(hostKeys, bad.HostKeys...)
		c.HostKeyAlgorithms = hostKeys
	}
	if s.key != nil && s.key.key != nil {
		c.HostKeyAlgorithms = s.key.algorithms(hostKeys)
	}
}

// auth is what we log in with. Each of its secrets is offered once a connection:
// a server counts.
type auth struct {
	signer   ssh.Signer
	password string
	used     bool
	spent    bool
}

func (s *server) auth() (*auth, error) {
	a := &auth{}
	var err error
	if a.password, err = s.cfg.Password(); err != nil {
		return nil, err
	}
	if s.cfg.KeyFile == "" {
		return a, nil
	}
	pem, err := os.ReadFile(s.cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	a.signer, err = ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) && a.password != "" {
		a.signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(a.password))
		a.password = ""
	}
	if err != nil {
		return nil, fmt.Errorf("key_file: %s is no private key that we can read; one with a passphrase needs it as password_env or password_file: %w", s.cfg.KeyFile, err)
	}
	return a, nil
}

func (a *auth) methods() []ssh.AuthMethod {
	var out []ssh.AuthMethod
	if a.signer != nil {
		out = append(out, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			a.used = true
			return []ssh.Signer{a.signer}, nil
		}))
	}
	if a.password != "" {
		out = append(out, ssh.PasswordCallback(a.spend), ssh.KeyboardInteractive(a.answer))
	}
	return out
}

var errSpent = errors.New("the password was refused")

func (a *auth) spend() (string, error) {
	if a.spent {
		return "", errSpent
	}
	a.used, a.spent = true, true
	return a.password, nil
}

// answer gives the password to the one question whose answer is not shown.
func (a *auth) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i, echo := range echos {
		if echo {
			return nil, fmt.Errorf("the server asks %.80q, which we cannot answer", strings.ToValidUTF8(questions[i], "?"))
		}
		password, err := a.spend()
		if err != nil {
			return nil, err
		}
		answers[i] = password
	}
	return answers, nil
}
