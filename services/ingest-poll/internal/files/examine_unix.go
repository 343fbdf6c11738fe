//go:build unix

package files

import "golang.org/x/sys/unix"

// writable tells why a folder's names cannot be changed by us; it changes nothing.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
