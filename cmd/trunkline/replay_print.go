package main

import (
	"context"
	"fmt"
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink"
)

// count shows how far a replay is, on a terminal.
func (p *progress) count(done, of int64) {
	if !p.terminal || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	rate := float64(done) / max(0.001, time.Since(p.began).Seconds())
	line := fmt.Sprintf("%s of %s, %s a second", number(done), manyGrouped(max(done, of), "ticket"), number(int64(rate)))
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// print says what there was and what there is.
func (r *replay) print(after sink.KeptCounts) {
	if len(r.links) == 0 && len(r.cannot) == 0 {
		fmt.Fprintln(r.out, "there are no such tickets")
		return
	}
	if len(r.links) > 0 {
		fmt.Fprintf(r.out, "replay %d\n\n", r.revision)
		r.printCounts(after)
	}
	r.printUnable()
}

func (r *replay) printCounts(after sink.KeptCounts) {
	const line = "%-8s  %12s  %12s\n"
	fmt.Fprintf(r.out, line, "", "before", "after")
	for _, n := range []struct {
		what          string
		before, after uint64
	}{{"calls", r.before.Calls, after.Calls}, {"ignored", r.before.Ignored, after.Ignored}, {"dead", r.before.Dead, after.Dead}, {"all", r.before.All(), after.All()}} {
		fmt.Fprintf(r.out, line, n.what, number(int64(n.before)), number(int64(n.after)))
	}
}

func (r *replay) printUnable() {
	for _, why := range r.unable() {
		fmt.Fprintf(r.out, "%s: %s\n", manyGrouped(r.cannot[why], "ticket stays as it is|tickets stay as they are"), why)
	}
}

// changes counts what a replay would change.
type changes struct {
	same, moved, made, unmade, other, gone, fresh int64
}

// dry parses what ClickHouse holds, and says what would change.
func (r *replay) dry(ctx context.Context) error {
	if err := r.find(ctx); err != nil {
		return err
	}
	if len(r.links) == 0 {
		r.print(sink.KeptCounts{})
		return nil
	}
	var after sink.KeptCounts
	var c changes
	for _, l := range r.links {
		s := r.of(l)
		err := r.store.Messages(ctx, s, func(m *sink.KeptMessage) error {
			b, _ := l.readKept(m)
			after.Add(sink.KeptCounts{Calls: uint64(b.CdrCount), Ignored: uint64(b.IgnoredCount), Dead: uint64(b.DeadCount)})
			c.compare(m, b)
			r.done += int64(b.TicketCount)
			r.show.count(r.done, int64(r.before.All()))
			return nil
		}, func(why string, n int) { r.cannot[why] += int64(n) })
		if err != nil {
			return err
		}
	}
	r.show.end()
	r.printCounts(after)
	c.print(r)
	r.printUnable()
	if n := r.cannot[sink.NoPlace]; n > 0 && !r.selection.Aside {
		fmt.Fprintf(r.out, "of these, the ones that stream TICKETS still holds would be parsed again from there\n")
	}
	fmt.Fprintln(r.out, "nothing was changed (--dry-run)")
	return nil
}

// compare tells what becomes of a message's tickets, by where they begin.
func (c *changes) compare(m *sink.KeptMessage, b *trunklinev1.CdrBatch) {
	was := make(map[string]*sink.KeptTicket, len(m.Tickets))
	for _, t := range m.Tickets {
		was[t.Position] = t
	}
	for _, cdr := range b.Cdrs {
		t := was[cdr.Position]
		delete(was, cdr.Position)
		switch {
		case t == nil:
			c.fresh++
		case !t.Call:
			c.made++
		case t.Start.UnixMilli() != cdr.StartTime.AsTime().UnixMilli():
			c.moved++
		default:
			c.same++
		}
	}
	for _, o := range b.Others {
		t := was[o.Position]
		delete(was, o.Position)
		switch {
		case t == nil:
			c.fresh++
		case t.Call:
			c.unmade++
		case t.Reason != o.Reason || t.Dead != (o.Outcome == trunklinev1.Outcome_OUTCOME_DEAD):
			c.other++
		default:
			c.same++
		}
	}
	c.gone += int64(len(was))
}

func (c *changes) print(r *replay) {
	fmt.Fprintln(r.out)
	for _, n := range []struct {
		n    int64
		what string
	}{
		{c.made, "become calls"},
		{c.unmade, "are calls no more"},
		{c.moved, "calls move in time"},
		{c.other, "are set aside for another reason"},
		{c.fresh, "are cut anew: they begin where none began"},
		{c.gone, "are part of others, or of a file's head"},
		{c.same, "keep their outcome and time"},
	} {
		if n.n > 0 {
			fmt.Fprintf(r.out, "%12s  %s\n", number(n.n), n.what)
		}
	}
}
