// Package deploy_test holds the deployment files against the programs: what they
// say must be what the binaries, the configuration and the NATS server take. No
// image can be pulled where tests run, so it goes no further.
package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	root    = "../.."
	version = "v9.8.7-test"
)

// programs has the flags and commands of each program by its name; `simulate`
// is a command of the operator's, who has `tools`.
var programs = map[string]map[string]bool{}

// toldVersion is what `trunkline version` prints; built has what the stage
// `built` has: each binary that is alone in an image.
var toldVersion, built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "deploy-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds the programs as the Dockerfile says, and asks them for their
// flags.
func build(dir string) error {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "Dockerfile"))
	if err != nil {
		return err
	}
	file := parseDockerfile(string(text))
	ldflags := strings.ReplaceAll(file.ldflags(), "$VERSION", version)
	built = filepath.Join(dir, "built")
	for stage, dir := range map[string]string{"build-services": built, "build-trunkline": dir} {
		for _, b := range file.binaries(stage) {
			path, tags := filepath.Join(dir, b.name), ""
			if b.edge {
				tags = "edge"
			}
			cmd := exec.Command("go", "build", "-tags", tags, "-ldflags", ldflags, "-o", path, b.pkg)
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("stage %s: go build %s: %w\n%s", stage, b.pkg, err, out)
			}
			name := b.name
			if b.edge {
				name = "tools"
			}
			if programs[name], err = flags(path); err != nil {
				return err
			}
		}
	}
	if programs["simulate"], err = flags(filepath.Join(built, "trunkline"), "simulate"); err != nil {
		return err
	}
	out, err := exec.Command(filepath.Join(dir, "trunkline"), "version").Output()
	toldVersion = string(out)
	return err
}

var flagLine = regexp.MustCompile(`(?m)^\s+(-{0,2}[a-z][\w-]*)(?:, (--[\w-]+))?`)

// flags are those that the program's help names, and commands.
func flags(binary string, args ...string) (map[string]bool, error) {
	out, err := exec.Command(binary, append(args, "-h")...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -h: %w\n%s", filepath.Base(binary), err, out)
	}
	found := map[string]bool{}
	for _, m := range flagLine.FindAllStringSubmatch(string(out), -1) {
		found[m[1]] = true
		if m[2] != "" {
			found[m[2]] = true
		}
	}
	return found, nil
}
