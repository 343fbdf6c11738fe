package files

import (
	"io/fs"
	"strings"
	"testing"
)

func TestExtended(t *testing.T) {
	long := strings.Repeat(`\a folder`, 30) + `\SMDR.csv`
	for _, c := range []struct{ path, want string }{
		{`C:\cdr\SMDR.csv`, `C:\cdr\SMDR.csv`},
		{`C:` + long, `\\?\C:` + long},
		{`\\server\share` + long, `\\?\UNC\server\share` + long},
		{`\\?\C:` + long, `\\?\C:` + long},
		{`\\.\C:` + long, `\\.\C:` + long},
		{`cdr` + long, `cdr` + long},
	} {
		if got := extended(c.path); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.path, got, c.want)
		}
	}
}

func TestFolderRemedy(t *testing.T) {
	for _, c := range []struct {
		goos, dir string
		err       error
		says      string
	}{
		{"linux", "/srv/cdr", fs.ErrNotExist, "create it, or mount the share"},
		{"linux", "/srv/cdr", fs.ErrPermission, "let the user"},
		{"linux", "/srv/cdr", fs.ErrClosed, "is the disk or the share there?"},
		{"linux", `C:\cdr`, fs.ErrNotExist, "that is a place of Windows, and this is linux"},
		{"linux", `c:/cdr`, fs.ErrNotExist, "that is a place of Windows"},
		{"linux", `\\server\share`, fs.ErrNotExist, "mount the share and give the folder"},
		{"linux", "C:cdr", fs.ErrNotExist, "create it, or mount the share"},
		{"windows", `Z:\cdr`, fs.ErrNotExist, `\\server\share\cdr`},
		{"windows", `\\server\share`, fs.ErrPermission, "account that the service runs under"},
		{"windows", `\\server\share`, fs.ErrNotExist, "mount the share"},
		{"windows", `C:\cdr`, fs.ErrPermission, "let the user"},
	} {
		if got := folderRemedy(c.goos, c.dir, c.err); !strings.Contains(got, c.says) {
			t.Errorf("%s on %s, %v: %s", c.dir, c.goos, c.err, got)
		}
	}
}
