package kit

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lastPort begins in a place of this process's own.
var lastPort atomic.Uint32

func init() { lastPort.Store(uint32(os.Getpid()) * 37) }

// FreePort is an address that nobody listens on at the moment, nor will be given
// by chance: it lies below those that the system hands out for port 0.
func FreePort(t testing.TB) string {
	t.Helper()
	return freeAddr(t, func(addr string) error {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			err = l.Close()
		}
		return err
	})
}

// FreeUDP is FreePort of UDP.
func FreeUDP(t testing.TB) string {
	t.Helper()
	return freeAddr(t, func(addr string) error {
		conn, err := net.ListenPacket("udp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

func freeAddr(t testing.TB, listen func(addr string) error) string {
	t.Helper()
	const first, n = 12_000, 18_000 // Linux hands out 32768 and more
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", first+lastPort.Add(1)%n)
		if err = listen(addr); err == nil {
			return addr
		}
	}
	t.Fatalf("no free port: %v", err)
	return ""
}

// Program finds a program of the distribution.
func Program(t testing.TB, name string) string {
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

// Private starts a server until the test ends. command makes its command for a
// port; another one is tried where somebody was faster. ask tells whether it is up.
func Private(t testing.TB, ask func(addr string) bool, command func(port string) *exec.Cmd) (addr string) {
	t.Helper()
	var said strings.Builder
	for range 5 {
		addr := FreePort(t)
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
		if comesUp(ask, addr, ended) {
			t.Cleanup(stop)
			return addr
		}
		stop()
	}
	t.Fatalf("the server does not start: %s", said.String())
	return ""
}

func comesUp(ask func(addr string) bool, addr string, ended <-chan struct{}) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if ask(addr) {
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

// Listens tells whether somebody takes connections.
func Listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// Vsftpd runs a private FTP server. It has one user, ftp.
func Vsftpd(t testing.TB, root, password string) (addr string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("passwords", password+"\n")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	return Private(t, Listens, func(port string) *exec.Cmd {
		write("vsftpd.conf", strings.Join([]string{
			"listen=YES", "listen_address=127.0.0.1", "listen_port=" + port, "background=NO", "run_as_launching_user=YES",
			"anonymous_enable=YES", "local_enable=NO", "secure_email_list_enable=YES", "email_password_file=" + filepath.Join(dir, "passwords"),
			"anon_root=" + root, "secure_chroot_dir=" + empty, "seccomp_sandbox=NO", "delay_failed_login=0", "xferlog_enable=NO", "vsftpd_log_file=" + filepath.Join(dir, "log"),
		}, "\n")+"\n")
		return exec.Command(Program(t, "vsftpd"), filepath.Join(dir, "vsftpd.conf"))
	})
}
