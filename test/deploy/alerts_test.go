package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is a rule of deploy/prometheus/rules.yaml.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T, text string) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// examineAlerts says what is wrong with the rules, beside their page and tests.
func examineAlerts(t *testing.T, rules, page, tests string, have map[string][]string) (problems report) {
	t.Helper()
	var names []string
	for _, a := range alerts(t, rules) {
		names = append(names, a.Alert)
		for _, p := range unknown(a.Expr, have) {
			problems.add("%s: %s", a.Alert, p)
		}
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			problems.add("%s: severity %q", a.Alert, s)
		}
		if action := a.Annotations["action"]; strings.Count(action, ". ") > 0 || !strings.HasSuffix(action, ".") {
			problems.add("%s: what to do is not told in one sentence: %q", a.Alert, action)
		}
		if a.Annotations["summary"] == "" {
			problems.add("%s: does not say what is", a.Alert)
		}
		if want := "docs/alerts.md#" + strings.ToLower(a.Alert); a.Annotations["runbook_url"] != want {
			problems.add("%s: leads to %q, not %s", a.Alert, a.Annotations["runbook_url"], want)
		}
		if !strings.Contains(page, "\n## "+a.Alert+"\n") {
			problems.add("%s: docs/alerts.md does not explain it", a.Alert)
		}
		if !strings.Contains(tests, `alertname="`+a.Alert+`"`) {
			problems.add("%s: no test makes it fire", a.Alert)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(page, -1) {
		if !slices.Contains(names, m[1]) {
			problems.add("docs/alerts.md explains %s, which is no alert", m[1])
		}
	}
	return problems
}

func TestAlerts(t *testing.T) {
	have := exposed(t)
	rules, page, tests := read(t, "deploy/prometheus/rules.yaml"), read(t, "docs/alerts.md"), read(t, "test/deploy/testdata/alerts.yaml")
	for _, p := range examineAlerts(t, rules, page, tests, have) {
		t.Error(p)
	}
	for _, b := range []struct{ old, new, says string }{
		{"trunkline_spool_bytes", "trunkline_spools_bytes", "SpoolFilling: no service has trunkline_spools_bytes"},
		{`{outcome="dead"}`, `{result="dead"}`, "trunkline_parser_tickets_total has no label result"},
		{"alert: ClockWrong", "alert: ClockOff", "ClockOff: docs/alerts.md does not explain it"},
		{"alert: ClockWrong", "alert: ClockOff", "ClockOff: no test makes it fire"},
		{"alert: ClockWrong", "alert: ClockOff", "explains ClockWrong, which is no alert"},
		{"severity: critical", "severity: high", `LinkSilent: severity "high"`},
		{"alerts.md#linksilent", "alerts.md#silent", "LinkSilent: leads to"},
		{`action: "Run`, `hint: "Run`, "LinkSilent: what to do is not told"},
	} {
		examineAlerts(t, replaced(t, rules, b.old, b.new), page, tests, have).mustSay(t, b.says)
	}
}

// The alerts fire when they should, and are silent when not.
func TestAlertsFire(t *testing.T) {
	promtool(t, "test", "rules", "testdata/alerts.yaml")
	promtool(t, "check", "config", root+"/deploy/prometheus/prometheus.yaml")
}

// Prometheus asks each service of Compose, by its name and where it answers.
func TestPrometheusFindsServices(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), "core", "demo", "bi")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Scrape []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/prometheus.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var asked, want []string
	for _, job := range file.Scrape {
		for _, d := range job.DNS {
			asked = append(asked, d.Names...)
			if d.Port != 9090 {
				t.Errorf("%v are asked on port %d", d.Names, d.Port)
			}
		}
	}
	for name, c := range s.Services {
		if slices.Contains(services, s.program(c)) {
			want = append(want, name)
		}
	}
	slices.Sort(asked)
	slices.Sort(want)
	if !slices.Equal(asked, want) {
		t.Errorf("prometheus asks %v, and there are %v", asked, want)
	}
}
