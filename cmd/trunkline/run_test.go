//go:build linux && amd64 && !edge

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaim(t *testing.T) {
	for _, c := range []struct {
		name string
		have map[string]string // files of the folder; nil: there is none
		demo bool
		want string // in the error; empty: none
	}{
		{"a new folder", nil, false, ""},
		{"a new folder for the demo", nil, true, ""},
		{"a real folder again", map[string]string{"kind": "real", "nats": ""}, false, ""},
		{"the demo's again", map[string]string{"kind": "demo", "nats": ""}, true, ""},
		{"the demo in a real folder", map[string]string{"kind": "real"}, true, "holds real calls"},
		{"real calls in the demo's", map[string]string{"kind": "demo"}, false, "holds demo calls"},
		{"the demo among other files", map[string]string{"letter.txt": ""}, true, "not empty"},
		{"real calls in a folder of old", map[string]string{"lost+found": ""}, false, ""},
		{"died while it was marked", map[string]string{"kind": ""}, false, ""},
		{"died while it was marked for the demo", map[string]string{"kind": ""}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "data")
			for name, text := range c.have {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			lock, err := claim(dir, c.demo)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("error %v, want one with %q and the folder", err, c.want)
				}
				if _, claimed := c.have["kind"]; !claimed {
					if _, err := os.Stat(filepath.Join(dir, "kind")); err == nil {
						t.Error("the refused folder was claimed")
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// It is claimed now: for its kind again, and never for the other.
			if _, err := claim(dir, c.demo); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by another process %d: stop it", os.Getpid())) {
				t.Errorf("while it is in use: %v", err)
			}
			lock.Close()
			if lock, err = claim(dir, c.demo); err != nil {
				t.Fatalf("again: %v", err)
			}
			lock.Close()
			if _, err := claim(dir, !c.demo); err == nil {
				t.Error("the other kind is let in")
			}
		})
	}
}

func TestClaimOfNoFolder(t *testing.T) {
	file := write(t, "file", "")
	if _, err := claim(file, false); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("a file as folder: %v", err)
	}
}

func TestLoadRun(t *testing.T) {
	t.Setenv("TRUNKLINE_CONFIG", "")
	real := write(t, "real.yaml", "data: /srv/tickets\nsites: [{id: lyon, timezone: Europe/Paris}]\n")
	cfg, err := loadRun(runFlags{file: real})
	if err != nil || cfg.Data != "/srv/tickets" || len(cfg.Sites) != 1 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if cfg, err = loadRun(runFlags{file: real, data: "/srv/other"}); err != nil || cfg.Data != "/srv/other" {
		t.Errorf("--data: %+v, %v", cfg, err)
	}
	spool := write(t, "spool.yaml", "nats: {spool: {}}\n")
	if _, err := loadRun(runFlags{file: spool}); err == nil || !strings.Contains(err.Error(), "nats.spool") {
		t.Errorf("a site's spool in the all-in-one: %v", err)
	}
	t.Setenv("TRUNKLINE_CONFIG", real)
	if cfg, err = loadRun(runFlags{}); err != nil || cfg.Data != "/srv/tickets" {
		t.Errorf("$TRUNKLINE_CONFIG: %+v, %v", cfg, err)
	}
	if cfg, err = loadRun(runFlags{demo: true}); err != nil || cfg.Data != "data/demo" || len(cfg.Sites) != 0 {
		t.Errorf("the demo: %+v, %v", cfg, err)
	}
	if cfg, err = loadRun(runFlags{demo: true, data: "/srv/demo"}); err != nil || cfg.Data != "/srv/demo" {
		t.Errorf("the demo's --data: %+v, %v", cfg, err)
	}
}

func TestRunRefuses(t *testing.T) {
	demo := write(t, "demo.yaml", "sites: [{id: demo-lyon, timezone: Europe/Paris}]\n")
	wantError(t, "", []string{"run", "-c", demo}, `"demo-lyon"`, "trunkline run --demo", "another id")
	wantError(t, "", []string{"run", "--demo", "-c", demo}, "without -c")
	wantError(t, "", []string{"run", "-c", filepath.Join(t.TempDir(), "none.yaml")}, "none.yaml")
	wantError(t, "", []string{"run", "-c", write(t, "bad.yaml", "sites:\n- {id: lyon, timezone: Nowhere}\n")}, "bad.yaml:2", "Nowhere")

	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "kind"), []byte("real"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, "", []string{"run", "--demo", "--data", folder}, "holds real calls")

	// Of all that a second process stumbles over, the folder is said.
	held, err := claim(folder, false)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	second := write(t, "second.yaml", fmt.Sprintf("metrics: {listen: %q}\nnats: {listen: %[1]q}\n", l.Addr()))
	wantError(t, "", []string{"run", "-c", second, "--data", folder}, "data folder "+folder+" is in use by another process")
}
