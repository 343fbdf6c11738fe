package parser

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// told is a format whose tickets say what is to become of them.
type told struct{}

func (told) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	word, rest, _ := strings.Cut(string(t.Raw), " ")
	cdr.StartTime = timestamppb.New(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	cdr.RecordRole, cdr.Direction = trunklinev1.RecordRole_RECORD_ROLE_CALL, trunklinev1.Direction_DIRECTION_INBOUND
	switch word {
	case "call":
		cdr.CallingNumber = rest
	case "key":
		return formats.Result{Key: []string{rest}}
	case "future":
		cdr.StartTime = timestamppb.New(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	case "ignore":
		return formats.Ignore("page_header")
	case "panic":
		panic("no such column")
	case "binary":
		cdr.CallingName = "\xff\xfe"
	default:
		return formats.Die("no_call", "column 1 is "+word+", want call")
	}
	return formats.Result{}
}

func useTold(t *testing.T) {
	real := registry["mitel-3300"]
	registry["mitel-3300"] = func(*kit.Link) (formats.Parser, error) { return told{}, nil }
	t.Cleanup(func() { registry["mitel-3300"] = real })
}

var settings = pbx.Settings{Site: "lyon", Link: "icp", Model: "mitel-3300", Timezone: "Europe/Paris"}

func message(payload string) *bus.TicketMessage {
	return &bus.TicketMessage{
		Address:  wire.Address{Model: "mitel-3300", Site: "lyon", Link: "icp"},
		Received: time.Date(2026, 11, 20, 10, 5, 0, 0, time.UTC), Origin: "tcp:0", Offset: "100", Payload: []byte(payload),
	}
}

func TestRead(t *testing.T) {
	useTold(t)
	r, err := NewReader(settings)
	if err != nil {
		t.Fatal(err)
	}
	payload := "call 201\r\nignore\r\nnoise\r\npanic\r\nkey 7\r\nfuture\r\ncall 202\r\n"
	b := r.Read(message(payload))
	if b.TicketCount != 7 || b.CdrCount != 4 || b.IgnoredCount != 1 || b.DeadCount != 2 || b.ByteCount != uint64(len(payload)) {
		t.Errorf("counts %v", b)
	}
	if len(b.Cdrs) != 4 || len(b.Others) != 3 {
		t.Fatalf("%d CDRs, %d others", len(b.Cdrs), len(b.Others))
	}
	first := b.Cdrs[0]
	if first.TicketId != identity.AtPlace("lyon", "icp", "tcp:0", "100") || first.CallKey != first.TicketId || string(first.Raw) != "call 201" || first.Model != "mitel-3300" {
		t.Errorf("first CDR %v", first)
	}
	if got, want := b.Cdrs[1].TicketId, identity.ByKey("lyon", "icp", "7"); got != want {
		t.Errorf("id by key %s, want %s", got, want)
	}
	if w := b.Cdrs[2].Warnings; len(w) != 1 || w[0] != trunklinev1.Warning_WARNING_FUTURE_START {
		t.Errorf("a start in 2099 warns %v", w)
	}
	for i, want := range []struct {
		reason, raw, says string
		outcome           trunklinev1.Outcome
	}{
		{"page_header", "ignore", "", trunklinev1.Outcome_OUTCOME_IGNORED},
		{"no_call", "noise", "want call", trunklinev1.Outcome_OUTCOME_DEAD},
		{"panic", "panic", "no such column", trunklinev1.Outcome_OUTCOME_DEAD},
	} {
		o := b.Others[i]
		if o.Reason != want.reason || string(o.Raw) != want.raw || o.Outcome != want.outcome || !strings.Contains(o.Error, want.says) {
			t.Errorf("other %d: %v, want %v", i, o, want)
		}
		if o.TicketId != identity.AtPlace("lyon", "icp", "tcp:0", o.Position) {
			t.Errorf("other %d: id %s does not fit position %s", i, o.TicketId, o.Position)
		}
	}
	cut := message("call 20")
	cut.Incomplete = wire.IncompleteCutOff
	if b := r.Read(cut); b.DeadCount != 1 || b.Others[0].Reason != "cut-off" || string(b.Others[0].Raw) != "call 20" {
		t.Errorf("incomplete: %v", b)
	}
	row := message("{\"x\":\"1\"}\n")
	row.Offset = "id=1"
	if b := r.Read(row); b.DeadCount != 1 || b.Others[0].Reason != ReasonNoKey {
		t.Errorf("a row without its key: %v", b)
	}
}

// However large a receipt is, each part fits a message, nothing is lost, and the
// counts add up.
func TestSplit(t *testing.T) {
	useTold(t)
	r, _ := NewReader(settings)
	var payload bytes.Buffer
	for i := range 400 {
		fmt.Fprintf(&payload, "call %d%s\r\n", i, strings.Repeat("x", 1200))
		fmt.Fprintf(&payload, "noise %d\r\n", i)
	}
	payload.WriteString("binary\r\n")
	whole := r.Read(message(payload.String()))
	parts, err := Split(whole)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) < 2 {
		t.Fatalf("%d parts", len(parts))
	}
	ids := make(map[string]bool)
	var tickets, cdrs, dead uint32
	for i, data := range parts {
		if len(data) > wire.MaxReceipt {
			t.Errorf("part %d has %d bytes", i, len(data))
		}
		var p trunklinev1.CdrBatch
		if err := proto.Unmarshal(data, &p); err != nil {
			t.Fatal(err)
		}
		if p.Part != uint32(i) || p.Parts != uint32(len(parts)) || p.Place.GetOrigin() != "tcp:0" {
			t.Errorf("part %d: %d of %d, %v", i, p.Part, p.Parts, p.Place)
		}
		tickets, cdrs, dead = tickets+p.TicketCount, cdrs+p.CdrCount, dead+p.DeadCount
		for _, c := range p.Cdrs {
			ids[c.TicketId] = true
		}
		for _, o := range p.Others {
			ids[o.TicketId] = true
			if string(o.Raw) == "binary" && o.Reason != ReasonNotText {
				t.Errorf("binary: %v", o)
			}
		}
	}
	if tickets != 801 || cdrs != 400 || dead != 401 || len(ids) != 801 {
		t.Errorf("%d tickets, %d CDRs, %d dead, %d ids", tickets, cdrs, dead, len(ids))
	}
}

