//go:build linux && amd64 && !edge

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/engine"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/disk"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/platform/service"
	"trunkline.internal/platform/telemetry"
	"trunkline.internal/platform/watch"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
	ingesttcp "trunkline.internal/services/ingest-tcp"
	"trunkline.internal/services/parser"
	"trunkline.internal/services/sink"
)

type runFlags struct {
	file, data  string
	demo, calls bool
	debug       bool
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "everything in one process",
		Long: "Runs every service in one process, on an embedded NATS server and an embedded ClickHouse engine.\n" +
			"With --demo, simulated PBXs deliver invented calls to sites " + demoPrefix + "*, in a data folder of its own.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("calls") {
				f.calls = f.demo
			}
			// A pager that quits must not end the collecting, and without draining.
			signal.Ignore(syscall.SIGPIPE)
			return run(cmd.Context(), cmd.OutOrStdout(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration; $TRUNKLINE_CONFIG, or "+service.DefaultConfig)
	fl.StringVar(&f.data, "data", "", "data folder, over the configuration's")
	fl.BoolVar(&f.demo, "demo", false, "simulated PBXs instead of a configuration")
	fl.BoolVar(&f.calls, "calls", false, "print calls as they pass; with --demo it is on")
	fl.BoolVar(&f.debug, "debug", false, "log more")
	return cmd
}

// The heap of all services and the broker together; the engine has its own limit.
const (
	memory = 768 << 20
	growth = 400
)

func run(ctx context.Context, out io.Writer, f runFlags) error {
	service.TuneMemory(memory, growth)
	service.SpareProcessor()
	var demo *demo
	cfg, err := loadRun(f)
	if err != nil {
		return err
	}
	// Whose folder it is comes first: a second process would stumble over each port
	// of the first one.
	lock, err := claim(cfg.Data, f.demo)
	if err != nil {
		return err
	}
	defer lock.Close()
	if f.demo {
		if demo, err = newDemo(ctx, cfg.Data); err != nil {
			return err
		}
		defer demo.close()
		if cfg, err = demo.config(); err != nil {
			return err
		}
	}
	a, err := newApp(cfg, f.debug)
	if err != nil {
		return err
	}
	defer a.close()
	parts := a.parts()
	if demo == nil {
		reload, err := a.reload(f)
		if err != nil {
			return err
		}
		parts = append(parts, reload)
	}
	parts = append(parts, service.StartedPart(a.tel.Health), lifecycle.Part{Name: "banner", Run: func(ctx context.Context, ready func()) error {
		a.banner(out)
		ready()
		if f.calls {
			if err := follow(ctx, a.bus.JS, wire.StreamCdrs, wire.Address{}.CdrSubject(), printCalls(out, false)); err != nil {
				a.tel.Log.Error("calls are not printed any more; collecting goes on", "error", err)
			}
		}
		<-ctx.Done()
		return nil
	}})
	if demo != nil {
		parts = append(parts, demo.part())
	}
	return lifecycle.Run(ctx, parts...)
}

// loadRun reads the configuration; the demo has its own.
func loadRun(f runFlags) (*config.Config, error) {
	if f.demo {
		if f.file != "" {
			return nil, errors.New("--demo has sites of its own: it goes without -c")
		}
		if f.data == "" {
			f.data = "data/demo"
		}
		return &config.Config{Data: f.data}, nil
	}
	cfg, err := service.LoadConfig(f.file)
	if err != nil {
		return nil, err
	}
	if f.data != "" {
		cfg.Data = f.data
	}
	if cfg.NATS.Spool != nil {
		return nil, errors.New("nats.spool is for ingest-tcp and ingest-poll at a site, which hand their tickets to a hub: trunkline run keeps them itself, so take it out")
	}
	for _, s := range cfg.Sites {
		if isDemo(s.ID) {
			return nil, fmt.Errorf("site %q: ids that begin with %s are those of trunkline run --demo: choose another id", s.ID, demoPrefix)
		}
	}
	return cfg, nil
}

// reload takes changes of the configuration's sites over.
func (a *app) reload(f runFlags) (lifecycle.Part, error) {
	r, err := service.NewReloader(service.ReloadOptions{
		Load: func() (*config.Config, error) { return loadRun(f) }, Running: a.cfg, Services: []service.Reloadable{a.tcp, a.poll},
		Process: a.watch.Process, Tickets: a.tickets, Tell: a.watch.Stale, Log: a.tel.Log, Metrics: a.tel.Metrics,
	})
	if err != nil {
		return lifecycle.Part{}, err
	}
	return service.ReloadPart(r, a.bus), nil
}

// app is all services of one process.
type app struct {
	cfg    *config.Config
	tel    *telemetry.Telemetry
	nats   *natsd.Server
	bus    *bus.Bus
	engine *engine.Engine

	// live carries the tickets, whose acknowledgements must not queue behind what
	// is delivered to parser and sink.
	live *bus.Bus

	// bulk commits what can wait: years of old files must not delay a live
	// ticket's acknowledgement.
	tickets, bulk, cdrs *bus.Committer
	tcp                 *ingesttcp.Service
	poll                *ingestpoll.Service
	watch               *watch.Watch
	parser              *parser.Service
}

func newApp(cfg *config.Config, debug bool) (*app, error) {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	a := &app{cfg: cfg, tel: telemetry.New("trunkline", os.Stderr, level, false)}
	tel := a.tel
	var err error
	natsListen := cfg.NATS.Listen
	switch natsListen {
	case "":
		natsListen = "127.0.0.1:4222"
	case "off":
		natsListen = ""
	}
	if err := service.ServeTLS(tel, cfg.Metrics); err != nil {
		return nil, err
	}
	natsTLS, err := serverTLS("nats.listen_tls", cfg.NATS.ListenTLS)
	if err != nil {
		return nil, err
	}
	if a.nats, err = natsd.New(natsd.Config{
		Dir: filepath.Join(cfg.Data, "nats"), Listen: natsListen, TLS: natsTLS, Auth: cfg.NATS.Auth, Log: tel.Log, Metrics: tel.Metrics,
	}); err != nil {
		return nil, err
	}
	// In the process there is no line to encrypt; who asks for credentials asks us too.
	own, err := service.NATSOptions(config.NATS{CredsFile: cfg.NATS.CredsFile, InboxPrefix: cfg.NATS.InboxPrefix})
	if err != nil {
		return nil, err
	}
	a.bus, err = bus.Connect(bus.Config{
		URL: "nats://embedded", Name: "run", Options: append(own, a.nats.Option()), Sole: true,
		TicketsMaxBytes: int64(cfg.NATS.Tickets.MaxBytes), CdrsMaxBytes: int64(cfg.NATS.Cdrs.MaxBytes),
		Log: tel.Log, Metrics: tel.Metrics,
	})
	if err != nil {
		return nil, err
	}
	if a.live, err = a.bus.Beside("run, tickets"); err != nil {
		return nil, err
	}
	tel.Health.Watch("nats", a.bus.Check)
	tel.Metrics.MustRegister(disk.Folder(cfg.Data))
	a.tickets, a.bulk = a.live.NewCommitter(wire.StreamTickets), a.live.NewCommitter(wire.StreamTickets)
	a.cdrs = a.bus.NewCommitter(wire.StreamCdrs)

	if a.watch, err = watch.New(watch.Options{Service: "trunkline", Log: tel.Log, Metrics: tel.Metrics}); err != nil {
		return nil, err
	}
	if a.tcp, err = ingesttcp.New(cfg.Links(), ingesttcp.Deps{
		Bus: a.bus, Tickets: a.tickets, Log: tel.Log, Metrics: tel.Metrics, SetHealth: tel.Health.Set, Watch: a.watch,
	}); err != nil {
		return nil, err
	}
	if a.poll, err = ingestpoll.New(cfg.Links(), ingestpoll.Deps{
		Bus: a.bus, Tickets: a.bulk, Log: tel.Log, Metrics: tel.Metrics, SetHealth: tel.Health.Set, Data: cfg.Data, Watch: a.watch,
	}); err != nil {
		return nil, err
	}
	if a.parser, err = parser.New(parser.Deps{
		Bus: a.bus, Cdrs: a.cdrs, Log: tel.Log, Metrics: tel.Metrics, SetHealth: tel.Health.Set,
		AtOnce: max(1, runtime.GOMAXPROCS(0)/2), // the other processors are for who takes tickets
	}); err != nil {
		return nil, err
	}
	return a, nil
}

// parts in the order in which they start; they drain in reverse.
func (a *app) parts() []lifecycle.Part {
	return []lifecycle.Part{
		{Name: "metrics", Early: true, Run: func(ctx context.Context, ready func()) error { return a.tel.Serve(ctx, a.cfg.Metrics.Listen, ready) }},
		{Name: "nats", Run: a.nats.Run},
		{Name: "bus", Run: a.bus.Run},
		{Name: "tickets", Run: a.live.Run},
		service.CommitterPart(a.tickets),
		service.CommitterPart(a.bulk),
		service.CommitterPart(a.cdrs),
		{Name: "clickhouse", Run: a.runEngine},
		{Name: "sink", Run: a.runSink},
		{Name: "parser", Run: a.parser.Run},
		{Name: "ingest-poll", Early: true, Run: a.poll.Run},
		{Name: "ingest-tcp", Early: true, Run: a.tcp.Run},
		service.WatchPart(a.watch, a.bus, a.bus),
	}
}

func (a *app) tokenFile() string { return filepath.Join(a.cfg.Data, "clickhouse.token") }

func (a *app) runEngine(ctx context.Context, ready func()) (err error) {
	sqlTLS, err := serverTLS("sql.tls", a.cfg.SQL.TLS)
	if err != nil {
		return err
	}
	a.engine, err = engine.Open(engine.Config{
		DataDir: filepath.Join(a.cfg.Data, "clickhouse"), Listen: a.cfg.SQL.Listen, TLS: sqlTLS, Hosts: a.cfg.SQL.Hosts,
		Logger: a.tel.Log, Registerer: a.tel.Metrics,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.engine.Close()) }()
	if err := os.WriteFile(a.tokenFile(), []byte(a.engine.Token()), 0o600); err != nil {
		return fmt.Errorf("write token: %w", err)
	}
	ready()
	return a.engine.Run(ctx)
}

// runSink writes to the engine as to any ClickHouse server over HTTP.
func (a *app) runSink(ctx context.Context, ready func()) error {
	s, err := sink.New(config.ClickHouse{
		Addr: []string{a.engine.Addr()}, Protocol: "http", Database: a.cfg.ClickHouse.Database, User: engine.WriterUser,
		Secret: config.Secret{PasswordFile: a.tokenFile()}, TLS: ownFront(a.cfg.SQL),
	}, sink.Deps{Bus: a.bus, Log: a.tel.Log, Metrics: a.tel.Metrics, SetHealth: a.tel.Health.Set})
	if err != nil {
		return err
	}
	return s.Run(ctx, ready)
}

func (a *app) close() {
	a.live.Close()
	a.bus.Close()
}

// banner says where things are.
func (a *app) banner(w io.Writer) {
	fmt.Fprintf(w, "trunkline %s, data in %s\n", telemetry.Version, a.cfg.Data)
	sql := scheme(a.cfg.SQL.TLS) + a.engine.Addr()
	fmt.Fprintf(w, "  SQL      %s  (curl '%s' --data-binary 'SELECT * FROM %s.calls LIMIT 10 FORMAT PrettyCompact')\n", sql, sql, a.cfg.ClickHouse.Database)
	if addr := a.tel.Addr(); addr != "" {
		at := scheme(a.cfg.Metrics.TLS) + addr
		fmt.Fprintf(w, "  health   %s/readyz\n  metrics  %s/metrics\n", at, at)
	}
	for _, l := range a.cfg.Links() {
		where := ""
		switch {
		case l.TCP != nil && l.TCP.Listen != "":
			where = "listens on " + addrOr(a.tcp.Addr(l.Site.ID, l.ID), l.TCP.Listen)
		case l.TCP != nil:
			where = "dials " + l.TCP.Dial
		case l.OXE != nil:
			where = "dials " + strings.Join(l.OXE.Dial, ", ")
		case l.AHL != nil:
			where = "dials " + l.AHL.Dial
		case l.Files != nil:
			where = "reads files of " + l.Files.Dir
		case l.MySQL != nil:
			where = "asks " + l.MySQL.Addr
		case l.FTP != nil:
			where = "fetches from " + l.FTP.Addr
		case l.SFTP != nil:
			where = "fetches from " + l.SFTP.Addr
		case l.HTTP != nil:
			where = "asks " + l.HTTP.URL
		case l.FTPServer != nil:
			where = "receives files on " + l.FTPServer.Listen
		case l.SFTPServer != nil:
			where = "receives files on " + l.SFTPServer.Listen
		case l.HTTPServer != nil:
			where = "receives posts on " + l.HTTPServer.Listen + l.HTTPServer.Path
		case l.TFTP != nil && l.TFTP.Listen != "":
			where = "receives files on " + l.TFTP.Listen + "/udp"
		case l.TFTP != nil:
			where = "fetches from " + l.TFTP.Fetch + "/udp"
		}
		fmt.Fprintf(w, "  %-24s %-15s %s\n", l.Site.ID+"/"+l.ID, l.Model, where)
	}
	fmt.Fprintf(w, "Ctrl-C stops; nothing is lost. Started %s\n\n", time.Now().Format("15:04:05"))
}

func addrOr(a net.Addr, other string) string {
	if a == nil {
		return other
	}
	return a.String()
}
