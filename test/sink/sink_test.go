package sink_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/platform/config"
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
	if got := b.sql("SELECT version, name FROM DB.migrations FINAL ORDER BY version"); got != "1\t0001_tables\n2\t0002_calls\n3\t0003_received\n4\t0004_replay\n5\t0005_reconcile" {
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
	if got := b.sql("SELECT name FROM system.columns WHERE database = '" + b.database + "' AND table = 'cdrs' AND name NOT IN (SELECT name FROM system.columns WHERE database = '" + b.database + "' AND table = 'calls')"); got != "gone\nposition\nmessage_id" {
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

// TestCluster: what a cluster gets is at least grammar; there is none to run it.
func TestCluster(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var seen []string
	b.breakWith(func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sql := string(body)
		switch {
		case strings.Contains(sql, "ON CLUSTER"):
			mu.Lock()
			seen = append(seen, sql)
			mu.Unlock()
			if _, err := ask("EXPLAIN AST "+sql, b.database, shared.Token()); err != nil {
				t.Errorf("%v: %s", err, sql)
			}
			return false
		case strings.Contains(sql, "migrations"):
			if strings.HasPrefix(sql, "SELECT") {
				return exception(60, "UNKNOWN_TABLE")(w, r)
			}
			return false
		}
		r.Body = io.NopCloser(strings.NewReader(sql))
		return true
	})
	cfg := b.config()
	cfg.Cluster = "main"
	b.start(cfg)
	all := strings.Join(seen, "\n")
	for _, want := range []string{"CREATE DATABASE", "ReplicatedReplacingMergeTree(revision, gone)", "Distributed('main'", "`calls`", "'{shard}-{replica}'"} {
		if !strings.Contains(all, want) {
			t.Errorf("no statement with %s", want)
		}
	}
}

func TestTLS(t *testing.T) {
	b := newBench(t)
	front := httptest.NewTLSServer(b.front.Config.Handler)
	t.Cleanup(front.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.Addr, cfg.TLS = []string{front.Listener.Addr().String()}, &config.TLS{}
	stop, ready := b.launch(cfg)
	b.until("it does not trust an unknown certificate", func() bool {
		err := b.healthOf("clickhouse")
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
	select {
	case <-ready:
		t.Error("ready without trust")
	default:
	}
	stop()
	cfg.TLS = &config.TLS{CA: ca}
	b.start(cfg)
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	b.await("SELECT ticket_id FROM DB.calls", "a")
}
