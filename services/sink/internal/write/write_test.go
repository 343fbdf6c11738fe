package write

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	pb "google.golang.org/protobuf/proto"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/metrics"
)

// server stands for ClickHouse: it answers each insert with what fail says, and
// keeps the sizes of those it takes.
type server struct {
	fail  func(table string, block proto.Input, at time.Duration) error
	begun time.Time
	tries []time.Duration
	rows  map[string]int
	order []string
}

func (s *server) Close()                                                    {}
func (s *server) Exec(context.Context, string, ...clickhouse.Setting) error { return nil }

func (s *server) Query(context.Context, string, proto.Results, func() error, ...clickhouse.Setting) error {
	return nil
}

func (s *server) Insert(_ context.Context, table string, block proto.Input, _ ...clickhouse.Setting) (int, error) {
	s.tries = append(s.tries, time.Since(s.begun))
	if s.fail != nil {
		if err := s.fail(table, block, time.Since(s.begun)); err != nil {
			return 0, err
		}
	}
	s.rows[table] += block[0].Data.Rows()
	s.order = append(s.order, table)
	return 1, nil
}

type message struct {
	jetstream.Msg
	data  []byte
	acked atomic.Int64
}

func (m *message) Data() []byte         { return m.data }
func (m *message) Subject() string      { return "cdrs.v1.asterisk.lyon.a" }
func (m *message) Headers() nats.Header { return nil }
func (m *message) Ack() error           { m.acked.Add(1); return nil }

func (m *message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{NumDelivered: 1}, nil
}

func fill(t *testing.T, cdrs int) (*batch.Batch, *message) {
	t.Helper()
	r := &v1.CdrBatch{MessageId: "m", Site: "lyon", Link: "a", Others: []*v1.OtherTicket{{TicketId: "other"}}}
	for i := range cdrs {
		r.Cdrs = append(r.Cdrs, &v1.Cdr{TicketId: fmt.Sprint(i), Raw: []byte("raw")})
	}
	data, err := pb.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	m := &message{data: data}
	b := batch.New()
	if !b.Add(m) {
		t.Fatal("not taken")
	}
	return b, m
}

// bubble runs a writer before a server, in a time of its own.
func bubble(t *testing.T, test func(t *testing.T, w *Writer, s *server, health *[]error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{begun: time.Now(), rows: map[string]int{}}
		m, err := metrics.New(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		var health []error
		w := &Writer{
			Conn: s, Table: func(n string) string { return n }, Log: slog.New(slog.DiscardHandler), Metrics: m,
			Repair: func(context.Context) error { return nil },
			Health: func(err error) { health = append(health, err) },
		}
		test(t, w, s, &health)
	})
}

func exception(code int) error {
	return fmt.Errorf("over the wire: %w", &clickhouse.Error{Code: code, Name: "N", Message: "made by the test"})
}

func TestOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *Writer, s *server, health *[]error) {
		b, m := fill(t, 3)
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.order, " "); got != "other_tickets cdrs receipts" {
			t.Errorf("order %s: a receipt's row must come last", got)
		}
		if m.acked.Load() != 1 || len(*health) != 0 {
			t.Errorf("acked %d times, health %v", m.acked.Load(), *health)
		}
	})
}

func TestRetriesForAnHour(t *testing.T) {
	for _, err := range []error{errors.New("connection refused"), exception(243), exception(252), exception(516), exception(164), exception(53), exception(4242)} {
		bubble(t, func(t *testing.T, w *Writer, s *server, health *[]error) {
			s.fail = func(table string, _ proto.Input, at time.Duration) error {
				if table == "cdrs" && at < time.Hour {
					return err
				}
				return nil
			}
			b, m := fill(t, 3)
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(s.begun); took < time.Hour || took > time.Hour+31*time.Second {
				t.Errorf("%v: took %v", err, took)
			}
			if n := len(s.tries); n < 120 || n > 300 {
				t.Errorf("%v: %d tries in an hour", err, n)
			}
			if s.tries[2]-s.tries[1] > 100*time.Millisecond {
				t.Errorf("%v: the first retry came after %v", err, s.tries[2]-s.tries[1])
			}
			if s.rows["cdrs"] != 3 || s.rows["other_tickets"] != 1 || s.rows["receipts"] != 1 {
				t.Errorf("%v: rows %v", err, s.rows)
			}
			h := *health
			if len(h) < 2 || h[0] == nil || h[len(h)-1] != nil {
				t.Errorf("%v: health %v", err, h)
			}
			if m.acked.Load() != 1 {
				t.Errorf("%v: acked %d times", err, m.acked.Load())
			}
		})
	}
}

func TestNothingIsAcknowledgedAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *Writer, s *server, _ *[]error) {
		s.fail = func(table string, _ proto.Input, _ time.Duration) error {
			if table == "receipts" {
				return exception(243)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b, m := fill(t, 3)
		if err := w.Write(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if m.acked.Load() != 0 {
			t.Error("acknowledged without its receipt")
		}
	})
}

func TestEndingTriesOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *Writer, s *server, _ *[]error) {
		ending := make(chan struct{})
		w.Ending = ending
		s.fail = func(string, proto.Input, time.Duration) error { return exception(243) }
		time.AfterFunc(time.Hour, func() { close(ending) })
		b, m := fill(t, 3)
		if err := w.Write(t.Context(), b); err == nil || time.Since(s.begun) != time.Hour {
			t.Errorf("error %v after %v", err, time.Since(s.begun))
		}
		// What comes after is tried once: ClickHouse may be well again.
		before := len(s.tries)
		if err := w.Write(t.Context(), b); err == nil || len(s.tries) != before+1 {
			t.Errorf("error %v after %d tries", err, len(s.tries)-before)
		}
		s.fail = nil
		if err := w.Write(t.Context(), b); err != nil || m.acked.Load() != 1 {
			t.Errorf("error %v", err)
		}
	})
}

func TestRepair(t *testing.T) {
	bubble(t, func(t *testing.T, w *Writer, s *server, _ *[]error) {
		repaired := 0
		w.Repair = func(context.Context) error { repaired++; return nil }
		s.fail = func(string, proto.Input, time.Duration) error {
			if repaired == 0 {
				return exception(60)
			}
			return nil
		}
		b, _ := fill(t, 1)
		if err := w.Write(t.Context(), b); err != nil || repaired != 1 {
			t.Errorf("repaired %d times: %v", repaired, err)
		}
	})
}

// bad makes the server refuse blocks that hold a ticket.
func bad(code int, tickets ...string) func(string, proto.Input, time.Duration) error {
	return func(table string, block proto.Input, _ time.Duration) error {
		if table != "cdrs" {
			return nil
		}
		var buf proto.Buffer
		block[0].Data.EncodeColumn(&buf)
		for _, id := range tickets {
			if strings.Contains(string(buf.Buf), "\x01"+id) {
				return exception(code)
			}
		}
		return nil
	}
}

func TestSearch(t *testing.T) {
	for _, c := range []struct {
		code, rows int
		bad        []string
		refused    float64
	}{
		{469, 10, []string{"3"}, 1},
		{469, 10, []string{"0", "9"}, 2},
		{469, 1, []string{"0"}, 1},
		{469, 2, []string{"0", "1"}, 2},
		{6, 10, []string{"4"}, 1},
	} {
		bubble(t, func(t *testing.T, w *Writer, s *server, health *[]error) {
			s.fail = bad(c.code, c.bad...)
			b, m := fill(t, c.rows)
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if s.rows["cdrs"] != c.rows-len(c.bad) || s.rows["other_tickets"] != 1+len(c.bad) || s.rows["receipts"] != 1 {
				t.Errorf("%v: rows %v", c, s.rows)
			}
			if got := value(t, w.Metrics.Refused); got != c.refused || m.acked.Load() != 1 || len(*health) != 0 {
				t.Errorf("%v: %v refused, acked %d times, health %v", c, got, m.acked.Load(), *health)
			}
		})
	}
}

// TestDoubt: when the table takes none of the rows, it is the table's fault.
func TestDoubt(t *testing.T) {
	bubble(t, func(t *testing.T, w *Writer, s *server, _ *[]error) {
		all := bad(6, "0", "1")
		s.fail = func(table string, block proto.Input, at time.Duration) error {
			if at > time.Hour {
				return nil
			}
			return all(table, block, at)
		}
		b, _ := fill(t, 2)
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if s.rows["cdrs"] != 2 || s.rows["other_tickets"] != 1 || time.Since(s.begun) < time.Hour {
			t.Errorf("rows %v after %v", s.rows, time.Since(s.begun))
		}
	})
}

func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Counter.GetValue()
}
