package rows

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "trunkline.internal/proto/trunkline/v1"
)

func names(in proto.Input) map[string]proto.ColInput {
	m := make(map[string]proto.ColInput)
	for _, c := range in {
		m[c.Name] = c.Data
	}
	return m
}

// TestColumns: each field of the messages has a column of its name.
func TestColumns(t *testing.T) {
	for _, c := range []struct {
		what    string
		input   proto.Input
		message protoreflect.Message
		except  map[protoreflect.Name]bool
	}{
		{"cdrs", NewCdrs().Input(), (*v1.Cdr)(nil).ProtoReflect(), nil},
		{"other_tickets", NewOthers().Input(), (*v1.OtherTicket)(nil).ProtoReflect(), nil},
		{"other_tickets", NewOthers().Input(), (*v1.Place)(nil).ProtoReflect(), nil},
		{"receipts", NewReceipts().Input(), (*v1.CdrBatch)(nil).ProtoReflect(), map[protoreflect.Name]bool{"place": true, "cdrs": true, "others": true, "former_ids": true, "act": true}},
		{"audit", NewActs().Input(), (*v1.Act)(nil).ProtoReflect(), nil},
	} {
		have := names(c.input)
		fields := c.message.Descriptor().Fields()
		for i := range fields.Len() {
			if name := fields.Get(i).Name(); have[string(name)] == nil && !c.except[name] {
				t.Errorf("%s has no column %s", c.what, name)
			}
		}
	}
}

func sampleCdr(i int) *v1.Cdr {
	start := time.Date(2026, 3, 14, 9, 0, 0, 123456789, time.UTC).Add(time.Duration(i) * time.Second)
	return &v1.Cdr{
		TicketId: fmt.Sprintf("%032x", i), Site: "lyon", Link: "front-desk", Model: "avaya-ipoffice",
		ReceivedTime: timestamppb.New(start.Add(time.Minute)), ParsedTime: timestamppb.New(start.Add(time.Minute)), ParserVersion: "1.0.0",
		CallKey: fmt.Sprintf("%016x", i/2), RecordRole: v1.RecordRole_RECORD_ROLE_CALL, Direction: v1.Direction_DIRECTION_INBOUND,
		Network: v1.Network_NETWORK_PUBLIC, Disposition: v1.Disposition_DISPOSITION_ANSWERED, StartTime: timestamppb.New(start),
		TimePrecisionSeconds: 1, RingSeconds: uint32(i % 30), TalkSeconds: uint32(i % 600), UtcOffsetSeconds: 3600,
		CallingNumber: fmt.Sprintf("+331990%05d", i%100000), CalledNumber: "204", Did: "0199001000", Extension: "204", ExtensionName: "Reception",
		ExternalNumber: fmt.Sprintf("01990%05d", i%100000), ExternalE164: fmt.Sprintf("+331990%05d", i%100000), Trunk: "T9001", TrunkGroup: "1",
		CallId: fmt.Sprint(1000000 + i), Sequence: fmt.Sprint(i), Attributes: map[string]string{"park_slot": "", "is_internal": "0"},
		Raw: []byte("2026/03/14 09:00:00,00:01:01,4,0199001234,I,204,204,,0,1000014155,0,E204,Reception,T9001,Line 1.1,0,0,,,,,,,,,,,,,"),
	}
}

// decode reads a block as a server would.
func decode(t *testing.T, input proto.Input) map[string]proto.ColResult {
	t.Helper()
	var buf proto.Buffer
	rows := input[0].Data.Rows()
	if err := (proto.Block{Columns: len(input), Rows: rows}).EncodeRawBlock(&buf, 0, input); err != nil {
		t.Fatal(err)
	}
	var results proto.Results
	for _, c := range input {
		var data proto.ColResult = proto.NewMap[string, string](proto.NewLowCardinality[string](new(proto.ColStr)), new(proto.ColStr))
		if c.Name != "attributes" {
			var auto proto.ColAuto
			if err := auto.Infer(c.Data.Type()); err != nil {
				t.Fatal(err)
			}
			data = auto.Data
		}
		results = append(results, proto.ResultColumn{Name: c.Name, Data: data})
	}
	var block proto.Block
	if err := block.DecodeRawBlock(proto.NewReader(bytes.NewReader(buf.Buf)), 0, results); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]proto.ColResult)
	for _, c := range results {
		got[c.Name] = c.Data
	}
	return got
}

