// Package chaos breaks everything that stands between PBXs and ClickHouse, at
// random and from a seed, and counts: the tickets that the sources handed over
// against those in `calls`, each once, byte for byte.
package chaos

import (
	"os/exec"
	"path/filepath"
	"testing"

	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// binaries is the folder of the real programs.
var binaries string

func TestMain(m *testing.M) {
	part.Main(m, nil, func(dir string) error {
		binaries = dir
		return kit.BuildServices(dir, kit.AllServices)
	})
}

// program is the command of a service.
func program(name, config string) func() *exec.Cmd {
	return kit.Command(filepath.Join(binaries, name), "-c", config)
}
