package deploy_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/bus"
)

// engine is the version of ClickHouse that tests run with, in short.
func engine(t *testing.T) string {
	t.Helper()
	v := submatch(regexp.MustCompile(`(?m)^version=(\d+\.\d+)\.`), read(t, "engine/fetch.sh"))
	if v == "" {
		t.Fatal("engine/fetch.sh names no version")
	}
	return v
}

func TestCompose(t *testing.T) {
	dir := copyDeploy(t, unchanged)
	for name, files := range map[string][]string{"real": realFiles, "demo": demoFiles} {
		s, err := load(t, dir, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.examine(engine(t)) {
			t.Errorf("%s: %s", name, p)
		}
		for _, program := range []string{"ingest-tcp", "ingest-poll", "parser", "sink", "nats"} {
			if c, ok := s.Services[program]; !ok || s.program(c) != program {
				t.Errorf("%s: no %s", name, program)
			}
		}
	}
}

// Each thing that is examined is found when it is broken.
func TestComposeBroken(t *testing.T) {
	for _, b := range []struct{ file, old, new, says string }{
		{"compose.yaml", `user: "65532:65532"`, `user: "0:0"`, "parser: runs as root"},
		{"compose.yaml", `user: "65532:65532"`, `user: "1000:1000"`, "parser: the image is made for 65532:65532"},
		{"compose.yaml", `user: "101:101"`, `user: root`, "clickhouse: runs as root"},
		{"compose.yaml", "clickhouse-server:26.7", "clickhouse-server:latest", "clickhouse-server:latest names no version"},
		{"compose.yaml", "clickhouse-server:26.7", "clickhouse-server:25.8", "25.8, and tests run with"},
		{"compose.yaml", "nats:2.15.2", "nats:2.11.1", "nats:2.11.1, and tests run with"},
		{"compose.yaml", "trunkline.internal/sink", "trunkline/sink", "sink: image trunkline/sink:dev: a name that anybody may take"},
		{"compose.yaml", "pull_policy: build", "pull_policy: missing", "nowhere to be pulled"},
		{"compose.yaml", "target: service", "target: services", `no stage "services"`},
		{"compose.yaml", "SERVICE: parser", "SERVICE: parsers", `there is no such program`},
		{"compose.yaml", "  read_only: true\n", "", "parser: its file system is not read_only"},
		{"compose.yaml", "cap_drop: [ALL]", "cap_drop: [SYS_ADMIN]", "sink: has privileges"},
		{"compose.yaml", `port_start: "0"`, `port_start: "1024"`, "ingest-poll: ports below 1024"},
		{"compose.yaml", "    sysctls: *low-ports\n", "", "ingest-tcp: ports below 1024"},
		{"compose.yaml", "received:/var/lib/trunkline", "received:/var/lib/received", "ingest-poll: may not write to /var/lib/received"},
		{"compose.yaml", "restart: unless-stopped", `restart: "no"`, "sink: is not restarted"},
		{"compose.yaml", "max-size: 10m, ", "", "sink: its log grows"},
		{"compose.yaml", "{memory: 4G, pids: 4096}", "{memory: 4G}", "clickhouse: has no limits"},
		{"compose.yaml", "GOMEMLIMIT: 920MiB", "GOMEMLIMIT: 2GiB", "sink: GOMEMLIMIT"},
		{"compose.yaml", "GOMEMLIMIT: 920MiB", "X: y", "sink: has no GOMEMLIMIT"},
		{"compose.yaml", "GOMEMLIMIT: 460MiB", "GOMEMLIMIT: 460MiB, TRUNKLINE_NATS_ADDR: x", "parser: nobody reads TRUNKLINE_NATS_ADDR"},
		{"compose.yaml", "nats:/data", "nats:/store", "nats: no volume at /data"},
		{"compose.yaml", "nats:/data", "nats:/store", "nats: may not write to /store"},
		{"compose.yaml", "source: ./nats.conf", "source: ./nats.cfg", "mounts what does not exist"},
		{"compose.yaml", "source: ./trunkline.yaml", "source: ./trunk.yaml", "trunk.yaml: no such file"},
		{"compose.yaml", "bind: {create_host_path: false}", "bind: {create_host_path: true}", "mount what exists"},
		{"compose.yaml", "networks: [default, bus]", "networks: [bus]", "its ports lead nowhere"},
		{"compose.yaml", "127.0.0.1:8123:8123", "8123:8123", "clickhouse: port 8123 is open to everybody"},
		{"compose.yaml", "8123/ping", "8124/ping", "clickhouse: its health check asks"},
		{"compose.yaml", "8222/healthz", "8223/healthz", "nats: its health check asks"},
		{"compose.yaml", "healthcheck:", "x-healthcheck:", "nats: has no health check"},
		{"compose.yaml", "secrets: [clickhouse]", "secrets: []", "sink: is not given /run/secrets/clickhouse"},
		{"compose.yaml", "./secrets/clickhouse}", "./secrets/click}", "secrets.sh does not make it"},
		{"secrets.sh", "0444", "0400", "secret clickhouse: mode 400"},
		{"compose.yaml", "networks: [bus]", "networks: [bus]\n    command: [-config, x]", "parser: parser has no flag -config"},
		{"compose.yaml", "bus: {internal: true}", "bus: {}", "network bus is not internal"},
		{"compose.yaml", "networks: [bus, store]", "networks: [bus]", "sink: cannot reach clickhouse:9000"},
		{"compose.yaml", "depends_on: [nats, clickhouse]", "depends_on: [nats]", "sink: clickhouse may stop before it"},
		{"compose.yaml", `ports: ["1080:1080"]`, `ports: ["1081:1081"]`, "port 1080 of a link is not published"},
		{"compose.yaml", `ports: ["1080:1080"]`, `ports: ["1080:1080", "1081:1081"]`, "no link listens on 1081"},
		{"compose.yaml", `ports: ["1080:1080"]`, `ports: ["2080:1080"]`, "port 2080 leads to 1080"},
		{"trunkline.yaml", "nats://nats:4222", "nats://hub:4222", "parser: cannot reach hub:4222"},
		{"trunkline.yaml", ":9090", ":9091", "metrics on :9091, and the image says 9090"},
		{"trunkline.yaml", "clickhouse:\n", "clickhose:\n", "clickhose"},
		{"nats.conf", "sync_interval: always", "sync_interval: 1m", "an acknowledgement does not mean disk"},
		{"nats.conf", "store_dir: /data", "store_dir: /tmp", "nats: no volume at /tmp"},
		{"nats.conf", "jetstream {", "jetstream [", "nats:"},
		{"compose.yaml", "healthcheck:\n", "healthcheck:\n      disable: true\n", "nats: its health check is disabled: true"},
		{"demo.yaml", "healthcheck: {disable: true}", "x-healthcheck: {}", "demo-plant: its health check is disabled: false"},
		{"demo.yaml", "mariadb:10.11", "mariadb", "asterisk-db: image mariadb names no version"},
		{"demo.yaml", `user: "999:999"`, `user: "0"`, "asterisk-db: runs as root"},
		{"demo.yaml", "secrets: [asterisk]\n\n  clickhouse", "\n  clickhouse", "ingest-poll: is not given /run/secrets/asterisk"},
		{"demo.yaml", "- cdr:/srv/cdr\n    secrets", "- cdr:/srv/cdrs\n    secrets", "nothing is mounted at /srv/cdr"},
		{"demo.yaml", "--rate", "--speed", "simulate has no flag --speed"},
		{"demo.yaml", "avaya-ipoffice", "mitel-3300", "no link demo-lyon/front-desk of model mitel-3300"},
		{"demo.yaml", "ingest-tcp:1080", "ingest-tcp:1081", "dials ingest-tcp:1081"},
		{"demo.yaml", ":1752", ":1753", "listens on :1753"},
		{"demo.yaml", "MARIADB_USER: cdr", "MARIADB_USER: root", "is not that of asterisk-db"},
		{"demo.yaml", "/run/secrets/asterisk\n", "/run/secrets/x\n", "it is not given /run/secrets/x"},
		{"demo/lyon.yaml", "demo-plant:2300", "plant:2300", "ingest-tcp: cannot reach plant:2300"},
		{"demo/lyon.yaml", "asterisk-db:3306", "db:3306", "ingest-poll: cannot reach db:3306"},
	} {
		t.Run(b.file+" "+b.new, func(t *testing.T) {
			dir := copyDeploy(t, func(file, text string) string {
				if file == b.file {
					return replaced(t, text, b.old, b.new)
				}
				return text
			})
			var found report
			for _, files := range [][]string{realFiles, demoFiles} {
				s, err := load(t, dir, files)
				if err != nil {
					found.add("%v", err)
					continue
				}
				found = append(found, s.examine(engine(t))...)
			}
			found.mustSay(t, b.says)
		})
	}
}

// An invented call never stands among real ones: the demo shares no volume and
// no port with the real project, even where somebody gives both the same name, and each has
// only its own kind of sites.
func TestDemoApart(t *testing.T) {
	dir := copyDeploy(t, unchanged)
	takes := func(files []string, name string) (names []string) {
		p, err := project(dir, name, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Volumes {
			names = append(names, "volume "+v.Name)
		}
		for _, c := range p.Services {
			for _, port := range c.Ports {
				names = append(names, "port "+port.Published)
			}
		}
		return names
	}
	taken := takes(realFiles, "")
	for _, name := range []string{"", "trunkline"} {
		for _, it := range takes(demoFiles, name) {
			if slices.Contains(taken, it) {
				t.Errorf("as project %q, the demo uses %s of the real one", name, it)
			}
		}
	}
	for name, files := range map[string][]string{"trunkline": realFiles, "trunkline-demo": demoFiles} {
		s, err := load(t, dir, files)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != name {
			t.Errorf("%v is the project %s, want %s", files, s.Name, name)
		}
		for service, cfg := range s.configs {
			for _, site := range cfg.Sites {
				if strings.HasPrefix(site.ID, "demo-") != (name == "trunkline-demo") {
					t.Errorf("%s: %s has site %s", name, service, site.ID)
				}
			}
		}
	}
}

// The demo's links are told what their simulated PBXs are.
func TestDemoSite(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), demoFiles)
	if err != nil {
		t.Fatal(err)
	}
	var models []string
	for _, l := range s.configs["ingest-tcp"].Links() {
		models = append(models, l.Model)
		if l.Site.Country != pbxsim.Country || l.Site.OutsidePrefix != pbxsim.OutsidePrefix {
			t.Errorf("site %s: %s %s", l.Site.ID, l.Site.Country, l.Site.OutsidePrefix)
		}
		switch l.Model {
		case "cisco-cucm":
			if !slices.Equal(l.Parse.Trunks.Devices, pbxsim.CUCMGateways) || !slices.Equal(l.Parse.Inside.Devices, []string{pbxsim.CUCMVoicemail}) {
				t.Errorf("%s: %+v", l.ID, l.Parse)
			}
		case "asterisk":
			if !slices.Equal(l.Parse.Trunks.Names, pbxsim.AsteriskTrunks) || !slices.Equal(l.Parse.Inside.Lengths, []int{pbxsim.ExtensionLength}) {
				t.Errorf("%s: %+v", l.ID, l.Parse)
			}
		case "panasonic-kx":
			if l.Parse.DateOrder != "dmy" {
				t.Errorf("%s: %+v", l.ID, l.Parse)
			}
		}
		service := "demo-" + l.ID
		if c, ok := s.Services[service]; !ok || s.program(c) != "simulate" {
			t.Errorf("link %s has no PBX", l.ID)
		}
	}
	if len(models) < 5 || slices.ContainsFunc(models, func(m string) bool { return !slices.Contains(pbxsim.Models(), m) }) {
		t.Errorf("the demo shows %v, of %v", models, pbxsim.Models())
	}
}

