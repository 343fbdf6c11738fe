package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// dashboard is what our tests read of one.
type dashboard struct {
	file       string
	UID, Title string
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
			Current    struct{ Value any }
		}
	}
	Panels []panel
}

type panel struct {
	ID          int
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	Targets     []target
}

type target struct {
	Datasource         struct{ Type, UID string }
	RawSQL, Expr       string
	Format             any
	RefID, QueryType   string
	EditorType, Legend string
}

const (
	clickhouseType = "grafana-clickhouse-datasource"
	timeSeries     = 0.0 // the plugin's format; 1 is a table
)

func dashboards(t *testing.T) (all []dashboard) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy/grafana/dashboards/*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	for _, file := range files {
		d := dashboard{file: filepath.Base(file)}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatal(file, err)
		}
		all = append(all, d)
	}
	return all
}

// What can be told of a dashboard without Grafana.
func TestDashboards(t *testing.T) {
	uids := map[string]string{}
	for _, d := range dashboards(t) {
		if other := uids[d.UID]; other != "" || d.UID == "" || d.Title == "" {
			t.Errorf("%s: uid %q is that of %s", d.file, d.UID, other)
		}
		uids[d.UID] = d.file
		variables := map[string]bool{}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
			if v.Type == "datasource" && !slices.Contains(dataSources(t, "provisioning/datasources/trunkline.yaml"), source{v.Current.Value.(string), v.Query.(string)}) {
				t.Errorf("%s: data source %v is not provisioned", d.file, v.Current.Value)
			}
		}
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q: its id is not its own, or it shows nothing", d.file, p.ID, p.Title)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: panel %q lies over %q, or beside the page", d.file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			for _, q := range p.Targets {
				if (q.Datasource.Type == clickhouseType) != (q.RawSQL != "") || (q.Datasource.Type == "prometheus") != (q.Expr != "") ||
					!variables[strings.Trim(q.Datasource.UID, "${}")] {
					t.Errorf("%s: panel %q asks nothing of %+v", d.file, p.Title, q.Datasource)
				}
				if q.RawSQL != "" && (q.Format == timeSeries) != (p.Type == "timeseries") {
					t.Errorf("%s: panel %q is of type %s, and its query has the format %v", d.file, p.Title, p.Type, q.Format)
				}
			}
		}
	}
}

// source is a data source by its uid and type.
type source struct{ uid, kind string }

// provisioned is a file of Grafana's data sources.
type provisioned struct {
	Datasources []struct {
		Name, UID, Type, URL string
		JSONData             struct {
			Host, Protocol, Username string
			Port                     int
			DefaultDatabase          string `yaml:"defaultDatabase"`
		} `yaml:"jsonData"`
		SecureJSONData struct{ Password string } `yaml:"secureJsonData"`
	}
}

func readSources(t *testing.T, file string) (p provisioned) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "deploy/grafana/"+file)), &p); err != nil {
		t.Fatal(file, err)
	}
	return p
}

func dataSources(t *testing.T, file string) (out []source) {
	t.Helper()
	for _, d := range readSources(t, file).Datasources {
		out = append(out, source{d.UID, d.Type})
	}
	return out
}

// Grafana finds what it is provisioned with on the networks of Compose, as a user
// that may only read.
func TestDataSources(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), every)
	if err != nil {
		t.Fatal(err)
	}
	grafana := s.Services["grafana"]
	for _, d := range readSources(t, "provisioning/datasources/trunkline.yaml").Datasources {
		host := d.JSONData.Host
		if d.Type == "prometheus" {
			at, err := url.Parse(d.URL)
			if err != nil || at.Port() != "9090" {
				t.Errorf("%s: %s %v", d.Name, d.URL, err)
			}
			host = at.Hostname()
		} else if d.JSONData.Port != 9000 || d.JSONData.Protocol != "native" || d.JSONData.Username != "reader" || d.JSONData.DefaultDatabase != "trunkline" ||
			d.SecureJSONData.Password != "$__file{/run/secrets/reader}" || !slices.Contains(secretFiles(grafana), "/run/secrets/reader") {
			t.Errorf("%s: %+v", d.Name, d)
		}
		if other, ok := s.Services[host]; !ok || !meet(grafana, other) {
			t.Errorf("%s: grafana cannot reach %s", d.Name, host)
		}
	}
	for _, d := range readSources(t, "all-in-one/datasources.yaml").Datasources {
		if d.JSONData.Protocol != "http" || d.JSONData.Port != 8123 || d.JSONData.DefaultDatabase != "trunkline" || d.SecureJSONData.Password != "" {
			t.Errorf("all-in-one: %+v", d)
		}
	}
	var p struct {
		Providers []struct{ Options struct{ Path string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/grafana/provisioning/dashboards/trunkline.yaml")), &p); err != nil {
		t.Fatal(err)
	}
	if home := *grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]; filepath.Dir(home) != p.Providers[0].Options.Path {
		t.Errorf("the first page is %s", home)
	} else if _, err := os.Stat(filepath.Join(root, "deploy/grafana/dashboards", filepath.Base(home))); err != nil {
		t.Error(err)
	}
	for _, v := range grafana.Volumes {
		if v.Target == p.Providers[0].Options.Path && filepath.Base(v.Source) == "dashboards" {
			return
		}
	}
	t.Errorf("no dashboards in %s", p.Providers[0].Options.Path)
}

// expand replaces macros and variables as the plugin documents them.
func expand(query string, from, to time.Time, site string) (string, error) {
	sites, every := "'"+site+"'", site == ""
	if every {
		sites = "'lyon', 'paris'"
	}
	query = strings.ReplaceAll(query, "${site:singlequote}", sites)
	for _, m := range []struct {
		macro string
		to    func(args []string) string
	}{
		{`\$__timeFilter\(([^()]*)\)`, func(a []string) string {
			return fmt.Sprintf("%s >= toDateTime(%d) AND %[1]s <= toDateTime(%[3]d)", a[1], from.Unix(), to.Unix())
		}},
		{`\$__conditionalAll\(((?:[^()]|\([^()]*\))*), \$site\)`, func(a []string) string {
			if every {
				return "1=1"
			}
			return a[1]
		}},
	} {
		re := regexp.MustCompile(m.macro)
		query = re.ReplaceAllStringFunc(query, func(s string) string { return m.to(re.FindStringSubmatch(s)) })
	}
	if strings.Contains(query, "$") {
		return "", fmt.Errorf("a macro or variable that this test does not know: %s", query)
	}
	return query, nil
}

// Every query of every dashboard runs on the real engine, over generated calls,
// and has something to show.
func TestDashboardQueries(t *testing.T) {
	i := kit.Start(t, filepath.Join(filepath.Dir(built), "trunkline"), kit.Config(t.TempDir(), `sites:
  - {id: lyon, timezone: Europe/Paris, country: FR, outside_prefix: "0", links: [{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}]}
  - {id: paris, timezone: Europe/Paris, country: FR, outside_prefix: "0", links: [{id: desk, model: grandstream-ucm, tcp: {listen: "127.0.0.1:0"}}]}
`))
	now := time.Now()
	deliver(t, i.Listens["lyon/desk"], "avaya-ipoffice", "\r\n", now)
	deliver(t, i.Listens["paris/desk"], "grandstream-ucm", "\n", now)
	i.Await("SELECT sum(ticket_count) > 2000 AND uniqExact(site) = 2 FROM trunkline.receipts", 1)
	i.Await("SELECT count() > 0 FROM trunkline.other_tickets WHERE outcome = 'DEAD'", 1)
	if i.Metric("trunkline_disk_free_bytes", "") == 0 {
		t.Error("nothing tells how much room the disk has")
	}
	from := now.Add(-48 * time.Hour)
	for _, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if query, ok := v.Query.(string); ok && v.Type == "query" {
				if rows := ask(t, i.SQL, query); len(rows) != 2 {
					t.Errorf("%s: variable %s has the values %v", d.file, v.Name, rows)
				}
			}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, site := range []string{"", "lyon"} {
					if q.RawSQL != "" {
						shows(t, i.SQL, d.file+": "+p.Title, p, q, from, now.Add(time.Minute), site)
					}
				}
			}
		}
	}
}

func shows(t *testing.T, at, name string, p panel, q target, from, to time.Time, site string) {
	t.Helper()
	query, err := expand(q.RawSQL, from, to, site)
	if err != nil {
		t.Fatal(name, err)
	}
	rows := ask(t, at, query)
	switch {
	case len(rows) == 0:
		t.Errorf("%s, site %q: no row: %s", name, site, query)
	case p.Type == "stat" && (len(rows) != 1 || len(rows[0]) != 1 || fmt.Sprint(rows[0][0]) == "0"):
		t.Errorf("%s, site %q: %v: %s", name, site, rows, query)
	case p.Type == "timeseries" && len(rows[0]) != 3:
		t.Errorf("%s: a series wants time, name and value: %v", name, rows[0])
	}
}

// deliver sends a day of generated calls, and a line that is none, and tells how
// many tickets that were.
func deliver(t *testing.T, addr, model, ends string, now time.Time) (sent int) {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := pbxsim.Tickets(model, pbxsim.Options{Seed: 11, Count: 1200, Odd: 0.05, From: now.Add(-24 * time.Hour), To: now, Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for x := range tickets {
		if _, err := conn.Write(append(x.Bytes, ends...)); err != nil {
			t.Fatal(err)
		}
		if len(x.Bytes) > 0 { // a blank line is no ticket
			sent++
		}
	}
	if _, err := io.WriteString(conn, "no ticket at all"+ends); err != nil {
		t.Fatal(err)
	}
	return sent + 1
}

// ask queries as the plugin does: in the data source's database, and only to read.
func ask(t *testing.T, at, query string) (rows [][]any) {
	t.Helper()
	res, err := http.Post("http://"+at+"/?database=trunkline&readonly=1&default_format=JSONCompact", "text/plain", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Data [][]any }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("%s\n%s", query, body)
	}
	return answer.Data
}
