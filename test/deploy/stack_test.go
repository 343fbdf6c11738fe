package deploy_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"trunkline.internal/platform/config"
)

// stack is the compose files of a folder as Compose understands them, of all
// profiles or one, with the configuration that each of our containers sees.
type stack struct {
	*types.Project
	docker  dockerfile
	configs map[string]*config.Config // by service
}

// copyDeploy copies the deployment files into a folder of the test, changed, and
// makes the secrets there.
func copyDeploy(t *testing.T, change func(file, text string) string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "deploy"))); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "compose")
	if err := os.RemoveAll(filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(change(file, string(text))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	makeSecrets(t, dir)
	// What the hub's operator gives.
	if err := os.WriteFile(filepath.Join(dir, "secrets", "hub", "site.creds"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	return dir
}

func makeSecrets(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("sh", filepath.Join(dir, "secrets.sh")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("secrets.sh: %v %s", err, out)
	}
}

func unchanged(_, text string) string { return text }

// load reads a stack; what cannot be read at all is the error.
func load(t *testing.T, dir string, profiles ...string) (*stack, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")},
		cli.WithWorkingDirectory(dir), cli.WithProfiles(profiles), cli.WithDefaultConfigPath)
	if err != nil {
		return nil, err
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "../Dockerfile"))
	if err != nil {
		return nil, err
	}
	s := &stack{p, parseDockerfile(string(text)), map[string]*config.Config{}}
	for name, c := range p.Services {
		if s.program(c) == "" || s.program(c) == "nats" {
			continue
		}
		if s.configs[name], err = seen(t.TempDir(), c); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// seen loads the configuration as a container finds it: the folder is made of
// what is mounted there.
func seen(dir string, c types.ServiceConfig) (*config.Config, error) {
	const etc = "/etc/trunkline"
	for _, v := range c.Volumes {
		below, ok := strings.CutPrefix(v.Target, etc)
		if !ok {
			continue
		}
		if v.Type != types.VolumeTypeBind || !v.ReadOnly || v.Bind == nil || bool(v.Bind.CreateHostPath) {
			return nil, fmt.Errorf("%s: mount what exists, read-only", v.Target)
		}
		if err := copyPath(filepath.Join(dir, below), v.Source); err != nil {
			return nil, err
		}
	}
	return config.Load(filepath.Join(dir, "trunkline.yaml"))
}

func copyPath(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// program that a container runs: a service's name, `simulate`, `nats`, or empty
// for an image that is not ours.
func (s *stack) program(c types.ServiceConfig) string {
	if c.Build == nil {
		return ""
	}
	if c.Build.Target == "tools" && len(c.Command) > 0 {
		return c.Command[0]
	}
	return c.Build.Target
}

// args are the values of a command's flags.
func args(command []string) map[string]string {
	out := map[string]string{}
	for i, a := range command {
		if !strings.HasPrefix(a, "-") {
			continue
		}
		out[a] = ""
		if i+1 < len(command) && !strings.HasPrefix(command[i+1], "-") {
			out[a] = command[i+1]
		}
	}
	return out
}

// meet tells whether two containers share a network.
func meet(a, b types.ServiceConfig) bool {
	for name := range a.Networks {
		if _, ok := b.Networks[name]; ok {
			return true
		}
	}
	return false
}

// reads is what a program uses of its configuration: its links, and the secrets
// of these and its own.
func (s *stack) reads(c types.ServiceConfig) (links []config.LinkOf, secrets []config.Secret) {
	cfg, program := s.configs[c.Name], s.program(c)
	flags := args(c.Command)
	for _, l := range cfg.Links() {
		switch {
		case program == "ingest-tcp" && l.TCP == nil, program == "ingest-poll" && l.TCP != nil, program == "parser", program == "sink", program == "tools":
			continue
		case program == "simulate" && (l.Site.ID != flags["--site"] || l.ID != flags["--link"]):
			continue
		}
		links = append(links, l)
		switch {
		case l.TCP != nil:
			secrets = append(secrets, l.TCP.Secret)
		case l.MySQL != nil:
			secrets = append(secrets, l.MySQL.Secret)
		}
	}
	if program == "sink" || program == "tools" {
		secrets = append(secrets, cfg.ClickHouse.Secret)
	}
	if cfg.NATS.CredsFile != "" {
		secrets = append(secrets, config.Secret{PasswordFile: cfg.NATS.CredsFile})
	}
	return links, secrets
}

// secretFolders are those mounted whole, and where they are on the host.
func secretFolders(c types.ServiceConfig) map[string]string {
	out := map[string]string{}
	for _, v := range c.Volumes {
		if strings.HasPrefix(v.Target, "/run/secrets/") && v.Type == types.VolumeTypeBind && v.ReadOnly {
			out[v.Target] = v.Source
		}
	}
	return out
}

// secretFiles is where a container finds its secrets.
func secretFiles(c types.ServiceConfig) []string {
	var out []string
	for _, s := range c.Secrets {
		target := s.Target
		if target == "" {
			target = s.Source
		}
		if !filepath.IsAbs(target) {
			target = "/run/secrets/" + target
		}
		out = append(out, target)
	}
	for folder, at := range secretFolders(c) {
		files, err := filepath.Glob(filepath.Join(at, "*"))
		if err != nil {
			panic(err)
		}
		for _, f := range files {
			out = append(out, folder+"/"+filepath.Base(f))
		}
	}
	slices.Sort(out)
	return out
}

// operates: a command reaches what it asks, starts nobody, and nobody reaches it.
func (s *stack) operates(c types.ServiceConfig, problems *report) {
	cfg := s.configs[c.Name]
	for _, addr := range append([]string{strings.TrimPrefix(cfg.NATS.URL, "nats://")}, cfg.ClickHouse.Addr...) {
		host, _, _ := net.SplitHostPort(addr)
		if other, ok := s.Services[host]; !ok || !meet(c, other) {
			problems.add("%s: cannot reach %s", c.Name, addr)
		}
	}
	if !slices.Equal(c.Profiles, []string{"tools"}) || len(c.DependsOn) > 0 || len(c.Ports) > 0 {
		problems.add("%s: starts with others, or starts them", c.Name)
	}
}