// A receipt takes as much memory as it has bytes: one of one ticket is made some
// thousand times a second.
func TestSplitIsFrugal(t *testing.T) {
	useTold(t)
	r, _ := NewReader(settings)
	for _, tickets := range []string{"call 1\r\n", "noise\r\n", "binary\r\n", strings.Repeat("call 1\r\n", 500)} {
		parts, err := Split(r.Read(message(tickets)))
		if err != nil || len(parts) != 1 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		if took, needs := cap(parts[0]), len(parts[0]); took > needs+needs/4+64 {
			t.Errorf("%.20q: %d bytes for %d", tickets, took, needs)
		}
	}
}

type running struct {
	*bus.Bus
	registry *prometheus.Registry
	tickets  *bus.Committer
	// stop ends the parser.
	stop func()
}

// start runs a broker, and a parser on it, until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	useTold(t)
	r := connect(t, broker(t))
	r.parse(t)
	return r
}

func broker(t *testing.T) *natsd.Server {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return srv
}

// connect is a client of the broker, as of a process of its own.
func connect(t *testing.T, srv *natsd.Server, change ...func(*bus.Config)) *running {
	t.Helper()
	registry := prometheus.NewRegistry()
	cfg := bus.Config{
		URL: "nats://embedded", Name: "test", Options: []nats.Option{srv.Option()},
		Log: slog.New(slog.DiscardHandler), Metrics: registry,
	}
	for _, c := range change {
		c(&cfg)
	}
	b, err := bus.Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	r := &running{Bus: b, registry: registry, tickets: b.NewCommitter(wire.StreamTickets)}
	background(t, b.Run)
	background(t, func(ctx context.Context, ready func()) error { ready(); return r.tickets.Run(ctx) })
	return r
}

