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

	"github.com/compose-spec/compose-go/v2/types"
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

// every profile, which is what `--profile '*'` asks for.
const every = "*"

func TestCompose(t *testing.T) {
	dir := copyDeploy(t, unchanged)
	s, err := load(t, dir, every)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.examine(engine(t)) {
		t.Error(p)
	}
	for profile, want := range map[string][]string{
		"core":  {"clickhouse", "ingest-poll", "ingest-tcp", "nats", "parser", "sink"},
		"bi":    {"grafana", "prometheus"},
		"edge":  {"edge-ingest-poll", "edge-ingest-tcp"},
		"tools": {"tools"},
		"demo": {
			"demo-asterisk-db", "demo-clickhouse", "demo-front-desk", "demo-head-office", "demo-hotline", "demo-ingest-poll", "demo-ingest-tcp",
			"demo-nats", "demo-parser", "demo-plant", "demo-sink", "demo-warehouse",
		},
		"": nil,
	} {
		s, err := load(t, dir, profile)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.ServiceNames(); !slices.Equal(got, want) {
			t.Errorf("profile %q starts %v, want %v", profile, got, want)
		}
	}
	for name, c := range s.Services {
		if kind := strings.TrimPrefix(strings.TrimPrefix(name, "demo-"), "edge-"); slices.Contains(services, kind) && s.program(c) != kind {
			t.Errorf("%s runs %s", name, s.program(c))
		}
	}
}

