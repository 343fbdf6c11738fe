package sink

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trunkline.internal/pbx"
	"trunkline.internal/services/sink/internal/schema"
)

// Roles are ClickHouse's, of those who read and write our tables.
type Roles struct {
	Database, Cluster string
	// Readers are roles that see some sites only: NAME=SITE,SITE.
	Readers []string
}

var readerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,40}$`)

// SQL makes the roles, with a row policy on every table and view that has a site,
// and limits for BI tools. It may be run again, after each migration and with
// other readers.
func (r Roles) SQL() (string, error) {
	s, err := schema.New(schema.Target{Database: r.Database, Cluster: r.Cluster})
	if err != nil {
		return "", err
	}
	var readers []schema.Reader
	for _, text := range r.Readers {
		name, list, _ := strings.Cut(text, "=")
		sites := strings.Split(list, ",")
		if !readerName.MatchString(name) {
			return "", fmt.Errorf("--reader %q: give NAME=SITE,SITE with a name of a-z, 0-9 and _", text)
		}
		if slices.ContainsFunc(readers, func(o schema.Reader) bool { return o.Name == name }) {
			return "", fmt.Errorf("--reader %q: there are two of this name", name)
		}
		for _, site := range sites {
			if !pbx.ValidID(site) {
				return "", fmt.Errorf("--reader %q: %q is no site: a site's id has 1 to 63 of a-z, 0-9 and -", text, site)
			}
		}
		readers = append(readers, schema.Reader{Name: name, Sites: sites})
	}
	return s.Roles(readers)
}
