// Package helm_test renders the Helm chart with Helm itself, and proves what
// comes out: against the Kubernetes types, against rules, and against the
// product that is to run with it.
package helm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root  = "../.."
	chart = root + "/deploy/helm/trunkline"
	// keda is what a cluster offers where KEDA runs.
	keda = "keda.sh/v1alpha1"
)

// examples are the values files beside the chart.
var examples = []string{"one-site", "fifty-sites", "edge", "hub"}

// flags are those of each image's program, which is in the folder binaries: of
// the services, and of the command that `tools` is started with.
var (
	flags    = map[string][]string{}
	binaries string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "helm-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		binaries = dir
		err = askServices(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

var flagLine = regexp.MustCompile(`(?m)^\s+(-{1,2}[a-z][\w-]*)(?:, (--[\w-]+))?`)

// askServices builds the programs, and asks each for its flags.
func askServices(dir string) error {
	services := []string{"ingest-tcp", "ingest-poll", "parser", "sink"}
	build := exec.Command("go", "build", "-tags", "edge", "-ldflags", "-s -w", "-o", dir, "./cmd/trunkline")
	for _, s := range services {
		build.Args = append(build.Args, "./services/"+s+"/cmd/"+s)
	}
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	asked := map[string][]string{"tools": {"trunkline", "status", "-h"}}
	for _, s := range services {
		asked[s] = []string{s, "-h"}
	}
	for image, command := range asked {
		out, err := exec.Command(filepath.Join(dir, command[0]), command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", command, err, out)
		}
		for _, f := range flagLine.FindAllStringSubmatch(string(out), -1) {
			flags[image] = append(flags[image], f[1:]...)
		}
	}
	return nil
}

// helm runs Helm, of the version that tools/go.mod pins.
func helm(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(root, "bin/tools/helm"), args...)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("helm %s (make tools builds it): %w\n%s", args[0], err, told.String())
	}
	return string(out), nil
}

// render renders a chart for a release named t; apis are what the cluster offers
// beside Kubernetes.
func render(dir, values string, apis ...string) (string, error) {
	args := []string{"template", "t", dir, "--kube-version", "1.33.0", "--namespace", "telephony", "--values", values}
	for _, api := range apis {
		args = append(args, "--api-versions", api)
	}
	return helm(args...)
}

func example(name string) string { return filepath.Join(chart, "examples", name+".yaml") }

// rendered is an example as objects.
func rendered(t *testing.T, name string, apis ...string) *objects {
	t.Helper()
	return renderedFrom(t, chart, example(name), apis...)
}

func renderedFrom(t *testing.T, dir, values string, apis ...string) *objects {
	t.Helper()
	text, err := render(dir, values, apis...)
	if err != nil {
		t.Fatal(err)
	}
	o, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// report lists what is wrong.
type report []string

func (r *report) add(format string, args ...any) { *r = append(*r, fmt.Sprintf(format, args...)) }

// mustSay is for what was broken on purpose.
func (r report) mustSay(t *testing.T, text string) {
	t.Helper()
	if !slices.ContainsFunc(r, func(p string) bool { return strings.Contains(p, text) }) {
		t.Errorf("nothing says %q: %q", text, []string(r))
	}
}

// changed copies a file of the chart or a values file with a text replaced.
func changed(t *testing.T, from, to, old, new string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s: %q is not there to be changed", from, old)
	}
	if err := os.WriteFile(to, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
