package helm_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// restarted names the workloads whose pods differ between two renderings, those
// that are new or gone included.
func restarted(a, b *objects) (names []string) {
	before := map[string]workload{}
	for _, w := range a.workloads() {
		before[w.Name] = w
	}
	for _, w := range b.workloads() {
		if have, ok := before[w.Name]; !ok || !reflect.DeepEqual(have.pod, w.pod) {
			names = append(names, strings.TrimPrefix(w.Name, "t-trunkline-"))
		}
		delete(before, w.Name)
	}
	for name := range before {
		names = append(names, strings.TrimPrefix(name, "t-trunkline-"))
	}
	slices.Sort(names)
	return names
}

// A changed site touches its own pods alone. Where the running process takes it
// over, not even these restart: only their ConfigMap differs.
func TestChangedSite(t *testing.T) {
	const values = "fifty-sites"
	base := rendered(t, values)
	for _, c := range []struct {
		old, new  string
		restarted []string
		// differ are the objects that differ, besides.
		differ []string
	}{
		{
			old: "- id: amiens\n    timezone: Europe/Paris", new: "- id: amiens\n    timezone: Europe/London",
			differ: []string{"ConfigMap t-trunkline-listen-amiens", "ConfigMap t-trunkline-poll"},
		},
		{
			old: `listen: ":1080", allow: [10.1.0.0/16]`, new: `listen: ":1080", allow: [10.1.0.0/17]`,
			differ: []string{"ConfigMap t-trunkline-listen-amiens", "NetworkPolicy t-trunkline-listen-amiens"},
		},
		{
			old: `listen: ":1080", allow: [10.1.0.0/16]`, new: `listen: ":1081", allow: [10.1.0.0/16]`, restarted: []string{"listen-amiens"},
			differ: []string{"ConfigMap t-trunkline-listen-amiens", "NetworkPolicy t-trunkline-listen-amiens", "Service t-trunkline-listen-amiens", "StatefulSet t-trunkline-listen-amiens"},
		},
		{
			old: `dial: "10.2.0.5:2300"`, new: `dial: "10.2.0.6:2300"`,
			differ: []string{"ConfigMap t-trunkline-dial", "NetworkPolicy t-trunkline-dial"},
		},
		{
			old: "  - id: bern\n", new: "  - id: zug\n    timezone: Europe/Zurich\n    links:\n      - {id: desk, model: avaya-ipoffice, tcp: {listen: \":1080\"}}\n  - id: bern\n",
			restarted: []string{"listen-zug"},
			differ: []string{
				"ConfigMap t-trunkline-listen-zug", "NetworkPolicy t-trunkline-listen-zug", "PodDisruptionBudget t-trunkline-listen-zug",
				"Service t-trunkline-listen-zug", "StatefulSet t-trunkline-listen-zug",
			},
		},
		{
			old: "columns:\n", new: "# A word more.\n    columns:\n",
			differ: []string{
				"ConfigMap t-trunkline-listen-annecy", "ConfigMap t-trunkline-listen-lille", "ConfigMap t-trunkline-listen-london",
				"ConfigMap t-trunkline-listen-nimes", "ConfigMap t-trunkline-listen-poitiers", "ConfigMap t-trunkline-listen-shared",
			},
		},
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		changed(t, example(values), file, c.old, c.new)
		o := renderedFrom(t, chart, file)
		if got := restarted(base, o); !slices.Equal(got, c.restarted) {
			t.Errorf("%q: restarts %q, want %q", c.new, got, c.restarted)
		}
		if got := differ(base, o); !slices.Equal(got, c.differ) {
			t.Errorf("%q: touches %q, want %q", c.new, got, c.differ)
		}
	}
}

// What no process takes over while it runs restarts all whom it concerns.
func TestChangedServers(t *testing.T) {
	base := rendered(t, "one-site")
	for _, c := range []struct {
		old, new string
		want     []string
	}{
		{"nats.nats.svc.cluster.local:4222", "nats.elsewhere:4222", []string{"listen-lyon", "migrate", "parser", "reconcile", "sink"}},
		{"user: trunkline", "user: writer", []string{"migrate", "reconcile", "sink"}},
		{"keda:", "image: {tag: 0.1.1}\nkeda:", []string{"listen-lyon", "migrate", "parser", "reconcile", "sink"}},
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		changed(t, example("one-site"), file, c.old, c.new)
		if got := restarted(base, renderedFrom(t, chart, file)); !slices.Equal(got, c.want) {
			t.Errorf("%q: restarts %q, want %q", c.new, got, c.want)
		}
	}
}

// Other credentials of a group restart its own pods: another Secret is mounted.
func TestChangedCredentials(t *testing.T) {
	base := rendered(t, "edge")
	file := filepath.Join(t.TempDir(), "values.yaml")
	changed(t, example("edge"), file, "hub-acme/site.creds", "hub-acme-2/site.creds")
	if got, want := restarted(base, renderedFrom(t, chart, file)), []string{"dial-acme", "listen-acme", "poll-acme"}; !slices.Equal(got, want) {
		t.Errorf("restarts %q, want %q", got, want)
	}
}

// A chart of another version alone restarts nobody.
func TestChangedChart(t *testing.T) {
	dir := copyChart(t, "Chart.yaml", "version: 0.1.0", "version: 0.1.9")
	if got := restarted(rendered(t, "fifty-sites"), renderedFrom(t, dir, example("fifty-sites"))); len(got) > 0 {
		t.Errorf("restarts %q", got)
	}
}
