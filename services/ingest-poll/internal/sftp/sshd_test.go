package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/remote"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// sshd is a private OpenSSH server. The user who runs the tests may log in with
// its key.
type sshd struct {
	addr, user string
	keyFile    string
	hostKey    ssh.PublicKey
}

func newSSHD(r *rig.Rig, settings ...string) *sshd {
	r.Helper()
	program, dir := rig.Program(r, "sshd"), r.TempDir()
	if os.Geteuid() == 0 {
		// The server wants it when root starts it; the package makes it when its
		// service starts.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			r.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		r.Fatal(err)
	}
	s := &sshd{user: me.Username, keyFile: filepath.Join(dir, "key")}
	host := filepath.Join(dir, "host")
	s.hostKey = newKey(r, host, "")
	mine := newKey(r, s.keyFile, "")
	write(r, filepath.Join(dir, "authorized"), string(ssh.MarshalAuthorizedKey(mine)))
	s.addr = rig.Serve(r, func(port int) *exec.Cmd {
		lines := append([]string{
			fmt.Sprintf("Port %d", port), "ListenAddress 127.0.0.1", "HostKey " + host, "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes",
			"AuthorizedKeysFile " + filepath.Join(dir, "authorized"), "Subsystem sftp internal-sftp", "MaxStartups 1000",
		}, settings...)
		conf := filepath.Join(dir, "sshd_config")
		write(r, conf, strings.Join(lines, "\n")+"\n")
		return exec.Command(program, "-D", "-e", "-f", conf)
	})
	return s
}

// newKey writes a private key to a file.
func newKey(t testing.TB, file, passphrase string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// collector is of a server, with its key.
func collector(r *rig.Rig, s *sshd, change ...func(*config.SFTP)) *remote.Collector {
	r.Helper()
	cfg := &config.SFTP{Remote: config.Remote{Addr: s.addr, User: s.user, Dir: r.Dir}, KeyFile: s.keyFile, HostKey: ssh.FingerprintSHA256(s.hostKey)}
	for _, c := range change {
		c(cfg)
	}
	c, err := New(r.Link, cfg, r.Temp)
	if err != nil {
		r.Fatal(err)
	}
	return c
}
