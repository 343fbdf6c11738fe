package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Lock takes a folder for this process, until the file is closed or the process
// ends, however it ends. The folder must be there.
func Lock(dir string) (*os.File, error) {
	f, err := lock(filepath.Join(dir, "lock"))
	if held := (*heldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("%s is in use by another process%s: stop it, or choose another data folder", dir, held.by())
	}
	return f, err
}

// heldError says that another process has the lock.
type heldError struct{ pid string }

func (e *heldError) Error() string { return "in use by another process" + e.by() }

func (e *heldError) by() string {
	if e.pid == "" {
		return ""
	}
	return " " + e.pid
}
