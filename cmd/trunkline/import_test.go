package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/natsd"
)

const mitelCall = "-%02d/%02d 14:05  00:06:40 2034      00199001234               A T012       000123456789 000  \r\n"

// importFolder writes a configuration and ticket files.
func importFolder(t *testing.T, nats string, files map[string]string) (config, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return write(t, "trunkline.yaml", fmt.Sprintf(`nats: {url: %q}
sites:
  - id: lyon
    timezone: Europe/Paris
    country: FR
    links:
      - {id: front-desk, model: avaya-ipoffice, tcp: {listen: ":1080"}}
      - {id: plant, model: mitel-3300, tcp: {dial: "192.0.2.1:1752"}}
`, nats)), dir
}

// table is the report's line of a month, without the blanks.
func table(out, month string) string {
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == month {
			return strings.Join(f, " ")
		}
	}
	return ""
}

func TestImportDryRun(t *testing.T) {
	later := strings.Replace(avayaCall, "2026/11/20", "2025/10/01", 1)
	config, dir := importFolder(t, "nats://127.0.0.1:1", map[string]string{
		"a.log": later + "no ticket\r\n" + avayaCall + avayaCall, "b.log": avayaHeader + avayaCall,
	})
	out := mustRun(t, "import", "-c", config, "--link", "lyon/front-desk", "--dry-run", dir)
	for month, want := range map[string]string{"2025-10": "2025-10 1 0 1", "2026-11": "2026-11 3 1 0", "all": "all 4 1 1"} {
		if got := table(out, month); got != want {
			t.Errorf("%s: %q, want %q in\n%s", month, got, want, out)
		}
	}
	if !strings.Contains(out, "2 of 2 files, 6 tickets found; nothing was published") || strings.Contains(out, "year") {
		t.Error(out)
	}
}

func TestImportYears(t *testing.T) {
	copied := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	files := map[string]string{"smdr_201906.log": fmt.Sprintf(mitelCall, 6, 4)}
	for month := 1; month <= 4; month++ {
		files[fmt.Sprintf("part%d.log", month)] = fmt.Sprintf(mitelCall, month, 4)
	}
	files["long.log"] = fmt.Sprintf(mitelCall, 11, 10) + fmt.Sprintf(mitelCall, 1, 2)
	config, dir := importFolder(t, "nats://127.0.0.1:1", files)
	for name := range files {
		if err := os.Chtimes(filepath.Join(dir, name), copied, copied); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"import", "-c", config, "--link", "lyon/plant", "--dry-run", dir}
	out := mustRun(t, args...)
	for _, want := range []string{"the name (1 file), the modification time (5 files)", "modified within a day", "go on behind a new year"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if table(out, "2019-06") == "" || table(out, "2026-01") == "" {
		t.Error(out)
	}
	out = mustRun(t, append(args, "--year", "2020")...)
	if table(out, "2020-01") != "2020-01 2 0 0" || table(out, "all") != "all 7 0 0" || !strings.Contains(out, "from --year or --written (6 files)") {
		t.Error(out)
	}
}

func TestImportRefuses(t *testing.T) {
	config, dir := importFolder(t, "nats://127.0.0.1:1", map[string]string{"a.log": strings.Repeat(avayaCall, 20)})
	file := filepath.Join(dir, "a.log")
	for _, c := range []struct{ args, words []string }{
		{[]string{"--link", "lyon/plant", "--dry-run", dir}, []string{"20 of the first 20", "a.log", "mitel-3300", "avaya-ipoffice", "--force"}},
		{[]string{"--link", "lyon/front-deks", dir}, []string{"is it lyon/front-desk?"}},
		{[]string{"--link", "lyon/plant", "--dry-run", "--year", "19", dir}, []string{"--year 19"}},
		{[]string{"--link", "lyon/plant", "--dry-run", "--written", "soon", dir}, []string{"--written", "soon"}},
		{[]string{"--link", "lyon/plant", "--dry-run", "--written", "2019-06-30", "--year", "2019", dir}, []string{"written", "year"}},
		{[]string{"--link", "lyon/front-desk", "--dry-run", file, filepath.Join(dir, "away")}, []string{"1 file could not be read"}},
		{[]string{"--link", "lyon/front-desk", "--dry-run", t.TempDir()}, []string{"no file to import"}},
	} {
		wantError(t, "", append([]string{"import", "-c", config}, c.args...), c.words...)
	}
	if out := mustRun(t, "import", "-c", config, "--link", "lyon/plant", "--dry-run", "--force", dir); table(out, "unknown") != "unknown 0 0 20" {
		t.Error(out)
	}
}

func TestImportPublishes(t *testing.T) {
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	config, dir := importFolder(t, srv.URL(), map[string]string{"a.log": strings.Repeat(avayaCall, 20)})
	for range 2 {
		out := mustRun(t, "import", "-c", config, "--link", "lyon/front-desk", dir)
		if !strings.Contains(out, "1 of 1 file, 20 tickets published") || table(out, "2026-11") != "2026-11 20 0 0" {
			t.Error(out)
		}
	}
}
