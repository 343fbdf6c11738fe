package files

import (
	"errors"
	"io/fs"
	"strings"
)

// Places of Windows, by their looks: they stand in configurations that are read
// on Linux too.

// isUNC tells a share, \\server\share.
func isUNC(path string) bool { return strings.HasPrefix(path, `\\`) }

// isDrive tells a place on a drive, C:\cdr or C:/cdr.
func isDrive(path string) bool {
	if len(path) < 3 || path[1] != ':' || path[2] != '\\' && path[2] != '/' {
		return false
	}
	letter := path[0] | 0x20
	return 'a' <= letter && letter <= 'z'
}

// maxPlain is how long a path may be that Windows is given plainly; its limit of
// 260 is kept clear for what it appends itself.
const maxPlain = 240

// extended writes a long path as Windows wants it; it must be clean.
func extended(path string) string {
	switch {
	case len(path) <= maxPlain, strings.HasPrefix(path, `\\?\`), strings.HasPrefix(path, `\\.\`):
		return path
	case isUNC(path):
		return `\\?\UNC` + path[1:]
	case isDrive(path):
		return `\\?\` + path
	}
	return path
}

// folderRemedy says what helps when a folder cannot be read.
func folderRemedy(goos, dir string, err error) string {
	windows := goos == "windows"
	switch {
	case !windows && (isUNC(dir) || isDrive(dir)):
		return "that is a place of Windows, and this is " + goos + ": mount the share and give the folder where it is mounted, or run ingest-poll on that machine"
	case windows && isDrive(dir) && errors.Is(err, fs.ErrNotExist):
		return `create it; if the drive is a share, give the share itself, such as \\server\share\cdr: a service does not see people's drive letters`
	case windows && isUNC(dir) && errors.Is(err, fs.ErrPermission):
		return "let the account that the service runs under read the share and its files"
	case errors.Is(err, fs.ErrNotExist):
		return "create it, or mount the share"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs trunkline read it and its files"
	}
	return "is the disk or the share there?"
}
