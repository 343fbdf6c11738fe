package ftp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

func TestAgainstVsftpd(t *testing.T) {
	cert, both := certificate(t)
	encrypted := []string{"ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES", "require_ssl_reuse=YES", "rsa_cert_file=" + both, "ssl_ciphers=HIGH"}
	active := func(c *config.FTP) { c.Active = true }
	overTLS := func(c *config.FTP) { c.TLS = &config.TLS{CA: cert} }
	for _, tc := range []struct {
		name   string
		server []string
		client []func(*config.FTP)
	}{
		{"passive, EPSV", nil, nil},
		{"passive, PASV", []string{"cmds_denied=EPSV"}, nil},
		{"passive, with the address of another host", []string{"cmds_denied=EPSV", "pasv_address=10.99.99.99"}, nil},
		{"active", []string{"pasv_enable=NO"}, []func(*config.FTP){active}},
		{"active, one port", []string{"pasv_enable=NO"}, []func(*config.FTP){active, func(c *config.FTP) { c.ActivePorts, c.ActiveAddress = ports(t), "127.0.0.1" }}},
		{"TLS, passive", encrypted, []func(*config.FTP){overTLS}},
		{"TLS, active", encrypted, []func(*config.FTP){overTLS, active}},
		{"TLS, implicit", append(encrypted, "implicit_ssl=YES"), []func(*config.FTP){overTLS, func(c *config.FTP) { c.Implicit = true }}},
		{"without FEAT, SIZE and MDTM", []string{"cmds_denied=FEAT,SIZE,MDTM"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			addr := vsftpd(r, tc.server...)
			text, want := rig.Lines(0, 5000)
			r.Write("day 1.txt", text)
			more, each := rig.Lines(5000, 5010)
			r.Write("day2.txt", more)
			r.Write("day3.txt.part", "half\r\n")
			want = append(want, each...)
			c := collector(r, addr, tc.client...)
			r.Collect(c)
			r.Healthy()
			r.Tickets(want...)
			// The server keeps what it has.
			if got := rig.Names(t, r.Dir); !slices.Equal(got, []string{"day 1.txt", "day2.txt", "day3.txt.part"}) {
				t.Fatal(got)
			}
			// A new process fetches nothing again.
			r.Restart("unify-hipath")
			r.Collect(collector(r, addr, tc.client...))
			r.Healthy()
			if got := r.Link.State().Tickets; got != 0 {
				t.Fatalf("%d tickets again", got)
			}
		})
	}
}

// ports is a range of some ports that are likely to be free.
func ports(t testing.TB) string {
	t.Helper()
	first := 20000 + os.Getpid()%9000
	return fmt.Sprintf("%d-%d", first, first+50)
}

func TestWrittenIsTheServersTime(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	at := r.Clock.Now().Add(-90*24*time.Hour + 17*time.Second)
	r.WriteAt("a.txt", "call 1\r\n", at)
	r.Collect(collector(r, vsftpd(r)))
	got := r.NATS.Collected(t)
	if len(got) != 1 || !got[0].Written.Equal(at) {
		t.Fatalf("%+v, want %s", got, at)
	}
}

func TestAfter(t *testing.T) {
	rig.After(t, func(r *rig.Rig, after config.After) link.Collector {
		return collector(r, vsftpd(r, writable...), func(c *config.FTP) { c.After = after })
	})
}

// What is not the file that was collected is not deleted.
func TestDeletesOnlyWhatItCollected(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	at := r.Clock.Now()
	day := 24 * time.Hour
	c := collector(r, vsftpd(r, writable...), func(c *config.FTP) { c.After = config.After{Delete: &day} })
	r.Collect(c)
	r.Clock.Add(2 * day)
	r.WriteAt("a.txt", "call 2\r\n", at) // as long and as old
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	if got := rig.Names(t, r.Dir); len(got) != 1 {
		t.Fatalf("deleted: %v", got)
	}
	r.Collect(c)
	r.Tickets("call 1", "call 2")
}

