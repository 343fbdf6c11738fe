package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/config"
)

// initialize runs an init command.
func initialize(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"init"}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func mustInitialize(t *testing.T, args ...string) string {
	t.Helper()
	out, err := initialize(t, args...)
	if err != nil {
		t.Fatalf("init %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// The bundle's files are those of deploy, which a program cannot have in itself
// from where they stand.
func TestBundleIsOfDeploy(t *testing.T) {
	for name, of := range map[string]string{
		"trunkline-ingest-tcp.service": "systemd", "trunkline-ingest-poll.service": "systemd", "trunkline.sysusers": "systemd", "install.ps1": "windows",
	} {
		have, err := os.ReadFile(filepath.Join("bundle", name))
		if err != nil {
			t.Fatal(err)
		}
		if want := read(t, filepath.Join("../../deploy", of, name)); string(have) != want {
			t.Errorf("cmd/trunkline/bundle/%s is not deploy/%s/%s: copy it", name, of, name)
		}
	}
	if out, err := exec.Command("sh", "-n", "bundle/install.sh").CombinedOutput(); err != nil {
		t.Errorf("install.sh: %v %s", err, out)
	}
	script := read(t, "bundle/install.sh")
	for _, name := range append(machines["systemd"].files[1:], "site.creds", "ca.crt", "trunkline.yaml") {
		if !strings.Contains(script, name) {
			t.Errorf("install.sh leaves %s out", name)
		}
	}
}

func TestInitSite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "operator")
	out := mustInitialize(t, "hub", dir)
	out += mustInitialize(t, "tls", "hub.example", "10.0.0.1", dir)
	out += mustInitialize(t, "site", "lyon", "--also", "lille", "--hub", "tls://hub.example:4222", "--timezone", "Europe/Paris", "--country", "FR", "--outside-prefix", "0", dir)
	out += mustInitialize(t, "site", "york", "--for", "windows", "--hub", "nats://10.0.0.1:4222", dir)
	for _, secret := range []string{"SEED", "PRIVATE KEY", "eyJ"} {
		if strings.Contains(out, secret) {
			t.Errorf("it prints a secret: %s", out)
		}
	}
	folder := access.Folder(dir)
	for site, want := range map[string]struct {
		creds, ca, inbox string
		sites            int
		files            []string
	}{
		"lyon": {"/etc/trunkline/site.creds", "/etc/trunkline/ca.crt", "_INBOX_lyon", 2, machines["systemd"].files},
		"york": {`C:\ProgramData\Trunkline\site.creds`, "", "_INBOX_york", 1, machines["windows"].files},
	} {
		text := read(t, filepath.Join(folder.Site(site), "trunkline.yaml"))
		cfg, err := config.Parse("trunkline.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := cfg.NATS; n.CredsFile != want.creds || n.TLS.CA != want.ca || n.InboxPrefix != want.inbox || n.Spool == nil || len(cfg.Sites) != want.sites {
			t.Errorf("%s: %+v", site, n)
		}
		for _, name := range append([]string{"site.creds"}, want.files...) {
			info, err := os.Stat(filepath.Join(folder.Site(site), name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s: %v", site, name, err)
			}
		}
	}

	creds := read(t, filepath.Join(folder.Site("lyon"), "site.creds"))
	for name, args := range map[string][]string{
		"a hub that is there":          {"hub", dir},
		"a certificate that is there":  {"tls", "hub.example", dir},
		"a site that is there":         {"site", "lyon", "--hub", "nats://hub.example:4222", dir},
		"no hub's address":             {"site", "x", dir},
		"an address with a password":   {"site", "x", "--hub", "nats://a:b@hub.example:4222", dir},
		"a zone that does not exist":   {"site", "x", "--hub", "nats://h:4222", "--timezone", "Europe/Lyon", dir},
		"no such machine":              {"site", "x", "--hub", "nats://h:4222", "--for", "os2", dir},
		"a name that is no site's":     {"site", "A B", "--hub", "nats://h:4222", dir},
		"a service's name":             {"site", "sink", "--hub", "nats://h:4222", dir},
		"a site twice":                 {"site", "x", "--also", "x", "--hub", "nats://h:4222", dir},
		"a folder of somebody else's":  {"site", "x", "--hub", "nats://h:4222", t.TempDir()},
		"new credentials of no site":   {"site", "x", "--renew", dir},
		"a revocation of nobody":       {"revoke", "x", "--hub", "nats://127.0.0.1:1", dir},
		"a hub that cannot be reached": {"revoke", "york", "--hub", "nats://127.0.0.1:1", dir},
	} {
		out, err := initialize(t, args...)
		if err == nil {
			t.Errorf("%s is taken: %s", name, out)
		} else if strings.Contains(err.Error(), "a:b@") {
			t.Errorf("%s: it repeats a password: %v", name, err)
		}
		if _, err := os.Stat(folder.Site("x")); err == nil {
			t.Errorf("%s leaves half a site", name)
		}
	}
	if read(t, filepath.Join(folder.Site("lyon"), "site.creds")) != creds {
		t.Error("credentials were changed")
	}
	mustInitialize(t, "site", "lyon", "--renew", dir)
	if sites, err := folder.Sites("lyon"); err != nil || !slices.Equal(sites, []string{"lyon", "lille"}) {
		t.Errorf("the new credentials are for %v: %v", sites, err)
	}
	if read(t, filepath.Join(folder.Site("lyon"), "site.creds")) == creds {
		t.Error("--renew makes nothing new")
	}
}

// docs/security.md has every role, and each of its subjects.
func TestSecurityPageHasEveryRole(t *testing.T) {
	text := read(t, "../../docs/security.md")
	for _, r := range access.Roles {
		if !strings.Contains(text, "`"+r.Name+"`") {
			t.Errorf("the role %s is missing", r.Name)
		}
		if r.Name != access.SiteRole {
			continue
		}
		for _, s := range append(r.Publish, r.Subscribe...) {
			s = strings.NewReplacer("{{tag(site)}}", "<site>", "{{name()}}", "<site>").Replace(s)
			if !strings.Contains(text, "`"+s+"`") {
				t.Errorf("%s: %s is missing", r.Name, s)
			}
		}
	}
	for _, role := range []string{"trunkline_reader", "trunkline_writer", "trunkline_migrator", "trunkline_bi"} {
		if !strings.Contains(text, role) {
			t.Errorf("ClickHouse's %s is missing", role)
		}
	}
}
