package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

var lyon = wire.Address{Model: "avaya-ipoffice", Site: "lyon", Link: "desk"}

func receipt(site string) *trunklinev1.CdrBatch {
	return &trunklinev1.CdrBatch{
		Site: site, Link: "desk",
		Cdrs: []*trunklinev1.Cdr{{
			Site: site, Link: "desk", StartTime: timestamppb.New(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)), UtcOffsetSeconds: 7200,
			Direction: trunklinev1.Direction_DIRECTION_INBOUND, Disposition: trunklinev1.Disposition_DISPOSITION_NO_ANSWER,
			CallingNumber: "0199001122", CalledNumber: "203", CalledName: "Jeanne", TalkSeconds: 65,
		}},
		Others: []*trunklinev1.OtherTicket{
			{Outcome: trunklinev1.Outcome_OUTCOME_IGNORED, Reason: "header", Raw: []byte("Call Start")},
			{Outcome: trunklinev1.Outcome_OUTCOME_DEAD, Reason: "too_few_columns", Error: "3 columns\x1b[2J", Raw: []byte("1,2,\xe9")},
		},
	}
}

// message is one as it comes from the stream.
type message struct {
	jetstream.Msg
	subject string
	header  nats.Header
	data    []byte
}

func (m message) Subject() string      { return m.subject }
func (m message) Headers() nats.Header { return m.header }
func (m message) Data() []byte         { return m.data }

func encoded(t *testing.T, b *trunklinev1.CdrBatch) message {
	t.Helper()
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return message{subject: lyon.CdrSubject(), data: data}
}

