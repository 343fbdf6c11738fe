package sink_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// TestReplay: whatever a replay makes of a ticket, it counts once, and told again
// it changes nothing.
func TestReplay(t *testing.T) {
	later := day.AddDate(0, 1, 0)
	first := []*v1.CdrBatch{receipt(0, []*v1.Cdr{call("stays", day, 0), call("moves", day, 0), call("unmade", day, 0)}, other("made", v1.Outcome_OUTCOME_DEAD), other("dead", v1.Outcome_OUTCOME_DEAD))}
	second := []*v1.CdrBatch{receipt(1, []*v1.Cdr{call("stays", day, 1), call("moves", later, 1), call("made", day, 1)}, other("unmade", v1.Outcome_OUTCOME_IGNORED), other("dead", v1.Outcome_OUTCOME_DEAD))}
	third := []*v1.CdrBatch{receipt(2, []*v1.Cdr{call("stays", day, 2), call("moves", day, 2), call("unmade", later, 2)}, other("made", v1.Outcome_OUTCOME_DEAD), other("dead", v1.Outcome_OUTCOME_DEAD))}
	const (
		calls  = "SELECT ticket_id, start_time, revision FROM DB.calls ORDER BY ticket_id"
		others = "SELECT ticket_id, revision FROM DB.other_tickets FINAL ORDER BY ticket_id"
	)
	at, at2 := day.Format("2006-01-02 15:04:05.000"), later.Format("2006-01-02 15:04:05.000")
	after1 := [2]string{"moves\t" + at + "\t0\nstays\t" + at + "\t0\nunmade\t" + at + "\t0", "dead\t0\nmade\t0"}
	after2 := [2]string{"made\t" + at + "\t1\nmoves\t" + at2 + "\t1\nstays\t" + at + "\t1", "dead\t1\nunmade\t1"}
	after3 := [2]string{"moves\t" + at + "\t2\nstays\t" + at + "\t2\nunmade\t" + at2 + "\t2", "dead\t2\nmade\t2"}

	b := newBench(t)
	b.start(b.config())
	step := func(what string, want [2]string, receipts ...*v1.CdrBatch) {
		t.Helper()
		b.publish(receipts...)
		b.settled()
		if got := b.sql(calls); got != want[0] {
			t.Errorf("%s: calls\n%s\nwant\n%s", what, got, want[0])
		}
		if got := b.sql(others); got != want[1] {
			t.Errorf("%s: other tickets\n%s\nwant\n%s", what, got, want[1])
		}
	}
	step("live", after1, first...)
	step("replayed", after2, second...)
	step("the same replay again", after2, second...)
	step("replayed once more", after3, third...)
	step("an older replay late", after3, second...)
	step("the newest again", after3, third...)
	for _, table := range []string{"cdrs", "other_tickets"} {
		b.sql("OPTIMIZE TABLE DB." + table + " FINAL")
	}
	step("merged, and again", after3, second...)

	// All three in one batch, in the wrong order.
	c := newBench(t)
	c.start(c.config())
	c.breakWith(exception(243, "NOT_ENOUGH_SPACE"))
	c.publish(receipt(0, []*v1.Cdr{call("before", day, 0)}))
	c.until("it waits", func() bool { return c.healthOf("clickhouse") != nil })
	c.publish(third...)
	c.publish(first...)
	c.publish(second...)
	c.mend()
	c.settled()
	if got := strings.ReplaceAll(c.sql(calls), "before\t"+at+"\t0\n", ""); got != after3[0] {
		t.Errorf("in one batch: calls\n%s\nwant\n%s", got, after3[0])
	}
	if got := c.sql(others); got != after3[1] {
		t.Errorf("in one batch: other tickets\n%s\nwant\n%s", got, after3[1])
	}
}

