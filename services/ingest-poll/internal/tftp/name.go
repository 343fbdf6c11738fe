package tftp

import (
	"path"
	"strings"

	"trunkline.internal/pbx"
	"trunkline.internal/services/ingest-poll/internal/files"
)

// maxName leaves room for what we put before and behind a name.
const maxName = 150

// any is what a link takes over TFTP: whatever the PBX sends there.
var anything = pbx.FileSet{Pattern: "*"}

// cleanName makes a base name that is collected of what a peer calls its file.
// TFTP has no renaming: a file that comes as .tmp is whole all the same.
func cleanName(given string) (string, error) {
	name := given[strings.LastIndexAny(given, `/\`)+1:]
	name = strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-+=@#,() ", r):
			return r
		}
		return '_' // also each byte that is no UTF-8
	}, name), ". ")
	switch {
	case name == "":
		return "", refuse(codeAccess, "give the name of a file")
	case len(name) > maxName:
		return "", refuse(codeAccess, "a name has at most %d bytes", maxName)
	}
	if name[0] == '.' || name[0] == '_' || name[0] == ' ' || device(name) {
		name = "tftp-" + name
	}
	if !files.Collects(anything, name) {
		name += ".txt"
	}
	return name, nil
}

// device tells names that are no files on Windows.
func device(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimSpace(stem); stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT")
}

// with puts a text between a name and its ending.
func with(name, text string) string {
	ending := path.Ext(name)
	return strings.TrimSuffix(name, ending) + text + ending
}