func TestPrintCalls(t *testing.T) {
	var out bytes.Buffer
	if err := printCalls(&out, false)(encoded(t, receipt("lyon"))); err != nil {
		t.Fatal(err)
	}
	want := "start     link                      direction  from                to                  disposition    talk\n" +
		"12:00:00  lyon/desk                 inbound    0199001122          203 Jeanne          no answer      1m5s\n" +
		"dead      lyon/desk                 too_few_columns: 3 columns?[2J\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPrintCallsAsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printCalls(&out, true)(encoded(t, receipt("lyon"))); err != nil {
		t.Fatal(err)
	}
	want := `{"outcome":"cdr","site":"lyon","link":"desk","cdr":{"site":"lyon","link":"desk","direction":"DIRECTION_INBOUND","disposition":"DISPOSITION_NO_ANSWER","start_time":"2026-07-01T10:00:00Z","talk_seconds":65,"utc_offset_seconds":7200,"calling_number":"0199001122","called_number":"203","called_name":"Jeanne"}}
{"outcome":"ignored","site":"lyon","link":"desk","reason":"header","raw":"Call Start"}
{"outcome":"dead","site":"lyon","link":"desk","reason":"too_few_columns","error":"3 columns\u001b[2J","raw":"1,2,` + "\uFFFD" + `","raw_base64":"MSwyLOk="}
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPrintCallsOfNoReceipt(t *testing.T) {
	if err := printCalls(&bytes.Buffer{}, true)(message{subject: lyon.CdrSubject(), data: []byte("\xff")}); err == nil || !strings.Contains(err.Error(), lyon.CdrSubject()) {
		t.Errorf("error %v", err)
	}
}

func TestParty(t *testing.T) {
	for _, c := range []struct{ number, name, want string }{
		{"", "", "-"},
		{"203", "", "203"},
		{"", "Jeanne", "Jeanne"},
		{"203", "Jeanne", "203 Jeanne"},
		{"0199001122", "Établissement", "0199001122 Établi…"},
		{"203", "a\x1b]0;b\a\u202e", "203 a?]0;b??"},
	} {
		if got := party(c.number, c.name); got != c.want {
			t.Errorf("party(%q, %q) = %q, want %q", c.number, c.name, got, c.want)
		}
	}
}

func TestPrintRaw(t *testing.T) {
	m := &bus.TicketMessage{
		Address: lyon, Received: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC), Origin: "tcp:00", Offset: "0",
		Name: "10.1.0.5:40000", Payload: []byte("1,2,\xe9\r\n"), Incomplete: "cut-off",
	}
	msg := m.Msg()
	var out bytes.Buffer
	if err := printRaw(&out)(message{subject: msg.Subject, header: msg.Header, data: msg.Data}); err != nil {
		t.Fatal(err)
	}
	if want := "2026-07-01T10:00:00Z lyon/desk 10.1.0.5:40000 (cut-off)\n\"1,2,\\xe9\\r\\n\"\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	// One whose headers were lost is shown all the same.
	out.Reset()
	if err := printRaw(&out)(message{subject: msg.Subject, data: msg.Data}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "lyon/desk") || !strings.Contains(got, wire.HeaderReceived) || !strings.Contains(got, `"1,2,\xe9\r\n"`) {
		t.Errorf("without headers: %q", got)
	}
}

// lines are written by the command and awaited by the test.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (l *lines) await(t *testing.T, ended <-chan error, words string) (text string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		got := l.text.String()
		l.mu.Unlock()
		if strings.Contains(got, words) {
			return got
		}
		select {
		case <-l.more:
		case err := <-ended:
			t.Fatalf("tail ended: %v; it printed %q", err, got)
		case <-timeout:
			t.Fatalf("no %q in %q", words, got)
		}
	}
}

// TestTail follows the streams of a real server.
func TestTail(t *testing.T) {
	server, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "trunkline.yaml", fmt.Sprintf("nats: {url: %q}\n", server.URL()))

	wantError(t, "", []string{"tail", "-c", file}, "stream CDRS")
	for stream, subjects := range map[string]string{wire.StreamCdrs: wire.CdrSubjects, wire.StreamTickets: wire.TicketSubjects} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: stream, Subjects: []string{subjects}}); err != nil {
			t.Fatal(err)
		}
	}
	published := 0
	publish := func(site string) {
		t.Helper()
		published++
		a := wire.Address{Model: "avaya-ipoffice", Site: site, Link: "desk"}
		if _, err := js.Publish(t.Context(), a.CdrSubject(), encoded(t, receipt(site)).data); err != nil {
			t.Fatal(err)
		}
		msg := (&bus.TicketMessage{Address: a, Received: time.Now(), Origin: "tcp:00", Offset: strconv.Itoa(published), Name: site, Payload: []byte("1,2,3\r\n")}).Msg()
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	publish("before") // what passed is not shown

	for _, c := range []struct {
		name, stream string
		args         []string
		want, never  string
	}{
		{"calls", wire.StreamCdrs, nil, "12:00:00  lyon/desk", "before"},
		{"one site", wire.StreamCdrs, []string{"--site", "lyon", "--json"}, `{"outcome":"cdr","site":"lyon"`, "paris"},
		{"raw", wire.StreamTickets, []string{"--raw", "--link", "desk"}, "lyon/desk lyon\n\"1,2,3\\r\\n\"\n", "direction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, ended := &lines{more: make(chan struct{}, 1)}, make(chan error, 1)
			cmd := command()
			cmd.SetOut(out)
			cmd.SetArgs(append([]string{"tail", "-c", file}, c.args...))
			go func() { ended <- cmd.ExecuteContext(ctx) }()
			awaitConsumer(t, js, c.stream)
			publish("paris")
			publish("lyon")
			if got := out.await(t, ended, c.want); strings.Contains(got, c.never) {
				t.Errorf("printed %q", got)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("interrupted: %v", err)
			}
		})
	}
}

// awaitConsumer waits until somebody follows the stream.
func awaitConsumer(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for {
		waiting := false
		list := s.ListConsumers(t.Context())
		for info := range list.Info() {
			waiting = waiting || info.NumWaiting > 0
		}
		if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("nobody follows %s", stream)
		}
	}
}

func TestTailRefuses(t *testing.T) {
	file := write(t, "trunkline.yaml", "nats: {url: \"nats://127.0.0.1:1\"}\n")
	wantError(t, "", []string{"tail", "-c", file}, "127.0.0.1:1", "nats.url")
	wantError(t, "", []string{"tail", "-c", file, "--model", "avaya"}, `"avaya"`, "trunkline models")
	wantError(t, "", []string{"tail", "-c", file, "--site", "Lyon.*"}, `--site "Lyon.*"`)
	wantError(t, "", []string{"tail", "-c", file, "--link", "a b"}, `--link "a b"`)
	wantError(t, "", []string{"tail", "-c", file, "--raw", "--json"}, "raw", "json")
}
