package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/test/kit"
)

// overServers is the file of golden tickets of each model that goes over the wires
// with a server of files: a server each is enough.
var overServers = map[string]string{
	"3cx":            "threecx-27-fields",
	"mitel-3300":     "mitel3300-network",
	"shoretel":       "shoretel-text-75",
	"alcatel-oxo":    "oxo-xml",
	"alcatel-oxe":    "oxe-outgoing",
	"asterisk":       "asterisk-master",
	"avaya-ipoffice": "avaya-segments",
	"avaya-alchemy":  "alchemy-whole",
	"unify-hipath":   "hipath-piped",
	"cisco-cucm":     "cucm-named",
	catalogue.Custom: "layouts-nec-sl1100",
}

// sample tells the file of its model that goes over servers of files.
func sample(f *formatstest.File) bool { return overServers[f.Settings.Model] == f.Name }

// servers are the PBXs' servers of files: one of each kind for all.
type servers struct{ ftp, sftp string }

func (s *servers) ftpAddr(t *testing.T) string {
	t.Helper()
	if s.ftp == "" {
		s.ftp = kit.Vsftpd(t, t.TempDir(), db.Password())
	}
	return s.ftp
}

func (s *servers) sftpLogin(t *testing.T) string {
	t.Helper()
	if s.sftp == "" {
		s.sftp = sshd(t)
	}
	return s.sftp
}

// pushed tells a wire on which the PBX brings whole files.
func (d *delivery) pushed() bool {
	return d.wire == catalogue.FTPServer || d.wire == catalogue.SFTPServer || d.wire == catalogue.TFTP
}

// serveFiles makes ready a server of files, the PBX's or ours.
func (d *delivery) serveFiles(t *testing.T, s *servers) {
	t.Helper()
	switch d.wire {
	case catalogue.FTP:
		d.yaml = fmt.Sprintf("ftp: {addr: %q, user: ftp, password_env: CDR_PASSWORD, dir: %q, every: 200ms, settle: 200ms}", s.ftpAddr(t), d.folder(t))
	case catalogue.SFTP:
		d.yaml = fmt.Sprintf("sftp: {%s, dir: %q, every: 200ms, settle: 200ms}", s.sftpLogin(t), d.folder(t))
	case catalogue.FTPServer, catalogue.SFTPServer:
		d.push = freePort(t)
		d.yaml = fmt.Sprintf("%s: {listen: %q, password_env: CDR_PASSWORD}", d.wire, d.push)
	case catalogue.TFTP:
		if d.way == fetched {
			dir := d.folder(t)
			d.yaml = fmt.Sprintf("tftp: {fetch: %q, file: %s, every: 1s}", tftpd(t, dir), filepath.Base(d.path))
			return
		}
		d.push = freeUDP(t)
		d.yaml = fmt.Sprintf("tftp: {listen: %q}", d.push)
	}
}

// put pushes the first n bytes of the file with the real client, again until they
// are taken.
func (d *delivery) put(t *testing.T, n int) {
	t.Helper()
	dir := t.TempDir()
	name := d.fileName(t)
	local := filepath.Join(dir, name)
	writeFile(t, local, string(d.given[:n]), 0o600)
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
		cmd := exec.CommandContext(t.Context(), kit.Program(t, line[0]), line[1:]...)
		cmd.Env = append(os.Environ(), "LFTP_PASSWORD="+db.Password(), "SSH_ASKPASS="+filepath.Join(dir, "ask"), "SSH_ASKPASS_REQUIRE=force", "HOME="+dir, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		said = fmt.Sprintf("%s%v", out, err)
		// tftp tells of a refusal, and ends with 0 all the same.
		return err == nil && (d.wire != catalogue.TFTP || len(out) == 0)
	}, func() string { return said })
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
		if out, err := exec.Command(kit.Program(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	public, err := os.ReadFile(host + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	addr := kit.Private(t, kit.Listens, func(port string) *exec.Cmd {
		conf := filepath.Join(dir, "sshd_config")
		writeFile(t, conf, strings.Join([]string{
			"Port " + port, "ListenAddress 127.0.0.1", "HostKey " + host, "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes",
			"AuthorizedKeysFile " + mine + ".pub", "Subsystem sftp internal-sftp", "MaxStartups 100",
		}, "\n")+"\n", 0o600)
		return exec.Command(kit.Program(t, "sshd"), "-D", "-e", "-f", conf)
	})
	return fmt.Sprintf("addr: %q, user: %q, key_file: %q, host_key: %q", addr, me.Username, mine, strings.TrimSpace(string(public)))
}

// tftpd runs a private TFTP server that gives the files of a folder.
func tftpd(t *testing.T, root string) (addr string) {
	t.Helper()
	for dir := root; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // it reads as nobody
			t.Fatal(err)
		}
	}
	return kit.Private(t, answersTFTP, func(port string) *exec.Cmd {
		return exec.Command(kit.Program(t, "in.tftpd"), "--foreground", "--address", "127.0.0.1:"+port, "--user", "nobody", "--secure", root)
	})
}

// answersTFTP tells whether somebody answers a request for a file, from whatever
// port.
func answersTFTP(addr string) bool {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return false
	}
	defer conn.Close()
	server, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return false
	}
	if _, err := conn.WriteTo([]byte("\x00\x01none\x00octet\x00"), server); err != nil {
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _, err = conn.ReadFrom(make([]byte, 600))
	return err == nil
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
