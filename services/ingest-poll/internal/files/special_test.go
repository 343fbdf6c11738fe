//go:build unix

package files

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSpecialFilesAreNotOpened(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	if err := syscall.Mkfifo(filepath.Join(r.dir, "cdr_fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(r.dir, "cdr_socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, target := range map[string]string{"cdr_link": "cdr_1", "cdr_loop": "cdr_loop", "cdr_up": ".."} {
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.write("cdr_1", "1,1\n")
	r.settleAndLook()
	r.texts("1,1")
	r.ill("cdr_fifo", "cdr_link", "no regular file")
}

func TestFifoThatTakesAName(t *testing.T) {
	r := newRig(t, "cisco-cucm")
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	r.Source.(*disk).open = func(path string) (*os.File, error) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		return openRegular(path)
	}
	r.look() // returns
	r.texts()
}
