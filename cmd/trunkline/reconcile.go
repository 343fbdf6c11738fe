package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

type reconcileFlags struct {
	reconcile                           bool
	from, to, month, format, site, link string
}

func (f *reconcileFlags) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.reconcile, "reconcile", false, "hold the receipts of days against the rows in ClickHouse; it fails where they differ, and names the tickets")
	fl.StringVar(&f.from, "from", "", "with --reconcile: the first UTC day of receipt, YYYY-MM-DD; empty: yesterday")
	fl.StringVar(&f.to, "to", "", "with --reconcile: the last UTC day of receipt; empty: today")
	fl.StringVar(&f.month, "month", "", "the statement of a month, YYYY-MM")
	fl.StringVar(&f.format, "format", "", "with --month: text, csv or json (an object a line)")
	fl.StringVar(&f.site, "site", "", "only this site")
	fl.StringVar(&f.link, "link", "", "only this link")
}

// maxDays is how many days are compared at once, and maxNamed how many tickets and
// messages are named.
const (
	maxDays  = 400
	maxNamed = 1000
)

// reconciliation is some days, and what is wrong with them.
type reconciliation struct {
	First string `json:"first_day"`
	Last  string `json:"last_day"`

	Days    []*sink.ReconciledDay `json:"days"`
	Missing []sink.MissingTicket  `json:"missing"`
	// Flight is messages of TICKETS that have no receipt yet, Late those that should
	// have one by now.
	Flight int           `json:"in_flight"`
	Late   []lateMessage `json:"late"`
	Lates  int           `json:"late_count"`
}

type lateMessage struct {
	Site     string    `json:"site"`
	Link     string    `json:"link"`
	Message  string    `json:"message_id"`
	Sequence uint64    `json:"stream_sequence"`
	Received time.Time `json:"received"`
	Stored   time.Time `json:"stored"`
}

func (f *reconcileFlags) run(ctx context.Context, out io.Writer, cfg *config.Config, only wire.Address, asJSON bool) error {
	first, last, err := f.days(time.Now())
	if err != nil {
		return err
	}
	store, err := openKept(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	reader, err := store.Reconciler(ctx)
	if err != nil {
		return err
	}
	if f.month != "" {
		format := f.format
		if asJSON {
			format = cmp.Or(format, "json")
		}
		return printStatement(ctx, out, reader, first, last, only, cmp.Or(format, "text"))
	}
	r := &reconciliation{First: first.Format(time.DateOnly), Last: last.Format(time.DateOnly), Missing: []sink.MissingTicket{}, Late: []lateMessage{}}
	if err := r.compare(ctx, reader, first, last, only); err != nil {
		return err
	}
	nc, err := connect(cfg, "status")
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := r.inStream(ctx, nc, reader, first, last.AddDate(0, 0, 1), only); err != nil {
		return err
	}
	r.place(ctx, nc, cfg)
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		r.print(out)
	}
	return errors.Join(err, r.verdict())
}

// days are the first and the last day that are asked for.
func (f *reconcileFlags) days(now time.Time) (first, last time.Time, err error) {
	if f.format != "" && f.format != "text" && f.format != "csv" && f.format != "json" {
		return first, last, fmt.Errorf("--format %q: give text, csv or json", f.format)
	}
	if f.month != "" {
		if f.from != "" || f.to != "" {
			return first, last, errors.New("give --month, or --from and --to")
		}
		if first, err = time.Parse("2006-01", f.month); err != nil {
			return first, last, fmt.Errorf("--month %q: give one such as 2026-10", f.month)
		}
		return first, first.AddDate(0, 1, -1), nil
	}
	if f.format != "" {
		return first, last, errors.New("--format goes with --month; otherwise there is --json")
	}
	today := now.UTC().Truncate(24 * time.Hour)
	if first, err = utcDay("--from", f.from, today.AddDate(0, 0, -1)); err != nil {
		return first, last, err
	}
	if last, err = utcDay("--to", f.to, today); err != nil {
		return first, last, err
	}
	switch n := int(last.Sub(first).Hours()/24) + 1; {
	case n < 1:
		return first, last, fmt.Errorf("--from %s is after --to %s", first.Format(time.DateOnly), last.Format(time.DateOnly))
	case n > maxDays:
		return first, last, fmt.Errorf("%d days are more than %d: give fewer", n, maxDays)
	}
	return first, last, nil
}

func utcDay(flag, text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("%s %q: give a UTC day such as 2026-03-31", flag, text)
	}
	return t, nil
}