// TestLateLiveRow: a live row that was given back by a dying sink comes after its
// own replay.
func TestLateLiveRow(t *testing.T) {
	b := newBench(t)
	// Delivered once, to nobody who writes it.
	stop := b.start(b.config())
	stop()
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	c, err := b.bus.JS.Consumer(t.Context(), "CDRS", "sink")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	b.publish(receipt(1, []*v1.Cdr{call("a", day.AddDate(0, 1, 0), 1)}))
	b.start(b.config())
	b.await("SELECT ticket_id, revision FROM DB.calls", "a\t1")
	if err := got.NakWithDelay(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.settled()
	if got := b.sql("SELECT ticket_id, revision FROM DB.calls"); got != "a\t1" {
		t.Errorf("calls: %q", got)
	}
}

// TestFormerIDs: what a replay gave another id counts under the first one no more,
// whatever comes again of it, and counts again when a later replay says so.
func TestFormerIDs(t *testing.T) {
	const (
		calls  = "SELECT ticket_id, revision FROM DB.calls ORDER BY ticket_id"
		others = "SELECT ticket_id, revision FROM DB.other_tickets FINAL ORDER BY ticket_id"
	)
	live := receipt(0, []*v1.Cdr{call("place", day, 0), call("both", day, 0)}, other("dead", v1.Outcome_OUTCOME_DEAD))
	again := receipt(3, []*v1.Cdr{call("key", day, 3), call("key2", day, 3), call("both", day.AddDate(0, 1, 0), 3)})
	again.MessageId = live.MessageId
	former := &v1.CdrBatch{MessageId: live.MessageId, Site: "lyon", Link: "front-desk", Model: "avaya-ipoffice", Revision: 3, Parts: 1, FormerIds: []string{"place", "dead", "never", "both"}}
	b := newBench(t)
	b.start(b.config())
	check := func(what, wantCalls, wantOthers string) {
		t.Helper()
		b.settled()
		if got := b.sql(calls); got != wantCalls {
			t.Errorf("%s: calls\n%s\nwant\n%s", what, got, wantCalls)
		}
		if got := b.sql(others); got != wantOthers {
			t.Errorf("%s: other tickets\n%s\nwant\n%s", what, got, wantOthers)
		}
	}
	b.publish(live)
	check("live", "both\t0\nplace\t0", "dead\t0")
	const want = "both\t3\nkey\t3\nkey2\t3"
	b.publish(again)
	b.publish(former)
	check("replayed", want, "")
	tombstones := b.metric("trunkline_sink_tombstones_total")
	b.publish(former)
	check("told again", want, "")
	if got := b.metric("trunkline_sink_tombstones_total"); got != tombstones {
		t.Errorf("told again it wrote %v tombstones", got-tombstones)
	}
	if got := b.sql("SELECT count(), sum(ticket_count) FROM DB.receipts FINAL WHERE revision = 3"); got != "1\t3" {
		t.Errorf("receipts of the replay: %s", got)
	}
	b.publish(receipt(4, []*v1.Cdr{call("place", day, 4)}))
	check("back again", want+"\nplace\t4", "")
	b.publish(former)
	check("and an older replay late", want+"\nplace\t4", "")

	// In one batch, before the row that is to go.
	c := newBench(t)
	c.start(c.config())
	c.breakWith(exception(243, "NOT_ENOUGH_SPACE"))
	c.publish(receipt(0, []*v1.Cdr{call("before", day, 0)}))
	c.until("it waits", func() bool { return c.healthOf("clickhouse") != nil })
	c.publish(former)
	c.publish(live)
	c.publish(again)
	c.mend()
	c.settled()
	if got := c.sql(calls); got != "before\t0\n"+want {
		t.Errorf("in one batch: calls\n%s", got)
	}
	if got := c.sql(others); got != "" {
		t.Errorf("in one batch: other tickets\n%s", got)
	}
}

// TestAct: an act is a row of the audit, and the end of it takes the place of its
// begin, whichever comes first, whoever writes it, and however often.
func TestAct(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	const begin, end = "", `{"calls":2}`
	tell := func(id, after string) {
		t.Helper()
		data, err := proto.Marshal(&v1.CdrBatch{Act: &v1.Act{
			Id: id, Time: timestamppb.New(day), Who: "me@here", What: "replay", Object: "all", Before: `{"calls":1}`, After: after,
		}})
		if err != nil {
			t.Fatal(err)
		}
		b.publishRaw(wire.Address{Model: "audit", Site: "audit", Link: "audit"}.CdrSubject(), data)
		b.settled() // the next one is of another batch
	}
	for id, order := range map[string][]string{
		"a": {begin, end}, "b": {end, begin}, "c": {begin, end, begin}, "d": {end, begin, begin}, "e": {end, end}, "o'f": {end, begin}, "cut": {begin, begin},
	} {
		for _, after := range order {
			tell(id, after)
		}
	}
	// Another sink writes the end after this one has looked, and before it inserts.
	b.sql("SYSTEM STOP MERGES DB.audit")
	var once sync.Once
	b.breakWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query().Get("query"); strings.HasPrefix(q, "INSERT INTO") && strings.Contains(q, "`audit`") {
			once.Do(func() {
				b.sql("INSERT INTO DB.audit (time, id, who, what, object, before, after) VALUES ('2026-03-14 09:00:00.000', 'raced', 'me@here', 'replay', 'all', '{\"calls\":1}', '{\"calls\":2}')")
			})
		}
		return true
	})
	tell("raced", begin)
	b.mend()
	b.sql("SYSTEM START MERGES DB.audit")
	b.sql("OPTIMIZE TABLE DB.audit FINAL")
	var want []string
	for _, id := range []string{"a", "b", "c", "cut", "d", "e", "o\\'f", "raced"} {
		after := "{\"calls\":2}"
		if id == "cut" {
			after = ""
		}
		want = append(want, "2026-03-14 09:00:00.000\t"+id+"\tme@here\treplay\tall\t{\"calls\":1}\t"+after+"\t\t")
	}
	if got := b.sql("SELECT * EXCEPT inserted_time FROM DB.audit FINAL ORDER BY id"); got != strings.Join(want, "\n") {
		t.Errorf("audit\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := b.sql("SELECT count() FROM DB.receipts") + b.sql("SELECT count() FROM DB.other_tickets"); got != "00" {
		t.Errorf("an act left other rows: %s", got)
	}
}

// TestLargeReplay looks up more tickets than one statement holds by default.
func TestLargeReplay(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	const n = 25_000
	for revision := range uint32(2) {
		for at := 0; at < n; at += 500 {
			var cdrs []*v1.Cdr
			for i := range 500 {
				start := day.Add(time.Duration(at+i)*time.Second).AddDate(0, int(revision), 0)
				cdrs = append(cdrs, call(fmt.Sprintf("%032d", at+i), start, revision))
			}
			b.publish(receipt(revision, cdrs))
		}
		b.settled()
	}
	if got, want := b.sql("SELECT count(), min(revision) FROM DB.calls"), fmt.Sprint(n, "\t1"); got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	if got := b.metric("trunkline_sink_tombstones_total"); got != n {
		t.Errorf("%v tombstones", got)
	}
}
