package helm_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
)

// examined is a rendering with what the product makes of it.
type examined struct {
	*objects
	all     []workload
	configs map[string]*config.Config // by workload
	texts   map[string]string         // of their files
	report
}

// examine says what is wrong with a rendering of values.
func examine(t *testing.T, o *objects, values string) report {
	t.Helper()
	e := &examined{objects: o, all: o.workloads(), configs: map[string]*config.Config{}, texts: map[string]string{}}
	e.names()
	for _, w := range e.all {
		cfg, text, err := load(t, o, w)
		if err != nil {
			e.add("%s: %v", w.Name, err)
			continue
		}
		e.configs[w.Name], e.texts[w.Name] = cfg, text
		e.security(w)
		e.pod(w)
		e.memory(w)
		e.secrets(w)
		e.around(w)
		e.ports(w)
		e.network(w)
	}
	e.links(wanted(t, values))
	e.scaling()
	e.monitoring()
	return e.report
}

// load reads a workload's configuration as its pods find it.
func load(t *testing.T, o *objects, w workload) (*config.Config, string, error) {
	t.Helper()
	name, dir := w.config(), t.TempDir()
	at := slices.IndexFunc(o.configs, func(c *corev1.ConfigMap) bool { return c.Name == name })
	if at < 0 {
		return nil, "", fmt.Errorf("its configuration %q is in no ConfigMap", name)
	}
	for file, text := range o.configs[at].Data {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "trunkline.yaml"))
	return cfg, o.configs[at].Data["trunkline.yaml"], err
}

// wanted are the links that values hold, as the product reads them where nothing
// is in between: each site alone, since sites with pods of their own may have
// the same ports. They stand last in the values, and are the very YAML.
func wanted(t *testing.T, values string) (links []config.LinkOf) {
	t.Helper()
	text, err := os.ReadFile(values)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Layouts map[string]string `json:"layouts"`
	}
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range v.Layouts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, sites, _ := strings.Cut(string(text), "\nsites:\n")
	for _, site := range strings.Split(sites, "  - id: ")[1:] {
		file := filepath.Join(dir, "trunkline.yaml")
		if err := os.WriteFile(file, []byte("sites:\n  - id: "+site), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, cfg.Links()...)
	}
	return links
}

// links proves that every link is collected by one workload, that of its wire,
// with the settings that it has in the values; and by one process at a time.
func (e *examined) links(want []config.LinkOf) {
	found := map[string]string{}
	for _, w := range e.all {
		cfg := e.configs[w.Name]
		if cfg == nil {
			continue
		}
		dials := false
		for _, l := range cfg.Links() {
			name := l.Site.ID + "/" + l.ID
			if other := found[name]; other != "" {
				e.add("%s: link %s is in %s, too", w.Name, name, other)
			}
			found[name] = w.Name
			if service := serviceOf(l); service != w.service() {
				e.add("%s: link %s wants %s", w.Name, name, service)
			}
			dials = dials || listensOn(l) == "" || l.TCP == nil
			at := slices.IndexFunc(want, func(o config.LinkOf) bool { return o.Site.ID == l.Site.ID && o.ID == l.ID })
			if at < 0 {
				e.add("%s: link %s is in no values", w.Name, name)
				continue
			}
			is, should := l, want[at]
			site, siteShould := *is.Site, *should.Site
			site.Links, siteShould.Links = nil, nil
			for _, field := range append(unequal(*is.Link, *should.Link), unequal(site, siteShould)...) {
				e.add("%s: link %s: %s is not as in the values", w.Name, name, field)
			}
		}
		if len(cfg.Sites) > 0 && dials && cfg.NATS.Spool != nil && *w.replicas != 1 {
			e.add("%s: %d pods with a spool each do not see each other's leases", w.Name, *w.replicas)
		}
		if !strings.HasPrefix(w.service(), "ingest") && (len(cfg.Sites) > 0 || cfg.NATS.Spool != nil) {
			e.add("%s: it has no use for sites or a spool", w.Name)
		}
	}
	for _, l := range want {
		if found[l.Site.ID+"/"+l.ID] == "" {
			e.add("link %s/%s is collected by nobody", l.Site.ID, l.ID)
		}
	}
}

// unequal names the fields in which two values differ.
func unequal[T any](a, b T) (fields []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			fields = append(fields, x.Type().Field(i).Name)
		}
	}
	return fields
}

func serviceOf(l config.LinkOf) string {
	if l.TCP != nil || l.OXE != nil || l.AHL != nil {
		return "ingest-tcp"
	}
	return "ingest-poll"
}

// listensOn is where a link listens; empty: it does not.
func listensOn(l config.LinkOf) string {
	switch {
	case l.TCP != nil:
		return l.TCP.Listen
	case l.FTPServer != nil:
		return l.FTPServer.Listen
	case l.SFTPServer != nil:
		return l.SFTPServer.Listen
	case l.HTTPServer != nil:
		return l.HTTPServer.Listen
	case l.TFTP != nil:
		return l.TFTP.Listen
	}
	return ""
}

// The examples use every wire there is.
func TestExamplesHaveAllWires(t *testing.T) {
	wires := map[string]bool{}
	for _, name := range examples {
		for _, l := range wanted(t, example(name)) {
			switch {
			case l.TCP != nil && l.TCP.Listen != "":
				wires[string(pbx.TCPListen)] = true
			case l.TCP != nil:
				wires[string(pbx.TCPDial)] = true
			}
			v := reflect.ValueOf(*l.Link)
			for i := range v.NumField() {
				if key := v.Type().Field(i).Tag.Get("yaml"); v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
					wires[key] = true
				}
			}
		}
	}
	for _, m := range pbx.Models() {
		for _, wire := range m.WorkingWires() {
			if !wires[string(wire)] {
				t.Errorf("no example has the wire %s: %v", wire, slices.Sorted(maps.Keys(wires)))
			}
		}
	}
	sites := map[string]bool{}
	for _, l := range wanted(t, example("fifty-sites")) {
		sites[l.Site.ID] = true
	}
	if len(sites) != 50 {
		t.Errorf("fifty sites are %d", len(sites))
	}
}
