package sink_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// TestNothingIsLostWhileClickHouseIsNotWell: whatever is wrong, the sink is not
// ready and says why, acknowledges nothing, sets nothing aside, and goes on by
// itself.
func TestNothingIsLostWhileClickHouseIsNotWell(t *testing.T) {
	for _, c := range []struct {
		name, says string
		wrong      func(*bench) (mend func())
	}{
		{"away", "no answer", func(b *bench) func() {
			b.breakWith(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
			return b.mend
		}},
		{"behind a broken proxy", "HTTP status 502", func(b *bench) func() {
			b.breakWith(func(w http.ResponseWriter, _ *http.Request) bool {
				http.Error(w, "bad gateway", http.StatusBadGateway)
				return false
			})
			return b.mend
		}},
		{"full", "disk is full", func(b *bench) func() { b.breakWith(exception(243, "NOT_ENOUGH_SPACE")); return b.mend }},
		{"many parts", "merges do not keep up", func(b *bench) func() { b.breakWith(exception(252, "TOO_MANY_PARTS")); return b.mend }},
		{"out of memory", "too little memory", func(b *bench) func() { b.breakWith(exception(241, "MEMORY_LIMIT_EXCEEDED")); return b.mend }},
		{"of an unknown mind", "code 7777", func(b *bench) func() { b.breakWith(exception(7777, "NOBODY_KNOWS")); return b.mend }},
		{"read-only", "may only read", func(b *bench) func() {
			// Without the token everybody reads.
			b.breakWith(func(_ http.ResponseWriter, r *http.Request) bool {
				r.Header.Del("X-ClickHouse-Key")
				r.Header.Set("X-ClickHouse-User", "default")
				return true
			})
			return b.mend
		}},
		{"of another password", "user or password is wrong", func(b *bench) func() {
			b.t.Setenv("SINK_TEST_TOKEN", "not-the-right-token")
			return func() { b.t.Setenv("SINK_TEST_TOKEN", shared.Token()) }
		}},
		{"without a table", "", func(b *bench) func() { b.sql("DROP TABLE DB.cdrs SYNC"); return func() {} }},
		{"without its database", "", func(b *bench) func() { b.sql("DROP DATABASE " + b.database + " SYNC"); return func() {} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.start(b.config())
			mend := c.wrong(b)
			b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}, other("b", v1.Outcome_OUTCOME_DEAD)))
			if c.says != "" {
				b.until("it says that it is not ready", func() bool { return b.healthOf("clickhouse") != nil })
				if err := b.healthOf("clickhouse"); !strings.Contains(err.Error(), c.says) {
					t.Errorf("it says %q, want %q", err, c.says)
				}
				if i := b.consumer(); i.AckFloor.Stream != 0 {
					t.Error("a receipt was acknowledged")
				}
				if b.metric("trunkline_sink_retries_total") == 0 {
					t.Error("no retry is counted")
				}
			}
			mend()
			b.settled()
			if got := b.sql("SELECT ticket_id FROM DB.calls"); got != "a" {
				t.Errorf("calls %q", got)
			}
			if got := b.sql("SELECT ticket_id, reason FROM DB.other_tickets FINAL"); got != "b\tpage_header" {
				t.Errorf("other tickets %q", got)
			}
			b.until("it is ready again", func() bool { return b.healthOf("clickhouse") == nil })
			if strings.Contains(b.log.String(), "0199001234") {
				t.Error("the log holds a number")
			}
		})
	}
}

