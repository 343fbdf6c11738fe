package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/test/kit"
)

// overServers is the file of golden tickets of each model that goes over the wires
// with a server of files: a server each is enough.
var overServers = map[string]string{
	"alcatel-oxe":    "oxe-outgoing",
	"unify-hipath":   "hipath-piped",
	"cisco-cucm":     "cucm-named",
	catalogue.Custom: "layouts-nec-sl1100",
}

// pushed tells a wire on which the PBX brings whole files.
func (d *delivery) pushed() bool {
	return d.wire == catalogue.FTPServer || d.wire == catalogue.SFTPServer || d.wire == catalogue.TFTP
}

// serveFiles makes ready a server of files, the PBX's or ours.
func (d *delivery) serveFiles(t *testing.T) {
	t.Helper()
	switch d.wire {
	case catalogue.FTP:
		dir := d.folder(t)
		d.yaml = fmt.Sprintf("ftp: {addr: %q, user: ftp, password_env: CDR_PASSWORD, dir: %q, every: 200ms, settle: 200ms}", vsftpd(t, dir), dir)
	case catalogue.SFTP:
		dir := d.folder(t)
		d.yaml = fmt.Sprintf("sftp: {%s, dir: %q, every: 200ms, settle: 200ms}", sshd(t), dir)
	case catalogue.FTPServer, catalogue.SFTPServer:
		d.push = freePort(t)
		d.yaml = fmt.Sprintf("%s: {listen: %q, password_env: CDR_PASSWORD}", d.wire, d.push)
	case catalogue.TFTP:
		d.push = freeUDP(t)
		d.yaml = fmt.Sprintf("tftp: {listen: %q}", d.push)
	}
}

// put pushes the file with the real client, again until it is taken.
func (d *delivery) put(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	name := fileName(t, d.model.Files.Pattern)
	local := filepath.Join(dir, name)
	writeFile(t, local, string(d.given), 0o600)
	host, port, err := net.SplitHostPort(d.push)
	if err != nil {
		t.Fatal(err)
	}
	var line []string
	switch d.wire {
	case catalogue.FTPServer:
		script := filepath.Join(dir, "script")
		writeFile(t, script, strings.Join([]string{
			"set net:max-retries 1", "set net:timeout 10", "set net:persist-retries 0", "set cmd:fail-exit true", "set ftp:ssl-allow no",
			"open --env-password -u " + d.settings.Link + " ftp://" + d.push, "put " + local,
		}, "\n")+"\n", 0o600)
		line = []string{"lftp", "--norc", "-f", script}
	case catalogue.SFTPServer:
		writeFile(t, filepath.Join(dir, "ask"), "#!/bin/sh\necho \"$CDR_PASSWORD\"\n", 0o700)
		batch := filepath.Join(dir, "batch")
		writeFile(t, batch, "put "+local+"\n", 0o600)
		line = []string{
			"sftp", "-F", "none", "-P", port, "-o", "BatchMode=no", "-b", batch, "-o", "StrictHostKeyChecking=accept-new",
			"-o", "UserKnownHostsFile=" + filepath.Join(dir, "known"), "-o", "IdentityAgent=none", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR",
			"-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no",
			d.settings.Link + "@" + host,
		}
	case catalogue.TFTP:
		line = []string{"tftp", "-m", "binary", host, port, "-c", "put", local, name}
	}
	said := ""
	kit.Await(t, d.String()+" takes a file", func() bool {
		cmd := exec.CommandContext(t.Context(), program(t, line[0]), line[1:]...)
		cmd.Env = append(os.Environ(), "LFTP_PASSWORD="+db.Password(), "SSH_ASKPASS="+filepath.Join(dir, "ask"), "SSH_ASKPASS_REQUIRE=force", "HOME="+dir, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		said = fmt.Sprintf("%s%v", out, err)
		// tftp tells of a refusal, and ends with 0 all the same.
		return err == nil && (d.wire != catalogue.TFTP || len(out) == 0)
	}, func() string { return said })
}

// vsftpd runs a private FTP server. It has one user, ftp, with the database's
// password.
func vsftpd(t *testing.T, root string) (addr string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "passwords"), db.Password()+"\n", 0o600)
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	return private(t, func(port string) *exec.Cmd {
		conf := filepath.Join(dir, "vsftpd.conf")
		writeFile(t, conf, strings.Join([]string{
			"listen=YES", "listen_address=127.0.0.1", "listen_port=" + port, "background=NO", "run_as_launching_user=YES",
			"anonymous_enable=YES", "local_enable=NO", "secure_email_list_enable=YES", "email_password_file=" + filepath.Join(dir, "passwords"),
			"anon_root=" + root, "secure_chroot_dir=" + empty, "seccomp_sandbox=NO", "delay_failed_login=0", "xferlog_enable=NO", "vsftpd_log_file=" + filepath.Join(dir, "log"),
		}, "\n")+"\n", 0o600)
		return exec.Command(program(t, "vsftpd"), conf)
	})
}

// sshd runs a private SSH server, and tells in YAML how we log in: as the user who
// runs the tests, with a key.
func sshd(t *testing.T) (login string) {
	t.Helper()
	if os.Geteuid() == 0 {
		// The server wants it when root starts it.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	host, mine := filepath.Join(dir, "host"), filepath.Join(dir, "mine")
	for _, file := range []string{host, mine} {
		if out, err := exec.Command(program(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	public, err := os.ReadFile(host + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	addr := private(t, func(port string) *exec.Cmd {
		conf := filepath.Join(dir, "sshd_config")
		writeFile(t, conf, strings.Join([]string{
			"Port " + port, "ListenAddress 127.0.0.1", "HostKey " + host, "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes",
			"AuthorizedKeysFile " + mine + ".pub", "Subsystem sftp internal-sftp",
		}, "\n")+"\n", 0o600)
		return exec.Command(program(t, "sshd"), "-D", "-e", "-f", conf)
	})
	return fmt.Sprintf("addr: %q, user: %q, key_file: %q, host_key: %q", addr, me.Username, mine, strings.TrimSpace(string(public)))
}

// private starts a server until the test ends. command makes its command for a
// port; another one is tried where somebody was faster.
func private(t *testing.T, command func(port string) *exec.Cmd) (addr string) {
	t.Helper()
	var said strings.Builder
	for range 5 {
		addr := freePort(t)
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(port)
		said.Reset()
		cmd.Stdout, cmd.Stderr = &said, &said
		// A group of its own: its sessions end with it.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			cmd.Wait()
		}()
		stop := func() {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		if answers(addr, ended) {
			t.Cleanup(stop)
			return addr
		}
		stop()
	}
	t.Fatalf("the server does not start: %s", said.String())
	return ""
}

func answers(addr string, ended <-chan struct{}) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// program finds a program of the distribution.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	t.Fatalf("%s is missing: run make servers", name)
	return ""
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
