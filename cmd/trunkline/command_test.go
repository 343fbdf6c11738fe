package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/telemetry"
)

// execute runs the program's command line in this process.
func execute(ctx context.Context, stdin string, args ...string) (stdout string, err error) {
	var out, errOut bytes.Buffer
	cmd := command()
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(ctx)
	return out.String(), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := execute(t.Context(), "", args...)
	if err != nil {
		t.Fatalf("trunkline %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// wantError runs a command that must fail, with all these words.
func wantError(t *testing.T, stdin string, args []string, words ...string) {
	t.Helper()
	_, err := execute(t.Context(), stdin, args...)
	if err == nil {
		t.Fatalf("trunkline %s: no error", strings.Join(args, " "))
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("trunkline %s: %v: does not say %q", strings.Join(args, " "), err, w)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestVersion(t *testing.T) {
	if out := mustRun(t, "version"); !strings.HasPrefix(out, "trunkline "+telemetry.Version+" go1.") {
		t.Errorf("version: %q", out)
	}
	wantError(t, "", []string{"version", "please"}, "please")
}

func TestModelsListsTheCatalogue(t *testing.T) {
	out := mustRun(t, "models")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	models := pbx.Models()
	if len(lines) != len(models)+1 {
		t.Fatalf("%d lines for %d models:\n%s", len(lines), len(models), out)
	}
	for i, m := range models {
		line := lines[i+1]
		if !strings.HasPrefix(line, m.ID+" ") {
			t.Errorf("line %d is %q, not of %s", i+1, line, m.ID)
		}
		if len(m.WorkingWires()) == 0 != strings.Contains(line, "not yet") {
			t.Errorf("%s: does it work? %q", m.ID, line)
		}
		for _, w := range m.WorkingWires() {
			if !strings.Contains(line, string(w)) {
				t.Errorf("%s: no wire %s in %q", m.ID, w, line)
			}
		}
	}
}

func TestModelsByWord(t *testing.T) {
	for _, word := range []string{"mitel", "Mitel", "MITEL"} {
		out := mustRun(t, "models", word)
		if !strings.Contains(out, "mitel-3300") || !strings.Contains(out, "shoretel") || strings.Contains(out, "avaya") {
			t.Errorf("models %s:\n%s", word, out)
		}
	}
	// ComTrafic's name of a model finds it, and one model is described.
	if out := mustRun(t, "models", "Panasonic_TypeC"); !strings.HasPrefix(out, "panasonic-kx: Panasonic KX-TDA") {
		t.Errorf("by ComTrafic's file:\n%s", out)
	}
	wantError(t, "", []string{"models", "nortel"}, "nortel", "trunkline models")
	wantError(t, "", []string{"models", "avaya", "cisco"}, "at most 1 arg")
}

func TestModelsDescribesOne(t *testing.T) {
	for id, want := range map[string][]string{
		"avaya-ipoffice": {"Avaya IP Office", "AV_IPOffice.pbx", "start of the call, in the site's local time", "tcp.listen: verified, port 1080", "from the PBX to us, TCP port 1080", "34 columns: verified", "SMDR Only"},
		"mitel-3300":     {"without a year", "from us to the PBX, TCP port 1752", `tcp: {dial: "192.0.2.10:1752"}`},
		"panasonic-kx":   {"the end of the call", "password_env: PBX_PASSWORD", "TCP port 2300"},
		"cisco-cucm":     {"in UTC", "files: {dir: /srv/tickets}", "ftp_server: documented, port 21"},
		"asterisk":       {"ALTER TABLE cdr", "TCP port 3306", "database: asteriskcdrdb"},
	} {
		out := mustRun(t, "models", id)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("models %s does not say %q:\n%s", id, w, out)
			}
		}
	}
	if out := mustRun(t, "models", "custom"); !strings.HasPrefix(out, "custom: any PBX") {
		t.Errorf("a model without vendor:\n%s", out)
	}
}

// What `models` gives to paste is a link that the configuration takes.
func TestModelsPaste(t *testing.T) {
	for _, m := range pbx.Models() {
		if len(m.WorkingWires()) == 0 {
			continue
		}
		out := mustRun(t, "models", m.ID)
		if strings.Contains(out, "port 0\n") {
			t.Errorf("%s: nobody listens on port 0:\n%s", m.ID, out)
		}
		_, yaml, ok := strings.Cut(out, "in the site's links:\n")
		if !ok {
			t.Errorf("%s: nothing to paste", m.ID)
			continue
		}
		cfg, err := config.Parse(withLayouts(t, m.ID, yaml), fmt.Appendf(nil, "sites:\n- id: lyon\n  timezone: Europe/Paris\n  links:\n%s", yaml))
		if err != nil {
			t.Errorf("%s: %v\n%s", m.ID, err, yaml)
			continue
		}
		if links := cfg.Links(); len(links) != 1 || links[0].Model != m.ID {
			t.Errorf("%s: the pasted link is %+v", m.ID, links)
		}
	}
}

// Who calls a command wrongly reads how it is called, and where a file is missing which flag names another.
func TestWrongCalls(t *testing.T) {
	wantError(t, "", []string{"init", "tls", "DIR"}, "trunkline init tls HOST… DIR")
	wantError(t, "", []string{"restore"}, "trunkline restore", "FOLDER")
	wantError(t, "", []string{"status", "-c", filepath.Join(t.TempDir(), "none.yaml")}, "none.yaml", "-c FILE")
	wantError(t, "", []string{"init", "site", "A B", "--hub", "nats://h:4222", "DIR"}, `site "A B"`, "a-z, 0-9 and -")
}

func TestRemedyOfProblem(t *testing.T) {
	l := &live{of: config.LinkOf{Link: &config.Link{Model: "panasonic-kx"}}}
	for problem, want := range map[string]string{
		"link lyon/plant: password_env: the environment has no variable KX_PASSWORD":                 "from its next start",
		"link lyon/plant: cannot reach the PBX at 10.1.0.5:2300: connect: connection refused":        "firewall",
		"link lyon/plant at 10.1.0.5:2300: log-in failed: the PBX asks again: the password is wrong": "trunkline models panasonic-kx",
	} {
		if got := l.remedyOf(problem); !strings.Contains(got, want) {
			t.Errorf("%s → %s, want %s", problem, got, want)
		}
	}
}
