//go:build unix

package natsd

import (
	"fmt"
	"os"
	"syscall"
)

// lockDir keeps a second process out: two servers on one folder destroy it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("nats: %s is in use by another process: stop it, or choose another data folder", dir)
	}
	return f, nil
}