func TestStartsBeforeClickHouse(t *testing.T) {
	b := newBench(t)
	b.breakWith(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	_, ready := b.launch(b.config())
	b.until("it says that it waits", func() bool { return b.healthOf("clickhouse") != nil })
	select {
	case <-ready:
		t.Fatal("ready without ClickHouse")
	default:
	}
	b.mend()
	<-ready
	b.await("SELECT ticket_id FROM DB.calls", "a")
}

// TestLostAnswer: an insert whose answer is lost is tried again
// with the same token, and is one block.
func TestLostAnswer(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	lost := 0
	b.breakWith(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Query().Get("query"), "`cdrs`") || lost == 2 {
			return true
		}
		lost++
		resp, err := (&http.Client{}).Do(forward(r))
		if err != nil {
			t.Error(err)
		} else {
			resp.Body.Close()
		}
		panic(http.ErrAbortHandler)
	})
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0), call("b", day.AddDate(0, 2, 0), 0)}))
	b.settled()
	if lost != 2 {
		t.Fatalf("%d answers were lost", lost)
	}
	if got := b.sql("SELECT count() FROM DB.cdrs"); got != "2" {
		t.Errorf("%s rows in the table, want 2 without merging", got)
	}
}

func forward(r *http.Request) *http.Request {
	u := *r.URL
	u.Scheme, u.Host = "http", shared.Addr()
	req, err := http.NewRequest(r.Method, u.String(), r.Body)
	if err != nil {
		panic(err)
	}
	req.Header = r.Header.Clone()
	return req
}

func TestAnAddressThatIsDown(t *testing.T) {
	b := newBench(t)
	cfg := b.config()
	cfg.Addr = append([]string{"127.0.0.1:1"}, cfg.Addr...)
	b.start(cfg)
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	b.await("SELECT ticket_id FROM DB.calls", "a")
}

// TestEndWithoutClickHouse: the end does not wait for ClickHouse, and the next
// sink has at once what was not written.
func TestEndWithoutClickHouse(t *testing.T) {
	b := newBench(t)
	stop := b.start(b.config())
	b.breakWith(exception(243, "NOT_ENOUGH_SPACE"))
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	b.until("it waits", func() bool { return b.healthOf("clickhouse") != nil })
	for i := range 2000 {
		b.publish(receipt(0, []*v1.Cdr{call(fmt.Sprint(i), day, 0)}))
	}
	started := time.Now()
	stop()
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
	b.mend()
	b.start(b.config())
	b.await("SELECT count() FROM DB.calls", "2001")
	b.settled()
}

// TestEndWhileWriting: what was read is written before the end.
func TestEndWhileWriting(t *testing.T) {
	b := newBench(t)
	stop := b.start(b.config())
	for i := range 500 {
		b.publish(receipt(0, []*v1.Cdr{call(fmt.Sprint(i), day, 0)}))
	}
	stop()
	b.until("all that was read is written and acknowledged, or given back", func() bool {
		i := b.consumer()
		return i.NumAckPending == 0 && b.sql("SELECT count() FROM DB.calls") == fmt.Sprint(i.AckFloor.Stream)
	})
}

// TestRefusedRow: a row that ClickHouse refuses is found among good ones, which
// are written.
func TestRefusedRow(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	b.sql("ALTER TABLE DB.cdrs ADD CONSTRAINT odd CHECK extension != '666'")
	var cdrs []*v1.Cdr
	for i := range 50 {
		cdrs = append(cdrs, call(fmt.Sprintf("t%d", i), day.Add(time.Duration(i)*time.Minute), 0))
	}
	cdrs[13].Extension, cdrs[49].Extension = "666", "666"
	b.publish(receipt(0, cdrs[:20], other("o", v1.Outcome_OUTCOME_IGNORED)), receipt(0, cdrs[20:]))
	b.settled()
	if got := b.sql("SELECT count(), countIf(ticket_id IN ('t13', 't49')) FROM DB.calls"); got != "48\t0" {
		t.Errorf("calls: %q", got)
	}
	want := "t13\tDEAD\trefused_by_clickhouse\traw of t13\t1\nt49\tDEAD\trefused_by_clickhouse\traw of t49\t1"
	if got := b.sql("SELECT ticket_id, outcome, reason, raw, error LIKE '%VIOLATED_CONSTRAINT%' FROM DB.other_tickets FINAL WHERE outcome = 'DEAD' ORDER BY ticket_id"); got != want {
		t.Errorf("other tickets:\n%s\nwant\n%s", got, want)
	}
	if got := b.sql("SELECT count() FROM DB.receipts FINAL"); got != "2" {
		t.Errorf("%s receipts", got)
	}
	if b.metric("trunkline_sink_refused_rows_total") != 2 {
		t.Error("refused rows are not counted")
	}
	if err := b.healthOf("clickhouse"); err != nil {
		t.Error(err)
	}
	// One alone, at night.
	lone := call("lone", day, 0)
	lone.Extension = "666"
	b.publish(receipt(0, []*v1.Cdr{lone}))
	b.settled()
	if got := b.sql("SELECT reason FROM DB.other_tickets FINAL WHERE ticket_id = 'lone'"); got != "refused_by_clickhouse" {
		t.Errorf("the lone one: %q", got)
	}
}

