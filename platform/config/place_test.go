package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct{ goos, programData, file, data string }{
		{"linux", "", "/etc/trunkline/trunkline.yaml", "/var/lib/trunkline"},
		{"windows", `D:\ProgramData`, `D:\ProgramData\Trunkline\trunkline.yaml`, `D:\ProgramData\Trunkline\data`},
		{"windows", "", `C:\ProgramData\Trunkline\trunkline.yaml`, `C:\ProgramData\Trunkline\data`},
	} {
		if file, data := places(c.goos, c.programData); file != c.file || data != c.data {
			t.Errorf("%s: %s, %s", c.goos, file, data)
		}
	}
}

func TestFolderKey(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"/srv/cdr", "/srv/cdr/", true},
		{"/srv/cdr", "/srv/CDR", false},
		{`C:\cdr`, `c:\CDR\`, true},
		{`C:\cdr`, `C:/cdr`, true},
		{`C:\cdr\.\new\..`, `C:\cdr`, true},
		{`C:\cdr`, `D:\cdr`, false},
		{`\\server\share\cdr`, `\\SERVER\share\cdr\`, true},
		{`\\server\share\cdr`, `\\other\share\cdr`, false},
	} {
		if got := folderKey(c.a) == folderKey(c.b); got != c.same {
			t.Errorf("%s and %s: %q, %q", c.a, c.b, folderKey(c.a), folderKey(c.b))
		}
	}
}

// A folder of Windows is one folder however it is spelled, and how YAML mangles
// it in quotes is told.
func TestFoldersOfWindows(t *testing.T) {
	yaml := func(dirs ...string) string {
		s := "sites:\n  - id: lyon\n    timezone: Europe/Paris\n    links:\n"
		for i, d := range dirs {
			s += fmt.Sprintf("      - {id: l%d, model: cisco-cucm, files: {dir: %s}}\n", i, d)
		}
		return s
	}
	for _, c := range []struct {
		name string
		dirs []string
		says string
	}{
		{"plain", []string{`C:\cdr\new`, `\\server\share\cdr`, `'D:\cdr new'`, `"E:/cdr"`}, ""},
		{"one folder twice", []string{`C:\cdr`, `c:/CDR/`}, "lyon/l0"},
		{"an escape that is none", []string{`"C:\cdr"`}, "t.yaml:5: found unknown escape character: in double quotes a \\ begins"},
		{"an escape that is one", []string{`"C:\temp"`}, "t.yaml:5: sites[0].links[0].files: a folder's name holds a control character"},
	} {
		cfg, err := Parse("t.yaml", []byte(yaml(c.dirs...)))
		switch {
		case c.says != "":
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case cfg.Sites[0].Links[1].Files.Dir != `\\server\share\cdr`:
			t.Errorf("%s: %q", c.name, cfg.Sites[0].Links[1].Files.Dir)
		}
	}
}
