package sink_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

func (b *bench) counts(ask *v1.AskCounts) *v1.Counts {
	b.t.Helper()
	var got *v1.Counts
	err := bus.Ask(b.t.Context(), b.bus.Conn, wire.AskCounts, ask, 20*time.Second, func(answer []byte) (bool, error) {
		got = new(v1.Counts)
		return true, proto.Unmarshal(answer, got)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if got == nil {
		b.t.Fatal("nobody answered")
	}
	return got
}

// What came on a day, what became of it, how far the PBX's clock is off, and what
// is missing in its sequence.
func TestCounts(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	received := day.Add(time.Hour)
	numbered := func(id, sequence string, end time.Time) *v1.Cdr {
		c := call(id, end.Add(-65*time.Second), 0) // 4 s of ringing and 61 of talk
		c.Sequence = sequence
		return c
	}
	b.publish(
		receipt(0, []*v1.Cdr{
			numbered("a", "0007", received.Add(-3*time.Second)), numbered("b", "0008", received.Add(-5*time.Second)),
			numbered("c", "0012", received.Add(-time.Hour)), numbered("d", "900000", received.Add(-4*time.Second)), numbered("e", "", received.Add(-4*time.Second)),
		}, other("f", v1.Outcome_OUTCOME_IGNORED), other("g", v1.Outcome_OUTCOME_DEAD)),
		// The same ticket once more, in a message of its own, and one of another day.
		receipt(0, []*v1.Cdr{numbered("a", "0007", received.Add(-3*time.Second))}),
	)
	elsewhere := receipt(0, []*v1.Cdr{call("z", day, 0)})
	elsewhere.Link, elsewhere.Cdrs[0].Link = "second", "second"
	// A clock of minutes: the call ended 35 s before it was received, or up to 60 s
	// later.
	elsewhere.Cdrs[0].StartTime, elsewhere.Cdrs[0].TimePrecisionSeconds = timestamppb.New(received.Add(-100*time.Second)), 60
	tomorrow := receipt(0, []*v1.Cdr{call("y", day, 0)})
	tomorrow.ReceivedTime = timestamppb.New(received.AddDate(0, 0, 1))
	tomorrow.Cdrs[0].ReceivedTime = tomorrow.ReceivedTime
	b.publish(elsewhere, tomorrow)
	b.await("SELECT count() FROM DB.receipts FINAL", "4")

	got := b.counts(&v1.AskCounts{Date: "2026-03-14"})
	if got.Error != "" || len(got.Links) != 2 || got.Links[1].Link != "second" || got.Links[1].Tickets != 1 || math.Abs(got.Links[1].DriftSeconds-5) > 0.001 {
		t.Fatalf("counts of the day: %v", got)
	}
	c := got.Links[0]
	if c.Site != "lyon" || c.Link != "front-desk" || c.Tickets != 8 || c.Cdrs != 6 || c.Ignored != 1 || c.Dead != 1 {
		t.Errorf("receipts: %v", c)
	}
	if c.CallRows != 5 || c.OtherRows != 2 || c.DeadReason != "page_header" {
		t.Errorf("rows: %v", c)
	}
	if c.SequenceGaps != 3 { // 9, 10 and 11; the jump is another count
		t.Errorf("%d gaps", c.SequenceGaps)
	}
	if !c.HasDrift || math.Abs(c.DriftSeconds-4) > 0.001 {
		t.Errorf("drift %v", c.DriftSeconds)
	}
	if one := b.counts(&v1.AskCounts{Date: "2026-03-14", Site: "lyon", Link: "second"}); len(one.Links) != 1 || one.Links[0].Link != "second" {
		t.Errorf("one link: %v", one)
	}
	if none := b.counts(&v1.AskCounts{Date: "2026-03-13"}); none.Error != "" || len(none.Links) != 0 {
		t.Errorf("a day without tickets: %v", none)
	}
	for _, bad := range []*v1.AskCounts{{Date: "14/03/2026"}, {Site: "x' OR 1"}} {
		if got := b.counts(bad); got.Error == "" {
			t.Errorf("%v is answered: %v", bad, got)
		}
	}
	// A ClickHouse that refuses is told, and asked again later.
	b.breakWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "INSERT") {
			return true
		}
		return exception(241, "MEMORY_LIMIT_EXCEEDED")(w, r)
	})
	if got := b.counts(&v1.AskCounts{}); !strings.Contains(got.Error, "MEMORY_LIMIT_EXCEEDED") {
		t.Errorf("a refusal is told as %q", got.Error)
	}
	b.mend()
}
