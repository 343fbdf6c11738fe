package ftp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/remote"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// vsftpd runs a private vsftpd. It has one user, ftp, with the canary as password.
func vsftpd(r *rig.Rig, settings ...string) (addr string) {
	r.Helper()
	program, dir := rig.Program(r, "vsftpd"), r.TempDir()
	write(r, filepath.Join(dir, "passwords"), rig.Canary+"\n")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		r.Fatal(err)
	}
	return rig.Serve(r, func(port int) *exec.Cmd {
		lines := append([]string{
			"listen=YES", "listen_address=127.0.0.1", fmt.Sprintf("listen_port=%d", port), "background=NO", "run_as_launching_user=YES",
			"anonymous_enable=YES", "local_enable=NO", "secure_email_list_enable=YES", "email_password_file=" + filepath.Join(dir, "passwords"),
			"anon_root=" + r.Dir, "secure_chroot_dir=" + empty, "seccomp_sandbox=NO", "delay_failed_login=0", "xferlog_enable=NO", "vsftpd_log_file=" + filepath.Join(dir, "log"),
		}, settings...)
		conf := filepath.Join(dir, "vsftpd.conf")
		write(r, conf, strings.Join(lines, "\n")+"\n")
		return exec.Command(program, conf)
	})
}

// writable lets the user change the folder.
var writable = []string{"write_enable=YES", "anon_upload_enable=YES", "anon_other_write_enable=YES", "anon_mkdir_write_enable=YES"}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate makes a certificate that signed itself; key is the file of both.
func certificate(t testing.TB) (cert, both string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pbx"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, both = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "both.pem")
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, cert, public)
	write(t, both, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))+public)
	return cert, both
}

// collector is of a server, with the canary as password.
func collector(r *rig.Rig, addr string, change ...func(*config.FTP)) *remote.Collector {
	r.Helper()
	cfg := &config.FTP{Remote: config.Remote{Addr: addr, User: "ftp", Secret: r.Secret(), Dir: r.Dir}}
	for _, c := range change {
		c(cfg)
	}
	c, err := New(r.Link, cfg, r.Temp)
	if err != nil {
		r.Fatal(err)
	}
	return c
}
