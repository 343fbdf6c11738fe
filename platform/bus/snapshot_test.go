package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/natsd"
)

// filled starts a server as a restore does, beside another.
func filled(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	s, err := natsd.StartFill(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	nc, err := nats.Connect("nats://x", s.Option())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func publishMany(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		m := &nats.Msg{Subject: "s.x", Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint("id-", i)}}, Data: fmt.Append(nil, strings.Repeat("ticket ", 200), i)}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// What is restored has the same sequences and ids, and its consumer goes on where
// it was: what it had answered does not come again, what it had not does.
func TestCopyStream(t *testing.T) {
	ctx := t.Context()
	nc, js := filled(t)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxAge: time.Hour, AllowAtomicPublish: true})
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, js, 0, 1000)
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(101)); err != nil { // 1 to 100 are gone
		t.Fatal(err)
	}
	c, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(50)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range batch.Messages() {
		if n++; n != 10 { // the tenth is not answered
			if err := m.DoubleAck(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	var copied bytes.Buffer
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		for i := range 200 { // meanwhile
			_, _ = js.Publish(context.WithoutCancel(ctx), "s.x", fmt.Append(nil, "later ", i))
		}
	}()
	told, err := CopyStream(ctx, nc, "S", &copied)
	if err != nil {
		t.Fatal(err)
	}
	<-writing
	if told.Last < 1000 || told.First != 101 || told.Messages != told.Last-100 {
		t.Fatalf("it tells %d messages, %d to %d", told.Messages, told.First, told.Last)
	}

	to, js2 := filled(t)
	if _, err := RestoreStream(ctx, to, told, Restored{}, bytes.NewReader(copied.Bytes()[:copied.Len()/2])); err == nil {
		t.Error("half a copy is restored")
	}
	_ = js2.DeleteStream(ctx, "S")
	messages, err := RestoreStream(ctx, to, told, Restored{Age: 24 * time.Hour}, bytes.NewReader(copied.Bytes()))
	if err != nil || messages != told.Messages {
		t.Fatalf("%d messages of %d: %v", messages, told.Messages, err)
	}
	if _, err := RestoreStream(ctx, to, told, Restored{}, bytes.NewReader(copied.Bytes())); err == nil {
		t.Error("a stream is restored over another")
	}
	again, err := js2.Stream(ctx, "S")
	if err != nil {
		t.Fatal(err)
	}
	if info := again.CachedInfo(); info.Config.MaxAge != 25*time.Hour || info.State.FirstSeq != 101 || info.State.LastSeq != told.Last {
		t.Errorf("restored: %v, %d to %d", info.Config.MaxAge, info.State.FirstSeq, info.State.LastSeq)
	}
	for _, seq := range []uint64{101, 500, 1000} {
		was, err1 := stream.GetMsg(ctx, seq)
		is, err2 := again.GetMsg(ctx, seq)
		if err1 != nil || err2 != nil || !bytes.Equal(was.Data, is.Data) || is.Header.Get("Nats-Msg-Id") != was.Header.Get("Nats-Msg-Id") || !is.Time.Equal(was.Time) {
			t.Errorf("message %d: %v %v", seq, err1, err2)
		}
	}
	if ack, err := js2.Publish(ctx, "s.x", []byte("next")); err != nil || ack.Sequence != told.Last+1 {
		t.Errorf("the next message: %+v, %v", ack, err)
	}
	c2, err := again.Consumer(ctx, "sink")
	if err != nil {
		t.Fatal(err)
	}
	if info := c2.CachedInfo(); info.AckFloor.Stream != 109 || info.Delivered.Stream != 150 || info.NumAckPending != 1 {
		t.Errorf("the consumer is at %d, answered to %d, %d unanswered", info.Delivered.Stream, info.AckFloor.Stream, info.NumAckPending)
	}
	next, err := c2.Next()
	if err != nil {
		t.Fatal(err)
	}
	if meta, err := next.Metadata(); err != nil || meta.Sequence.Stream != 151 {
		t.Errorf("the next message is %+v, %v", meta, err)
	}
}

// A consumer that is further than its stream, as an older server copies it, would
// pass over what comes next.
func TestConsumerAhead(t *testing.T) {
	ctx := t.Context()
	nc, js := filled(t)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, js, 0, 10)
	if _, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "sink", AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 500,
	}); err != nil {
		t.Fatal(err)
	}
	if err := checkConsumers(ctx, nc, &StreamCopy{Stream: "S"}); err != nil {
		t.Fatal(err)
	}
	publishMany(t, js, 10, 11)
	c, err := stream.Consumer(ctx, "sink")
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatalf("what came next is passed over: %v", err)
	}
	if meta, err := m.Metadata(); err != nil || meta.Sequence.Stream != 11 {
		t.Errorf("next is %+v, %v", meta, err)
	}
}

