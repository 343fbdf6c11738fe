package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
)

type importFlags struct {
	file, link, written  string
	year                 int
	dryRun, force, again bool
}

func importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import --link SITE/LINK PATH…",
		Short: "old ticket files, as if the link had just collected them",
		Long: "Publishes the tickets of files, and of folders with everything below them, packed ones too (gzip, .Z, zip), as tickets of\n" +
			"a link of the configuration. What the link has collected itself, or what is imported again, is the same tickets and\n" +
			"changes nothing. At the end it says how many calls there are of each month; --dry-run says only that, without NATS.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), paths)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration; $TRUNKLINE_CONFIG, or "+service.DefaultConfig)
	fl.StringVar(&f.link, "link", "", "whose tickets they are: SITE/LINK of the configuration")
	fl.BoolVar(&f.dryRun, "dry-run", false, "only count")
	fl.IntVar(&f.year, "year", 0, "the year that all tickets are of, where they print none")
	fl.StringVar(&f.written, "written", "", "a moment at or shortly after all tickets, such as 2019-06-30 or 2019-06-30T18:00:00Z, in place of --year")
	fl.BoolVar(&f.force, "force", false, "import also when most tickets of the first files are not understood")
	fl.BoolVar(&f.again, "again", false, "publish also what the link has collected itself")
	_ = cmd.MarkFlagRequired("link")
	cmd.MarkFlagsMutuallyExclusive("year", "written")
	return cmd
}

func (f *importFlags) run(ctx context.Context, out, errOut io.Writer, paths []string) error {
	cfg, err := service.LoadConfig(f.file)
	if err != nil {
		return err
	}
	of, err := findLink(cfg, f.link)
	if err != nil {
		return err
	}
	o := ingestpoll.ImportOptions{Paths: paths, Year: f.year, Again: f.again}
	if o.Written, err = f.writtenAt(of); err != nil {
		return err
	}
	count, err := newImportCount(of.Settings(), f.force)
	if err != nil {
		return fmt.Errorf("link %s: %w", f.link, err)
	}
	show := newProgress(errOut)
	d := ingestpoll.ImportDeps{Who: bus.Who(), Batch: count.batch, Progress: show.progress, Say: show.say}
	if !f.dryRun {
		b, tickets, stop, err := connectBus(ctx, cfg, "import", wire.StreamTickets, errOut)
		if err != nil {
			return err
		}
		defer stop()
		d.Bus, d.Tickets = b, tickets
	}
	report, err := ingestpoll.Import(ctx, of, o, d)
	show.end()
	if report != nil {
		printImport(out, f, of, report, count)
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: nothing is lost or doubled; run it again, and it takes everything anew")
	case err != nil:
		return err
	case report.FailedCount > 0:
		return fmt.Errorf("%s could not be read, or not to the end: mend that and import again, what is there already does not count twice", many(report.FailedCount, "file"))
	}
	return nil
}

// findLink is a link of the configuration, as SITE/LINK.
func findLink(cfg *config.Config, name string) (config.LinkOf, error) {
	links := cfg.Links()
	names := make([]string, len(links))
	for i, l := range links {
		if names[i] = l.Site.ID + "/" + l.ID; names[i] == name {
			return l, nil
		}
	}
	hint := ""
	if near := pbx.NearestOf(name, names); near != "" {
		hint = fmt.Sprintf(": is it %s?", near)
	} else if len(names) > 0 && len(names) <= 10 {
		hint = ": there are " + strings.Join(names, ", ")
	}
	return config.LinkOf{}, fmt.Errorf("--link %q: the configuration has no such link%s", name, hint)
}

func (f *importFlags) writtenAt(of config.LinkOf) (time.Time, error) {
	if f.year != 0 && (f.year < 1980 || f.year > time.Now().Year()) {
		return time.Time{}, fmt.Errorf("--year %d: give one such as 2019", f.year)
	}
	if f.written == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, f.written); err == nil {
		return t, nil
	}
	name := of.Site.Timezone
	if of.Parse.Timezone != "" {
		name = of.Parse.Timezone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.Time{}, fmt.Errorf("time zone %q: %w", name, err)
	}
	t, err := time.ParseInLocation("2006-01-02", f.written, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("--written %q: give one such as 2019-06-30 or 2019-06-30T18:00:00Z", f.written)
	}
	// The whole of that day, and not the first of January behind a year's last one:
	// what prints no year is at most a day after it.
	return t, nil
}

// progress shows how far an import is, on a terminal.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	last     time.Time
	width    int
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, began: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) progress(s ingestpoll.ImportProgress) {
	if !p.terminal || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	rate := float64(s.Tickets) / max(0.001, time.Since(p.began).Seconds())
	line := fmt.Sprintf("%s of %s, %s, %s a second", number(int64(s.Files)), manyGrouped(s.Of, "file"), manyGrouped(s.Tickets, "ticket"), number(int64(rate)))
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// say may come while progress is shown: from another goroutine, as one write.
func (p *progress) say(text string) {
	if p.terminal {
		text = "\r" + text
	}
	fmt.Fprintf(p.w, "%s\n", text)
}

func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}
