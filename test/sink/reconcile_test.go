package sink_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx/identity"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink"
)

func (b *bench) reconciler() *sink.Reconciler {
	b.t.Helper()
	k, err := sink.OpenKept(b.t.Context(), b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(k.Close)
	r, err := k.Reconciler(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// hexID is a ticket id as it should be.
func hexID(name string) string { return identity.AtPlace("lyon", "front-desk", "test", name) }

func (b *bench) compared(r *sink.Reconciler, of time.Time) (string, []string) {
	b.t.Helper()
	days, missing, err := r.Day(b.t.Context(), sink.ReconcileSelection{Day: of}, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var lines, ids []string
	for _, d := range days {
		lines = append(lines, fmt.Sprintf("%s: %d messages, %d tickets = %d + %d + %d, %d repeated, %d rows, %d renamed, %d missing, %d gaps, %d unnamed, balanced %v", d.Link,
			d.Messages, d.Received, d.Cdrs, d.Ignored, d.Dead, d.Repeated, d.Rows, d.Renamed, d.Missing, d.Gaps, d.Unnamed, d.Balanced()))
	}
	for _, m := range missing {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return strings.Join(lines, "\n"), ids
}

// Every ticket that a receipt names must have a row; what came twice, was parsed
// again, moved, or has another id since, is no loss.
func TestReconcile(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	r := b.reconciler()
	named := func(revision uint32, names ...string) (out []*v1.Cdr) {
		for i, n := range names {
			out = append(out, call(hexID(n), day.Add(time.Duration(i)*time.Minute), revision))
		}
		return out
	}
	aside := func(name string, o v1.Outcome) *v1.OtherTicket { return other(hexID(name), o) }
	first := receipt(0, named(0, "a", "b", "c", "d"), aside("e", v1.Outcome_OUTCOME_IGNORED), aside("f", v1.Outcome_OUTCOME_DEAD))
	b.publish(first, receipt(0, named(0, "a"))) // and one of them once more
	b.await("SELECT count() FROM DB.receipts FINAL", "2")
	want := "front-desk: 2 messages, 7 tickets = 5 + 1 + 1, 1 repeated, 6 rows, 0 renamed, 0 missing, 0 gaps, 0 unnamed, balanced true"
	if got, ids := b.compared(r, day); got != want || len(ids) != 0 {
		t.Errorf("got  %s\nwant %s\n%v", got, want, ids)
	}

	// b comes once more a month later, and its row is of then.
	late := receipt(0, named(0, "b"))
	late.ReceivedTime = timestamppb.New(day.AddDate(0, 1, 0))
	late.Cdrs[0].ReceivedTime, late.Cdrs[0].StartTime = late.ReceivedTime, first.Cdrs[1].StartTime
	b.publish(late)
	b.await("SELECT count() FROM DB.receipts FINAL", "3")
	b.sql("OPTIMIZE TABLE DB.cdrs FINAL")
	if got, ids := b.compared(r, day); got != want || len(ids) != 0 {
		t.Errorf("a ticket that came again: got  %s\nwant %s\n%v", got, want, ids)
	}

	// A replay makes a call of f, moves c, and gives d another id.
	again := receipt(7, named(7, "a", "b", "c", "d2", "f"), aside("e", v1.Outcome_OUTCOME_IGNORED))
	again.MessageId, again.ReceivedTime = first.MessageId, first.ReceivedTime
	again.Cdrs[2].StartTime = timestamppb.New(day.AddDate(0, -2, 0))
	former := &v1.CdrBatch{MessageId: first.MessageId, Site: first.Site, Link: first.Link, Model: first.Model, Revision: 7, FormerIds: []string{hexID("d")}}
	b.publish(again, former)
	b.settled()
	b.await("SELECT count() FROM DB.cdrs FINAL WHERE gone = 0 AND ticket_id = '"+hexID("d")+"'", "0")
	want = "front-desk: 2 messages, 7 tickets = 5 + 1 + 1, 1 repeated, 6 rows, 1 renamed, 0 missing, 0 gaps, 0 unnamed, balanced true"
	if got, ids := b.compared(r, day); got != want || len(ids) != 0 {
		t.Errorf("behind a replay: got  %s\nwant %s\n%v", got, want, ids)
	}

	// Rows that somebody takes away are named, whatever older rows there are of them.
	b.sql("OPTIMIZE TABLE DB.cdrs FINAL")
	b.sql("ALTER TABLE DB.cdrs DELETE WHERE ticket_id IN ('" + hexID("b") + "', '" + hexID("f") + "') SETTINGS mutations_sync = 2")
	b.sql("ALTER TABLE DB.other_tickets DELETE WHERE ticket_id = '" + hexID("e") + "' SETTINGS mutations_sync = 2")
	gone := []string{hexID("b"), hexID("e"), hexID("f")}
	slices.Sort(gone)
	got, ids := b.compared(r, day)
	if !strings.Contains(got, "3 rows, 1 renamed, 3 missing") || !strings.Contains(got, "balanced false") || !slices.Equal(ids, gone) {
		t.Errorf("rows were deleted: %s\n%v\nwant %v", got, ids, gone)
	}
	if got, _ := b.compared(r, day.AddDate(0, 1, 0)); !strings.Contains(got, "1 missing") {
		t.Errorf("the later receipt of b: %s", got)
	}
}

// The sink finds out by itself, and tells it as one number.
func TestReconcileMetric(t *testing.T) {
	b := newBench(t)
	stop := b.start(b.config())
	today := receipt(0, []*v1.Cdr{call(hexID("x"), day, 0), call(hexID("y"), day, 0)})
	today.ReceivedTime = timestamppb.Now()
	for _, c := range today.Cdrs {
		c.ReceivedTime = today.ReceivedTime
	}
	b.publish(today)
	b.settled()
	b.until("all is there", func() bool { return b.metric("trunkline_sink_reconcile_timestamp_seconds") > 0 })
	if n := b.metric("trunkline_sink_reconcile_difference"); n != 0 {
		t.Errorf("%v tickets are missing", n)
	}
	stop()
	b.sql("ALTER TABLE DB.cdrs DELETE WHERE ticket_id = '" + hexID("x") + "' SETTINGS mutations_sync = 2")
	b.start(b.config())
	b.until("the missing ticket is told", func() bool { return b.metric("trunkline_sink_reconcile_difference") == 1 })
	if log := b.log.String(); !strings.Contains(log, hexID("x")) || strings.Contains(log, hexID("y")) {
		t.Errorf("the log does not name the ticket:\n%s", log)
	}
}

// A part of a receipt that is not there is a difference, and a receipt from before
// ids were kept is none.
func TestReconcileReceipts(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	r := b.reconciler()
	part := receipt(0, []*v1.Cdr{call(hexID("p"), day, 0)})
	part.Parts, part.TicketCount, part.CdrCount = 2, 2, 2
	b.publish(part)
	b.settled()
	if got, _ := b.compared(r, day); !strings.Contains(got, "balanced false") {
		t.Errorf("a part is missing: %s", got)
	}
	b.sql("TRUNCATE TABLE DB.receipts")
	b.publish(receipt(0, []*v1.Cdr{call("not-hex", day, 0)}))
	b.await("SELECT count() FROM DB.receipts", "1")
	if got, _ := b.compared(r, day); !strings.Contains(got, "1 unnamed, balanced true") {
		t.Errorf("an id that is none: %s", got)
	}
	for _, bad := range []sink.ReconcileSelection{{Day: day, Site: "x' OR 1"}, {Day: day, Link: "A"}} {
		if _, _, err := r.Day(t.Context(), bad, 1); err == nil {
			t.Errorf("%v is answered", bad)
		}
	}
}

// The audit has each act once, and the view the files.
func TestAudit(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	r := b.reconciler()
	act := func(id, what, site, object, after string, at time.Time) *v1.CdrBatch {
		return &v1.CdrBatch{Act: &v1.Act{Id: id, Time: timestamppb.New(at), Who: "me@here", What: what, Site: site, Link: "pbx", Object: object, After: after}}
	}
	file := `{"name":"cdr_1","size":120,"sha256":"ab","origin":"file:ab:cdr_1","tickets":3,"written_ms":1773478800000`
	b.publish(
		act("1", "collected", "lyon", "cdr_1", file+"}", day), act("1", "collected", "lyon", "cdr_1", file+"}", day.Add(time.Hour)),
		act("2", "removed", "lyon", "cdr_1", file+`,"removal":"deleted"}`, day.Add(2*time.Hour)),
		act("3", "collected", "nice", "log", `{"name":"log","size":10,"origin":"tail:cd","tickets":1}`, day), act("4", "collected", "nice", "log", `{"name":"log","size":40,"origin":"tail:cd","tickets":4}`, day.Add(24*time.Hour)),
		act("5", "import", "lyon", "old", "", day), act("5", "import", "lyon", "old", `{"tickets":4}`, day), act("6", "purge", "", "TICKETS", "", day.Add(time.Second)),
	)
	b.settled()
	b.await("SELECT uniqExact(id) FROM DB.audit", "6")
	span := sink.AuditSpan{From: day.Add(-time.Hour).Truncate(time.Second), To: day.Add(48 * time.Hour)}
	files, err := r.Files(t.Context(), span)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	if f := files[0]; f.Name != "cdr_1" || f.Size != 120 || f.Tickets != 3 || f.Sum != "ab" || !f.Collected.Equal(day) || !f.Removed.Equal(day.Add(2*time.Hour)) || f.Removal != "deleted" {
		t.Errorf("a whole file: %+v", f)
	}
	if f := files[1]; f.Name != "log" || f.Size != 40 || f.Tickets != 4 || f.Sum != "" || !f.Removed.IsZero() {
		t.Errorf("a log: %+v", f)
	}
	acts, err := r.Acts(t.Context(), span)
	if err != nil || len(acts) != 2 || acts[0].What != "import" || acts[0].After != `{"tickets":4}` || acts[1].What != "purge" {
		t.Errorf("%+v, %v", acts, err)
	}
	span.Site = "nice"
	if acts, err = r.Acts(t.Context(), span); err != nil || len(acts) != 1 || acts[0].What != "purge" {
		t.Errorf("of another site: %+v, %v", acts, err)
	}
}

func TestSequenceGaps(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	var calls []*v1.Cdr
	for i, n := range []string{"0007", "8", "12", "15", "900000", ""} {
		c := call(hexID(n), day.Add(time.Duration(i)*time.Minute), 0)
		c.Sequence = n
		calls = append(calls, c)
	}
	b.publish(receipt(0, calls))
	b.settled()
	b.await("SELECT count() FROM DB.receipts", "1")
	got, err := b.reconciler().Gaps(context.Background(), sink.AuditSpan{From: day.Add(-24 * time.Hour), To: day.Add(48 * time.Hour)})
	if want := "[{lyon front-desk 9 11} {lyon front-desk 13 14}]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}
