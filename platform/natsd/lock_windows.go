package natsd

import (
	"fmt"
	"os"
	"syscall"
)

// lockDir keeps a second process out: two servers on one folder destroy it. A
// file opened without sharing is Windows' lock.
func lockDir(dir string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(lockPath(dir))
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, fmt.Errorf("nats: %s is in use by another process: stop it, or choose another data folder", dir)
	}
	return os.NewFile(uintptr(h), lockPath(dir)), nil
}
