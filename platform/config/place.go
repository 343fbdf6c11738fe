package config

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// DefaultFile is where the configuration stands, and DefaultData the folder of
// what a process keeps, unless told otherwise.
var DefaultFile, DefaultData = places(runtime.GOOS, os.Getenv("ProgramData"))

func places(goos, programData string) (file, data string) {
	if goos != "windows" {
		return "/etc/trunkline/trunkline.yaml", "/var/lib/trunkline"
	}
	if programData == "" {
		programData = `C:\ProgramData`
	}
	return programData + `\Trunkline\trunkline.yaml`, programData + `\Trunkline\data`
}

// ofWindows are folders of Windows: on a drive, or \\server\share.
var ofWindows = regexp.MustCompile(`^([A-Za-z]:|\\\\)`)

// folderKey is the same for two spellings of one folder, those of Windows also
// where another system reads them.
func folderKey(dir string) string {
	if !ofWindows.MatchString(dir) {
		return filepath.Clean(dir)
	}
	return path.Clean(strings.ToLower(strings.ReplaceAll(dir, `\`, "/")))
}