// Each thing that is examined is found when it is broken.
func TestComposeBroken(t *testing.T) {
	for _, b := range []struct{ file, old, new, says string }{
		{"parts.yaml", `user: "65532:65532"`, `user: "0:0"`, "parser: runs as root"},
		{"parts.yaml", `user: "65532:65532"`, `user: "1000:1000"`, "parser: the image is made for 65532:65532"},
		{"parts.yaml", `user: "101:101"`, `user: root`, "clickhouse: runs as root"},
		{"parts.yaml", "clickhouse-server:26.7", "clickhouse-server:latest", "clickhouse-server:latest names no version"},
		{"parts.yaml", "clickhouse-server:26.7", "clickhouse-server:25.8", "25.8, and tests run with"},
		{"parts.yaml", "nats:2.15.2", "nats:2.11.1", "nats:2.11.1, and tests run with"},
		{"parts.yaml", "trunkline.internal/sink", "trunkline/sink", "sink: image trunkline/sink:dev: a name that anybody may take"},
		{"parts.yaml", "pull_policy: build", "pull_policy: missing", "nowhere to be pulled"},
		{"parts.yaml", "target: parser", "target: parsers", `no stage "parsers"`},
		{"parts.yaml", "target: parser", "target: base", `there is no such program`},
		{"parts.yaml", "  read_only: true\n", "", "parser: its file system is not read_only"},
		{"parts.yaml", "cap_drop: [ALL]", "cap_drop: [SYS_ADMIN]", "sink: has privileges"},
		{"parts.yaml", `port_start: "0"`, `port_start: "1024"`, "ingest-poll: ports below 1024"},
		{"parts.yaml", "    sysctls: *low-ports\n", "", "ingest-tcp: ports below 1024"},
		{"parts.yaml", "restart: unless-stopped", `restart: "no"`, "sink: is not restarted"},
		{"parts.yaml", "max-size: 10m, ", "", "sink: its log grows"},
		{"parts.yaml", "{memory: 4G, pids: 4096}", "{memory: 4G}", "clickhouse: has no limits"},
		{"parts.yaml", "GOMEMLIMIT: 920MiB", "GOMEMLIMIT: 2GiB", "sink: GOMEMLIMIT"},
		{"parts.yaml", "GOMEMLIMIT: 920MiB", "X: y", "sink: has no GOMEMLIMIT"},
		{"parts.yaml", "GOMEMLIMIT: 460MiB", "GOMEMLIMIT: 460MiB, TRUNKLINE_NATS_ADDR: x", "parser: nobody reads TRUNKLINE_NATS_ADDR"},
		{"parts.yaml", "source: ./nats.conf", "source: ./nats.cfg", "mounts what does not exist"},
		{"parts.yaml", "8123/ping", "8124/ping", "clickhouse: its health check asks"},
		{"parts.yaml", "8222/healthz", "8223/healthz", "nats: its health check asks"},
		{"parts.yaml", "healthcheck:\n", "x-healthcheck:\n", "nats: has no health check"},
		{"parts.yaml", "healthcheck:\n", "healthcheck:\n      disable: true\n", "nats: its health check is disabled: true"},
		{"parts.yaml", "healthcheck: {disable: true}", "x-healthcheck: {}", "demo-plant: its health check is disabled: false"},
		{"parts.yaml", "secrets: [clickhouse]", "secrets: []", "sink: is not given /run/secrets/clickhouse"},
		{"core.yaml", "received:/var/lib/trunkline", "received:/var/lib/received", "ingest-poll: may not write to /var/lib/received"},
		{"core.yaml", "nats:/data", "nats:/store", "nats: no volume at /data"},
		{"core.yaml", "nats:/data", "nats:/store", "nats: may not write to /store"},
		{"core.yaml", "source: ./core", "source: ./cores", "cores: no such file"},
		{"core.yaml", "bind: {create_host_path: false}", "bind: {create_host_path: true}", "mount what exists"},
		{"core.yaml", "networks: [outside, bus, watch]", "networks: [bus, watch]", "its ports lead nowhere"},
		{"core.yaml", "127.0.0.1:8123:8123", "8123:8123", "clickhouse: port 8123 is open to everybody"},
		{"core.yaml", "./secrets/clickhouse}", "./secrets/click}", "secrets.sh does not make it"},
		{"core.yaml", "networks: [bus, watch]", "networks: [bus, watch]\n    command: [-config, x]", "parser: parser has no flag -config"},
		{"core.yaml", "bus: {internal: true}", "bus: {}", "network bus is not internal"},
		{"core.yaml", "networks: [bus, store, watch]", "networks: [bus, watch]", "sink: cannot reach clickhouse:9000"},
		{"core.yaml", "networks: [bus, watch]", "networks: [bus]", "parser: prometheus cannot reach it"},
		{"core.yaml", "depends_on: [nats, clickhouse]", "depends_on: [nats]", "sink: clickhouse may stop before it"},
		{"core.yaml", `ports: ["1080:1080"]`, `ports: ["1081:1081"]`, "port 1080 of a link is not published"},
		{"core.yaml", `ports: ["1080:1080"]`, `ports: ["1080:1080", "1081:1081"]`, "no link listens on 1081"},
		{"core.yaml", `ports: ["1080:1080"]`, `ports: ["2080:1080"]`, "port 2080 leads to 1080"},
		{"core/trunkline.yaml", "nats://nats:4222", "nats://hub:4222", "parser: cannot reach hub:4222"},
		{"core/trunkline.yaml", ":9090", ":9091", "metrics on :9091, and the image says 9090"},
		{"core/trunkline.yaml", "clickhouse:\n", "clickhose:\n", "clickhose"},
		{"demo/trunkline.yaml", "nats://demo-nats:4222", "nats://nats:4222", "demo-parser: cannot reach nats:4222"},
		{"demo/trunkline.yaml", "demo-clickhouse:9000", "clickhouse:9000", "demo-sink: cannot reach clickhouse:9000"},
		{"nats.conf", "sync_interval: always", "sync_interval: 1m", "an acknowledgement does not mean disk"},
		{"nats.conf", "store_dir: /data", "store_dir: /tmp", "nats: no volume at /tmp"},
		{"nats.conf", "jetstream {", "jetstream [", "nats:"},
		{"secrets.sh", "0444", "0400", "secret clickhouse: mode 400"},
		{"demo.yaml", "mariadb:10.11", "mariadb", "demo-asterisk-db: image mariadb names no version"},
		{"demo.yaml", `user: "999:999"`, `user: "0"`, "demo-asterisk-db: runs as root"},
		{"demo.yaml", "secrets: [asterisk]\n    networks: [demo-outside, demo-bus", "networks: [demo-outside, demo-bus", "demo-ingest-poll: is not given /run/secrets/asterisk"},
		{"demo.yaml", "demo-cdr:/srv/cdr", "demo-cdr:/srv/cdrs", "nothing is mounted at /srv/cdr"},
		{"demo.yaml", "--rate", "--speed", "simulate has no flag --speed"},
		{"demo.yaml", "avaya-ipoffice", "mitel-3300", "no link demo-lyon/front-desk of model mitel-3300"},
		{"demo.yaml", "demo-ingest-tcp:1080", "demo-ingest-tcp:1081", "dials demo-ingest-tcp:1081"},
		{"demo.yaml", "demo-ingest-tcp:1080", "ingest-tcp:1080", "dials ingest-tcp:1080"},
		{"demo.yaml", ":1752", ":1753", "listens on :1753"},
		{"demo.yaml", "MARIADB_USER: cdr", "MARIADB_USER: root", "is not that of demo-asterisk-db"},
		{"demo.yaml", "/run/secrets/asterisk\n", "/run/secrets/x\n", "it is not given /run/secrets/x"},
		{"demo/sites.d/lyon.yaml", "demo-plant:2300", "plant:2300", "ingest-tcp: cannot reach plant:2300"},
		{"demo/sites.d/lyon.yaml", "demo-asterisk-db:3306", "db:3306", "ingest-poll: cannot reach db:3306"},
		{"edge.yaml", "edge-tcp:/var/lib/trunkline", "edge-tcp:/srv/cdr", "edge-ingest-tcp: the spool in /var/lib/trunkline is on no volume"},
		{"edge.yaml", "volumes: [*config, *hub, ", "volumes: [*config, ", "edge-ingest-tcp: is not given /run/secrets/hub/site.creds"},
		{"edge.yaml", "source: ./secrets/hub", "source: ./secrets/hub/site.creds", "/run/secrets/hub is no folder"},
		{"secrets.sh", "chmod 0755 hub", "chmod 0700 hub", "/run/secrets/hub is no folder that its user may enter"},
		{"core.yaml", "profiles: [tools]", "profiles: [core]", "tools: starts with others"},
		{"core.yaml", "networks: [bus, store]\n\n", "networks: [bus]\n\n", "tools: cannot reach clickhouse:9000"},
		{"parts.yaml", `restart: "no"`, "x-restart: never", "tools: is not restarted"},
		{"edge.yaml", "edge: {}", "edge: {internal: true}", "edge-ingest-poll: network edge does not lead to a hub"},
		{"edge/trunkline.yaml", "tls://", "nats://", "edge-ingest-tcp: to the hub without TLS"},
		{"bi.yaml", "grafana/grafana:13.1.3", "grafana/grafana", "grafana: image grafana/grafana names no version"},
		{"bi.yaml", "127.0.0.1:3000:3000", "3000:3000", "grafana: port 3000 is open to everybody"},
		{"bi.yaml", "secrets: [grafana, reader]", "secrets: [reader]", "grafana: GF_SECURITY_ADMIN_PASSWORD__FILE: it is not given /run/secrets/grafana"},
		{"bi.yaml", "-datasource@4.20.0", "-datasource", "grafana: plugin grafana-clickhouse-datasource names no version"},
		{"bi.yaml", "source: ../prometheus", "source: ../prom", "prometheus: mounts what does not exist"},
		{"bi.yaml", "networks: [bi, watch, demo-watch]", "networks: [bi, watch]", "demo-sink: prometheus cannot reach it"},
	} {
		t.Run(b.file+" "+b.new, func(t *testing.T) {
			dir := copyDeploy(t, func(file, text string) string {
				if file == b.file {
					return replaced(t, text, b.old, b.new)
				}
				return text
			})
			var found report
			if s, err := load(t, dir, every); err != nil {
				found.add("%v", err)
			} else {
				found = s.examine(engine(t))
			}
			found.mustSay(t, b.says)
		})
	}
}