func (r *reconciliation) compare(ctx context.Context, reader *sink.Reconciler, first, last time.Time, only wire.Address) error {
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		days, missing, err := reader.Day(ctx, sink.ReconcileSelection{Day: day, Site: only.Site, Link: only.Link}, maxNamed-len(r.Missing))
		if err != nil {
			return err
		}
		r.Days = append(r.Days, days...)
		r.Missing = append(r.Missing, missing...)
	}
	return nil
}

// verdict is an error where in and out differ.
func (r *reconciliation) verdict() error {
	var parts []string
	days, missing := 0, uint64(0)
	for _, d := range r.Days {
		if !d.Balanced() {
			days++
			missing += d.Missing
		}
	}
	if days > 0 {
		parts = append(parts, fmt.Sprintf("in and out differ on %s of a link, %s no row", many(days, "day"), many(missing, "ticket has|tickets have")))
	}
	if r.Lates > 0 {
		parts = append(parts, fmt.Sprintf("%s no receipt for more than %s", many(r.Lates, "message has|messages have"), lateAfter))
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, "; "))
}

const dayHead = "DAY\tLINK\tMESSAGES\tRECEIVED\tCDRS\tIGNORED\tDEAD\tREPEATED\tROWS\tMISSING\tGAPS\n"

func dayLine(d *sink.ReconciledDay) string {
	return fmt.Sprintf("%s\t%s/%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", d.Date, d.Site, d.Link,
		d.Messages, d.Received, d.Cdrs, d.Ignored, d.Dead, d.Repeated, d.Rows, d.Missing, d.Gaps)
}

func (r *reconciliation) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, dayHead)
	for _, d := range r.Days {
		fmt.Fprint(t, dayLine(d))
	}
	t.Flush() //nolint:errcheck // a pager that quits
	if len(r.Days) == 0 {
		fmt.Fprintf(w, "nothing was received from %s to %s\n", r.First, r.Last)
	}
	for _, d := range r.Days {
		for _, note := range notes(d) {
			fmt.Fprintf(w, "\n%s %s/%s: %s\n", d.Date, d.Site, d.Link, note)
		}
	}
	if len(r.Missing) > 0 {
		fmt.Fprintln(w, "\nThis came and has no row:")
		for _, m := range r.Missing {
			fmt.Fprintf(w, "  %s\n", missingLine(m))
		}
		m := r.Missing[0]
		fmt.Fprintf(w, "What TICKETS still holds comes back by parsing it again, such as\n  trunkline replay --site %s --link %s --from %s --to %[3]s\n", m.Site, m.Link, m.Date)
	}
	if r.Flight > 0 {
		fmt.Fprintf(w, "\n%s on the way to ClickHouse.\n", many(r.Flight, "message of TICKETS is|messages of TICKETS are"))
	}
	if r.Lates > 0 {
		fmt.Fprintf(w, "\n%s no receipt for more than %s: do the parser and the sink run (trunkline status)? The first:\n", many(r.Lates, "message of TICKETS has|messages of TICKETS have"), lateAfter)
		for _, m := range r.Late {
			fmt.Fprintf(w, "  %s/%s, message %s, sequence %d, received %s UTC\n", m.Site, m.Link, m.Message, m.Sequence, m.Received.Format(time.DateTime))
		}
	}
}

// notes say what a day's numbers do not.
func notes(d *sink.ReconciledDay) (out []string) {
	if d.Received != d.Cdrs+d.Ignored+d.Dead {
		out = append(out, fmt.Sprintf("%s came, and the parser answered %d", many(d.Received, "ticket"), d.Cdrs+d.Ignored+d.Dead))
	}
	if d.Parts > 0 {
		out = append(out, many(d.Parts, "part of a receipt is|parts of receipts are")+" not there")
	}
	if d.Unnamed > 0 {
		out = append(out, many(d.Unnamed, "ticket is of a receipt|tickets are of receipts")+" from before ids were kept: counted, and not looked for")
	}
	if d.Renamed > 0 {
		out = append(out, many(d.Renamed, "ticket stands|tickets stand")+" under another id since a replay")
	}
	return out
}

// missingLine names a ticket without its numbers.
func missingLine(m sink.MissingTicket) string {
	where := fmt.Sprintf("in the message at %s", m.Offset)
	if m.Position != "" {
		where = "at " + m.Position
	}
	return fmt.Sprintf("%s %s/%s, ticket %s, %s of %s, message %s, sequence %d", m.Date, m.Site, m.Link, m.ID, where, cmp.Or(m.Name, m.Origin), m.Message, m.Sequence)
}