func TestRoundTrip(t *testing.T) {
	block := NewCdrs()
	cdr := sampleCdr(1)
	cdr.Warnings = []v1.Warning{v1.Warning_WARNING_MASKED, v1.Warning_WARNING_ODD_VALUE}
	for range 2 { // a block that is reused is as good as new
		block.Reset()
		block.Add(Cdr{Cdr: cdr})
		block.Add(Cdr{Cdr: &v1.Cdr{TicketId: "x"}, Gone: true})
		got := decode(t, block.Input())
		if s := got["start_time"].(*proto.ColDateTime64).Row(0); !s.Equal(cdr.StartTime.AsTime().Truncate(time.Millisecond)) {
			t.Errorf("start %v", s)
		}
		if s := got["received_time"].(*proto.ColDateTime64).Row(0); !s.Equal(cdr.ReceivedTime.AsTime().Truncate(time.Microsecond)) {
			t.Errorf("received %v", s)
		}
		if s := got["end_time"].(*proto.ColDateTime64).Row(0).Unix(); s != 0 {
			t.Errorf("end %v", s)
		}
		if d := got["direction"].(*proto.ColLowCardinality[string]); d.Row(0) != "INBOUND" || d.Row(1) != "" {
			t.Errorf("direction %v", d.Values)
		}
		if w := got["warnings"].(*proto.ColArr[string]).Row(0); len(w) != 2 || w[0] != "MASKED" || w[1] != "ODD_VALUE" {
			t.Errorf("warnings %v", w)
		}
		if a := got["attributes"].(*proto.ColMap[string, string]).RowKV(0); len(a) != 2 || a[0].Key != "is_internal" {
			t.Errorf("attributes %v", a)
		}
		if g := *got["gone"].(*proto.ColUInt8); g[0] != 0 || g[1] != 1 {
			t.Errorf("gone %v", g)
		}
		if r := got["raw"].(*proto.ColStr).Row(0); r != string(cdr.Raw) {
			t.Errorf("raw %q", r)
		}
	}
}

func TestManyWords(t *testing.T) {
	for _, n := range []int{1, 256, 257, 65_536, 65_537} {
		block := newBlock("t", []column[int]{word("w", func(i int) string { return fmt.Sprint(i % n) })})
		for i := range 70_000 {
			block.Add(i)
		}
		got := decode(t, block.Input())["w"].(*proto.ColLowCardinality[string])
		for i := range 70_000 {
			if got.Row(i) != fmt.Sprint(i%n) {
				t.Fatalf("%d words: row %d is %q", n, i, got.Row(i))
			}
		}
	}
}

func TestNewer(t *testing.T) {
	extra := []byte{0xf8, 0x3f, 1} // field 1023
	for name, change := range map[string]func(*v1.CdrBatch){
		"receipt":     func(b *v1.CdrBatch) { b.ProtoReflect().SetUnknown(extra) },
		"place":       func(b *v1.CdrBatch) { b.Place.ProtoReflect().SetUnknown(extra) },
		"cdr":         func(b *v1.CdrBatch) { b.Cdrs[1].ProtoReflect().SetUnknown(extra) },
		"other":       func(b *v1.CdrBatch) { b.Others[0].ProtoReflect().SetUnknown(extra) },
		"outcome":     func(b *v1.CdrBatch) { b.Others[0].Outcome = 4 },
		"role":        func(b *v1.CdrBatch) { b.Cdrs[0].RecordRole = 99 },
		"direction":   func(b *v1.CdrBatch) { b.Cdrs[0].Direction = 5 },
		"network":     func(b *v1.CdrBatch) { b.Cdrs[0].Network = -1 },
		"disposition": func(b *v1.CdrBatch) { b.Cdrs[0].Disposition = 10 },
		"class":       func(b *v1.CdrBatch) { b.Cdrs[0].ChargeClass = 5 },
		"warning":     func(b *v1.CdrBatch) { b.Cdrs[0].Warnings = []v1.Warning{1, 99} },
	} {
		b := &v1.CdrBatch{Place: &v1.Place{}, Cdrs: []*v1.Cdr{sampleCdr(1), sampleCdr(2)}, Others: []*v1.OtherTicket{{Outcome: v1.Outcome_OUTCOME_DEAD}}}
		if Newer(b) {
			t.Fatal("today's receipt is taken for a newer one")
		}
		if change(b); !Newer(b) {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestTimesStayWithinTheColumn(t *testing.T) {
	for in, want := range map[*timestamppb.Timestamp]int64{
		nil:                              0,
		{Seconds: 1, Nanos: 999_999_999}: 1999,
		{Seconds: 1, Nanos: -5}:          1000,
		{Seconds: -1 << 60}:              earliest * 1000,
		{Seconds: 1 << 60}:               latest * 1000,
	} {
		if got := Millis(in); got != want {
			t.Errorf("Millis(%v) = %d, want %d", in, got, want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	const n = 50_000
	cdrs := make([]*v1.Cdr, 1000)
	for i := range cdrs {
		cdrs[i] = sampleCdr(i)
	}
	block := NewCdrs()
	var buf proto.Buffer
	b.ReportAllocs()
	for b.Loop() {
		block.Reset()
		for i := range n {
			block.Add(Cdr{Cdr: cdrs[i%len(cdrs)]})
		}
		buf.Reset()
		if err := (proto.Block{Columns: len(block.Input()), Rows: n}).EncodeRawBlock(&buf, 0, block.Input()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(len(buf.Buf))/n, "B/row")
}
