package sink_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

// bench is a sink between a NATS server of its own and a database of its own,
// with a place for faults before ClickHouse.
type bench struct {
	t        testing.TB
	bus      *bus.Bus
	database string
	front    *httptest.Server
	faults   atomic.Pointer[fault]
	metrics  *prometheus.Registry
	log      *safeBuffer

	mu     sync.Mutex
	health map[string]error
	// told is every error that health has told, by part.
	told map[string][]string
}

func newBench(t testing.TB, change ...func(*bus.Config)) *bench {
	t.Helper()
	b := &bench{
		t: t, database: "t_" + strings.ToLower(rand.Text()[:12]), metrics: prometheus.NewRegistry(), log: new(safeBuffer),
		health: map[string]error{}, told: map[string][]string{},
	}
	srv, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	cfg := bus.Config{URL: "nats://embedded", Name: "test", Options: []nats.Option{srv.Option()}, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	if b.bus, err = bus.Connect(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.bus.Run(ctx, func() {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.bus.Close()
	})
	if err := b.bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := &url.URL{Scheme: "http", Host: shared.Addr()}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	b.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := b.faults.Load(); f != nil && !(*f)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(b.front.Close)
	t.Cleanup(func() { b.sql("DROP DATABASE IF EXISTS " + b.database) })
	return b
}

// fault stands before ClickHouse. It answers a request, or passes it on.
type fault func(http.ResponseWriter, *http.Request) (pass bool)

// exception answers as ClickHouse does.
func exception(code int, name string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(code))
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "Code: %d. DB::Exception: Made by the test. (%s) (version 26.7.2.1)", code, name)
		return false
	}
}

func (b *bench) breakWith(f fault) { b.faults.Store(&f) }
func (b *bench) mend()             { b.faults.Store(nil) }

// config is the sink's, with the engine's token.
func (b *bench) config() config.ClickHouse {
	b.t.Setenv("SINK_TEST_TOKEN", shared.Token())
	return config.ClickHouse{
		Addr: []string{b.front.Listener.Addr().String()}, Protocol: "http", Database: b.database,
		User: "trunkline", Secret: config.Secret{PasswordEnv: "SINK_TEST_TOKEN"},
	}
}

// start runs a sink; stop ends it and waits for it. It waits for ready.
func (b *bench) start(cfg config.ClickHouse) (stop func()) {
	b.t.Helper()
	stop, ready := b.launch(cfg)
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		b.t.Fatalf("the sink is not ready: %v", b.healthOf("clickhouse"))
	}
	return stop
}

func (b *bench) launch(cfg config.ClickHouse) (stop func(), ready chan struct{}) {
	b.t.Helper()
	s, err := sink.New(cfg, sink.Deps{
		Bus: b.bus, Log: slog.New(slog.NewTextHandler(b.log, nil)), Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"run": rand.Text()}, b.metrics),
		SetHealth: func(part string, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.health[part] = err
			if err != nil {
				b.told[part] = append(b.told[part], err.Error())
			}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	ready = make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				b.t.Errorf("sink: %v", err)
			}
		case <-time.After(45 * time.Second):
			b.t.Error("the sink does not end")
		}
	})
	b.t.Cleanup(stop)
	return stop, ready
}

func (b *bench) healthOf(part string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health[part]
}

// sql runs a statement as the writer, beside the faults, and gives the result
// as tab-separated text.
func (b *bench) sql(q string) string {
	b.t.Helper()
	out, err := ask(q, b.database, shared.Token())
	if err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	return out
}

// read runs a statement as a reader.
func (b *bench) read(q string) string {
	b.t.Helper()
	out, err := ask(q, b.database, "")
	if err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	return out
}

func ask(q, database, token string) (string, error) {
	q = strings.ReplaceAll(q, "DB.", database+".")
	req, err := http.NewRequest(http.MethodPost, "http://"+shared.Addr()+"/?wait_end_of_query=1", strings.NewReader(q))
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("X-ClickHouse-Key", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", body)
	}
	return strings.TrimRight(string(body), "\n"), err
}

// row reads one row as JSON.
func (b *bench) row(q string) map[string]any {
	b.t.Helper()
	var out map[string]any
	d := json.NewDecoder(strings.NewReader(b.sql(q + " FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 1")))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	return out
}

