//go:build unix

package files

import (
	"os"
	"syscall"
)

var errOtherDisk error = syscall.EXDEV

// busyErrors are how a mounted share of Windows tells of a file that is not
// shared.
var busyErrors = []error{syscall.EBUSY, syscall.ETXTBSY}

// openRegular opens a file for reading. A pipe that took the file's name since
// the look must not be waited for, and a link not be followed.
func openRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
