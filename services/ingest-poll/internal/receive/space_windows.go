package receive

import "golang.org/x/sys/windows"

func spaceOf(dir string) (s space, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &s.free, &s.total, nil)
	}
	return s, err
}