// A bucket is copied while its keys are written: no key is missing.
func TestCopyBucket(t *testing.T) {
	ctx := t.Context()
	nc, js := filled(t)
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "positions", History: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "leases", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	const keys = 300
	put := func(round int) {
		for i := range keys {
			if _, err := kv.Put(context.WithoutCancel(ctx), fmt.Sprint("lyon.cucm.", i), fmt.Append(nil, round, "\x00\xff")); err != nil {
				t.Error(err)
			}
		}
	}
	put(0)
	if err := kv.Delete(ctx, "lyon.cucm.7"); err != nil {
		t.Fatal(err)
	}
	names, err := BucketsToCopy(ctx, js)
	if err != nil || strings.Join(names, ",") != "positions" {
		t.Fatalf("buckets %v, %v", names, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		put(1)
	}()
	var copied bytes.Buffer
	told, err := CopyBucket(ctx, nc, "positions", &copied)
	<-done
	if err != nil || told.Keys < keys-1 {
		t.Fatalf("%d of %d keys: %v", told.Keys, keys, err)
	}
	_, js2 := filled(t)
	if err := RestoreBucket(ctx, js2, told, Restored{}, bytes.NewReader(copied.Bytes()[:copied.Len()/2])); err == nil {
		t.Error("half a copy is restored")
	}
	if err := RestoreBucket(ctx, js2, told, Restored{}, &copied); err != nil {
		t.Fatal(err)
	}
	kv2, err := js2.KeyValue(ctx, "positions")
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv2.Get(ctx, "lyon.cucm.8")
	if err != nil || !bytes.HasSuffix(e.Value(), []byte("\x00\xff")) {
		t.Errorf("a key: %v", err)
	}
}

// A key is asked of the leader, which has what was acknowledged, and never of any
// replica: here nobody may.
func TestCopyBucketFromItsLeader(t *testing.T) {
	ctx := t.Context()
	srv := within(t, &server.Options{Users: []*server.User{{Username: "x", Password: "x", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Deny: []string{"$JS.API.DIRECT.>"}},
	}}}})
	nc, err := nats.Connect("nats://x", nats.InProcessServer(srv), nats.UserInfo("x", "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "positions"})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"kept", "deleted", "purged"} {
		if _, err := kv.Put(ctx, key, []byte("position")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(kv.Delete(ctx, "deleted"), kv.Purge(ctx, "purged")); err != nil {
		t.Fatal(err)
	}
	var copied bytes.Buffer
	told, err := CopyBucket(ctx, nc, "positions", &copied)
	if err != nil || told.Keys != 1 || copied.String() != `{"key":"kept","value":"cG9zaXRpb24="}`+"\n" {
		t.Errorf("%+v, %q, %v", told, copied.String(), err)
	}
}

// Nobody listens while a leader is elected.
func TestAskWithoutLeader(t *testing.T) {
	nc, _ := filled(t)
	elected := time.AfterFunc(50*time.Millisecond, func() {
		if _, err := nc.Subscribe("leader", func(m *nats.Msg) { _ = m.Respond([]byte(`{"A":1}`)) }); err != nil {
			t.Error(err)
		}
	})
	defer elected.Stop()
	var told struct{ A int }
	if err := request(t.Context(), nc, "leader", struct{}{}, &told); err != nil || told.A != 1 {
		t.Errorf("%+v, %v", told, err)
	}
}

// While a leader is elected a server may also say that there is none.
func TestBucketWithoutLeader(t *testing.T) {
	srv, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	nc, err := nats.Connect("nats://x", nats.InProcessServer(srv))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	asked := 0
	if _, err := nc.Subscribe("$JS.API.STREAM.MSG.GET.S", func(m *nats.Msg) {
		asked++
		reply := `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
		if asked > 1 {
			reply = `{"message":{"data":"cG9zaXRpb24="}}`
		}
		_ = m.Respond([]byte(reply))
	}); err != nil {
		t.Fatal(err)
	}
	if value, there, err := leadersValue(t.Context(), nc, "S", "x"); err != nil || !there || string(value) != "position" {
		t.Errorf("%q, %v, %v", value, there, err)
	}
}

// failing cannot write, as a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestCopyErrors(t *testing.T) {
	nc, js := filled(t)
	if _, err := CopyStream(t.Context(), nc, "NONE", io.Discard); err == nil || !strings.Contains(err.Error(), "stream not found") {
		t.Errorf("a stream that is not there: %v", err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	publishMany(t, js, 0, 3)
	if _, err := CopyStream(t.Context(), nc, "S", failing{}); err == nil || !strings.Contains(err.Error(), io.ErrShortWrite.Error()) {
		t.Errorf("a full disk: %v", err)
	}
}
