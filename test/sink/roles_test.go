package sink_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/services/sink"
)

// statements cuts the SQL of the roles, without its comments.
func statements(t *testing.T, r sink.Roles) (out []string) {
	t.Helper()
	sql, err := r.SQL()
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(sql, "")
	for s := range strings.SplitSeq(text, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

var (
	policy = regexp.MustCompile("^CREATE ROW POLICY OR REPLACE `([^`]+)`[^;]*? ON `[^`]+`\\.`([^`]+)` FOR SELECT USING (.*) TO (.*)$")
	grant  = regexp.MustCompile("^GRANT (?:ON CLUSTER `[^`]+` )?SELECT ON (.*) TO `trunkline_reader_acme`$")
)

// The real engine parses every statement. It has no users, so that nobody can be
// refused there; a ClickHouse server has.
func TestRolesAreParsed(t *testing.T) {
	for _, r := range []sink.Roles{
		{Database: "trunkline"}, {Database: "trunkline", Readers: []string{"acme=lyon,paris", "b=x"}}, {Database: "t-1", Cluster: "main", Readers: []string{"acme=lyon"}},
	} {
		all := statements(t, r)
		for _, s := range all {
			out, err := ask(fmt.Sprintf("SELECT formatQuerySingleLine('%s')", strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)), "default", "")
			if err != nil {
				t.Errorf("%s: %v", s, err)
			}
			if r.Cluster != "" && !strings.Contains(out, "ON CLUSTER") {
				t.Errorf("on this server only: %s", out)
			}
		}
		if len(all) < 15 {
			t.Errorf("%d statements", len(all))
		}
	}
	if _, err := ask("SELECT formatQuerySingleLine('CREATE ROW POLICY x ON')", "default", ""); err == nil {
		t.Error("the engine parses what is wrong")
	}
}

// Every table and view in which the engine finds a site has a policy for each
// reader of some sites, who may read nothing else.
func TestRowPoliciesCoverEverySite(t *testing.T) {
	b := newBench(t)
	defer b.start(b.config())()
	withSite := strings.Fields(b.sql(fmt.Sprintf("SELECT table FROM system.columns WHERE database = '%s' AND name = 'site' ORDER BY table", b.database)))
	all := strings.Fields(b.sql(fmt.Sprintf("SELECT name FROM system.tables WHERE database = '%s' ORDER BY name", b.database)))
	if len(withSite) < 4 || len(all) <= len(withSite) {
		t.Fatalf("%v of %v", withSite, all)
	}
	var limited, whole, granted []string
	for _, s := range statements(t, sink.Roles{Database: b.database, Readers: []string{"acme=lyon,paris"}}) {
		if m := policy.FindStringSubmatch(s); m != nil {
			switch {
			case m[1] == "trunkline_reader_acme" && m[3] == "site IN ('lyon', 'paris')" && m[4] == "`trunkline_reader_acme`":
				limited = append(limited, m[2])
			case m[1] == "trunkline_all" && m[3] == "1" && m[4] == "`trunkline_reader`, `trunkline_writer`, `trunkline_migrator`":
				whole = append(whole, m[2])
			default:
				t.Errorf("what is this: %s", s)
			}
			// The condition is one that the engine takes on this table.
			b.sql(fmt.Sprintf("SELECT count() FROM %s.%s WHERE %s", b.database, m[2], m[3]))
		}
		if m := grant.FindStringSubmatch(s); m != nil {
			_, table, _ := strings.Cut(m[1], ".")
			granted = append(granted, strings.Trim(table, "`"))
		}
	}
	for name, got := range map[string][]string{"limited": limited, "whole": whole, "granted": granted} {
		if slices.Sort(got); !slices.Equal(got, withSite) {
			t.Errorf("%s: %v, want %v", name, got, withSite)
		}
	}
	// On a cluster the tables of the shards too, else a shard would give everything.
	text, err := sink.Roles{Database: "trunkline", Cluster: "main", Readers: []string{"acme=lyon"}}.SQL()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range withSite {
		for _, name := range []string{table, table + "_local"} {
			isView := strings.TrimSpace(b.sql(fmt.Sprintf("SELECT engine FROM system.tables WHERE database = '%s' AND name = '%s'", b.database, table))) == "View"
			if want := fmt.Sprintf("`trunkline_reader_acme` ON CLUSTER `main` ON `trunkline`.`%s` FOR SELECT", name); strings.Contains(text, want) != (!isView || name == table) {
				t.Errorf("%s: %v", name, isView)
			}
		}
	}
}

func TestReadersAreChecked(t *testing.T) {
	for _, reader := range []string{"", "acme", "acme=", "=lyon", "a b=lyon", "acme=lyon,", "acme=ly'on", "A=lyon", "acme=Lyon"} {
		if _, err := (sink.Roles{Database: "trunkline", Readers: []string{reader}}).SQL(); err == nil {
			t.Errorf("%q is taken", reader)
		}
	}
	if _, err := (sink.Roles{Database: "trunkline", Readers: []string{"a=x", "a=y"}}).SQL(); err == nil {
		t.Error("two readers of a name")
	}
	if _, err := (sink.Roles{Database: "system"}).SQL(); err == nil {
		t.Error("the system's database")
	}
}