// TestGoodRowsAreNotSetAside: a column that no row can fill is the table's fault.
func TestGoodRowsAreNotSetAside(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	b.sql("ALTER TABLE DB.cdrs ADD COLUMN number UInt64 MATERIALIZED toUInt64(extension_name)")
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0), call("b", day, 0)}))
	b.until("it says that it is not ready", func() bool { return b.healthOf("clickhouse") != nil })
	if got := b.sql("SELECT count() FROM DB.other_tickets"); got != "0" {
		t.Errorf("%s rows were set aside", got)
	}
	b.sql("ALTER TABLE DB.cdrs DROP COLUMN number")
	b.settled()
	if got := b.sql("SELECT count() FROM DB.calls"); got != "2" {
		t.Errorf("%s calls", got)
	}
}

func TestUnreadableReceipt(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	subject := wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "front-desk"}.CdrSubject()
	b.publishRaw(subject, []byte("no receipt"))
	b.publishRaw(subject, nil)
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0)}))
	b.settled()
	want := "lyon\tfront-desk\tDEAD\tunreadable_receipt\t\nlyon\tfront-desk\tDEAD\tunreadable_receipt\tno receipt"
	if got := b.sql("SELECT site, link, outcome, reason, raw FROM DB.other_tickets FINAL ORDER BY raw"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := b.sql("SELECT count() FROM DB.calls") + b.sql("SELECT count() FROM DB.receipts FINAL"); got != "11" {
		t.Errorf("calls and receipts: %s", got)
	}
}

// TestReceiptOfANewerSchema waits for a newer sink.
func TestReceiptOfANewerSchema(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	newer := receipt(0, []*v1.Cdr{call("new", day, 0)})
	newer.Cdrs[0].ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 1}) // field 1023
	value := receipt(0, []*v1.Cdr{call("value", day, 0)})
	value.Cdrs[0].Disposition = 200
	b.publish(newer, value, receipt(0, []*v1.Cdr{call("a", day, 0)}))
	b.await("SELECT ticket_id FROM DB.calls", "a")
	b.until("it says so", func() bool { return b.healthOf("receipts") != nil })
	b.until("only these wait", func() bool { i := b.consumer(); return i.NumPending == 0 && i.NumAckPending == 2 })
	if got := b.sql("SELECT count() FROM DB.other_tickets"); got != "0" {
		t.Errorf("%s were set aside", got)
	}
}

func TestConfigIsValidated(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*config.ClickHouse){
		"database": func(c *config.ClickHouse) { c.Database = "a`b" },
		"protocol": func(c *config.ClickHouse) { c.Protocol = "postgres" },
		"address":  func(c *config.ClickHouse) { c.Addr = []string{"localhost"} },
		"none":     func(c *config.ClickHouse) { c.Addr = nil },
		"ca":       func(c *config.ClickHouse) { c.TLS = &config.TLS{CA: "no-such-file"} },
		"cluster":  func(c *config.ClickHouse) { c.Cluster = "a'b" },
	} {
		cfg := b.config()
		change(&cfg)
		if err := newSink(b, cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
