package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	ingestpoll "trunkline.internal/services/ingest-poll"
	"trunkline.internal/services/parser"
)

// importCount reads what is imported as the parser will, and counts it by month.
type importCount struct {
	settings pbx.Settings
	reader   *parser.Reader
	force    bool
	checked  bool

	months map[string]*monthCount
	// file that the last message was of, and the month and time of its last call.
	file  *ingestpoll.ImportFile
	month string
	last  time.Time
	// year and calendar are the month that text is, as it was formatted last.
	year     int
	calendar time.Month
	text     string
	// inferred counts tickets that print no year, and the months of the year of
	// those whose file's modification time tells it.
	inferred int64
	touched  map[time.Month]bool
	// wrapped are files whose tickets go on behind a new year without printing it.
	wrapped []string
	reasons map[string]int64
}

// monthCount is what became of the tickets of a month.
type monthCount struct{ calls, ignored, dead int64 }

// unknownMonth holds tickets that print no time and stand beside no call.
const unknownMonth = "unknown"

func newImportCount(s pbx.Settings, force bool) (*importCount, error) {
	reader, err := parser.NewReader(s)
	if err != nil {
		return nil, err
	}
	return &importCount{
		settings: s, reader: reader, force: force,
		months: make(map[string]*monthCount), touched: make(map[time.Month]bool), reasons: make(map[string]int64),
	}, nil
}

// batch counts messages. The first ones also tell whether the link's model is
// theirs.
func (c *importCount) batch(messages []ingestpoll.ImportMessage) error {
	var tickets, dead uint32
	for _, m := range messages {
		b := c.reader.Read(m.TicketMessage)
		tickets += b.TicketCount
		dead += b.DeadCount
		c.add(m, b)
	}
	if !c.checked && !c.force && 2*dead > tickets {
		return c.mismatch(messages, dead, tickets)
	}
	c.checked = true
	return nil
}

func (c *importCount) of(month string) *monthCount {
	n := c.months[month]
	if n == nil {
		n = &monthCount{}
		c.months[month] = n
	}
	return n
}

// add counts a message. A ticket that is no call is of the month of the call
// before it, or behind it.
func (c *importCount) add(m ingestpoll.ImportMessage, b *trunklinev1.CdrBatch) {
	if m.File != c.file {
		c.file, c.month, c.last = m.File, "", time.Time{}
	}
	base, _ := strconv.Atoi(m.Offset)
	others, at := b.Others, 0
	for _, cdr := range b.Cdrs {
		month := c.call(m.File, cdr)
		if len(others) > 0 {
			at += max(0, bytes.Index(m.Payload[at:], cdr.Raw))
			for len(others) > 0 && position(others[0])-base < at {
				c.other(others[0], month)
				others = others[1:]
			}
			at = min(at+len(cdr.Raw), len(m.Payload))
		}
		c.month = month
		c.of(month).calls++
	}
	for _, o := range others {
		c.other(o, c.month)
	}
}

func position(o *trunklinev1.OtherTicket) int {
	n, _ := strconv.Atoi(o.Position)
	return n
}

func (c *importCount) other(o *trunklinev1.OtherTicket, next string) {
	month := c.month
	if month == "" {
		month = next
	}
	if month == "" {
		month = unknownMonth
	}
	if o.Outcome == trunklinev1.Outcome_OUTCOME_IGNORED {
		c.of(month).ignored++
		return
	}
	c.of(month).dead++
	c.reasons[o.Reason]++
}

