package helm_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/platform/telemetry"
)

func TestLint(t *testing.T) {
	for _, name := range examples {
		if out, err := helm("lint", "--strict", chart, "--kube-version", "1.33.0", "--values", example(name)); err != nil || strings.Contains(out, "[WARNING]") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}

func TestExamples(t *testing.T) {
	for _, name := range examples {
		for _, apis := range [][]string{nil, {keda}} {
			t.Run(strings.Join(append([]string{name}, apis...), " with "), func(t *testing.T) {
				o := rendered(t, name, apis...)
				for _, p := range examine(t, o, example(name)) {
					t.Error(p)
				}
				if has := len(o.scaled) > 0; has != (apis != nil && name != "edge") || has == (len(o.scalers) > 0) && name != "edge" {
					t.Errorf("%d ScaledObjects, %d HorizontalPodAutoscalers", len(o.scaled), len(o.scalers))
				}
			})
		}
	}
}

// What is asked of a pod is answered without NATS and ClickHouse where its life
// depends on it.
func TestProbes(t *testing.T) {
	for _, w := range rendered(t, "fifty-sites", keda).workloads() {
		c := w.pod.Spec.Containers[0]
		if w.ends() {
			continue
		}
		for _, broken := range []string{"nats", "clickhouse", "lyon/front-desk"} {
			tel := telemetry.New(w.service(), io.Discard, slog.LevelInfo, true)
			tel.Health.Watch("nats", func() error { return nil })
			tel.Health.Watch(broken, func() error { return errors.New("away") })
			answers := func(path string) bool {
				r := httptest.NewRecorder()
				tel.Handler().ServeHTTP(r, httptest.NewRequest("GET", path, nil))
				return r.Code == 200
			}
			if !answers(c.LivenessProbe.HTTPGet.Path) || !answers(c.StartupProbe.HTTPGet.Path) {
				t.Errorf("%s is restarted when %s is away", w.Name, broken)
			}
			ready := broken != "nats" && strings.HasPrefix(w.service(), "ingest")
			if answers(c.ReadinessProbe.HTTPGet.Path) != ready {
				t.Errorf("%s: ready is %t when %s is away", w.Name, !ready, broken)
			}
		}
	}
}

// The ten lines of the documentation install what runs.
func TestDocumentedInstall(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "    cat >values.yaml <<'END'\n")
	values, _, ok := strings.Cut(after, "    END\n")
	if !ok {
		t.Fatal("docs/kubernetes.md installs nothing")
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(values, "\n    ", "\n")[4:]), 0o600); err != nil {
		t.Fatal(err)
	}
	o, links := renderedFrom(t, chart, file), 0
	for _, w := range o.workloads() {
		cfg, _, err := load(t, o, w)
		if err != nil {
			t.Error(err)
			continue
		}
		links += len(cfg.Links())
	}
	if links != 1 {
		t.Errorf("%d links", links)
	}
}

// The longest id that a site may have still gives names that Kubernetes takes,
// and two long ones that begin alike give two.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("saint-remy-en-bouzemont-", 3)[:62]
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")
	changed(t, example("one-site"), one, "id: lyon", "id: "+long+"1")
	text, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	_, site, _ := strings.Cut(string(text), "\nsites:\n")
	if err := os.WriteFile(two, []byte(string(text)+strings.Replace(site, long+"1", long+"2", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	o := renderedFrom(t, chart, two)
	for _, p := range examine(t, o, two) {
		t.Error(p)
	}
	if len(o.sets) != 2 {
		t.Errorf("%d StatefulSets", len(o.sets))
	}
}
