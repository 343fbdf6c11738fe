package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

// statement is a month as it stands in ClickHouse. What has not changed there
// prints as the same bytes.
type statement struct {
	month string
	only  wire.Address
	reconciliation
	gaps  []sink.SequenceGap
	acts  []sink.AuditAct
	files []sink.CollectedFile
}

func printStatement(ctx context.Context, out io.Writer, reader *sink.Reconciler, first, last time.Time, only wire.Address, format string) error {
	s := statement{month: first.Format("2006-01"), only: only}
	if err := s.compare(ctx, reader, first, last, only); err != nil {
		return err
	}
	span := sink.AuditSpan{From: first, To: last.AddDate(0, 0, 1), Site: only.Site, Link: only.Link}
	var err error
	if s.gaps, err = reader.Gaps(ctx, span); err != nil {
		return err
	}
	if s.acts, err = reader.Acts(ctx, span); err != nil {
		return err
	}
	if s.files, err = reader.Files(ctx, span); err != nil {
		return err
	}
	var b bytes.Buffer
	switch format {
	case "csv":
		err = s.csv(&b)
	case "json":
		err = s.json(&b)
	default:
		err = s.text(&b)
	}
	if err != nil {
		return err
	}
	if _, err := out.Write(sealed(b.Bytes(), format)); err != nil {
		return err
	}
	return s.verdict()
}

// sealed ends a statement with the SHA-256 of all its lines before: `head -n -1 |
// sha256sum` gives the same.
func sealed(lines []byte, format string) []byte {
	sum := sha256.Sum256(lines)
	text := hex.EncodeToString(sum[:])
	switch format {
	case "csv":
		text = "sha256," + text
	case "json":
		text = `{"sha256":"` + text + `"}`
	default:
		text = "sha256 " + text
	}
	return append(lines, text+"\n"...)
}

// total of a link in the month.
type total struct {
	Site string `json:"site"`
	Link string `json:"link"`
	// Days on which something came.
	Days int `json:"days"`
	sums
	// Gaps are numbers of the PBX's sequence that are missing in the month.
	Gaps int64 `json:"sequence_gaps"`
	// Files that were collected.
	Files int `json:"files"`
}

type sums struct {
	Messages uint64 `json:"messages"`
	Received uint64 `json:"received"`
	Cdrs     uint64 `json:"cdrs"`
	Ignored  uint64 `json:"ignored"`
	Dead     uint64 `json:"dead"`
	Repeated uint64 `json:"repeated"`
	Rows     uint64 `json:"rows"`
	Missing  uint64 `json:"missing"`
}

func (s *statement) totals() []*total {
	of := make(map[string]*total)
	get := func(site, link string) *total {
		key := site + "/" + link
		if of[key] == nil {
			of[key] = &total{Site: site, Link: link}
		}
		return of[key]
	}
	for _, d := range s.Days {
		t := get(d.Site, d.Link)
		t.Days++
		for _, add := range []struct {
			to *uint64
			n  uint64
		}{
			{&t.Messages, d.Messages},
			{&t.Received, d.Received},
			{&t.Cdrs, d.Cdrs},
			{&t.Ignored, d.Ignored},
			{&t.Dead, d.Dead},
			{&t.Repeated, d.Repeated},
			{&t.Rows, d.Rows},
			{&t.Missing, d.Missing},
		} {
			*add.to += add.n
		}
	}
	for _, g := range s.gaps {
		get(g.Site, g.Link).Gaps += g.Last - g.First + 1
	}
	for _, f := range s.files {
		get(f.Site, f.Link).Files++
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *total) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link)) })
}

// scope says whose statement it is.
func (s *statement) scope() string {
	if s.only.Site == "" && s.only.Link == "" {
		return "all sites"
	}
	return cmp.Or(s.only.Site, "*") + "/" + cmp.Or(s.only.Link, "*")
}

