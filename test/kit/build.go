package kit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary builds the real program once for a test binary; clean removes it.
func Binary() (path string, clean func(), err error) {
	dir, err := os.MkdirTemp("", "trunkline-test-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, "trunkline")
	if err := build(path, nil, program); err != nil {
		clean()
		return "", nil, err
	}
	return path, clean, nil
}

const program = "trunkline.internal/cmd/trunkline"

// AllServices are the programs that BuildServices knows.
var AllServices = []string{"ingest-tcp", "ingest-poll", "parser", "sink"}

// BuildServices builds services into a folder. flags are more of the flags of `go
// build`.
func BuildServices(dir string, names []string, flags ...string) error {
	packages := make([]string, len(names))
	for i, name := range names {
		packages[i] = "trunkline.internal/services/" + name + "/cmd/" + name
	}
	return build(dir+"/", flags, packages...)
}

// Versioned are the flags that give what is built a version.
func Versioned(version string) []string {
	return []string{"-ldflags", "-s -w -X trunkline.internal/platform/telemetry.Version=" + version}
}

func build(out string, flags []string, packages ...string) error {
	// As `make build`; without what a debugger wants it links in half the time.
	args := append([]string{"build", "-ldflags", "-s -w", "-o", out}, append(flags[:len(flags):len(flags)], packages...)...)
	if said, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %v: %w\n%s", packages, err, said)
	}
	return nil
}
