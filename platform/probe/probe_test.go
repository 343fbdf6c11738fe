package probe

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestGuess(t *testing.T) {
	for said, want := range map[string]string{
		"":                                  "",
		"SSH-2.0-OpenSSH_9.6\r\n":           "SSH (SSH-2.0-OpenSSH_9.6)",
		"220 (vsFTPd 3.0.5)\r\n":            "FTP (220 (vsFTPd 3.0.5))",
		"220 mail.example ESMTP Postfix":    "mail server (SMTP)",
		"HTTP/1.1 400 Bad Request\r\n":      "HTTP",
		"\x15\x03\x01\x00\x02\x02\x28":      "TLS",
		"J\x00\x00\x00\x0a8.0.36\x00":       "MySQL",
		"\xff\xfd\x18\xff\xfd\x20login: ":   "telnet (login:)",
		"SIP/2.0 405 Method Not Allowed":    "SIP",
		"-":                                 "Panasonic",
		"-SMDR\r\nEnter Password:":          "Panasonic",
		"-06/14 09:03 0000:01:20 1234":      "Mitel 3300",
		"2026/11/21 09:00:00,00:01:00,4":    "Avaya",
		"21/11/26 09:00  201  01 00'01\"20": "SMDR lines",
		"Asterisk Call Manager/5.0.1\r\n":   "AMI",
		"password: ":                        "log-in dialogue",
		"hello":                             "",
	} {
		got := Guess([]byte(said))
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func FuzzGuess(f *testing.F) {
	f.Add([]byte("SSH-2.0-x"))
	f.Add([]byte("\xff\xfd\x18\xff\xfd"))
	f.Add([]byte("\x01\x00\x00\x00\xff\x10\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range []string{Guess(data), strings.ReplaceAll(Dump(data), "\n", "")} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q", text)
			}
		}
		if n := strings.Count(Dump(data), "\n"); n != (min(len(data), MaxDump)+15)/16 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestDump(t *testing.T) {
	want := "0000  30 31 32 33 34 35 36 37  38 39 41 42 43 44 45 46  |0123456789ABCDEF|\n" +
		"0010  0d 0a                                             |..|\n"
	if got := Dump([]byte("0123456789ABCDEF\r\n")); got != want {
		t.Errorf("\n%s", got)
	}
}

func TestHoldersOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := Holders("tcp", 1); err == nil || !strings.Contains(err.Error(), "run `") {
			t.Error(err)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	found, err := Holders("tcp", port)
	if err != nil || !slices.ContainsFunc(found, func(h Holder) bool { return h.PID == os.Getpid() && h.Name != "" }) {
		t.Errorf("%v, %v", found, err)
	}
	l.Close()
	if found, err := Holders("tcp", port); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// What this user may not see has no name.
func TestHoldersOfOthers(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"+
		"   0: 00000000:0438 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n"+
		"   1: 00000000:0438 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n")
	found, err := holdersIn(proc, "tcp", 1080)
	if err != nil || len(found) != 1 || found[0].String() != "a process of another user" {
		t.Errorf("%v, %v", found, err)
	}
	write(t, proc, "99/comm", "old-link\n")
	if err := os.MkdirAll(filepath.Join(proc, "99/fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("socket:[4711]", filepath.Join(proc, "99/fd/3")); err != nil {
		t.Fatal(err)
	}
	found, err = holdersIn(proc, "tcp", 1080)
	if err != nil || len(found) != 1 || found[0].String() != "old-link, process 99" {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := holdersIn(proc, "tcp", 1081); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := holdersIn(t.TempDir(), "udp", 69); err == nil {
		t.Error("a system without tables tells")
	}
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFirewall(t *testing.T) {
	root := t.TempDir()
	is := func(goos, want string) {
		t.Helper()
		if got := firewallIn(goos, root, "tcp", 1080); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	is("linux", "")
	is("darwin", "")
	is("windows", `netsh advfirewall firewall add rule name="trunkline 1080" dir=in action=allow protocol=TCP localport=1080`)
	write(t, root, "etc/nftables.conf", "")
	is("linux", "nft insert rule inet filter input tcp dport 1080 accept")
	write(t, root, "etc/ufw/ufw.conf", "ENABLED=no\n")
	is("linux", "nft insert rule inet filter input tcp dport 1080 accept")
	write(t, root, "run/firewalld/x", "")
	is("linux", "firewall-cmd --permanent --add-port=1080/tcp && firewall-cmd --reload")
	write(t, root, "etc/ufw/ufw.conf", "# ufw\nENABLED=yes\n")
	is("linux", "ufw allow 1080/tcp")
}
