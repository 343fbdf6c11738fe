package deploy_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/platform/config"
)

// makeVariable is a list in the Makefile.
func makeVariable(t *testing.T, name string) []string {
	t.Helper()
	return strings.Fields(submatch(regexp.MustCompile(`(?m)^`+name+` := (.*)$`), read(t, "Makefile")))
}

// What runs at a site has nothing in it that needs a C library or the engine: so
// it is one static file, on every platform.
func TestEdgeIsStatic(t *testing.T) {
	platforms, packages := makeVariable(t, "PLATFORMS"), makeVariable(t, "EDGE")
	if want := []string{"linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"}; !slices.Equal(platforms, want) || len(packages) != 3 {
		t.Fatalf("%v of %v", packages, platforms)
	}
	if !regexp.MustCompile(`(?m)^make cross$`).MatchString(read(t, ".ci/run")) {
		t.Error("nobody cross-builds before a change lands")
	}
	for _, platform := range platforms {
		system, processor, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", "edge"}, packages...)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", platform, err)
		}
		has := strings.Fields(string(out))
		for _, heavy := range []string{"runtime/cgo", "trunkline.internal/engine", "github.com/ebitengine/purego", "trunkline.internal/pbxsim/mariadb"} {
			if slices.Contains(has, heavy) {
				t.Errorf("%s: has %s in it", platform, heavy)
			}
		}
		if want := "golang.org/x/sys/windows/svc"; slices.Contains(has, want) != (system == "windows") {
			t.Errorf("%s: %s: %t", platform, want, system != "windows")
		}
	}
}

// The program for this machine starts, and says what it has not.
func TestEdgeStarts(t *testing.T) {
	binary := filepath.Join(built, "trunkline")
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it is linked dynamically")
		}
	}
	if out, err := exec.Command(binary, "models", "mitel-3300").Output(); err != nil || !strings.Contains(string(out), "mitel-3300: Mitel") {
		t.Errorf("models: %v %s", err, out)
	}
	if out, err := exec.Command(binary, "run", "--demo").CombinedOutput(); err == nil || !strings.Contains(string(out), "wants Linux on x86-64 with glibc") {
		t.Errorf("run: %v %s", err, out)
	}
}

// The configuration that docs/edge.md shows is one.
func TestEdgeDocs(t *testing.T) {
	text := read(t, "docs/edge.md")
	cfg, err := config.Parse("docs/edge.md", []byte(submatch(regexp.MustCompile("(?s)```yaml\n(.*?)```"), text)))
	if err != nil {
		t.Fatal(err)
	}
	if l := cfg.Links(); len(l) != 1 || !strings.HasPrefix(l[0].Files.Dir, `C:\`) || strings.Contains(cfg.NATS.CredsFile, `\\`) {
		t.Errorf("%+v, %s", l, cfg.NATS.CredsFile)
	}
	for _, m := range regexp.MustCompile(`deploy/[\w./*-]+|engine/[\w.]+`).FindAllString(text, -1) {
		if found, err := filepath.Glob(filepath.Join(root, m)); err != nil || len(found) == 0 {
			t.Errorf("there is no %s", m)
		}
	}
}

// examineScript says what is wrong with the script that installs on Windows, as
// far as that can be told without Windows.
func examineScript(text string) (problems report) {
	// Windows PowerShell reads a file without a byte order mark in the machine's
	// own charset.
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		problems.add("holds other characters than ASCII")
	}
	// `sc` is another command in PowerShell.
	if regexp.MustCompile(`(?m)['\s]sc['\s]`).MatchString(text) {
		problems.add("calls sc, not sc.exe")
	}
	services := regexp.MustCompile(`ValidateSet\((.*)\)`).FindStringSubmatch(text)
	if services == nil {
		problems.add("installs anything")
		return problems
	}
	flags := regexp.MustCompile(`\s(-[a-z]+) `).FindAllStringSubmatch(submatch(regexp.MustCompile(`(?m)\$command = '(.*)' -f`), text), -1)
	for service := range strings.SplitSeq(services[1], ", ") {
		service = strings.Trim(service, "'")
		if programs[service] == nil {
			problems.add("there is no %s", service)
		}
		for _, m := range flags {
			if !programs[service][m[1]] {
				problems.add("%s has no %s", service, m[1])
			}
		}
	}
	if len(flags) != 2 {
		problems.add("gives a service no configuration or no log")
	}
	code := regexp.MustCompile(`(?s)<#.*?#>|'[^']*'`).ReplaceAllString(text, "")
	code = regexp.MustCompile(`(?m)#.*$`).ReplaceAllString(code, "")
	if open := unbalanced(code); open != "" {
		problems.add("brackets: %s", open)
	}
	return problems
}

// unbalanced tells a bracket that has no other.
func unbalanced(code string) string {
	var open []rune
	pair := map[rune]rune{')': '(', ']': '[', '}': '{'}
	line := 1
	for _, r := range code {
		switch r {
		case '\n':
			line++
		case '(', '[', '{':
			open = append(open, r)
		case ')', ']', '}':
			if len(open) == 0 || open[len(open)-1] != pair[r] {
				return fmt.Sprintf("%c at line %d of the code", r, line)
			}
			open = open[:len(open)-1]
		}
	}
	return string(open)
}

func TestInstallScript(t *testing.T) {
	text := read(t, "deploy/windows/install.ps1")
	for _, p := range examineScript(text) {
		t.Error(p)
	}
	for _, b := range []struct{ old, new, says string }{
		{"phone systems", "phone systèmes", "ASCII"},
		{"'sc.exe' @('delete'", "'sc' @('delete'", "calls sc"},
		{"'ingest-tcp', 'ingest-poll')]", "'ingest-tcp', 'ingest-pull')]", "there is no ingest-pull"},
		{`" -log "`, `" -logfile "`, "has no -logfile"},
		{"    if ($Remove) {", "    if ($Remove {", "brackets"},
	} {
		examineScript(replaced(t, text, b.old, b.new)).mustSay(t, b.says)
	}
}
