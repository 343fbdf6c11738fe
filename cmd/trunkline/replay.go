package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

type replayFlags struct {
	file, site, link, reason, from, to string
	aside, dryRun                      bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay (--site S [--link L] --from D --to D | --aside [--reason R] [--site S] [--link L] [--from D] [--to D])",
		Short: "kept tickets through the parser again, under the settings of today",
		Long: "Parses tickets again that were received in a time, or that were set aside, under their link's model, layout and zone of\n" +
			"today. The new calls take the place of the old ones, also where a call moves to another day, becomes none or becomes one.\n" +
			"--from and --to are times of receipt: a UTC day such as 2026-03-31, which --to includes, or a moment such as\n" +
			"2026-03-31T18:00:00+02:00, which --to leaves out. A replay that was cut is run again. --dry-run says only what would change.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration; it says where NATS and ClickHouse are")
	fl.BoolVar(&f.aside, "aside", false, "only tickets that are no calls: ignored and dead ones")
	fl.StringVar(&f.reason, "reason", "", "with --aside: only those set aside for this reason, as `trunkline aside` prints it")
	fl.StringVar(&f.site, "site", "", "only this site")
	fl.StringVar(&f.link, "link", "", "only this link")
	fl.StringVar(&f.from, "from", "", "received at or after: a UTC day or a moment")
	fl.StringVar(&f.to, "to", "", "received on or before this UTC day, or before this moment")
	fl.BoolVar(&f.dryRun, "dry-run", false, "change nothing, say what would change")
	return cmd
}

// selection is what the flags select.
func (f *replayFlags) selection() (s sink.KeptSelection, err error) {
	switch {
	case !f.aside && (f.site == "" || f.from == "" || f.to == ""):
		return s, errors.New("give --site, --from and --to, or --aside")
	case !f.aside && f.reason != "":
		return s, errors.New("--reason goes with --aside")
	}
	return keptSelection(f.site, f.link, f.reason, f.from, f.to, f.aside)
}

func keptSelection(site, link, reason, from, to string, aside bool) (s sink.KeptSelection, err error) {
	if err := whose(wire.Address{Site: site, Link: link}); err != nil {
		return s, err
	}
	s = sink.KeptSelection{Site: site, Link: link, Reason: reason, Aside: aside}
	if s.From, _, err = receiptTime("--from", from); err != nil {
		return s, err
	}
	day := false
	if s.To, day, err = receiptTime("--to", to); err != nil {
		return s, err
	}
	if day {
		s.To = s.To.AddDate(0, 0, 1)
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		return s, fmt.Errorf("--from %s is not before --to %s", from, to)
	}
	return s, nil
}

// receiptTime reads a UTC day or a moment.
func receiptTime(flag, text string) (t time.Time, day bool, err error) {
	if text == "" {
		return t, false, nil
	}
	if t, err = time.Parse(time.DateOnly, text); err == nil {
		return t, true, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, false, fmt.Errorf("%s %q: give a UTC day such as 2026-03-31, or a moment such as 2026-03-31T18:00:00Z", flag, text)
	}
	return t.UTC(), false, nil
}

func (f *replayFlags) run(ctx context.Context, out, errOut io.Writer) error {
	selection, err := f.selection()
	if err != nil {
		return err
	}
	cfg, err := service.LoadConfig(f.file)
	if err != nil {
		return err
	}
	store, err := openKept(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	b, cdrs, stop, err := connectBus(ctx, cfg, "replay", wire.StreamCdrs, errOut)
	if err != nil {
		return err
	}
	defer stop()
	settings, err := allSettings(ctx, b)
	if err != nil {
		return err
	}
	r := &replay{selection: selection, store: store, bus: b, cdrs: cdrs, show: newProgress(errOut), out: out, settings: settings, who: bus.Who()}
	if f.dryRun {
		err = r.dry(ctx)
	} else {
		err = r.alone(ctx)
	}
	r.show.end()
	if ctx.Err() != nil {
		return errors.New("interrupted: every ticket stands once, some parsed again and some not yet; run it again")
	}
	return err
}

// openKept opens the ClickHouse of the configuration, or the engine of a
// `trunkline run`, which reads without a password.
func openKept(ctx context.Context, cfg *config.Config) (*sink.Kept, error) {
	front := config.ClickHouse{Addr: []string{cfg.SQL.Listen}, Protocol: "http", Database: cfg.ClickHouse.Database, TLS: ownFront(cfg.SQL)}
	store, err := sink.OpenKept(ctx, cfg.ClickHouse, front)
	if err != nil {
		return nil, fmt.Errorf("no clickhouse answers with our tables; set clickhouse: as the sink has it, or sql.listen as `trunkline run` has it: %w", err)
	}
	return store, nil
}

// ownFront is how we speak to our own front, on this machine, by an address that no
// certificate names; where only clients with a certificate are let in, with
// the front's.
func ownFront(c config.SQL) *config.TLS {
	if c.TLS == nil {
		return nil
	}
	return &config.TLS{Cert: c.TLS.Cert, Key: c.TLS.Key, Insecure: true}
}

// allSettings are the settings of all links as they are today, by wire.LinkKey.
func allSettings(ctx context.Context, b *bus.Bus) (map[string]pbx.Settings, error) {
	all := make(map[string]pbx.Settings)
	watching, enough := context.WithCancel(ctx)
	defer enough()
	err := b.Links.Watch(watching, func(s pbx.Settings) { all[wire.LinkKey(s.Site, s.Link)] = s }, enough)
	if err == nil {
		err = ctx.Err()
	}
	return all, err
}
