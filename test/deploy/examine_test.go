package deploy_test

import (
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/platform/config"
)

// examine says what is wrong with a stack.
func (s *stack) examine(engine string) (problems report) {
	for _, name := range s.ServiceNames() {
		c := s.Services[name]
		s.container(c, engine, &problems)
		s.health(c, &problems)
		s.secrets(c, &problems)
		switch program := s.program(c); {
		case program == "":
		case program == "nats":
			s.nats(c, &problems)
		case programs[program] == nil:
			problems.add("%s: runs %q: there is no such program", name, program)
		default:
			s.ours(c, &problems)
		}
	}
	return problems
}

// container is what holds for every container.
func (s *stack) container(c types.ServiceConfig, engine string, problems *report) {
	ours := c.Build != nil
	user, _, _ := strings.Cut(c.User, ":")
	switch {
	case user == "" || user == "0" || user == "root":
		problems.add("%s: runs as root", c.Name)
	case ours && c.User != "65532:65532":
		problems.add("%s: the image is made for 65532:65532, not %s", c.Name, c.User)
	}
	switch {
	case ours && !strings.HasPrefix(c.Image, "trunkline.internal/"):
		problems.add("%s: image %s: a name that anybody may take", c.Name, c.Image)
	case ours && c.PullPolicy != types.PullPolicyBuild:
		problems.add("%s: pull_policy %q: the image is nowhere to be pulled", c.Name, c.PullPolicy)
	case !ours && !pinned(c.Image):
		problems.add("%s: image %s names no version", c.Name, c.Image)
	case strings.HasPrefix(c.Image, "clickhouse/") && c.Image != "clickhouse/clickhouse-server:"+engine:
		problems.add("%s: image %s, and tests run with %s", c.Name, c.Image, engine)
	}
	if ours {
		if _, ok := s.docker.lines[c.Build.Target]; !ok || c.Build.Dockerfile != "deploy/Dockerfile" {
			problems.add("%s: no stage %q in %s", c.Name, c.Build.Target, c.Build.Dockerfile)
		}
		if !c.ReadOnly {
			problems.add("%s: its file system is not read_only", c.Name)
		}
	}
	if c.Privileged || !slices.Equal(c.CapDrop, []string{"ALL"}) || len(c.CapAdd) > 0 || !slices.Contains(c.SecurityOpt, "no-new-privileges:true") {
		problems.add("%s: has privileges", c.Name)
	}
	if once := s.program(c) == "tools"; once != (c.Restart == "no") || !once && c.Restart != "unless-stopped" {
		problems.add("%s: is not restarted", c.Name)
	}
	if c.Logging == nil || c.Logging.Options["max-size"] == "" {
		problems.add("%s: its log grows without end", c.Name)
	}
	if c.Deploy == nil || c.Deploy.Resources.Limits == nil || c.Deploy.Resources.Limits.MemoryBytes == 0 || c.Deploy.Resources.Limits.Pids == 0 {
		problems.add("%s: has no limits", c.Name)
	} else if limit := c.Environment["GOMEMLIMIT"]; ours {
		memory := int64(c.Deploy.Resources.Limits.MemoryBytes)
		if limit == nil {
			problems.add("%s: has no GOMEMLIMIT", c.Name)
		} else if n, err := units.RAMInBytes(*limit); err != nil || n >= memory || n < memory*3/4 {
			problems.add("%s: GOMEMLIMIT %s does not fit a limit of %d bytes", c.Name, *limit, memory)
		}
	}
	for _, v := range c.Volumes {
		if v.Type == types.VolumeTypeVolume && ours && !s.docker.owns(c.Build.Target, v.Target) {
			problems.add("%s: may not write to %s: stage %s has no such folder of its user", c.Name, v.Target, c.Build.Target)
		}
		if v.Type == types.VolumeTypeBind {
			if _, err := os.Stat(v.Source); err != nil {
				problems.add("%s: mounts what does not exist: %v", c.Name, err)
			}
		}
	}
	if plugins := c.Environment["GF_PLUGINS_PREINSTALL_SYNC"]; plugins != nil && !regexp.MustCompile(`^[\w-]+@\d+\.\d+\.\d+$`).MatchString(*plugins) {
		problems.add("%s: plugin %s names no version", c.Name, *plugins)
	}
	outside := false
	for name := range c.Networks {
		outside = outside || !bool(s.Networks[name].Internal)
	}
	if len(c.Ports) > 0 && !outside {
		problems.add("%s: is only on internal networks: its ports lead nowhere", c.Name)
	}
	receives := s.program(c) == "ingest-tcp" || s.program(c) == "ingest-poll"
	if low := c.Sysctls["net.ipv4.ip_unprivileged_port_start"]; (low == "0") != receives {
		problems.add("%s: ports below 1024: ip_unprivileged_port_start is %q", c.Name, low)
	}
	for _, p := range c.Ports {
		if !receives && p.HostIP != "127.0.0.1" {
			problems.add("%s: port %s is open to everybody", c.Name, p.Published)
		}
	}
}

