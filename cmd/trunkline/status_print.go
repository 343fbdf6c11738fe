package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

func (s *status) print(w io.Writer, now time.Time) {
	if len(s.processes) == 0 {
		fmt.Fprint(w, "No ingest service answers: does one run, on the NATS of this configuration?\n\n")
	}
	s.printLinks(w, now)
	fmt.Fprintln(w)
	s.printStreams(w, now)
	fmt.Fprintln(w)
	s.printCounts(w)
	for _, p := range s.processes {
		if p.SpoolMessages > 0 || p.SpoolProblem != "" {
			fmt.Fprintf(w, "\n%s\n", spooled(p, now))
		}
		if p.ConfigProblem != "" {
			fmt.Fprintf(w, "\nThe configuration of %s on %s (pid %d) is not the one that runs:\n  %s\n",
				p.Process.Service, p.Process.Host, p.Process.Pid, strings.ReplaceAll(p.ConfigProblem, "\n", "\n  "))
		}
		if d := now.Sub(p.Process.GetNow().AsTime()); d.Abs() > 5*time.Second {
			fmt.Fprintf(w, "\nThe clock of %s is %s away from the one here: set one of them by NTP.\n", p.Process.Host, signed(-d))
		}
	}
}

// spooled is what waits at a site for us, in a line.
func spooled(p *trunklinev1.ProcessState, now time.Time) string {
	text := fmt.Sprintf("The spool of %s on %s holds %s, %s (%.1f %% of what it may), the oldest for %s", p.Process.GetService(), p.Process.GetHost(),
		many(p.SpoolMessages, "message"), size(p.SpoolBytes), 100*float64(p.SpoolBytes)/float64(max(p.SpoolMaxBytes, 1)), ago(p.SpoolOldestTime, now))
	if p.SpoolProblem != "" {
		text += ":\n  " + strings.ReplaceAll(p.SpoolProblem, "; ", "\n  ")
	}
	return text
}

func (s *status) printLinks(w io.Writer, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LINK\tMODEL\tSTATE\tPEER\tSINCE\tLAST TICKET\tTODAY\tCALLS\tIGNORED\tDEAD\tLAG\tCLOCK\tGAPS")
	for _, l := range s.links {
		today := []string{"-", "-", "-", "-"}
		gaps := "-"
		if c := l.counts; c != nil {
			for i, n := range []uint64{c.Tickets, c.Cdrs, c.Ignored, c.Dead} {
				today[i] = fmt.Sprint(n)
			}
			gaps = fmt.Sprint(c.SequenceGaps)
		} else if s.counts != nil && s.counts.Error == "" {
			today, gaps = []string{"0", "0", "0", "0"}, "0"
		}
		fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Site, l.Link, l.Model, l.word(), l.peer(),
			ago(l.Since, now), ago(l.LastTicketTime, now), strings.Join(today, "\t"), l.lag(now), l.clock(), gaps)
	}
	t.Flush() //nolint:errcheck // a pager that quits
	for _, l := range s.links {
		if known := l.known(); known != "" {
			fmt.Fprintf(w, "\n%s/%s: %s\n", l.Site, l.Link, known)
		}
	}
}

func (s *status) printStreams(w io.Writer, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tMESSAGES\tSIZE\tFULL\tOLDEST\tREAD BY\tWAITING\tUNANSWERED\tREDELIVERED")
	for _, one := range s.streams {
		full, oldest := "-", "-"
		if one.MaxBytes > 0 {
			full = fmt.Sprintf("%.1f %%", 100*float64(one.Bytes)/float64(one.MaxBytes))
		}
		if one.Messages > 0 {
			oldest = ago(timestamppb.New(one.Oldest), now)
		}
		head := fmt.Sprintf("%s\t%d\t%s\t%s\t%s", one.Name, one.Messages, size(one.Bytes), full, oldest)
		if len(one.Consumers) == 0 {
			fmt.Fprintf(t, "%s\tnobody\t\t\t\n", head)
		}
		for _, c := range one.Consumers {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\n", head, c.Name, c.Waiting, c.Unanswered, c.Redelivered)
			head = "\t\t\t\t"
		}
	}
	t.Flush() //nolint:errcheck // a pager that quits
}

// printCounts tells whether what came in went out.
func (s *status) printCounts(w io.Writer) {
	switch {
	case s.counts == nil:
		fmt.Fprintln(w, "What came in and went out is not known: no sink answers.")
		return
	case s.counts.Error != "":
		fmt.Fprintf(w, "What came in and went out is not known: %s\n", s.counts.Error)
		return
	}
	var in, calls, ignored, dead, rows uint64
	var off []string
	for _, c := range s.counts.Links {
		in, calls, ignored, dead, rows = in+c.Tickets, calls+c.Cdrs, ignored+c.Ignored, dead+c.Dead, rows+c.CallRows+c.OtherRows
		if !balanced(c) {
			off = append(off, fmt.Sprintf("%s/%s: %d came, %s, %d ignored and %d dead", c.Site, c.Link, c.Tickets, many(c.Cdrs, "call"), c.Ignored, c.Dead))
		}
	}
	fmt.Fprintf(w, "Received on %s (UTC): %s = %s + %d ignored + %d dead; %s\n", s.counts.Date, many(in, "ticket"), many(calls, "call"), ignored, dead, many(rows, "row"))
	if len(off) > 0 {
		fmt.Fprintf(w, "In and out differ:\n  %s\n", strings.Join(off, "\n  "))
	}
	if rows < in {
		fmt.Fprintf(w, "%s fewer than tickets: what came twice counts once, and a replay or a repeated reading moves a row to its own day.\n", many(in-rows, "row"))
	}
}

