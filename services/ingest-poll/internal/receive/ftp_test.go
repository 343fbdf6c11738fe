package receive

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

// lftp runs commands as a user. Its password comes by the environment.
func lftp(t testing.TB, x *Receiver, commands ...string) (string, error) {
	t.Helper()
	script := append([]string{
		"set net:max-retries 1", "set net:timeout 10", "set net:persist-retries 0", "set cmd:fail-exit true", "set ftp:ssl-allow no", "set ftp:use-mdtm off",
		"open -u " + x.account.user + "," + canary + " ftp://" + x.Addr().String(),
	}, commands...)
	cmd := exec.Command(program(t, "lftp"), "--norc", "-f", write(t, filepath.Join(t.TempDir(), "script"), strings.Join(script, "\n")+"\n"))
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C")
	return client(t, cmd)
}

func TestFTP(t *testing.T) {
	t.Parallel()
	r := collecting(t)
	x := r.ftp("cisco-cucm", "cucm")
	r.collect(x)
	dir := t.TempDir()
	one := write(t, filepath.Join(dir, "cdr_1"), cdr("a", "b"))
	two := write(t, filepath.Join(dir, "cdr_2"), cdr("c"))
	test := write(t, filepath.Join(dir, "test.txt"), "is it there?")
	// What a CUCM does when the server is set, and then with each file.
	out, err := lftp(t, x, "cd /", "pwd", "put "+test, "cls -1", "rm test.txt", "mput "+one+" "+two, "put "+one, "ls", "cls -1")
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{"test.txt", "cdr_1", "cdr_2", strconv.Itoa(len(cdr("a", "b")))} {
		if !strings.Contains(out, want) {
			t.Errorf("lftp saw no %s: %s", want, out)
		}
	}
	if strings.Contains(out, ours) {
		t.Errorf("it saw what is ours: %s", out)
	}
	r.look(x)
	r.expect(line("a"), line("b"), line("c"))
	// Through a temporary name, and a whole folder.
	if out, err = lftp(t, x, "set xfer:use-temp-file on", "set ftp:use-site-utime off", "put "+write(t, filepath.Join(dir, "cdr_3"), cdr("d"))); err != nil {
		t.Error(err, out)
	}
	r.look(x)
	r.expect(line("a"), line("b"), line("c"), line("d"))
	r.alarm(x)
	for _, forbidden := range []string{
		"get cdr_1 -o " + filepath.Join(dir, "stolen"), "rm cdr_1", "mv cdr_1 cdr_9", "mkdir x", "cd x", "cd ..; cd ..; cd etc", "get ../../../etc/passwd -o " + filepath.Join(dir, "passwd"),
		"put -O /etc " + one, "put " + one + " -o .trunkline/id", "put -c " + one + " -o ../cdr_7/x", "chmod 777 cdr_1",
	} {
		if out, err := lftp(t, x, forbidden); err == nil {
			t.Errorf("%s: it may do that: %s", forbidden, out)
		} else if strings.Contains(out, x.dir) {
			t.Errorf("%s tells of our folders: %s", forbidden, out)
		}
	}
	holds(t, x, "cdr_1", cdr("a", "b"))
	if got := r.count("logins_total", "cucm", "ok"); got < 2 {
		t.Errorf("%v log-ins", got)
	}
	if s := x.Seen(); s.Peer != "127.0.0.1" || s.Received != 5 {
		t.Errorf("%+v", s)
	}
}

func TestFTPAppends(t *testing.T) {
	r := collecting(t)
	x := r.ftp("mitel-3300", "mitel")
	r.collect(x)
	name := write(t, filepath.Join(t.TempDir(), "smdr.log"), log(0, 2))
	if out, err := lftp(t, x, "put "+name); err != nil {
		t.Fatal(err, out)
	}
	r.look(x)
	p := dialFTP(t, x).login(canary)
	p.upload("APPE smdr.log", log(2, 4)).want(226)
	p.upload("APPE smdr.log", log(4, 5)).want(226)
	r.look(x)
	r.expect(smdrs(0, 5)...)
	// lftp compares the sizes and sends what is missing: APPE behind REST, or not at all.
	p.cmd("REST 7").want(350)
	p.upload("STOR smdr.log", "x").refused(550)
	holds(t, x, "smdr.log", log(0, 5))
}