// await waits until a query gives what is wanted.
func (b *bench) await(q, want string) {
	b.t.Helper()
	got := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		out, err := ask(q, b.database, shared.Token())
		if err != nil {
			out = err.Error()
		}
		if got = out; got == want {
			return
		}
	}
	b.t.Fatalf("%s gives %q, want %q (health: %v)", q, got, want, b.healthOf("clickhouse"))
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	b.t.Fatalf("it does not happen: %s (health: %v)\n%s", what, b.healthOf("clickhouse"), b.log)
}

// consumer is the state of the sink's consumer.
func (b *bench) consumer() *jetstream.ConsumerInfo {
	b.t.Helper()
	c, err := b.bus.JS.Consumer(b.t.Context(), wire.StreamCdrs, wire.ConsumerSink)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.CachedInfo()
}

// settled waits until every receipt is acknowledged.
func (b *bench) settled() {
	b.t.Helper()
	b.until("all receipts are acknowledged", func() bool {
		s, err := b.bus.JS.Stream(b.t.Context(), wire.StreamCdrs)
		if err != nil {
			b.t.Fatal(err)
		}
		return b.consumer().AckFloor.Stream == s.CachedInfo().State.LastSeq
	})
}

// publish puts receipts into the stream.
func (b *bench) publish(receipts ...*v1.CdrBatch) {
	b.t.Helper()
	for _, r := range receipts {
		data, err := proto.Marshal(r)
		if err != nil {
			b.t.Fatal(err)
		}
		b.publishRaw(wire.Address{Model: r.Model, Site: r.Site, Link: r.Link}.CdrSubject(), data)
	}
}

func (b *bench) publishRaw(subject string, data []byte) {
	b.t.Helper()
	if _, err := b.bus.JS.Publish(b.t.Context(), subject, data); err != nil {
		b.t.Fatal(err)
	}
}

// day is when the tests' calls are made.
var day = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

func call(id string, start time.Time, revision uint32) *v1.Cdr {
	return &v1.Cdr{
		TicketId: id, Site: "lyon", Link: "front-desk", Model: "avaya-ipoffice", Revision: revision,
		ReceivedTime: timestamppb.New(day.Add(time.Hour)), ParsedTime: timestamppb.New(day.Add(time.Hour)), ParserVersion: "1.0",
		CallKey: id, RecordRole: v1.RecordRole_RECORD_ROLE_CALL, Direction: v1.Direction_DIRECTION_INBOUND,
		Disposition: v1.Disposition_DISPOSITION_ANSWERED, StartTime: timestamppb.New(start), UtcOffsetSeconds: 3600,
		RingSeconds: 4, TalkSeconds: 61, ExternalNumber: "0199001234", Extension: "204", Raw: []byte("raw of " + id),
	}
}

func other(id string, outcome v1.Outcome) *v1.OtherTicket {
	return &v1.OtherTicket{TicketId: id, Outcome: outcome, Reason: "page_header", Raw: []byte("raw of " + id), Position: "7"}
}

var messages atomic.Int64

// receipt is a message's; without an id it gets one.
func receipt(revision uint32, cdrs []*v1.Cdr, others ...*v1.OtherTicket) *v1.CdrBatch {
	r := &v1.CdrBatch{
		MessageId: fmt.Sprintf("m%d", messages.Add(1)), StreamSequence: 7, Revision: revision, ParserVersion: "1.0",
		ReceivedTime: timestamppb.New(day.Add(time.Hour)), ParsedTime: timestamppb.New(day.Add(time.Hour)),
		Site: "lyon", Link: "front-desk", Model: "avaya-ipoffice", Parts: 1,
		TicketCount: uint32(len(cdrs) + len(others)), CdrCount: uint32(len(cdrs)), ByteCount: 99,
		Place: &v1.Place{Origin: "tcp:0", Offset: "0", Name: "10.0.0.1"},
		Cdrs:  cdrs, Others: others,
	}
	for _, o := range others {
		if o.Outcome == v1.Outcome_OUTCOME_DEAD {
			r.DeadCount++
		} else {
			r.IgnoredCount++
		}
	}
	return r
}

// metric sums a metric over its labels.
func (b *bench) metric(name string) float64 {
	b.t.Helper()
	families, err := b.metrics.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newSink makes a sink that is not run.
func newSink(b *bench, cfg config.ClickHouse) error {
	_, err := sink.New(cfg, sink.Deps{Bus: b.bus, Log: slog.New(slog.DiscardHandler)})
	return err
}