// The real server, configured as deployed, takes the streams as configured.
func TestStreamsFit(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), realFiles)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := s.natsOptions(s.Services["nats"])
	if err != nil {
		t.Fatal(err)
	}
	opts.StoreDir, opts.Host, opts.Port, opts.HTTPPort, opts.NoLog, opts.NoSigs = t.TempDir(), "127.0.0.1", server.RANDOM_PORT, 0, true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	cfg := s.configs["parser"].NATS
	b, err := bus.Connect(bus.Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{nats.InProcessServer(srv)}, Log: slog.New(slog.DiscardHandler),
		TicketsMaxBytes: int64(cfg.Tickets.MaxBytes), CdrsMaxBytes: int64(cfg.Cdrs.MaxBytes),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	go func() { _ = b.Run(t.Context(), func() {}) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Ready(ctx); err != nil {
		t.Fatal("the server does not take the streams: ", err)
	}
	if need := int64(cfg.Tickets.MaxBytes + cfg.Cdrs.MaxBytes); opts.JetStreamMaxStore < need+need/20 {
		t.Errorf("the streams may take %d bytes, of %d of the server: the buckets want some too", need, opts.JetStreamMaxStore)
	}
}

// What is there stays, and what ClickHouse is told are the hashes of it.
func TestSecrets(t *testing.T) {
	dir := copyDeploy(t, unchanged)
	secret := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, "secrets", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v %v", info, err)
	}
	first := map[string]string{}
	for _, name := range []string{"clickhouse", "reader", "demo-asterisk"} {
		first[name] = secret(name)
		if len(first[name]) < 32 || first["clickhouse"] == first["reader"] {
			t.Errorf("%s is weak: %q", name, first[name])
		}
	}
	own := filepath.Join(dir, "secrets", "reader")
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("of my own\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	makeSecrets(t, dir)
	if secret("clickhouse") != first["clickhouse"] || secret("reader") != "of my own\n" {
		t.Error("passwords that were there are others now")
	}
	type user struct {
		Hash   string   `xml:"password_sha256_hex"`
		Grants []string `xml:"grants>query"`
		From   []string `xml:"networks>ip"`
	}
	var x struct {
		Default   user `xml:"users>default"`
		Trunkline user `xml:"users>trunkline"`
		Reader    user `xml:"users>reader"`
	}
	if err := xml.Unmarshal([]byte(secret("clickhouse-users.xml")), &x); err != nil {
		t.Fatal(err)
	}
	for want, u := range map[string]user{first["clickhouse"]: x.Trunkline, "of my own": x.Reader} {
		if sum := sha256.Sum256([]byte(want)); u.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("the hash of %q is not that of its user", want)
		}
	}
	if !slices.Equal(x.Reader.Grants, []string{"GRANT SELECT ON trunkline.*"}) {
		t.Errorf("reader: %v", x.Reader.Grants)
	}
	if !slices.Equal(x.Default.From, []string{"127.0.0.1", "::1"}) {
		t.Errorf("default, who has no password, may come from %v", x.Default.From)
	}
	s, err := load(t, dir, realFiles)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.configs["sink"].ClickHouse; c.User != "trunkline" || !slices.Contains(x.Trunkline.Grants, "GRANT ALL ON "+c.Database+".*") {
		t.Errorf("the sink writes to %s as %s", c.Database, c.User)
	}
}