// known is what a person needs to know of a link that does not just collect.
func (l linkStatus) known() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch l.Status {
	case trunklinev1.LinkStatus_LINK_STATUS_UNSPECIFIED:
		return "no running service has it: is it new in the configuration (trunkline reload), or does its service not run, or not reach this NATS?"
	case trunklinev1.LinkStatus_LINK_STATUS_WAITING:
		add("%s", l.waiting())
	case trunklinev1.LinkStatus_LINK_STATUS_SILENT:
		add("%s", l.Silence)
	}
	if l.Problem != "" {
		add("%s", l.Problem)
	}
	if len(l.Refusals) > 0 {
		r := l.Refusals[0]
		add("%s was turned away at %s: %s", r.Address, r.Time.AsTime().Local().Format("15:04:05"), r.Reason)
	}
	if c := l.counts; c != nil && c.Dead > 0 && c.Cdrs == 0 {
		add("%s, and none parses (%s): is the model right? See `trunkline aside`", many(c.Dead, "ticket"), c.DeadReason)
	} else if c != nil && c.Dead > 0 {
		add("%s, the newest for %s: see `trunkline aside`", many(c.Dead, "dead ticket"), c.DeadReason)
	}
	if hours, off := l.hoursOff(); off {
		add("the PBX's clock is %+d h off: is the time zone right, here and there?", hours)
	}
	return strings.Join(parts, "; ")
}

// waiting says how far a link has come that never delivered.
func (l linkStatus) waiting() string {
	switch {
	case l.Incomplete > 0:
		return many(l.ReceivedBytes, "byte") + " came, and no whole ticket"
	case l.ReceivedBytes > 0:
		return many(l.ReceivedBytes, "byte") + " came, and no ticket's end: see the first of them with trunkline check"
	case len(l.Peers) > 0:
		return fmt.Sprintf("%s is connected, and has sent 0 bytes", l.Peers[0].Address)
	case slices.Contains([]pbx.Wire{pbx.TCPListen, pbx.FTPServer, pbx.SFTPServer, pbx.HTTPServer}, pbx.Wire(l.Wire)):
		return "nobody has delivered to " + l.Place + " yet"
	case l.LastLookTime != nil:
		return "nothing to collect at " + l.Place + " yet"
	}
	return "nothing has come from " + l.Place + " yet"
}

// peer is who is connected.
func (l linkStatus) peer() string {
	switch n := len(l.Peers); n {
	case 0:
		return "-"
	case 1:
		return l.Peers[0].Address
	default:
		return fmt.Sprintf("%s +%d", l.Peers[0].Address, n-1)
	}
}

// lag is what waits at the source.
func (l linkStatus) lag(now time.Time) string {
	switch {
	case l.Waiting == 0:
		return "-"
	case l.OldestWaitingTime != nil:
		return fmt.Sprintf("%d (%s)", l.Waiting, ago(l.OldestWaitingTime, now))
	}
	return fmt.Sprint(l.Waiting)
}

// live tells a wire on which a ticket comes when its call ends.
func (l linkStatus) live() bool {
	switch pbx.Wire(l.Wire) {
	case pbx.TCPListen, pbx.TCPDial, pbx.OXEDial, pbx.AHLDial, pbx.HTTPServer:
		return true
	}
	return false
}

// clock is how far the PBX's clock is from ours, by the median of the day's
// calls: what it is late includes the time the PBX takes to send a ticket.
func (l linkStatus) clock() string {
	if l.counts == nil || !l.counts.HasDrift || !l.live() {
		return "-"
	}
	return signed(time.Duration(-l.counts.DriftSeconds * float64(time.Second)))
}

// hoursOff tells a clock that is off by whole hours, or quarters of one.
func (l linkStatus) hoursOff() (hours int, off bool) {
	if l.counts == nil || !l.counts.HasDrift || !l.live() {
		return 0, false
	}
	h := -l.counts.DriftSeconds / 3600
	n := math.Round(h)
	return int(n), n != 0 && math.Abs(h-n) < 0.15
}

func ago(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return "never"
	}
	d := now.Sub(t.AsTime())
	switch {
	case d < 0:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func signed(d time.Duration) string {
	text := d.Abs().Round(time.Second).String()
	switch {
	case d >= time.Second/2:
		return "+" + text
	case d <= -time.Second/2:
		return "-" + text
	}
	return "0s"
}

func size(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
