package sftp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

func TestAgainstOpenSSH(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newSSHD(r)
	text, want := rig.Lines(0, 50000)
	r.Write("day 1.txt", text)
	more, each := rig.Lines(50000, 50010)
	r.Write("day2.txt", more)
	r.Write("day3.txt.part", "half\r\n")
	if err := os.Symlink(filepath.Join(r.Dir, "day2.txt"), filepath.Join(r.Dir, "day4.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.Dir, "day5.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	want = append(want, each...)
	r.Collect(collector(r, s))
	r.Ill("day4.txt is no regular file")
	r.Tickets(want...)
	if err := os.Remove(filepath.Join(r.Dir, "day4.txt")); err != nil {
		t.Fatal(err)
	}
	// A new process fetches nothing again. The key may stand there as known_hosts
	// has it.
	for _, line := range []string{
		string(ssh.MarshalAuthorizedKey(s.hostKey)),
		"[127.0.0.1]:2222 " + string(ssh.MarshalAuthorizedKey(s.hostKey)),
		ssh.FingerprintSHA256(s.hostKey) + "=",
	} {
		r.Restart("unify-hipath")
		r.Collect(collector(r, s, func(c *config.SFTP) { c.HostKey = line }))
		r.Healthy()
		if got := r.Link.State().Tickets; got != 0 {
			t.Fatalf("%d tickets again", got)
		}
	}
	if got := rig.Names(t, r.Dir); !slices.Equal(got, []string{"day 1.txt", "day2.txt", "day3.txt.part", "day5.txt"}) {
		t.Fatal(got)
	}
}

func TestAfter(t *testing.T) {
	rig.After(t, func(r *rig.Rig, after config.After) link.Collector {
		return collector(r, newSSHD(r), func(c *config.SFTP) { c.After = after })
	})
}

// A log is fetched from where we stand.
func TestLogThatGrows(t *testing.T) {
	r := rig.New(t, "asterisk")
	grows := true
	var want []string
	c := collector(r, newSSHD(r), func(c *config.SFTP) { c.Pattern, c.Grows = "Master.csv", &grows })
	for _, n := range []int{3, 20000, 1, 200} {
		for range n {
			want = append(want, fmt.Sprintf("\"\",\"201\",\"01632960%03d\",\"internal\",\"201\",\"SIP/201\",\"SIP/out\",\"Dial\",\"x\",\"2026-11-21 09:00:00\",\"2026-11-21 09:00:05\",\"2026-11-21 09:01:00\",60,55,\"ANSWERED\",\"DOCUMENTATION\",\"%d.1\",\"\"", len(want)%1000, 1000000000+len(want)))
		}
		r.Clock.Add(time.Hour)
		r.Write("Master.csv", strings.Join(want, "\n")+"\n")
		r.Collect(c)
		r.Healthy()
	}
	r.Tickets(want...)
}

// The server proves who it is before a secret goes out, and the error says what to
// paste.
func TestHostKey(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	s := newInside(r, false)
	other := newKey(r, filepath.Join(r.TempDir(), "other"), "")
	shown := fmt.Sprintf("host_key: %q", ssh.FingerprintSHA256(s.hostKey))
	for _, tc := range []struct {
		key  string
		says []string
	}{
		{"", []string{"host_key is missing", shown, "ssh-keygen -lf", "ssh-ed25519"}},
		{ssh.FingerprintSHA256(other), []string{"another key", shown, "no password was sent"}},
		{"pbx " + string(ssh.MarshalAuthorizedKey(other)), []string{"another key", shown}},
	} {
		c := collector(r, s.sshd, func(c *config.SFTP) { c.HostKey, c.KeyFile, c.Secret = tc.key, "", r.Secret() })
		if err := r.Look(c); !rig.Gone(err) {
			t.Fatal(err)
		}
		r.Ill(tc.says...)
	}
	if n := s.logins.Load(); n > 0 {
		t.Errorf("%d passwords were sent", n)
	}
}

func TestPassword(t *testing.T) {
	for _, keyboard := range []bool{false, true} {
		t.Run(fmt.Sprint("as a question: ", keyboard), func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			r.Write("a.txt", "call 1\r\n")
			s := newInside(r, keyboard)
			secret := r.SecretOf("wrong " + rig.Canary)
			c := collector(r, s.sshd, func(c *config.SFTP) { c.KeyFile, c.Secret = "", secret })
			r.Refused(c, s.logins.Load, "user adfexc")
			r.Corrected(c, secret, "call 1")
		})
	}
}

func TestKeyThatIsRefused(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	s := newSSHD(r, "PasswordAuthentication yes", "KbdInteractiveAuthentication no")
	file := filepath.Join(r.TempDir(), "other")
	newKey(r, file, "")
	for _, change := range []func(*config.SFTP){
		func(c *config.SFTP) { c.KeyFile = file },
		func(c *config.SFTP) { c.KeyFile, c.Secret = "", r.Secret() },
	} {
		if err := r.Look(collector(r, s, change)); !rig.Gone(err) {
			t.Fatal(err)
		}
		r.Ill("log-in is refused", "user "+s.user)
	}
}

func TestKeyWithPassphrase(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	s := newSSHD(r)
	file := filepath.Join(r.TempDir(), "key")
	key := newKey(r, file, rig.Canary)
	write(t, filepath.Join(filepath.Dir(s.keyFile), "authorized"), string(ssh.MarshalAuthorizedKey(key)))
	if err := r.Look(collector(r, s, func(c *config.SFTP) { c.KeyFile = file })); err == nil {
		t.Fatal("no error")
	}
	r.Ill("passphrase")
	r.Collect(collector(r, s, func(c *config.SFTP) { c.KeyFile, c.Secret = file, r.Secret() }))
	r.Healthy()
	r.Tickets("call 1")
}

// Algorithms that are broken are taken only when told.
func TestLegacy(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	s := newInside(r, false, func(c *ssh.ServerConfig) { c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1} })
	auth := func(c *config.SFTP) { c.KeyFile, c.Secret = "", r.Secret() }
	if err := r.Look(collector(r, s.sshd, auth)); !rig.Gone(err) {
		t.Fatal(err)
	}
	r.Ill("legacy: true")
	r.Collect(collector(r, s.sshd, auth, func(c *config.SFTP) { c.Legacy = true }))
	r.Healthy()
	r.Tickets("call 1")
}

func TestWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server []string
		client func(*config.SFTP)
		says   []string
	}{
		{"folder", nil, func(c *config.SFTP) { c.Dir += "/none" }, []string{"/none", "cannot be listed", "no such folder"}},
		{"no SFTP", []string{"ForceCommand /bin/false"}, func(*config.SFTP) {}, []string{"offers no SFTP"}},
		{"nobody is there", nil, func(c *config.SFTP) { c.Addr = "127.0.0.1:1" }, []string{"does not answer", "firewall"}},
		{"key", nil, func(c *config.SFTP) { c.KeyFile += ".none" }, []string{"key_file"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			if err := r.Look(collector(r, newSSHD(r, tc.server...), tc.client)); err == nil {
				t.Fatal("no error")
			}
			r.Ill(append(tc.says, "sftp://127.0.0.1")...)
		})
	}
}

func TestStopsAtOnce(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	s := newSSHD(r)
	s.addr = kit.Serve(t, wait)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	if err := r.LookWith(ctx, collector(r, s)); err == nil {
		t.Fatal("no error")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Fatalf("stopped after %s", d)
	}
}

func TestHundredThousand(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	const n = 100_000
	dir, err := os.OpenRoot(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for i := range n {
		f, err := dir.Create(fmt.Sprintf("gez%06d.txt", i))
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	r.Write("z.txt", "call 1\r\n")
	c := collector(r, newSSHD(r))
	began := time.Now()
	r.Collect(c)
	t.Logf("%d entries, twice: %s", n, time.Since(began))
	r.Healthy()
	r.Tickets("call 1")
}

func TestConfiguration(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	for _, tc := range []struct {
		change func(*config.SFTP)
		says   string
	}{
		{func(c *config.SFTP) { c.Addr = "10.1.0.9" }, "addr"},
		{func(c *config.SFTP) { c.KeyFile = "" }, "key_file"},
		{func(c *config.SFTP) { c.HostKey = "SHA256:abc" }, "43 characters"},
		{func(c *config.SFTP) { c.HostKey = "MD5:00:11" }, "fingerprint"},
		{func(c *config.SFTP) { c.HostKey = "@revoked * " + "ssh-ed25519 AAAA" }, "host_key"},
		{func(c *config.SFTP) { c.Dir, c.After.Move = "/x", "/x/" }, "the folder itself"},
	} {
		cfg := &config.SFTP{Remote: config.Remote{Addr: "10.1.0.9:22", User: "u"}, KeyFile: "k"}
		tc.change(cfg)
		if _, err := New(r.Link, cfg, ""); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v", tc.says, err)
		}
	}
}

func FuzzHostKey(f *testing.F) {
	f.Add("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
	f.Add("[10.1.0.9]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
	f.Add("@cert-authority * ssh-rsa x")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := parseHostKey(text); err == nil && len(k.fingerprint) != 50 {
			t.Errorf("%q: %+v", text, k)
		}
	})
}