func (s *statement) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	section := func(title, head string, lines int) {
		if lines == 0 { // an auditor is to see that it was looked for
			fmt.Fprintf(t, "\n%s: none\n", title)
			return
		}
		fmt.Fprintf(t, "\n%s\n%s", title, head)
	}
	totals := s.totals()
	fmt.Fprintf(t, "Call tickets of %s, %s; days are UTC days of receipt\n", s.month, s.scope())
	section("Links", "LINK\tDAYS\tMESSAGES\tRECEIVED\tCDRS\tIGNORED\tDEAD\tREPEATED\tROWS\tMISSING\tGAPS\tFILES\n", len(totals))
	for _, l := range totals {
		fmt.Fprintf(t, "%s/%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", l.Site, l.Link, l.Days, l.Messages, l.Received, l.Cdrs, l.Ignored, l.Dead,
			l.Repeated, l.Rows, l.Missing, l.Gaps, l.Files)
	}
	section("Days", dayHead, len(s.Days))
	for _, d := range s.Days {
		fmt.Fprint(t, dayLine(d))
	}
	for _, d := range s.Days {
		for _, note := range notes(d) {
			fmt.Fprintf(t, "%s %s/%s: %s\n", d.Date, d.Site, d.Link, note)
		}
	}
	section("Tickets that came and have no row", "", len(s.Missing))
	for _, m := range s.Missing {
		fmt.Fprintln(t, missingLine(m))
	}
	section("Numbers that are missing in the PBX's own sequence", "LINK\tFROM\tTO\tHOW MANY\n", len(s.gaps))
	for _, g := range s.gaps {
		fmt.Fprintf(t, "%s/%s\t%d\t%d\t%d\n", g.Site, g.Link, g.First, g.Last, g.Last-g.First+1)
	}
	section("Who changed what", "TIME\tWHO\tWHAT\tOBJECT\tBEFORE\tAFTER\n", len(s.acts))
	for _, a := range s.acts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Time.Format(time.RFC3339), printable(a.Who), a.What, printable(about(a)), cmp.Or(printable(a.Before), "-"), cmp.Or(printable(a.After), "-"))
	}
	section("Collected files", "LINK\tCOLLECTED\tNAME\tSIZE\tTICKETS\tSHA-256\tREMOVED\n", len(s.files))
	for _, f := range s.files {
		removed := "-"
		if f.Removal != "" {
			removed = f.Removal + " " + f.Removed.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s/%s\t%s\t%s\t%d\t%d\t%s\t%s\n", f.Site, f.Link, f.Collected.Format(time.RFC3339), printable(f.Name), f.Size, f.Tickets, cmp.Or(f.Sum, "-"), removed)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func (s *statement) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	put := func(fields ...any) {
		line := make([]string, len(fields))
		for i, f := range fields {
			if at, ok := f.(time.Time); ok {
				if f = ""; !at.IsZero() {
					f = at.Format(time.RFC3339Nano)
				}
			}
			line[i] = fmt.Sprint(f)
		}
		c.Write(line) //nolint:errcheck // Error tells
	}
	put("statement", s.month, s.scope())
	put("#link", "site", "link", "days", "messages", "received", "cdrs", "ignored", "dead", "repeated", "rows", "missing", "sequence_gaps", "files")
	for _, l := range s.totals() {
		put("link", l.Site, l.Link, l.Days, l.Messages, l.Received, l.Cdrs, l.Ignored, l.Dead, l.Repeated, l.Rows, l.Missing, l.Gaps, l.Files)
	}
	put("#day", "date", "site", "link", "messages", "received", "cdrs", "ignored", "dead", "repeated", "rows", "missing", "sequence_gaps", "bytes", "renamed", "unnamed", "missing_parts")
	for _, d := range s.Days {
		put("day", d.Date, d.Site, d.Link, d.Messages, d.Received, d.Cdrs, d.Ignored, d.Dead, d.Repeated, d.Rows, d.Missing, d.Gaps, d.Bytes, d.Renamed, d.Unnamed, d.Parts)
	}
	put("#missing", "date", "site", "link", "ticket_id", "message_id", "stream_sequence", "origin", "offset", "name")
	for _, m := range s.Missing {
		put("missing", m.Date, m.Site, m.Link, m.ID, m.Message, m.Sequence, m.Origin, m.Offset, m.Name)
	}
	put("#gap", "site", "link", "first", "last")
	for _, g := range s.gaps {
		put("gap", g.Site, g.Link, g.First, g.Last)
	}
	put("#act", "time", "who", "what", "site", "link", "object", "before", "after", "id")
	for _, a := range s.acts {
		put("act", a.Time, a.Who, a.What, a.Site, a.Link, a.Object, a.Before, a.After, a.ID)
	}
	put("#file", "site", "link", "collected", "name", "size", "tickets", "sha256", "removed", "removal")
	for _, f := range s.files {
		put("file", f.Site, f.Link, f.Collected, f.Name, f.Size, f.Tickets, f.Sum, f.Removed, f.Removal)
	}
	c.Flush()
	return c.Error()
}

// json prints an object a line, its kind first.
func (s *statement) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var first error
	put := func(kind string, v any) {
		if err := enc.Encode(map[string]any{kind: v}); first == nil {
			first = err
		}
	}
	put("statement", map[string]string{"month": s.month, "scope": s.scope()})
	for _, l := range s.totals() {
		put("link", l)
	}
	for _, d := range s.Days {
		put("day", d)
	}
	for _, m := range s.Missing {
		put("missing", m)
	}
	for _, g := range s.gaps {
		put("gap", g)
	}
	for _, a := range s.acts {
		put("act", a)
	}
	for _, f := range s.files {
		put("file", f)
	}
	return first
}

// about says what an act was done to, and whose that is.
func about(a sink.AuditAct) string {
	switch {
	case a.Site == "":
		return a.Object
	case a.Link == "":
		return a.Site + ": " + a.Object
	}
	return a.Site + "/" + a.Link + ": " + a.Object
}
