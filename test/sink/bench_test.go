package sink_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// BenchmarkEndToEnd takes receipts of 500 tickets out of a full stream into the
// engine.
func BenchmarkEndToEnd(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := newBench(b)
		stop := n.start(n.config())
		stop()
		const messages, each = 600, 500
		for i := range messages {
			r := receipt(0, nil)
			for k := range each {
				c := call(fmt.Sprintf("%032x", i*each+k), day.Add(time.Duration(i*each+k)*time.Second), 0)
				c.CallingNumber, c.CalledNumber, c.CalledName = c.ExternalNumber, "204", "Reception"
				c.Attributes = map[string]string{"park_slot": "", "is_internal": "0"}
				c.Raw = []byte(fmt.Sprintf("2026/03/14 09:00:00,00:01:01,4,0199001234,I,204,204,,0,%d,0,E204,Reception,T9001,Line 1.1,0,0,,,,,,,,,,,,,", 1000000+k))
				r.Cdrs = append(r.Cdrs, c)
			}
			data, err := proto.Marshal(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := n.bus.JS.PublishAsync(wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "front-desk"}.CdrSubject(), data); err != nil {
				b.Fatal(err)
			}
		}
		<-n.bus.JS.PublishAsyncComplete()
		b.StartTimer()
		started := time.Now()
		stop = n.start(n.config())
		n.settled()
		took := time.Since(started)
		b.StopTimer()
		stop()
		if got := n.sql("SELECT count() FROM DB.calls"); got != fmt.Sprint(messages*each) {
			b.Fatalf("%s calls", got)
		}
		b.ReportMetric(messages*each/took.Seconds(), "rows/s")
		b.StartTimer()
	}
}

// BenchmarkLoneTicket is the time from a receipt in the stream to its row in
// calls.
func BenchmarkLoneTicket(b *testing.B) {
	n := newBench(b)
	n.start(n.config())
	i := 0
	for b.Loop() {
		i++
		id := fmt.Sprintf("lone-%d", i)
		n.publish(receipt(0, []*v1.Cdr{call(id, day, 0)}))
		n.await("SELECT count() FROM DB.cdrs WHERE ticket_id = '"+id+"'", "1")
	}
}
