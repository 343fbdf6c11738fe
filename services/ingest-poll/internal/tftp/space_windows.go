package tftp

import "golang.org/x/sys/windows"

// spaceOf is how many bytes the disk of a folder has left, and in all.
func spaceOf(dir string) (free, total uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
	}
	return free, total, err
}