// health: each container tells how it is, but the operator's commands, and a
// simulated PBX, which ends when it cannot go on.
func (s *stack) health(c types.ServiceConfig, problems *report) {
	if disabled, mute := c.HealthCheck != nil && c.HealthCheck.Disable, c.Build != nil && c.Build.Target == "tools"; disabled || mute {
		if disabled != mute {
			problems.add("%s: its health check is disabled: %t", c.Name, disabled)
		}
		return
	}
	if c.HealthCheck != nil && len(c.HealthCheck.Test) > 1 && c.HealthCheck.Test[0] == "CMD" {
		test := c.HealthCheck.Test
		if at := test[len(test)-1]; strings.HasPrefix(at, "http://") && at != s.healthURL(c) {
			problems.add("%s: its health check asks %s, not %s", c.Name, at, s.healthURL(c))
		}
		return
	}
	if c.Build == nil || s.docker.healthcheck(c.Build.Target) == nil {
		problems.add("%s: has no health check", c.Name)
	}
}

func (s *stack) healthURL(c types.ServiceConfig) string {
	switch {
	case c.Name == "grafana":
		return "http://127.0.0.1:3000/api/health"
	case c.Name == "prometheus":
		return "http://127.0.0.1:9090/-/healthy"
	case s.program(c) != "nats":
		return "http://127.0.0.1:8123/ping"
	}
	opts, err := s.natsOptions(c)
	if err != nil {
		return err.Error()
	}
	return "http://" + net.JoinHostPort(opts.HTTPHost, strconv.Itoa(opts.HTTPPort)) + "/healthz"
}

// secrets: files that exist, that the container may read, and that it is given.
func (s *stack) secrets(c types.ServiceConfig, problems *report) {
	for _, secret := range c.Secrets {
		info, err := os.Stat(s.Secrets[secret.Source].File)
		switch {
		case err != nil:
			problems.add("%s: secret %s: secrets.sh does not make it", c.Name, secret.Source)
		case info.Mode().Perm() != 0o444:
			problems.add("%s: secret %s: mode %o", c.Name, secret.Source, info.Mode())
		}
	}
	for folder, at := range secretFolders(c) {
		// A running container sees a file that is replaced in it.
		if info, err := os.Stat(at); err != nil || !info.IsDir() || info.Mode().Perm() != 0o755 {
			problems.add("%s: %s is no folder that its user may enter", c.Name, folder)
		}
	}
	files := secretFiles(c)
	for name, value := range c.Environment {
		switch {
		case strings.HasSuffix(name, "_FILE") && !slices.Contains(files, *value):
			problems.add("%s: %s: it is not given %s", c.Name, name, *value)
		case strings.HasPrefix(name, config.EnvPrefix) && !knownVariable(name):
			problems.add("%s: nobody reads %s", c.Name, name)
		}
	}
	if s.configs[c.Name] == nil {
		return
	}
	links, used := s.reads(c)
	for _, secret := range used {
		if secret.PasswordFile != "" && !slices.Contains(files, secret.PasswordFile) {
			problems.add("%s: is not given %s", c.Name, secret.PasswordFile)
		}
	}
	for _, l := range links {
		if l.Files != nil && !slices.ContainsFunc(c.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == l.Files.Dir && !v.ReadOnly }) {
			problems.add("%s: link %s: nothing is mounted at %s", c.Name, l.ID, l.Files.Dir)
		}
	}
}