func TestMayNotDelete(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	now := time.Duration(0)
	c := collector(r, vsftpd(r), func(c *config.FTP) { c.After = config.After{Delete: &now} })
	r.Collect(c)
	r.Tickets("call 1")
	r.Ill("a.txt", "cannot be cleared away", "DELE", "ftp://127.0.0.1")
}

// A log is fetched from where we stand; the server's file is never changed.
func TestLogThatGrows(t *testing.T) {
	r := rig.New(t, "asterisk")
	grows := true
	line := func(i int) string {
		return fmt.Sprintf("\"\",\"201\",\"01632960%03d\",\"internal\",\"201\",\"SIP/201\",\"SIP/out\",\"Dial\",\"x\",\"2026-11-21 09:00:00\",\"2026-11-21 09:00:05\",\"2026-11-21 09:01:00\",60,55,\"ANSWERED\",\"DOCUMENTATION\",\"%d.1\",\"\"", i%1000, 1000000000+i)
	}
	var want []string
	add := func(n int) {
		for range n {
			want = append(want, line(len(want)))
		}
		r.Clock.Add(time.Hour)
		r.Write("Master.csv", strings.Join(want, "\n")+"\n")
	}
	c := collector(r, vsftpd(r), func(c *config.FTP) { c.Pattern, c.Grows = "Master.csv", &grows })
	for _, n := range []int{3, 20000, 1, 200} {
		add(n)
		r.Collect(c)
		r.Healthy()
	}
	r.Tickets(want...)
}

