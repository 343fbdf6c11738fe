package ftp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
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
	c, err := kit.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, both = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "both.pem")
	write(t, cert, string(c.PEM))
	write(t, both, string(c.Key)+string(c.PEM))
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