// nats: what the server's own parser makes of its file.
func (s *stack) nats(c types.ServiceConfig, problems *report) {
	if c.Image != "trunkline.internal/nats:"+server.VERSION {
		problems.add("%s: image %s, and tests run with %s", c.Name, c.Image, server.VERSION)
	}
	opts, err := s.natsOptions(c)
	if err != nil {
		problems.add("%s: %v", c.Name, err)
		return
	}
	if !opts.JetStream || !opts.SyncAlways {
		problems.add("%s: an acknowledgement does not mean disk", c.Name)
	}
	if !slices.ContainsFunc(c.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Target == opts.StoreDir
	}) {
		problems.add("%s: no volume at %s", c.Name, opts.StoreDir)
	}
	if len(c.Ports) > 0 {
		problems.add("%s: asks for no password, and its ports are published", c.Name)
	}
	for name := range c.Networks {
		if !s.Networks[name].Internal {
			problems.add("%s: asks for no password, and network %s is not internal", c.Name, name)
		}
	}
}

// natsOptions reads the file that the server is told to read.
func (s *stack) natsOptions(c types.ServiceConfig) (*server.Options, error) {
	file := args(c.Command)["--config"]
	for _, v := range c.Volumes {
		if v.Target == file {
			file = v.Source
		}
	}
	return server.ProcessConfigFile(file)
}

// ours is one of our programs against its configuration.
func (s *stack) ours(c types.ServiceConfig, problems *report) {
	program, cfg := s.program(c), s.configs[c.Name]
	for flag := range args(c.Command) {
		if !programs[program][flag] {
			problems.add("%s: %s has no flag %s", c.Name, program, flag)
		}
	}
	switch program {
	case "simulate":
		s.simulated(c, problems)
		return
	case "tools":
		s.operates(c, problems)
		return
	}
	if _, port, _ := net.SplitHostPort(cfg.Metrics.Listen); port != s.docker.last(c.Build.Target, "EXPOSE") {
		problems.add("%s: metrics on %s, and the image says %s", c.Name, cfg.Metrics.Listen, s.docker.last(c.Build.Target, "EXPOSE"))
	}
	at, err := url.Parse(cfg.NATS.URL)
	if err != nil {
		problems.add("%s: %v", c.Name, err)
		return
	}
	// An edge is scraped where it is, if at all.
	if watch, ok := s.Services["prometheus"]; ok && cfg.NATS.Spool == nil && !meet(c, watch) {
		problems.add("%s: prometheus cannot reach it", c.Name)
	}
	if cfg.NATS.Spool == nil {
		s.reaches(c, at.Host, problems)
	} else {
		s.spools(c, at, problems)
	}
	if program == "sink" {
		for _, addr := range cfg.ClickHouse.Addr {
			s.reaches(c, addr, problems)
		}
	}
	links, _ := s.reads(c)
	for _, l := range links {
		if l.TCP != nil && l.TCP.Dial != "" {
			s.reaches(c, l.TCP.Dial, problems)
		}
		if l.MySQL != nil {
			s.reaches(c, l.MySQL.Addr, problems)
		}
	}
	if program == "ingest-tcp" {
		s.listens(c, links, problems)
	}
}

// spools: the spool outlives the container, and nobody but the hub hears what is
// in it.
func (s *stack) spools(c types.ServiceConfig, hub *url.URL, problems *report) {
	cfg := s.configs[c.Name]
	if s.volume(c.Name, cfg.Data) == "" {
		problems.add("%s: the spool in %s is on no volume", c.Name, cfg.Data)
	}
	if hub.Scheme != "tls" || cfg.NATS.CredsFile == "" || cfg.NATS.InboxPrefix == "" {
		problems.add("%s: to the hub without TLS, credentials or an inbox of its own", c.Name)
	}
	for name := range c.Networks {
		if s.Networks[name].Internal {
			problems.add("%s: network %s does not lead to a hub", c.Name, name)
		}
	}
}

