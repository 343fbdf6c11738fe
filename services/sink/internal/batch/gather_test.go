package batch

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	v1 "trunkline.internal/proto/trunkline/v1"
)

type message struct {
	jetstream.Msg
	data []byte
}

func (m *message) Data() []byte         { return m.data }
func (m *message) Subject() string      { return "cdrs.v1.asterisk.lyon.a" }
func (m *message) Headers() nats.Header { return nil }

func (m *message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{NumDelivered: 1}, nil
}

// of makes a message of n rows in cdrs.
func of(t *testing.T, n int) *message {
	t.Helper()
	b := &v1.CdrBatch{MessageId: "m", Site: "lyon", Link: "a"}
	for i := range n {
		b.Cdrs = append(b.Cdrs, &v1.Cdr{TicketId: fmt.Sprint(i)})
	}
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return &message{data: data}
}

// line runs a gatherer in a bubble of its own time.
type line struct {
	in    chan jetstream.Msg
	out   chan *Batch
	free  chan *Batch
	later atomic.Int64
}

func run(t *testing.T, limits Limits, test func(*line)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		l := &line{in: make(chan jetstream.Msg), out: make(chan *Batch), free: make(chan *Batch, 2)}
		l.free <- New()
		l.free <- New()
		g := Gatherer{Limits: limits, Later: func(jetstream.Msg) { l.later.Add(1) }}
		go g.Run(l.in, l.free, l.out)
		test(l)
		for range l.out {
			t.Error("a batch too many")
		}
	})
}

var limits = Limits{Rows: 100, Bytes: 1 << 20, Age: time.Second, Idle: 150 * time.Millisecond}

func TestALoneMessageDoesNotWaitForAnother(t *testing.T) {
	run(t, limits, func(l *line) {
		started := time.Now()
		l.in <- of(t, 1)
		b := <-l.out
		if took := time.Since(started); took != limits.Idle || b.Len() != 1 {
			t.Errorf("%d messages after %v", b.Len(), took)
		}
		close(l.in)
	})
}

func TestATrickleIsCutByAge(t *testing.T) {
	run(t, limits, func(l *line) {
		started := time.Now()
		go func() {
			for range 30 {
				l.in <- of(t, 1)
				time.Sleep(100 * time.Millisecond)
			}
			close(l.in)
		}()
		total := 0
		for total < 30 {
			b := <-l.out
			if total == 0 && time.Since(started) != limits.Age {
				t.Errorf("the first batch came after %v", time.Since(started))
			}
			total += b.Len()
			l.free <- b.Reset()
		}
	})
}

func TestRowsAndBytesBoundABatch(t *testing.T) {
	for _, c := range []struct {
		name     string
		limits   Limits
		messages int
	}{
		{"rows", Limits{Rows: 100, Bytes: 1 << 20, Age: time.Hour, Idle: time.Hour}, 10},
		{"bytes", Limits{Rows: 1 << 20, Bytes: 10 * len(of(t, 10).data), Age: time.Hour, Idle: time.Hour}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, c.limits, func(l *line) {
				started := time.Now()
				for range c.messages {
					l.in <- of(t, 10)
				}
				synctest.Wait()
				select {
				case l.in <- of(t, 10):
					t.Error("a full batch takes more")
				default:
				}
				b := <-l.out
				if b.Len() != c.messages || time.Since(started) != 0 {
					t.Errorf("%d messages after %v, want %d at once", b.Len(), time.Since(started), c.messages)
				}
				l.in <- of(t, 10) // it goes on with the next
				close(l.in)
				if b := <-l.out; b.Len() != 1 {
					t.Errorf("%d messages at the end", b.Len())
				}
			})
		})
	}
}

// TestAWaitingBatchGrows: while ClickHouse is slow.
func TestAWaitingBatchGrows(t *testing.T) {
	run(t, limits, func(l *line) {
		l.in <- of(t, 1)
		time.Sleep(10 * time.Second)
		for range 5 {
			l.in <- of(t, 1)
		}
		time.Sleep(91 * time.Second)
		if b := <-l.out; b.Len() != 6 {
			t.Errorf("%d messages", b.Len())
		}
		close(l.in)
	})
}

