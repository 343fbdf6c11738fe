package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const good = `
data: /tmp/x
nats: {url: "nats://127.0.0.1:4222", tickets: {max_bytes: 10GB}}
clickhouse: {addr: ["127.0.0.1:9000"], protocol: native, database: trunkline, user: writer, password_env: CH}
sites:
  - id: lyon
    timezone: Europe/Paris
    country: FR
    outside_prefix: "0"
    labels: {customer: acme}
    links:
      - {id: front-desk, model: avaya-ipoffice, tcp: {listen: ":1080", allow: [10.1.0.0/16]}}
      - {id: second, model: avaya-ipoffice, tcp: {listen: ":1080", allow: [10.2.0.0/16]}}
      - {id: plant, model: panasonic-kx, parse: {date_order: dmy}, tcp: {dial: "10.1.0.5:2300", password_env: KX_PASSWORD}}
      - {id: cucm, model: cisco-cucm, files: {dir: /srv/cdr, after: {delete: 30d}}}
      - {id: hotline, model: asterisk, mysql: {addr: "10.1.0.7:3306", database: asteriskcdrdb, user: cdr, password_env: CDR_PASSWORD}}
`

func TestParse(t *testing.T) {
	c, err := Parse("good.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	links := c.Links()
	if len(links) != 5 {
		t.Fatalf("%d links", len(links))
	}
	if got := links[0].TCP.Allow[0].String(); got != "10.1.0.0/16" {
		t.Errorf("allow %s", got)
	}
	if d := links[3].Files.After.Delete; d == nil || *d != 30*24*time.Hour {
		t.Errorf("after %v", links[3].Files.After)
	}
	if c.NATS.Tickets.MaxBytes != 10e9 || c.SQL.Listen != "127.0.0.1:8123" {
		t.Errorf("sizes and defaults: %+v", c)
	}
	if c.NATS.Spool != nil {
		t.Error("a spool that nobody asked for")
	}
	if c, err := Parse("x.yaml", []byte("nats: {inbox_prefix: _INBOX_lyon, spool: {}}")); err != nil || c.NATS.Spool == nil || c.NATS.InboxPrefix != "_INBOX_lyon" {
		t.Errorf("a spool of the usual size: %+v, %v", c, err)
	}
	s := links[2].Settings()
	if s.Site != "lyon" || s.Link != "plant" || s.Timezone != "Europe/Paris" || s.Parse.DateOrder != "dmy" || s.OutsidePrefix != "0" {
		t.Errorf("settings %+v", s)
	}
	if links[4].MySQL.PasswordEnv != "CDR_PASSWORD" {
		t.Errorf("secret %+v", links[4].MySQL.Secret)
	}
}

// Who moves the server of `trunkline run` need not tell the commands.
func TestCommandsFindTheServer(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "nats://127.0.0.1:4222",
		"listen: 'off'":                  "nats://127.0.0.1:4222",
		"listen: 127.0.0.1:14222":        "nats://127.0.0.1:14222",
		"listen: ':14222'":               "nats://127.0.0.1:14222",
		"listen: '[::]:14222'":           "nats://127.0.0.1:14222",
		"listen: 10.0.0.1:14222":         "nats://10.0.0.1:14222",
		"listen: a:1, url: 'nats://b:2'": "nats://b:2",
		"listen: hub.example:4222, listen_tls: {cert: a, key: b}": "tls://hub.example:4222",
	} {
		if c, err := Parse("x.yaml", []byte("nats: {"+text+"}")); err != nil || c.NATS.URL != want {
			t.Errorf("{%s}: %v, want %s; %v", text, c, want, err)
		}
	}
}