// call is the month of a call, on the site's clock.
func (c *importCount) call(f *ingestpoll.ImportFile, cdr *trunklinev1.Cdr) string {
	if cdr.StartTime.AsTime().Unix() == 0 {
		return unknownMonth
	}
	local := cdr.StartTime.AsTime().Add(time.Duration(cdr.UtcOffsetSeconds) * time.Second)
	if slices.Contains(cdr.Warnings, trunklinev1.Warning_WARNING_YEAR_INFERRED) {
		c.inferred++
		if f.From == ingestpoll.FromModified {
			c.touched[local.Month()] = true
		}
		if !c.last.IsZero() && c.last.Sub(local) > 180*24*time.Hour {
			if n := len(c.wrapped); n < 5 && (n == 0 || c.wrapped[n-1] != f.Path) {
				c.wrapped = append(c.wrapped, f.Path)
			}
		}
		c.last = local
	}
	if y, m := local.Year(), local.Month(); y != c.year || m != c.calendar {
		c.year, c.calendar, c.text = y, m, local.Format("2006-01")
	}
	return c.text
}

// mismatch is the error of tickets that the link's model does not understand: it
// names the models that would.
func (c *importCount) mismatch(messages []ingestpoll.ImportMessage, dead, tickets uint32) error {
	const enough = 256 << 10
	first := messages[0]
	sample := bytes.Clone(first.Preamble)
	for _, m := range messages {
		if m.File == first.File && m.Origin == first.Origin && len(sample) < enough {
			sample = append(sample, m.Payload...)
		}
	}
	better := modelsOf(c.settings, sample, first.File.Written)
	advice := "no other model understands them either: is it a ticket file?"
	if len(better) > 0 {
		advice = strings.Join(better, " or ") + " would understand them: is it another link, or is its model wrong?"
	}
	return fmt.Errorf("nothing was published: %d of the first %s, from %s on, %s dead as tickets of %s (%s); %s --force imports them as they are",
		dead, many(tickets, "ticket"), first.File.Path, plural(dead, "is|are"), c.settings.Model, mostly(c.reasons), advice)
}

func mostly(reasons map[string]int64) string {
	best := ""
	for reason, n := range reasons {
		if have := reasons[best]; n > have || n == have && reason < best {
			best = reason
		}
	}
	return best
}

// modelsOf are the models that understand most tickets of a sample, the best
// first.
func modelsOf(s pbx.Settings, sample []byte, written time.Time) []string {
	type score struct {
		id   string
		part float64
	}
	var scores []score
	s.Layout, s.Parse.Layout, s.Parse.Fields = "", "", nil
	for _, m := range pbx.Models() {
		if m.ID == s.Model || m.ByLayout || !m.Parses {
			continue
		}
		s.Model = m.ID
		reader, err := parser.NewReader(s)
		if err != nil {
			continue // its settings are the other model's
		}
		cutting, err := s.Cutting()
		if err != nil {
			continue
		}
		p := printer{cutting: cutting}
		head := p.head(sample)
		b := reader.Read(&bus.TicketMessage{
			Received: written, Written: written, Origin: "sample", Offset: identity.Position(int64(head)), Preamble: sample[:head], Payload: sample[head:],
		})
		if n := b.CdrCount; 2*n > b.TicketCount {
			scores = append(scores, score{m.ID, float64(n) / float64(b.TicketCount)})
		}
	}
	slices.SortStableFunc(scores, func(a, b score) int {
		switch {
		case a.part > b.part:
			return -1
		case a.part < b.part:
			return 1
		}
		return 0
	})
	var ids []string
	for _, x := range scores[:min(3, len(scores))] {
		ids = append(ids, x.id)
	}
	return ids
}

