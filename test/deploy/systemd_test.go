package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/docker/go-units"
)

// unitFile has the values of each key, in order, by `Section.Key`.
type unitFile map[string][]string

func parseUnit(text string) unitFile {
	u, section := unitFile{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case ok:
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u
}

func (u unitFile) last(key string) string {
	if all := u["Service."+key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

var credential = regexp.MustCompile(`/run/credentials/(\S+?)/(\w+?)_`)

// examineUnit says what is wrong with a unit: what systemd itself finds, and what
// it cannot know.
func examineUnit(t *testing.T, name, text string) (problems report) {
	t.Helper()
	u := parseUnit(text)
	command := strings.Fields(u.last("ExecStart"))
	if len(command) == 0 {
		problems.add("%s: starts nothing", name)
		return problems
	}
	program := strings.TrimPrefix(command[0], "/usr/local/bin/")
	for _, arg := range command[1:] {
		if known := programs[program]; !strings.HasPrefix(arg, "/") && !known[arg] && !(arg == "-c" && known["run"]) {
			problems.add("%s: %s has no %s", name, command[0], arg)
		}
	}
	if at := slices.Index(command, "-c"); at < 0 || !strings.HasPrefix(command[at+1], "/etc/trunkline/") {
		problems.add("%s: reads its configuration from nowhere", name)
	}
	for key, want := range map[string]string{
		"Type": "exec", "Restart": "always", "User": "trunkline", "StateDirectory": "trunkline", "ProtectSystem": "strict",
		"NoNewPrivileges": "yes", "AmbientCapabilities": "CAP_NET_BIND_SERVICE", "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
		"ExecReload": "/bin/kill -HUP $MAINPID", "TimeoutStopSec": "60s",
	} {
		if got := u.last(key); got != want {
			problems.add("%s: %s is %q, want %q", name, key, got, want)
		}
	}
	if limit := u["Unit.StartLimitIntervalSec"]; !slices.Equal(limit, []string{"0"}) {
		problems.add("%s: gives up after some starts", name)
	}
	memory, heap := u.last("MemoryMax"), ""
	if memory == "" {
		problems.add("%s: has no MemoryMax", name)
	}
	for _, it := range u["Service.Environment"] {
		key, value, _ := strings.Cut(it, "=")
		if strings.HasPrefix(key, "TRUNKLINE_") && !knownVariable(key) {
			problems.add("%s: nobody reads %s", name, key)
		}
		if key == "GOMEMLIMIT" {
			heap = value
		}
	}
	if most, err := units.RAMInBytes(memory); err == nil {
		if n, err := units.RAMInBytes(heap); err != nil || n >= most || n < most*3/4 {
			problems.add("%s: GOMEMLIMIT %q does not fit MemoryMax %s", name, heap, memory)
		}
	}
	secrets, _, _ := strings.Cut(u.last("LoadCredential"), ":")
	if m := credential.FindStringSubmatch(text); m == nil || m[1] != name || m[2] != secrets {
		problems.add("%s: tells another place of its secrets: %q", name, m)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "ExecStart="+command[0], "ExecStart="+self)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		problems.add("%s: systemd-analyze verify (make servers installs it): %v %s", name, err, out)
	}
	// Its score of exposure, times ten: below 2 of 10.
	if out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", file).CombinedOutput(); err != nil {
		problems.add("%s: is exposed: %s", name, out)
	}
	return problems
}

func TestUnits(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/systemd/*.service"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d units: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		for _, p := range examineUnit(t, name, read(t, "deploy/systemd/"+name)) {
			t.Error(p)
		}
	}
	if users := read(t, "deploy/systemd/trunkline.sysusers"); !regexp.MustCompile(`(?m)^u trunkline `).MatchString(users) {
		t.Error("nobody makes the user trunkline")
	}
}

func TestUnitsBroken(t *testing.T) {
	const name = "trunkline-ingest-poll.service"
	text := read(t, "deploy/systemd/"+name)
	for _, b := range []struct{ old, new, says string }{
		{"ingest-poll -c", "ingest-poll --config", "has no --config"},
		{"-c /etc/trunkline/trunkline.yaml", "-c /root/x.yaml", "from nowhere"},
		{"MemoryMax=256M", "MemoryMax=2G", "does not fit"},
		{"MemoryMax=256M", "", "has no MemoryMax"},
		{"Restart=always", "Restart=on-failure", "Restart is"},
		{"StartLimitIntervalSec=0", "", "gives up"},
		{"User=trunkline", "User=root", "User is"},
		{"AmbientCapabilities=", "# ", "AmbientCapabilities is"},
		{"ProtectSystem=strict", "ProtectSystems=strict", "systemd-analyze verify"},
		{"SystemCallFilter=@system-service", "", "is exposed"},
		{"Environment=GOMEMLIMIT", "Environment=TRUNKLINE_NAT_URL=x\nEnvironment=GOMEMLIMIT", "nobody reads TRUNKLINE_NAT_URL"},
		{"credentials/trunkline-ingest-poll", "credentials/trunkline-ingest-tcp", "another place of its secrets"},
	} {
		examineUnit(t, name, replaced(t, text, b.old, b.new)).mustSay(t, b.says)
	}
}
