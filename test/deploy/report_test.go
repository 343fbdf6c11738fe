package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/platform/config"
)

// report lists what is wrong.
type report []string

func (r *report) add(format string, args ...any) { *r = append(*r, fmt.Sprintf(format, args...)) }

// mustSay is for files that were broken on purpose.
func (r report) mustSay(t *testing.T, text string) {
	t.Helper()
	if !slices.ContainsFunc(r, func(p string) bool { return strings.Contains(p, text) }) {
		t.Errorf("nothing says %q: %q", text, []string(r))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func replaced(t *testing.T, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not there to be broken", old)
	}
	return strings.Replace(text, old, new, 1)
}

var versionTag = regexp.MustCompile(`:[\w.-]*\d[\w.-]*$`)

// pinned tells whether an image is named with a version.
func pinned(image string) bool {
	return versionTag.MatchString(image) && !strings.HasSuffix(image, ":latest")
}

// knownVariable tells whether anybody reads an environment variable that begins
// with TRUNKLINE_: the programs, the engine's script, or the configuration.
func knownVariable(name string) bool {
	switch name {
	case "TRUNKLINE_CONFIG", "TRUNKLINE_ENGINE_LIB", "TRUNKLINE_CACHE":
		return true
	}
	return hasKey(reflect.TypeFor[config.Config](), config.EnvPrefix, name)
}

func hasKey(t reflect.Type, prefix, name string) bool {
	for f := range t.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		at := prefix + strings.ToUpper(key)
		switch {
		case key == "sites":
		case options == "inline":
			if hasKey(of, prefix, name) {
				return true
			}
		case of.Kind() == reflect.Struct:
			if hasKey(of, at+"_", name) {
				return true
			}
		case at == name:
			return true
		}
	}
	return false
}

func TestKnownVariables(t *testing.T) {
	for name, want := range map[string]bool{
		"TRUNKLINE_NATS_URL": true, "TRUNKLINE_CLICKHOUSE_PASSWORD_FILE": true, "TRUNKLINE_CLICKHOUSE_TLS_CA": true,
		"TRUNKLINE_NATS_TICKETS_MAX_BYTES": true, "TRUNKLINE_SITES": false, "TRUNKLINE_NATS": false, "TRUNKLINE_NAT_URL": false,
	} {
		if knownVariable(name) != want {
			t.Errorf("%s: known is %t", name, !want)
		}
	}
}