func TestUnreadableFile(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	r.Write("b.txt", "call 2\r\n")
	// vsftpd gives this user only what the world may read.
	if err := os.Chmod(filepath.Join(r.Dir, "a.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := collector(r, vsftpd(r))
	r.Collect(c)
	r.Tickets("call 2")
	r.Ill("a.txt", "attempt 1 of 5", "permission")
	for range 10 {
		r.Clock.Add(15 * time.Minute)
		if err := r.Look(c); err != nil {
			t.Fatal(err)
		}
	}
	r.Ill("a.txt", "let the user")
	if got := rig.Names(t, r.Dir); !slices.Equal(got, []string{"a.txt", "b.txt"}) {
		t.Fatalf("%v: it must stay where it is", got)
	}
	if err := os.Chmod(filepath.Join(r.Dir, "a.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Clock.Add(15 * time.Minute)
	r.Collect(c)
	r.Healthy()
	r.Tickets("call 1", "call 2")
}

func TestWhatIsWrong(t *testing.T) {
	cert, both := certificate(t)
	other, _ := certificate(t)
	encrypted := []string{"ssl_enable=YES", "allow_anon_ssl=YES", "rsa_cert_file=" + both, "ssl_ciphers=HIGH"}
	for _, tc := range []struct {
		name   string
		server []string
		client func(*config.FTP)
		says   []string
	}{
		{"folder", nil, func(c *config.FTP) { c.Dir += "/none" }, []string{"/none cannot be entered", "dir"}},
		{"no TLS", nil, func(c *config.FTP) { c.TLS = &config.TLS{CA: cert} }, []string{"offers no TLS"}},
		{"certificate", encrypted, func(c *config.FTP) { c.TLS = &config.TLS{CA: other} }, []string{"not trusted", "tls: {ca: FILE}"}},
		{"implicit TLS on the plain port", encrypted, func(c *config.FTP) { c.TLS, c.Implicit = &config.TLS{CA: cert}, true }, []string{"port 990 wants implicit"}},
		{"plain where TLS is needed", append(encrypted, "force_anon_logins_ssl=YES"), func(*config.FTP) {}, []string{"log-in is refused", "encryption"}},
		{"no active mode", []string{"port_enable=NO"}, func(c *config.FTP) { c.Active = true }, []string{"take out active: true"}},
		{"no passive mode", []string{"pasv_enable=NO"}, func(*config.FTP) {}, []string{"PASV: 550"}},
		{"nobody is there", nil, func(c *config.FTP) { c.Addr = "127.0.0.1:1" }, []string{"does not answer", "firewall"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rig.New(t, "unify-hipath")
			r.Write("a.txt", "call 1\r\n")
			if err := r.Look(collector(r, vsftpd(r, tc.server...), tc.client)); err == nil {
				t.Fatal("no error")
			}
			r.Ill(append(tc.says, "127.0.0.1")...)
			r.Tickets()
		})
	}
}

func TestRefusedLogin(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Write("a.txt", "call 1\r\n")
	var dialled atomic.Int32
	proxy := rig.NewCutter(t, vsftpd(r), func(int) int64 { dialled.Add(1); return 0 })
	secret := r.SecretOf("wrong " + rig.Canary)
	c := collector(r, proxy.Addr, func(c *config.FTP) { c.Secret = secret })
	r.Refused(c, dialled.Load, "user ftp", "530")
	for range 60 {
		r.Clock.Add(time.Minute)
		if err := r.Look(c); !rig.Gone(err) {
			t.Fatal(err)
		}
		r.Ill("log-in is refused", "user ftp", "530")
	}
	if n := dialled.Load(); n > 3+17 {
		t.Fatalf("%d log-ins in an hour", n)
	}
	r.Corrected(c, secret, "call 1")
}

func TestServerThatGoesAway(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	var want []string
	for i := range 20 {
		text, each := rig.Lines(100*i, 100*i+100)
		r.Write(fmt.Sprintf("f%02d", i), text)
		want = append(want, each...)
	}
	var away atomic.Bool
	proxy := rig.NewCutter(t, vsftpd(r), func(int) int64 {
		if away.Load() {
			return 1
		}
		return 3000 // bytes of the control connection, then a reset
	})
	c := collector(r, proxy.Addr)
	r.Collect(c) // each break is mended by another connection
	r.Healthy()
	r.Tickets(want...)
	away.Store(true)
	r.Write("g", "call 3\r\n")
	if err := r.Look(c); !rig.Gone(err) {
		t.Fatal(err)
	}
	r.Ill("no greeting")
	away.Store(false)
	r.Collect(c)
	r.Healthy()
	r.Tickets(append(want, "call 3")...)
}

func TestStopsAtOnce(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	text, _ := rig.Lines(0, 200000)
	for i := range 5 {
		r.Write(fmt.Sprintf("f%d", i), text)
	}
	c := collector(r, vsftpd(r, "anon_max_rate=100000")) // a minute and more
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	r.Clock.Add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := r.LookWith(ctx, c); err == nil {
		t.Fatal("no error")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Fatalf("stopped after %s", d)
	}
}

// Trouble with our own disk is no file's fault.
func TestNoTemporaryFile(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	for i := range 20 {
		r.Write(fmt.Sprintf("f%d", i), "call 1\r\n")
	}
	c := collector(r, vsftpd(r))
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	r.Clock.Add(time.Minute)
	if err := os.Remove(r.Temp); err != nil {
		t.Fatal(err)
	}
	if err := r.Look(c); err == nil {
		t.Fatal("no error")
	}
	r.Ill("temporary file cannot be written", "is there room")
	if strings.Contains(r.Health.Text(), "attempt") {
		t.Error("a file is blamed")
	}
	if err := os.Mkdir(r.Temp, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Collect(c)
	r.Healthy()
}

func TestManyFiles(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	old := r.Clock.Now().Add(-time.Hour)
	const all, ours = 20000, 300
	var want []string
	for i := range all {
		name := fmt.Sprintf("other%06d.dat", i)
		if i%(all/ours) == 0 && len(want) < ours {
			name = fmt.Sprintf("gez%06d.txt", i)
			want = append(want, name)
		}
		p := filepath.Join(r.Dir, name)
		if err := os.WriteFile(p, []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
	}
	c := collector(r, vsftpd(r), func(c *config.FTP) { c.Pattern = "gez*" })
	began := time.Now()
	r.Collect(c)
	t.Logf("%d files, %d of them ours: %s", all, ours, time.Since(began))
	r.Healthy()
	r.Tickets(want...)
}
