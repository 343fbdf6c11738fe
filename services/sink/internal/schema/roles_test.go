package schema

import (
	"regexp"
	"strings"
	"testing"
)

// The migrator may do what the migrations do, and cannot drop or rewrite anything.
func TestMigratorMayMigrate(t *testing.T) {
	s, err := New(Target{Database: "trunkline", Cluster: "main"})
	if err != nil {
		t.Fatal(err)
	}
	sql, err := s.Roles(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?m)^GRANT ON CLUSTER `main` (CREATE .*) ON `trunkline`\\.\\* TO `trunkline_migrator`;$").FindStringSubmatch(sql)
	if m == nil {
		t.Fatal("the migrator has no grant")
	}
	granted := map[string]bool{}
	for _, g := range strings.Split(m[1], ", ") {
		granted[g] = true
	}
	act := regexp.MustCompile(`(?m)(ADD COLUMN|ADD INDEX|MODIFY COLUMN|COMMENT COLUMN|DROP [A-Z]+|MODIFY [A-Z]+|RENAME [A-Z]+|UPDATE|DELETE)`)
	for _, m := range s.migrations {
		for _, q := range m.statements {
			words := strings.Fields(q)
			if need := words[0] + " " + words[1]; words[0] != "ALTER" && !granted[need] {
				t.Errorf("%s: nobody may %s", m.name, need)
			} else if words[0] == "ALTER" {
				for _, what := range act.FindAllString(regexp.MustCompile(`'[^']*'`).ReplaceAllString(q, ""), -1) {
					if !granted["ALTER "+what] {
						t.Errorf("%s: nobody may ALTER %s", m.name, what)
					}
				}
			}
		}
	}
	if forbidden := regexp.MustCompile(`(?i)\b(DROP|TRUNCATE|DELETE|ALTER UPDATE|ACCESS MANAGEMENT|ALL)\b`).FindString(regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(sql, "")); forbidden != "" {
		t.Errorf("somebody may %s", forbidden)
	}
}