func TestANewerReceiptIsInNoBatch(t *testing.T) {
	run(t, limits, func(l *line) {
		newer := of(t, 1)
		newer.data = append(newer.data, 0xf8, 0x3f, 1) // field 1023
		l.in <- newer
		l.in <- of(t, 1)
		close(l.in)
		if b := <-l.out; b.Len() != 1 || b.Cdrs.Rows() != 1 || l.later.Load() != 1 {
			t.Errorf("%d messages, %d rows, %d later", b.Len(), b.Cdrs.Rows(), l.later.Load())
		}
	})
}

func TestReset(t *testing.T) {
	b := New()
	for range 3 {
		if !b.Add(of(t, 4)) || b.Rows() != 5 || b.Len() != 1 || b.Revised {
			t.Fatalf("%d rows, %d messages", b.Rows(), b.Len())
		}
		b.Bury(&v1.Cdr{TicketId: "x", Revision: 3})
		if b.Tombstones() != 1 || b.Cdrs.Rows() != 5 {
			t.Fatalf("%d tombstones", b.Tombstones())
		}
		n := 0
		for i, r := range b.EachCdr() {
			if i != n || r.Gone != (i == 4) {
				t.Errorf("row %d: %d, gone %v", n, i, r.Gone)
			}
			n++
		}
		same := b
		if b = b.Reset(); b != same || b.Rows() != 0 || b.Len() != 0 || b.Tombstones() != 0 || b.Bytes != 0 {
			t.Fatalf("after a reset: %+v", b)
		}
	}
	b.Bytes = large + 1
	b = b.Reset() // kept while it is busy
	if !b.Add(of(t, 1)) {
		t.Fatal("not taken")
	}
	if quiet := b; b.Reset() == quiet {
		t.Error("a quiet batch keeps the memory of a large one")
	}
}

// FuzzReceipt: whatever stands in the stream becomes rows, or is left for a
// newer sink; it stops nothing.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("no receipt"))
	good, err := proto.Marshal(&v1.CdrBatch{MessageId: "m", Site: "lyon", Cdrs: []*v1.Cdr{{TicketId: "a", Attributes: map[string]string{"k": "v"}, Warnings: []v1.Warning{1}}}, Others: []*v1.OtherTicket{{TicketId: "b"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := New()
		m := &message{data: data}
		if !b.Add(m) {
			if b.Rows() != 0 {
				t.Error("a newer receipt left rows")
			}
			return
		}
		if b.Receipts.Rows()+b.Unreadable != 1 {
			t.Errorf("%d receipts, %d unreadable", b.Receipts.Rows(), b.Unreadable)
		}
		n := 0
		for range b.EachCdr() {
			n++
		}
		if n != b.Cdrs.Rows() {
			t.Errorf("%d rows, then %d", b.Cdrs.Rows(), n)
		}
	})
}

// An act's begin that comes behind its end must not stand in its place, also in a
// batch that is used again.
func TestActsOutOfOrder(t *testing.T) {
	b := New()
	add := func(id, after string) {
		data, err := proto.Marshal(&v1.CdrBatch{Act: &v1.Act{Id: id, What: "import", After: after}})
		if err != nil {
			t.Fatal(err)
		}
		if !b.Add(&message{data: data}) {
			t.Fatal("it is left alone")
		}
	}
	for range 2 {
		add("a", "")
		add("a", "{}")
		add("b", "{}")
		add("b", "")
		add("c", "")
		add("d", "")
		if begun := b.Begun(); !slices.Equal(begun, []string{"c", "d"}) {
			t.Errorf("only begun are %v", begun)
		}
		b.Begin(map[string]bool{"d": true})
		if rows, messages := b.Acts.Rows(), b.Len(); rows != 3 || messages != 6 {
			t.Errorf("%d rows of %d messages", rows, messages)
		}
		b = b.Reset()
	}
	add("b", "")
	if b.Begin(nil); b.Acts.Rows() != 1 {
		t.Errorf("an act of another batch: %d rows", b.Acts.Rows())
	}
}
