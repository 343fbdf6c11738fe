package kit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/services/parser/formats/formatstest"
)

// Golden loads the golden tickets of every format and of the worked layouts
// below the root of the repository. Each file's Name is `<format>-<file>`, and
// layouts are named by their whole path.
func Golden(t testing.TB, root string) []*formatstest.File {
	t.Helper()
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	back, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	formats, err := filepath.Glob(filepath.Join(root, "services/parser/formats/*/testdata"))
	if err != nil || len(formats) == 0 {
		t.Fatalf("no golden tickets below %s: %v", root, err)
	}
	var out []*formatstest.File
	load := func(path, format string) *formatstest.File {
		f := formatstest.Load(t, path)
		f.Name = format + "-" + strings.TrimSuffix(filepath.Base(path), ".txt")
		if f.Settings.Layout != "" {
			if f.Settings.Parse.Layout, err = filepath.Abs(f.Settings.Parse.Layout); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, f)
		return f
	}
	for _, dir := range formats {
		t.Chdir(filepath.Dir(dir)) // where the files name their layouts from
		for _, path := range tickets(t, dir) {
			load(path, filepath.Base(filepath.Dir(dir)))
		}
	}
	t.Chdir(back)
	for _, path := range tickets(t, filepath.Join(root, "docs/layouts")) {
		f := load(path, "layouts")
		f.Settings.Parse.Layout = strings.TrimSuffix(path, ".txt") + ".yaml"
		text, err := os.ReadFile(f.Settings.Parse.Layout)
		if err != nil {
			t.Fatal(err)
		}
		f.Settings.Layout = string(text)
	}
	return out
}

func tickets(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s holds no files of tickets: %v", dir, err)
	}
	return paths
}