// apart says what the demo shares with the rest.
func (s *stack) apart() (problems report) {
	// Who only looks is on networks of both, and has volumes of neither.
	looks := []string{"grafana", "prometheus"}
	owner := map[string]string{}
	for _, name := range s.ServiceNames() {
		c, kind := s.Services[name], "real"
		if slices.Contains(c.Profiles, "demo") {
			kind = "demo"
		}
		var uses []string
		for _, v := range c.Volumes {
			if v.Type == types.VolumeTypeVolume {
				uses = append(uses, "volume "+s.Volumes[v.Source].Name)
			}
			if strings.HasSuffix(v.Source, "/core") || strings.HasSuffix(v.Source, "/demo") {
				uses = append(uses, "folder "+v.Source)
			}
		}
		for _, port := range c.Ports {
			uses = append(uses, "port "+port.Published)
		}
		if !slices.Contains(looks, name) {
			for network := range c.Networks {
				uses = append(uses, "network "+s.Networks[network].Name)
			}
		}
		for _, it := range uses {
			if have := owner[it]; have != "" && have != kind {
				problems.add("%s: %s is used by the demo and the real one", name, it)
			}
			owner[it] = kind
		}
		if cfg := s.configs[name]; cfg != nil {
			for _, site := range cfg.Sites {
				if strings.HasPrefix(site.ID, "demo-") != (kind == "demo") {
					problems.add("%s: has site %s", name, site.ID)
				}
			}
		}
	}
	return problems
}

// An invented call never stands among real ones.
func TestDemoApart(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), every)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.apart() {
		t.Error(p)
	}
	for _, b := range []struct{ old, new, says string }{
		{"networks: [demo-bus, demo-watch]", "networks: [demo-bus, demo-watch, bus]", "network trunkline_bus"},
		{"demo-nats:/data", "nats:/data", "volume trunkline_nats"},
		{"127.0.0.1:8124:8123", "127.0.0.1:8123:8123", "port 8123"},
		{"source: ./demo", "source: ./core", "has site lyon"},
	} {
		s, err := load(t, copyDeploy(t, func(file, text string) string {
			if file == "demo.yaml" {
				return replaced(t, text, b.old, b.new)
			}
			return text
		}), every)
		if err != nil {
			t.Fatal(err)
		}
		s.apart().mustSay(t, b.says)
	}
}

// The demo's links are told what their simulated PBXs are.
func TestDemoSite(t *testing.T) {
	s, err := load(t, copyDeploy(t, unchanged), "demo")
	if err != nil {
		t.Fatal(err)
	}
	var models []string
	for _, l := range s.configs["demo-ingest-tcp"].Links() {
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
	s, err := load(t, copyDeploy(t, unchanged), "core")
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
	for _, name := range []string{"clickhouse", "reader", "grafana", "demo-asterisk"} {
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
	s, err := load(t, dir, "core")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.configs["sink"].ClickHouse; c.User != "trunkline" || !slices.Contains(x.Trunkline.Grants, "GRANT ALL ON "+c.Database+".*") {
		t.Errorf("the sink writes to %s as %s", c.Database, c.User)
	}
}