// reaches: host:port is a container on a network of c, and what c needs is
// started before it, and stopped after it.
func (s *stack) reaches(c types.ServiceConfig, addr string, problems *report) {
	host, _, _ := net.SplitHostPort(addr)
	if net.ParseIP(host) != nil {
		return // not one of these containers
	}
	other, ok := s.Services[host]
	if !ok || !meet(c, other) {
		problems.add("%s: cannot reach %s", c.Name, addr)
	}
	if _, ok := c.DependsOn[host]; !ok && (strings.HasSuffix(host, "nats") || strings.HasSuffix(host, "clickhouse")) {
		problems.add("%s: %s may stop before it", c.Name, host)
	}
}

// listens: each port that a link listens on is published, or dialled by a
// simulated PBX, and none is published for nothing.
func (s *stack) listens(c types.ServiceConfig, links []config.LinkOf, problems *report) {
	var want, have []string
	for _, l := range links {
		if l.TCP.Listen != "" {
			_, port, _ := net.SplitHostPort(l.TCP.Listen)
			want = append(want, port)
		}
	}
	for _, p := range c.Ports {
		have = append(have, strconv.Itoa(int(p.Target)))
		if p.Published != strconv.Itoa(int(p.Target)) {
			problems.add("%s: port %s leads to %d: PBXs are told the one that the link says", c.Name, p.Published, p.Target)
		}
	}
	for _, port := range have {
		if !slices.Contains(want, port) {
			problems.add("%s: no link listens on %s", c.Name, port)
		}
	}
	for _, other := range s.Services {
		if host, port, _ := net.SplitHostPort(args(other.Command)["--addr"]); host == c.Name {
			have = append(have, port)
		}
	}
	for _, port := range want {
		if !slices.Contains(have, port) {
			problems.add("%s: port %s of a link is not published", c.Name, port)
		}
	}
}

// simulated: the PBX and its link find each other.
func (s *stack) simulated(c types.ServiceConfig, problems *report) {
	flags := args(c.Command)
	links, _ := s.reads(c)
	if len(links) != 1 || links[0].Model != flags["--model"] {
		problems.add("%s: no link %s/%s of model %s", c.Name, flags["--site"], flags["--link"], flags["--model"])
		return
	}
	link, addr := links[0], flags["--addr"]
	switch {
	case link.TCP != nil && link.TCP.Listen != "":
		if _, port, _ := net.SplitHostPort(link.TCP.Listen); addr != "demo-ingest-tcp:"+port {
			problems.add("%s: dials %s, and the link listens on %s", c.Name, addr, link.TCP.Listen)
		}
	case link.TCP != nil:
		if link.TCP.Dial != c.Name+addr {
			problems.add("%s: listens on %s, and the link dials %s", c.Name, addr, link.TCP.Dial)
		}
	case link.Files != nil:
		if s.volume(c.Name, link.Files.Dir) == "" || s.volume(c.Name, link.Files.Dir) != s.volume("demo-ingest-poll", link.Files.Dir) {
			problems.add("%s: its files in %s are not those of demo-ingest-poll", c.Name, link.Files.Dir)
		}
	case link.MySQL != nil:
		s.reaches(c, link.MySQL.Addr, problems)
		host, _, _ := net.SplitHostPort(link.MySQL.Addr)
		env := s.Services[host].Environment.ToMapping()
		if env["MARIADB_DATABASE"] != link.MySQL.Database || env["MARIADB_USER"] != link.MySQL.User || env["MARIADB_PASSWORD_FILE"] != link.MySQL.PasswordFile {
			problems.add("%s: database, user or password is not that of %s", c.Name, host)
		}
	}
	if !meet(c, s.Services["demo-ingest-tcp"]) || !meet(c, s.Services["demo-ingest-poll"]) {
		problems.add("%s: is not on a network of ingest", c.Name)
	}
}

// volume is the one that a container has at a folder.
func (s *stack) volume(service, folder string) string {
	for _, v := range s.Services[service].Volumes {
		if v.Target == folder && v.Type == types.VolumeTypeVolume {
			return v.Source
		}
	}
	return ""
}
