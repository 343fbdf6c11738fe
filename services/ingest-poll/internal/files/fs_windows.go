package files

import (
	"os"
	"syscall"
)

// errOtherDisk is ERROR_NOT_SAME_DEVICE.
var errOtherDisk error = syscall.Errno(17)

// busyErrors are ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION.
var busyErrors = []error{syscall.Errno(32), syscall.Errno(33)}

// openRegular opens a file for reading and lets others do everything meanwhile: a
// PBX could not rename its log at midnight while os.Open had it.
func openRegular(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(extended(path))
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ, syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|syscall.FILE_SHARE_DELETE,
		nil, syscall.OPEN_EXISTING, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// syncDir has nothing to do: NTFS keeps names in its own log.
func syncDir(string) error { return nil }