// Each mistake is told with its line and what would be right.
func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		name, old, new string
		line           int
		says           []string
	}{
		{"no YAML", "country: FR", "country: FR: GB", 8, []string{"mapping values"}},
		{"unknown key", "country: FR", "countri: FR", 8, []string{`"sites[0].countri"`, `"country"`}},
		{"unknown key of a wire", "tcp: {dial:", "tcp: {dail:", 14, []string{`"dial"`}},
		{"unknown model", "model: cisco-cucm", "model: cisco-cum", 15, []string{`"cisco-cucm"`, "trunkline models"}},
		{"layout of a model that needs one", "model: cisco-cucm", "model: custom", 15, []string{"needs the file that describes its tickets"}},
		{"wire that the model does not offer", "model: cisco-cucm, files: {dir: /srv/cdr, after: {delete: 30d}}", "model: cisco-cucm, tcp: {listen: \":99\"}", 15, []string{"cisco-cucm offers no tcp.listen", "files"}},
		{"receiver without password", "model: cisco-cucm, files: {dir: /srv/cdr, after: {delete: 30d}}", "model: cisco-cucm, sftp_server: {listen: \":22\"}", 15, []string{"password_env", "authorized_keys"}},
		{"two wires", "files: {dir: /srv/cdr, after: {delete: 30d}}", "files: {dir: /srv/cdr}, tcp: {listen: \":99\"}", 15, []string{"exactly one wire"}},
		{"no wire", ", files: {dir: /srv/cdr, after: {delete: 30d}}", "", 15, []string{"exactly one wire", "none"}},
		{"listen and dial", "tcp: {dial: \"10.1.0.5:2300\", password_env: KX_PASSWORD}", "tcp: {dial: \"10.1.0.5:2300\", listen: \":1\"}", 14, []string{"listen (the PBX connects to us) or dial"}},
		{"time zone", "timezone: Europe/Paris", "timezone: Europe/Lyon", 7, []string{`"Europe/Lyon"`, "Europe/Paris"}},
		{"no time zone", "timezone: Europe/Paris", "labels2: {}", 7, []string{"labels2"}},
		{"port shared without telling apart", "allow: [10.2.0.0/16]", "allow: [10.1.2.0/24]", 13, []string{"lyon/second", "lyon/front-desk", "good.yaml:12", "1080"}},
		{"port shared without list", ", allow: [10.2.0.0/16]", "", 13, []string{"allow"}},
		{"allow", "10.2.0.0/16", "10.2.0.0", 13, []string{"10.1.0.0/16 or", "address range"}},
		{"duration", "delete: 30d", "delete: soon", 15, []string{`"soon"`, "30d"}},
		{"after", "after: {delete: 30d}", "after: burn", 15, []string{"keep, rename"}},
		{"size", "max_bytes: 10GB", "max_bytes: ten", 3, []string{`"ten"`, "10GB"}},
		{"inbox prefix", "max_bytes: 10GB", "max_bytes: 10GB}, inbox_prefix: \"_INBOX.>\", cdrs: {max_bytes: 1GB", 3, []string{"_INBOX_lyon"}},
		{"small spool", "max_bytes: 10GB", "max_bytes: 10GB}, spool: {max_bytes: 1MB", 3, []string{"nats.spool.max_bytes", "16MiB"}},
		{"site id", "id: lyon", "id: Lyon!", 6, []string{"a-z, 0-9 and -"}},
		{"link twice", "id: second", "id: front-desk", 13, []string{`"front-desk" already`}},
		{"date order", "date_order: dmy", "date_order: dym", 14, []string{`"dym"`, "dmy, mdy, ymd, ydm"}},
		{"layout", "date_order: dmy", "layout: x.yaml", 14, []string{"need no layout", "custom"}},
		{"clickhouse protocol", "protocol: native", "protocol: grpc", 4, []string{"native or http"}},
		{"query in no order", "mysql: {addr", "mysql: {cursor: id, query: \"SELECT * FROM cdr WHERE id > :last_id\", addr", 16, []string{"in no order", "ORDER BY id LIMIT 1000"}},
		{"settle of a query", "mysql: {addr", "mysql: {settle: 60s, cursor: id, query: \"SELECT * FROM cdr WHERE id > :last_id ORDER BY id\", addr", 16, []string{"settle", "table too"}},
		{"mysql without user", "user: cdr, ", "", 16, []string{"user"}},
		{"number", "mysql: {addr", "mysql: {overlap: many, addr", 16, []string{"whole number", `"many"`}},
		{"two secrets", "password_env: CDR_PASSWORD", "password_env: CDR_PASSWORD, password_file: /x", 16, []string{"give one of them"}},
		{"key twice", "country: FR", "timezone: Europe/Paris", 8, []string{"line 7"}},
		{"second document", "data: /tmp/x", "data: /tmp/x\n---", 1, []string{"---"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.Replace(good, tc.old, tc.new, 1)
			if text == good {
				t.Fatal("nothing replaced")
			}
			_, err := Parse("good.yaml", []byte(text))
			if err == nil {
				t.Fatal("taken")
			}
			first := strings.SplitN(err.Error(), "\n", 2)[0]
			if want := "good.yaml:" + strconv.Itoa(tc.line) + ": "; !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want line %d", first, tc.line)
			}
			for _, s := range tc.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %s", err, s)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("trunkline.yaml", good)
	write("sites.d/b.yaml", "sites:\n  - {id: bern, timezone: Europe/Zurich, links: [{id: a, model: mitel-3300, tcp: {dial: \"10.9.0.1:1752\"}}]}\n")
	t.Setenv("TRUNKLINE_NATS_URL", "nats://hub:4222")
	t.Setenv("TRUNKLINE_CLICKHOUSE_ADDR", "a:9000, b:9000")
	t.Setenv("TRUNKLINE_CLICKHOUSE_TLS_CA", "/ca.pem")
	c, err := Load(filepath.Join(dir, "trunkline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sites) != 2 || c.Sites[1].ID != "bern" {
		t.Errorf("sites %+v", c.Sites)
	}
	if c.NATS.URL != "nats://hub:4222" || len(c.ClickHouse.Addr) != 2 || c.ClickHouse.Addr[1] != "b:9000" || c.ClickHouse.TLS == nil {
		t.Errorf("environment: %+v %+v", c.NATS, c.ClickHouse)
	}
	write("sites.d/c.yaml", "sites:\n  - {id: bern, timezone: Europe/Zurich}\n")
	if _, err := Load(filepath.Join(dir, "trunkline.yaml")); err == nil || !strings.Contains(err.Error(), "c.yaml:2") || !strings.Contains(err.Error(), "b.yaml:2") {
		t.Errorf("a site twice: %v", err)
	}
	write("sites.d/c.yaml", "data: /x\n")
	if _, err := Load(filepath.Join(dir, "trunkline.yaml")); err == nil || !strings.Contains(err.Error(), "nothing but `sites:`") {
		t.Errorf("more than sites: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("no file, no error")
	}
}

func TestSecret(t *testing.T) {
	t.Setenv("A_PASSWORD", "geheim")
	file := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(file, []byte("secret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		s    Secret
		want string
		ok   bool
	}{
		{Secret{}, "", true},
		{Secret{PasswordEnv: "A_PASSWORD"}, "geheim", true},
		{Secret{PasswordFile: file}, "secret", true},
		{Secret{PasswordEnv: "NO_SUCH_VARIABLE"}, "", false},
		{Secret{PasswordFile: file + "x"}, "", false},
	} {
		if got, err := tc.s.Password(); got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%+v: %q, %v", tc.s, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("sites: [{links: [{tcp: }]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = Parse("f", text)
	})
}
