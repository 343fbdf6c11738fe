package receive

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// opensshKey makes a client's key: its file, and its line of authorized_keys.
func opensshKey(t testing.TB) (file, line string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "key"), string(pem.EncodeToMemory(block))), string(ssh.MarshalAuthorizedKey(key))
}

// openssh runs the sftp of the distribution, by password if there is no key.
func openssh(t testing.TB, x *Receiver, key string, options []string, commands ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	host, port, _ := net.SplitHostPort(x.Addr().String())
	args := []string{
		"-F", "none", "-P", port, "-o", "BatchMode=no", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + filepath.Join(dir, "known"), "-o", "IdentityAgent=none",
		"-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-b", write(t, filepath.Join(dir, "batch"), strings.Join(commands, "\n")+"\n"),
	}
	if key != "" {
		args = append(args, "-i", key, "-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey")
	} else {
		args = append(args, "-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no")
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	cmd := exec.Command(program(t, "sftp"), append(args, x.account.user+"@"+host)...)
	ask := filepath.Join(dir, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\ncat "+x.account.secret.PasswordFile+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "HOME="+dir, "LC_ALL=C")
	return client(t, cmd)
}

func TestSFTP(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	file, line1 := opensshKey(t)
	x := r.sftp("cisco-cucm", "cucm", func(c *config.SFTPServer) {
		c.AuthorizedKeys = write(t, filepath.Join(t.TempDir(), "authorized_keys"), "# ours\nrestrict,command=\"internal-sftp\" "+line1)
	})
	r.collect(x)
	dir := t.TempDir()
	one := write(t, filepath.Join(dir, "cdr_1"), cdr("a", "b"))
	test := write(t, filepath.Join(dir, "test.txt"), "is it there?")
	out, err := openssh(t, x, "", nil, "cd /", "pwd", "put "+test, "ls", "rm test.txt", "put "+one, "put -p "+one, "put "+one+" cdr_2.tmp", "rename cdr_2.tmp cdr_2", "ls -l")
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{"test.txt", "cdr_1", "cdr_2"} {
		if !strings.Contains(out, want) {
			t.Errorf("sftp saw no %s: %s", want, out)
		}
	}
	if strings.Contains(out, ours) {
		t.Errorf("it saw what is ours: %s", out)
	}
	// By key, and as old clients do.
	if out, err := openssh(t, x, file, nil, "put "+write(t, filepath.Join(dir, "cdr_3"), cdr("c"))); err != nil {
		t.Fatal(err, out)
	}
	old := []string{"HostKeyAlgorithms=ssh-rsa", "KexAlgorithms=diffie-hellman-group14-sha1", "MACs=hmac-sha1", "Ciphers=aes128-ctr"}
	if out, err := openssh(t, x, "", old, "put "+write(t, filepath.Join(dir, "cdr_4"), cdr("d"))); err != nil {
		t.Fatal(err, out)
	}
	if out, err := openssh(t, x, "", []string{"PreferredAuthentications=keyboard-interactive"}, "ls"); err != nil {
		t.Fatal(err, out)
	}
	r.look(x)
	r.expect(line("a"), line("b"), line("a"), line("b"), line("c"), line("d"))
	r.alarm(x)

	for _, forbidden := range []string{
		"get cdr_1 " + filepath.Join(dir, "stolen"), "rm cdr_1", "rename cdr_1 cdr_9", "mkdir x", "cd x", "get /etc/passwd " + filepath.Join(dir, "passwd"), "put " + one + " /etc/cdr_1",
		"put " + one + " .trunkline/id", "ln -s /etc/passwd x", "ln cdr_1 cdr_8", "put -a " + test + " cdr_1", "ls /etc",
	} {
		if out, err := openssh(t, x, file, nil, forbidden); err == nil {
			t.Errorf("%s: it may do that: %s", forbidden, out)
		}
	}
	holds(t, x, "cdr_1", cdr("a", "b"))
	if _, err := os.Stat(filepath.Join(dir, "stolen")); err == nil {
		if text, _ := os.ReadFile(filepath.Join(dir, "stolen")); len(text) > 0 {
			t.Errorf("it was read: %q", text)
		}
	}
}

func TestSFTPAppends(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	x := r.sftp("mitel-3300", "mitel")
	r.collect(x)
	name := write(t, filepath.Join(t.TempDir(), "smdr.log"), log(0, 2))
	if out, err := openssh(t, x, "", nil, "put "+name); err != nil {
		t.Fatal(err, out)
	}
	r.look(x)
	write(t, name, log(0, 5))
	if out, err := openssh(t, x, "", nil, "put -a "+name); err != nil {
		t.Fatal(err, out)
	}
	holds(t, x, "smdr.log", log(0, 5))
	// A library that opens for appending and for writing on.
	c := dialSFTP(t, x, canary)
	for n, flags := range []int{os.O_WRONLY | os.O_APPEND, os.O_WRONLY} {
		f, err := c.OpenFile("smdr.log", flags)
		if err != nil {
			t.Fatal(err)
		}
		at, err := f.Seek(0, io.SeekEnd)
		if err != nil || at != int64(len(log(0, 5+n))) {
			t.Fatal(at, err)
		}
		if _, err := f.Write([]byte(log(5+n, 6+n))); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.look(x)
	r.expect(smdrs(0, 7)...)
	// Not in the middle.
	f, err := c.OpenFile("smdr.log", os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("overwritten")); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	if err := f.Close(); err == nil {
		t.Error("a log was written over")
	}
	holds(t, x, "smdr.log", log(0, 7))
}

// dialSSH logs in by password.
func dialSSH(x *Receiver, user, password string) (*ssh.Client, error) {
	return ssh.Dial("tcp", x.Addr().String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
	})
}

func dialSFTP(t testing.TB, x *Receiver, password string) *sftp.Client {
	t.Helper()
	c, err := dialSSH(x, x.account.user, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	client, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestSFTPBadWeather(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	r.timing = timing{login: time.Second, idle: time.Second, transfer: time.Second, retry: 10 * time.Millisecond, stop: 5 * time.Second}
	x := r.sftp("cisco-cucm", "cucm")
	r.collect(x)
	half := []byte(cdr("a", "b")[:60])

	// The program is killed, or falls silent, in the middle of a file.
	for n, end := range []func(*ssh.Client){func(c *ssh.Client) { c.Close() }, func(*ssh.Client) {}} {
		c, err := dialSSH(x, "cucm", canary)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := sftp.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Create("cdr_1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(half); err != nil {
			t.Fatal(err)
		}
		end(c)
		kit.Await(t, "the end of the upload", func() bool { return x.Seen().Broken == n+1 })
		if got := visible(t, x); len(got) != 0 {
			t.Errorf("left behind: %q", got)
		}
	}
	r.alarm(x, "cdr_1", "send it again")
	// One that never logs in, and one that speaks something else.
	for _, say := range []string{"", "GET / HTTP/1.0\r\n\r\n", strings.Repeat("x", 1<<16)} {
		p := connect(t, x.Addr().String())
		_, _ = io.WriteString(p, say)
		if _, err := io.Copy(io.Discard, p); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%v", err)
		}
	}
	// Nothing but sftp.
	c, err := dialSSH(x, "cucm", canary)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s, err := c.NewSession(); err != nil {
		t.Error(err)
	} else if err := s.Run("id"); err == nil {
		t.Error("it runs programs")
	}
	if _, err := c.Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("it forwards")
	}
	if _, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("it listens for others")
	}
	var sessions []*ssh.Session
	for range maxChannels + 2 {
		if s, err := c.NewSession(); err == nil {
			sessions = append(sessions, s)
		}
	}
	if len(sessions) > maxChannels {
		t.Errorf("%d channels", len(sessions))
	}
	c.Close()
	// And still well.
	s := dialSFTP(t, x, canary)
	f, err := s.Create("cdr_1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(cdr("a"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.alarm(x)
	r.expect(line("a"))
}

func TestSFTPLogins(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	clock := kit.NewClock()
	r.tries = newTries(clock.Now)
	good, known := opensshKey(t)
	bad, _ := opensshKey(t)
	limited, from := opensshKey(t)
	keys := write(t, filepath.Join(t.TempDir(), "authorized_keys"), known+"from=\"192.0.2.1\" "+from)
	x := r.sftp("cisco-cucm", "cucm", func(c *config.SFTPServer) { c.AuthorizedKeys, c.Secret = keys, config.Secret{} })
	r.collect(x)
	if out, err := openssh(t, x, good, nil, "ls"); err != nil {
		t.Fatal(err, out)
	}
	for _, key := range []string{bad, limited} {
		if out, err := openssh(t, x, key, nil, "ls"); err == nil {
			t.Errorf("a wrong key is taken: %s", out)
		}
	}
	r.alarm(x, "authorized_keys", "user cucm")
	if _, err := dialSSH(x, "cucm", ""); err == nil {
		t.Error("no password is one")
	}
	// Refused three times: even the right key rests.
	if out, err := openssh(t, x, good, nil, "ls"); err == nil {
		t.Errorf("it did not rest: %s", out)
	}
	clock.Add(2 * time.Minute)
	if out, err := openssh(t, x, good, nil, "ls"); err != nil {
		t.Fatal(err, out)
	}
	r.alarm(x)
	// A key that is taken out does not count any more.
	write(t, keys, "")
	if out, err := openssh(t, x, good, nil, "ls"); err == nil {
		t.Errorf("a key that was taken out is taken: %s", out)
	}
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	clock.Add(2 * time.Minute)
	_, _ = openssh(t, x, good, nil, "ls")
	r.alarm(x, "authorized_keys cannot be read")

	y := r.sftp("cisco-cucm", "other")
	for range 3 {
		if _, err := dialSSH(y, "other", "wrong"); err == nil {
			t.Error("a wrong password is taken")
		}
	}
	if _, err := dialSSH(y, "other", canary); err == nil {
		t.Error("it did not rest")
	}
	if _, err := dialSSH(y, "nobody", canary); err == nil {
		t.Error("nobody is somebody")
	}
}

func TestHostKeysStay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	x := r.sftp("cisco-cucm", "cucm")
	r.sftp("cisco-cucm", "second")
	if got := strings.Count(r.log.String(), "fingerprint=SHA256:"); got != 2 {
		t.Errorf("%d fingerprints are logged, want one a key, once", got)
	}
	ask := func(x *Receiver, algorithm string) string {
		t.Helper()
		var seen string
		_, err := ssh.Dial("tcp", x.Addr().String(), &ssh.ClientConfig{
			User: "cucm", HostKeyAlgorithms: []string{algorithm}, Timeout: 10 * time.Second,
			HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
				seen = ssh.FingerprintSHA256(key)
				return nil
			},
		})
		if err == nil || seen == "" {
			t.Fatalf("%s: %v", algorithm, err)
		}
		return seen
	}
	again := newRig(t)
	again.data = r.data
	y := again.sftp("cisco-cucm", "third")
	for _, algorithm := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256} {
		if a, b := ask(x, algorithm), ask(y, algorithm); a != b || !strings.Contains(r.log.String(), a) {
			t.Errorf("%s is %s, then %s", algorithm, a, b)
		}
	}
	files, err := filepath.Glob(filepath.Join(r.data, "ssh", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%q, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		write(t, f, "nothing")
	}
	if _, err := again.hostKeys(); err == nil || !strings.Contains(err.Error(), "put the right one back") {
		t.Errorf("a broken key is made anew: %v", err)
	}
}

func TestSFTPManyFiles(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	x := r.sftp("cisco-cucm", "cucm")
	r.collect(x)
	c := dialSFTP(t, x, canary)
	var want []string
	for n := range 60 {
		f, err := c.Create(fmt.Sprintf("cdr_%03d", n))
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("call ", n)
		if _, err := f.Write([]byte(cdr(id))); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		want = append(want, line(id))
	}
	big := make([]byte, 20<<20)
	f, err := c.Create("big.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(strings.NewReader(string(big))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := c.ReadDir("/")
	if err != nil || len(list) != 61 {
		t.Errorf("%d files, %v", len(list), err)
	}
	if info, err := c.Stat("big.bin"); err != nil || info.Size() != int64(len(big)) {
		t.Errorf("%v, %v", info, err)
	}
	r.look(x)
	r.expect(want...)
}

// The RSA key is large enough for clients that ask for it.
func TestHostKeySize(t *testing.T) {
	t.Parallel()
	s := NewServers(t.TempDir(), newRig(t).Servers.log)
	keys, err := s.hostKeys()
	if err != nil {
		t.Fatal(err)
	}
	public := keys[1].PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
	if public.N.BitLen() != 3072 {
		t.Errorf("%d bits", public.N.BitLen())
	}
}
