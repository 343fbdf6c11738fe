package schema

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"trunkline.internal/services/sink/internal/clickhouse"
)

//go:embed roles.sql
var rolesText string

var rolesSQL = template.Must(template.New("roles").Option("missingkey=error").Parse(rolesText))

// Reader sees some sites only.
type Reader struct {
	Name  string
	Sites []string
}

// Role is the name of its role.
func (r Reader) Role() string { return clickhouse.Name("trunkline_reader_" + r.Name) }

// List is its sites in SQL.
func (r Reader) List() string {
	quoted := make([]string, len(r.Sites))
	for i, s := range r.Sites {
		quoted[i] = clickhouse.Text(s)
	}
	return strings.Join(quoted, ", ")
}

var (
	created    = regexp.MustCompile("^CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS (`[^`]+`\\.`[^`]+`)")
	copied     = regexp.MustCompile("^CREATE TABLE IF NOT EXISTS [^(]* AS (`[^`]+`\\.`[^`]+`) ENGINE")
	altered    = regexp.MustCompile("^ALTER TABLE (`[^`]+`\\.`[^`]+`)[^;]*ADD COLUMN IF NOT EXISTS `site` ")
	siteColumn = regexp.MustCompile("(?m)^\\s*`site` ")
)

// WithSite lists the tables and views that tell of a site, and so need a row
// policy: read from the migrations, so that no new one is forgotten.
func (s *Schema) WithSite() (out []string) {
	for _, m := range s.migrations {
		for _, q := range m.statements {
			if later := altered.FindStringSubmatch(q); later != nil && !slices.Contains(out, later[1]) {
				out = append(out, later[1])
			}
			name := created.FindStringSubmatch(q)
			if name == nil {
				continue
			}
			from := copied.FindStringSubmatch(q)
			if siteColumn.MatchString(q) || from != nil && slices.Contains(out, from[1]) {
				out = append(out, name[1])
			}
		}
	}
	return out
}

// Roles is the SQL of the roles.
func (s *Schema) Roles(readers []Reader) (string, error) {
	var b strings.Builder
	err := rolesSQL.Execute(&b, struct {
		Target
		Tables  []string
		Readers []Reader
		All, On string
	}{s.Target, s.WithSite(), readers, clickhouse.Name(s.Database) + ".*", strings.TrimRight(" "+s.OnCluster(), " ")})
	return b.String(), err
}
