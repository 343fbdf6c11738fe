package schema

import (
	"strings"
	"testing"
)

func TestStatements(t *testing.T) {
	for _, target := range []Target{{Database: "trunkline"}, {Database: "trunkline", Cluster: "main"}} {
		t.Run("cluster "+target.Cluster, func(t *testing.T) {
			s, err := New(target)
			if err != nil {
				t.Fatal(err)
			}
			all := ""
			for _, m := range s.migrations {
				for _, q := range m.statements {
					if strings.Contains(q, "{{") || strings.Contains(q, "<no value>") || !strings.HasPrefix(q, "CREATE ") && !strings.HasPrefix(q, "ALTER TABLE ") {
						t.Errorf("%s: %.80s", m.name, q)
					}
					if !strings.Contains(q, "IF NOT EXISTS") {
						t.Errorf("%s cannot be applied again: %.80s", m.name, q)
					}
					if on := strings.Contains(q, "ON CLUSTER `main`"); on != (target.Cluster != "") {
						t.Errorf("%s: on cluster is %v: %.80s", m.name, on, q)
					}
					all += q + ";\n"
				}
			}
			for text, clustered := range map[string]bool{
				"ENGINE = ReplicatedReplacingMergeTree(revision, gone)":                                     true,
				"ENGINE = ReplacingMergeTree(revision, gone)":                                               false,
				"`trunkline`.`cdrs_local`":                                                                  true,
				"ENGINE = Distributed('main', 'trunkline', 'other_tickets_local', cityHash64(ticket_id))":   true,
				"ENGINE = Distributed('main', 'trunkline', 'receipts_local', cityHash64(message_id))":       true,
				"non_replicated_deduplication_window = 1000":                                                false,
				"replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800": true,
				"FROM `trunkline`.`cdrs` FINAL":                                                             target.Cluster != "",
			} {
				if got := strings.Contains(all, text); got != (clustered == (target.Cluster != "")) {
					t.Errorf("%q: found %v", text, got)
				}
			}
		})
	}
}

func TestTargetIsValidated(t *testing.T) {
	for name, ok := range map[string]bool{
		"trunkline": true, "trunkline_2": true, "t-1": true,
		"": false, "default": false, "system": false, "a b": false, "a`b": false, "a.b": false, "1a": false, strings.Repeat("x", 64): false,
	} {
		if err := (Target{Database: name}).Validate(); (err == nil) != ok {
			t.Errorf("database %q: %v", name, err)
		}
	}
	if err := (Target{Database: "a", Cluster: "x'y"}).Validate(); err == nil {
		t.Error("a cluster with a quote is taken")
	}
}