// printImport says what became of the files, and of the tickets month by month.
func printImport(w io.Writer, f *importFlags, of config.LinkOf, r *ingestpoll.ImportReport, c *importCount) {
	did := "published"
	tickets := r.Published
	if f.dryRun {
		did, tickets = "found; nothing was published (--dry-run)", r.Tickets
	}
	fmt.Fprintf(w, "%s, %s: %s of %s, %s %s\n\n", f.link, of.Model, number(int64(r.Files)), manyGrouped(r.Of, "file"), manyGrouped(tickets, "ticket"), did)
	c.print(w)
	tell := func(n int, text string, names []string) {
		if n == 0 {
			return
		}
		fmt.Fprint(w, manyGrouped(n, text))
		if len(names) > 0 {
			fmt.Fprintf(w, ": %s", strings.Join(names, ", "))
			if n > len(names) {
				fmt.Fprint(w, ", …")
			}
		}
		fmt.Fprintln(w)
	}
	tell(r.Collected, "file was collected by the link itself, as far as it had come, and is not taken again (--again takes it)|files were collected by the link itself, as far as it had come, and are not taken again (--again takes them)", nil)
	tell(r.Copies, "file holds nothing that another one of these does not|files hold nothing that another one of these does not", nil)
	tell(r.Twins.Count, "file has the bytes of another one with another name, and counts: if it is a copy, take it away|files have the bytes of another one with another name, and count: if they are copies, take them away", r.Twins.First)
	tell(r.Apart.Count, "log begins like another one and goes on differently: what is different counts. Import such logs together, never one by one|logs begin like another one and go on differently: what is different counts. Import such logs together, never one by one", r.Apart.First)
	tell(r.Open.Count, "log ends without a line end; that last line was left, it may still be written|logs end without a line end; that last line was left, it may still be written", r.Open.First)
	tell(r.PassedOver.Count, "file in the folders was passed over, its name is not one that the link collects: name it to import it|files in the folders were passed over, their names are not those that the link collects: name them to import them", r.PassedOver.First)
	c.printYears(w, r)
	for _, err := range r.Failed {
		fmt.Fprintf(w, "not read: %v\n", err)
	}
	if more := r.FailedCount - len(r.Failed); more > 0 {
		fmt.Fprintf(w, "not read: %d more\n", more)
	}
}

func (c *importCount) print(w io.Writer) {
	if len(c.months) == 0 {
		return
	}
	const line = "%-8s  %12s  %12s  %12s\n"
	fmt.Fprintf(w, line, "month", "calls", "ignored", "dead")
	var sum monthCount
	for _, month := range slices.Sorted(maps.Keys(c.months)) {
		n := c.months[month]
		fmt.Fprintf(w, line, month, number(n.calls), number(n.ignored), number(n.dead))
		sum.calls += n.calls
		sum.ignored += n.ignored
		sum.dead += n.dead
	}
	fmt.Fprintf(w, line, "all", number(sum.calls), number(sum.ignored), number(sum.dead))
	if sum.dead > 0 {
		fmt.Fprintf(w, "dead, mostly: %s\n", mostly(c.reasons))
	}
	fmt.Fprintln(w)
}

// printYears says where the year is from of tickets that print none.
func (c *importCount) printYears(w io.Writer, r *ingestpoll.ImportReport) {
	if c.inferred == 0 {
		return
	}
	var from []string
	for _, k := range []struct {
		from ingestpoll.WrittenFrom
		text string
	}{{ingestpoll.FromOption, "--year or --written"}, {ingestpoll.FromName, "the name"}, {ingestpoll.FromModified, "the modification time"}} {
		if n := r.From[k.from]; n > 0 {
			from = append(from, fmt.Sprintf("%s (%s)", k.text, manyGrouped(n, "file")))
		}
	}
	fmt.Fprintf(w, "%s no year; it is from %s\n", manyGrouped(c.inferred, "call prints|calls print"), strings.Join(from, ", "))
	if r.OneTime && len(c.touched) > 2 {
		fmt.Fprintf(w, "WARNING: files of %d months of the year were all modified within a day, as after a copy that forgot when: their years may be wrong. Copy them with their times (cp -p, robocopy), or import each year with --year\n", len(c.touched))
	}
	if n := len(c.wrapped); n > 0 {
		fmt.Fprintf(w, "WARNING: in %s tickets go on behind a new year, and all are put into the year before the file's time: split it by year, and import each part with --year\n", strings.Join(c.wrapped, ", "))
	}
	if n := r.Undated.Count; n > 0 {
		fmt.Fprintf(w, "WARNING: %s can be read as several dates, and the modification time fits none: it was taken all the same; --year or --written tells better: %s\n",
			manyGrouped(n, "file's name|files' names"), strings.Join(r.Undated.First, ", "))
	}
}
