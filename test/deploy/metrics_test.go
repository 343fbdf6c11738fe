package deploy_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/disk"
	"trunkline.internal/platform/service"
	"trunkline.internal/platform/spool"
	"trunkline.internal/platform/telemetry"
	"trunkline.internal/platform/watch"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
	ingesttcp "trunkline.internal/services/ingest-tcp"
	"trunkline.internal/services/parser"
	"trunkline.internal/services/sink"
)

// exposed has the labels of each metric that the services register, whether it
// has a value yet or not.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	tel := telemetry.New("test", os.Stderr, slog.LevelError, false)
	log := slog.New(slog.DiscardHandler)
	// Nobody runs it: to be there is enough.
	srv, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(bus.Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{nats.InProcessServer(srv)}, Role: bus.Guest, Log: log,
		Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"server": "hub"}, tel.Metrics),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w, err := watch.New(watch.Options{Service: "test", Log: log, Metrics: tel.Metrics})
	if err != nil {
		t.Fatal(err)
	}
	_, tcp := ingesttcp.New(nil, ingesttcp.Deps{Bus: b, Tickets: b.NewCommitter(wire.StreamTickets), Log: log, Metrics: tel.Metrics})
	_, poll := ingestpoll.New(nil, ingestpoll.Deps{Bus: b, Tickets: b.NewCommitter(wire.StreamTickets), Log: log, Metrics: tel.Metrics, Data: t.TempDir()})
	_, parse := parser.New(parser.Deps{Bus: b, Cdrs: b.NewCommitter(wire.StreamCdrs), Log: log, Metrics: tel.Metrics})
	_, write := sink.New(config.ClickHouse{Addr: []string{"127.0.0.1:1"}, Protocol: "native", Database: "trunkline"}, sink.Deps{Bus: b, Log: log, Metrics: tel.Metrics})
	_, keep := spool.New(spool.Options{Dir: t.TempDir(), Hub: b, Log: log, Metrics: tel.Metrics})
	_, clock := service.ClockPart(tel, b, func() []config.LinkOf { return nil })
	_, reload := service.NewReloader(service.ReloadOptions{
		Load: func() (*config.Config, error) { return nil, nil }, Running: &config.Config{}, Process: w.Process, Log: log, Metrics: tel.Metrics,
	})
	if err := errors.Join(tcp, poll, parse, write, keep, clock, reload, tel.Metrics.Register(disk.Folder("/"))); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		tel.Metrics.Describe(descs)
		close(descs)
	}()
	all := map[string][]string{}
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("%s: a description of another form", d)
		}
		for _, label := range append(strings.Split(m[3], ","), constant.FindAllString(m[2], -1)...) {
			all[m[1]] = append(all[m[1]], strings.Trim(label, "=c() "))
		}
	}
	if len(all) < 60 {
		t.Fatalf("only %d metrics", len(all))
	}
	return all
}

var (
	description = regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: .*, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constant    = regexp.MustCompile(`\w+=`)
	metric      = regexp.MustCompile(`\b(trunkline|process|go)_\w+(\{[^}]*\})?`)
	matcher     = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)`)
	histogram   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// others are labels that Prometheus gives, or its configuration.
var others = []string{"stack", "instance", "job", "pod", "le"}

// unknown says what an expression asks for that no service has.
func unknown(expr string, have map[string][]string) (problems report) {
	for _, found := range metric.FindAllString(expr, -1) {
		name, labels, _ := strings.Cut(found, "{")
		known, ok := have[name]
		if !ok {
			known, ok = have[histogram.ReplaceAllString(name, "")]
		}
		if !ok {
			problems.add("no service has %s", name)
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(labels, -1) {
			if !slices.Contains(known, m[1]) && !slices.Contains(others, m[1]) {
				problems.add("%s has no label %s", name, m[1])
			}
		}
	}
	return problems
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s (make servers installs it): %v\n%s", args[0], err, out)
	}
}

// Every expression of every dashboard is one, and asks for what the services have.
func TestDashboardExpressions(t *testing.T) {
	have := exposed(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboards\n  rules:\n")
	n := 0
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Expr == "" {
					continue
				}
				n++
				for _, problem := range unknown(q.Expr, have) {
					t.Errorf("%s: %s: %s", d.file, p.Title, problem)
				}
				expr := strings.NewReplacer("$__rate_interval", "1m", "$stack", ".*").Replace(q.Expr)
				if strings.Contains(expr, "$") {
					t.Errorf("%s: %s: a variable that this test does not know: %s", d.file, p.Title, expr)
				}
				rules.WriteString("  - {record: a" + strings.Repeat("a", n) + ", expr: '" + expr + "'}\n")
			}
		}
	}
	if n < 10 {
		t.Fatalf("%d expressions", n)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
	unknown(`rate(trunkline_sink_lags_seconds_bucket[1m])`, have).mustSay(t, "no service has trunkline_sink_lags_seconds_bucket")
	unknown(`trunkline_link_status{state="silent"}`, have).mustSay(t, "trunkline_link_status has no label state")
}