func TestFTPTransfersAreText(t *testing.T) {
	x := newRig(t).ftp("mitel-3300", "mitel")
	p := dialFTP(t, x).login(canary)
	p.upload("STOR binary.log", log(0, 2)).want(226)
	p.cmd("TYPE A").want(200)
	p.upload("STOR text.log", log(0, 2)).want(226)
	holds(t, x, "binary.log", log(0, 2)) // the bytes as they are, though TYPE I was not said
	holds(t, x, "text.log", strings.ReplaceAll(log(0, 2), "\r\n", "\n"))
}

func TestFTPPassivePorts(t *testing.T) {
	// A range of which we know that it was free.
	var held []net.Listener
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
	}
	first := held[0].Addr().(*net.TCPAddr).Port
	for _, l := range held {
		l.Close()
	}
	x := newRig(t).ftp("cisco-cucm", "cucm", func(c *config.FTPServer) {
		c.Passive, c.Public = fmt.Sprintf("%d-%d", first, min(65535, first+20)), "192.0.2.7"
	})
	p := dialFTP(t, x).login(canary)
	for range 5 {
		reply := p.cmd("PASV").want(227)
		m := regexp.MustCompile(`\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)`).FindStringSubmatch(reply)
		if m == nil || strings.Join(m[1:5], ".") != "192.0.2.7" {
			t.Fatalf("passive at %q", reply)
		}
		hi, _ := strconv.Atoi(m[5])
		lo, _ := strconv.Atoi(m[6])
		if port := hi<<8 + lo; port < first || port > first+20 {
			t.Errorf("passive at port %d, not in %d-%d", port, first, first+20)
		}
	}
	p.upload("STOR cdr_1", cdr("a")).want(226) // EPSV names no address
	for _, c := range []config.FTPServer{{Passive: "100-50"}, {Public: "fe80::1"}, {Public: "example.net"}} {
		c.Receiver = config.Receiver{Listen: "127.0.0.1:0", Secret: x.account.secret}
		if _, err := x.servers.FTP(x.l, &c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestFTPActive(t *testing.T) {
	r := newRig(t)
	x := r.ftp("cisco-cucm", "cucm")
	if out, err := lftp(t, x, "set ftp:passive-mode off", "put "+write(t, filepath.Join(t.TempDir(), "cdr_1"), cdr("a"))); err != nil {
		t.Fatal(err, out)
	}
	holds(t, x, "cdr_1", cdr("a"))
	// Nobody else is connected to.
	p := dialFTP(t, x).login(canary)
	p.cmd("PORT 127,0,0,2,10,10").want(501)
}

func TestFTPS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	c := config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certificate(t, c, "first.example")
	x := r.ftp("cisco-cucm", "cucm", func(f *config.FTPServer) { f.TLS = &c })
	file := write(t, filepath.Join(dir, "cdr_1"), cdr("a"))
	secure := []string{"set ftp:ssl-allow yes", "set ftp:ssl-force yes", "set ftp:ssl-protect-data yes", "set ssl:verify-certificate no"}
	if out, err := lftp(t, x, append(secure, "put "+file, "cls -1")...); err != nil || !strings.Contains(out, "cdr_1") {
		t.Fatal(err, out)
	}
	holds(t, x, "cdr_1", cdr("a"))
	if out, err := lftp(t, x, "put "+file); err == nil {
		t.Errorf("a password in clear is taken: %s", out)
	}
	dialFTP(t, x).cmd("USER cucm").want(530)
	if out, err := lftp(t, x, append(secure, "set ftp:ssl-protect-data no", "put "+file+" -o cdr_2")...); err == nil {
		t.Errorf("tickets in clear are taken: %s", out)
	}
	// A new certificate counts at once, half of one does not.
	name := func() string {
		p := dialFTP(t, x)
		p.cmd("AUTH TLS").want(234)
		secured := tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true})
		if err := secured.Handshake(); err != nil {
			t.Fatal(err)
		}
		return secured.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first.example" {
		t.Errorf("%s", got)
	}
	write(t, c.Cert, "nothing")
	if got := name(); got != "first.example" {
		t.Errorf("%s", got)
	}
	certificate(t, c, "second.example")
	if got := name(); got != "second.example" {
		t.Errorf("%s", got)
	}
	// Without one TLS is not offered.
	plain := newRig(t).ftp("cisco-cucm", "cucm")
	dialFTP(t, plain).cmd("AUTH TLS").want(550)
}

// certificate writes one of our own.
func certificate(t testing.TB, to config.TLS, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to.Cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, to.Key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
