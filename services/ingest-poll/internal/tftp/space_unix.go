//go:build unix

package tftp

import "golang.org/x/sys/unix"

// spaceOf is how many bytes the disk of a folder has left, and in all.
func spaceOf(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
