//go:build unix

package receive

import "golang.org/x/sys/unix"

func spaceOf(dir string) (space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return space{}, err
	}
	size := uint64(s.Bsize)
	return space{free: uint64(s.Bavail) * size, total: s.Blocks * size, files: uint64(s.Ffree), allFiles: s.Files}, nil
}