// parse runs a parser.
func (r *running) parse(t *testing.T) {
	t.Helper()
	cdrs := r.NewCommitter(wire.StreamCdrs)
	stopCommitter := background(t, func(ctx context.Context, ready func()) error { ready(); return cdrs.Run(ctx) })
	s, err := New(Deps{Bus: r.Bus, Cdrs: cdrs, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s.grace = 100 * time.Millisecond
	stop := background(t, s.Run)
	r.stop = func() { stop(); stopCommitter() }
}

// background runs a part until the test ends, or it is stopped.
func background(t *testing.T, run func(context.Context, func()) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("it does not end")
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatal("ended before it was ready:", err)
	}
	return stop
}

// act is the only message of the stream CDRS.
func (r *running) act(t *testing.T) *trunklinev1.Act {
	t.Helper()
	c, err := r.JS.OrderedConsumer(t.Context(), wire.StreamCdrs, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := c.Next(jetstream.FetchMaxWait(30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	b := new(trunklinev1.CdrBatch)
	if err := proto.Unmarshal(msg.Data(), b); err != nil {
		t.Fatal(err)
	}
	return b.Act
}

// receipts reads so many messages of the stream CDRS.
func (r *running) receipts(t *testing.T, n int) []*trunklinev1.CdrBatch {
	t.Helper()
	c, err := r.JS.OrderedConsumer(t.Context(), wire.StreamCdrs, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*trunklinev1.CdrBatch
	for len(out) < n {
		msg, err := c.Next(jetstream.FetchMaxWait(30 * time.Second))
		if err != nil {
			t.Fatalf("%d of %d receipts: %v", len(out), n, err)
		}
		b := new(trunklinev1.CdrBatch)
		if err := proto.Unmarshal(msg.Data(), b); err != nil {
			t.Fatal(err)
		}
		if a, ok := wire.ParseSubject(msg.Subject()); !ok || a.Site != b.Site || a.Link != b.Link {
			t.Errorf("subject %s of %s/%s", msg.Subject(), b.Site, b.Link)
		}
		out = append(out, b)
	}
	return out
}

func TestTicketsOfAnUnknownLinkWait(t *testing.T) {
	r := start(t)
	unknown := message("call 1\r\n")
	unknown.Link = "late"
	if err := r.tickets.Publish(t.Context(), unknown.Msg(), message("call 2\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if got := r.receipts(t, 1); got[0].Link != "icp" || got[0].CdrCount != 1 {
		t.Errorf("first receipt %v", got[0])
	}
	late := settings
	late.Link = "late"
	if err := r.Links.Put(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if got := r.receipts(t, 2); got[1].Link != "late" || got[1].CdrCount != 1 || got[1].StreamSequence == 0 {
		t.Errorf("second receipt %v", got[1])
	}
}

func TestAMessageWithoutHeadersIsBuried(t *testing.T) {
	r := start(t)
	msg := message("call 1\r\n").Msg()
	msg.Header.Del(wire.HeaderReceived)
	msg.Header.Del(wire.HeaderOrigin)
	if err := r.tickets.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	got := r.receipts(t, 1)[0]
	if got.DeadCount != 1 || got.Others[0].Reason != ReasonHeaders || string(got.Others[0].Raw) != "call 1\r\n" || got.ReceivedTime.AsTime().Year() < 2026 {
		t.Errorf("receipt %v", got)
	}
}

// A message that was begun five times and never answered is dead, whole; one
// that only waited is not.
func TestPoison(t *testing.T) {
	useTold(t)
	r := start(t)
	for range attempts {
		if _, err := r.Attempts.Begin(t.Context(), "TICKETS.1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.tickets.Publish(t.Context(), message("call 1\r\ncall 2\r\n").Msg()); err != nil {
		t.Fatal(err)
	}
	// Delivered for the second time, as after a crash: it waited for its link.
	await := time.Now().Add(30 * time.Second)
	for {
		c, err := r.JS.Consumer(t.Context(), wire.StreamTickets, wire.ConsumerParser)
		if err != nil {
			t.Fatal(err)
		}
		if c.CachedInfo().NumAckPending == 1 && c.CachedInfo().Delivered.Consumer >= 1 {
			break
		}
		if time.Now().After(await) {
			t.Fatal("not delivered")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := r.Links.Put(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	got := r.receipts(t, 1)[0]
	if got.DeadCount != 1 || got.Others[0].Reason != ReasonPoison || string(got.Others[0].Raw) != "call 1\r\ncall 2\r\n" {
		t.Errorf("receipt %v", got)
	}
}
