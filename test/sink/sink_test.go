package sink_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "trunkline.internal/proto/trunkline/v1"
)

func TestOneTicket(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}, other("b", v1.Outcome_OUTCOME_IGNORED)))
	started := time.Now()
	b.await("SELECT ticket_id, direction, disposition, start_time, start_local, local_date, answered, counts, talk_seconds FROM DB.calls",
		"a\tINBOUND\tANSWERED\t2026-03-14 09:00:00.000\t2026-03-14 10:00:00.000\t2026-03-14\t1\t1\t61")
	t.Logf("a lone ticket took %v", time.Since(started))
	b.await("SELECT ticket_id, outcome, reason, raw, position, origin FROM DB.other_tickets FINAL", "b\tIGNORED\tpage_header\traw of b\t7\ttcp:0")
	b.await("SELECT ticket_count, cdr_count, ignored_count, dead_count, byte_count FROM DB.receipts FINAL", "2\t1\t1\t0\t99")
	b.settled()
	if out := b.log.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "migrations applied") {
		t.Errorf("a normal day logs:\n%s", out)
	}
}

func TestMigrationsTwiceAtOnce(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for range 2 {
		stop, ready := b.launch(b.config())
		wg.Go(func() {
			<-ready
			stop()
		})
	}
	wg.Wait()
	if got := b.sql("SELECT version, name FROM DB.migrations FINAL ORDER BY version"); got != "1\t0001_tables\n2\t0002_calls" {
		t.Errorf("migrations: %q", got)
	}
	if n := strings.Count(b.log.String(), "migrations applied"); n != 1 {
		t.Errorf("applied %d times", n)
	}
	b.start(b.config()) // and again
}

func TestEveryColumnIsExplained(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	if got := b.sql("SELECT table, name FROM system.columns WHERE database = '" + b.database + "' AND comment = ''"); got != "" {
		t.Errorf("without comment:\n%s", got)
	}
	if got := b.sql("SELECT count() FROM system.columns WHERE database = '" + b.database + "' AND table = 'calls' AND match(type, 'Nullable|Map|Array|Tuple')"); got != "0" {
		t.Errorf("calls has %s columns that are not flat", got)
	}
	// A table's column that calls does not show must be meant so.
	if got := b.sql("SELECT name FROM system.columns WHERE database = '" + b.database + "' AND table = 'cdrs' AND name NOT IN (SELECT name FROM system.columns WHERE database = '" + b.database + "' AND table = 'calls')"); got != "gone" {
		t.Errorf("calls lacks %q", got)
	}
}

func TestTheSameAgain(t *testing.T) {
	b := newBench(t)
	stop := b.start(b.config())
	var all []*v1.CdrBatch
	for i := range 20 {
		all = append(all, receipt(0, []*v1.Cdr{call(fmt.Sprintf("t%d", i), day.Add(time.Duration(i)*24*time.Hour), 0)}, other(fmt.Sprintf("o%d", i), v1.Outcome_OUTCOME_DEAD)))
	}
	b.publish(all...)
	b.settled()
	stop()
	// The same receipts in other batches, by another sink.
	b.start(b.config())
	b.publish(all[5:]...)
	b.settled()
	b.publish(all[:7]...)
	b.settled()
	for q, want := range map[string]string{
		"SELECT count(), uniqExact(ticket_id) FROM DB.calls":               "20\t20",
		"SELECT count(), uniqExact(ticket_id) FROM DB.other_tickets FINAL": "20\t20",
		"SELECT count(), sum(ticket_count) FROM DB.receipts FINAL":         "20\t40",
	} {
		if got := b.sql(q); got != want {
			t.Errorf("%s gives %q, want %q", q, got, want)
		}
	}
}
