package ingestpoll

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// A link that is collected is examined: what is collected, the positions and the
// folder are the same before and after.
func TestExamineTakesNothing(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := folder("smdr", "avaya-ipoffice", dir)
	s := newService(t, n, nil, of)
	stop := run(t, s)
	write(t, dir, "SMDR.csv", body(0, 100))
	kit.Await(t, "collecting", func() bool { return s.Links()[0].Tickets == 100 })
	stop()
	write(t, dir, "SMDR_new.csv", body(100, 110))
	positions := func() map[string]string {
		kv, err := n.JS.KeyValue(t.Context(), wire.BucketPositions)
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[string]string)
		keys, err := kv.Keys(t.Context())
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			t.Fatal(err)
		}
		for _, k := range keys {
			e, err := kv.Get(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			out[k] = fmt.Sprint(e.Revision(), string(e.Value()))
		}
		return out
	}
	before, messages := positions(), len(n.Messages(t))
	if len(before) == 0 {
		t.Fatal("there are no positions: the test proves nothing")
	}
	unchanged := kit.Unchanged(t, dir)
	for range 20 {
		newest, err := Examine(t.Context(), of, ExamineDeps{}, func(s Step) {
			if s.Result == StepFailed {
				t.Errorf("%+v", s)
			}
		})
		if err != nil || newest == nil || newest.Name != "SMDR_new.csv" || string(newest.Raw)+"\n" != body(109, 110) && string(newest.Raw) != body(109, 110) {
			t.Fatalf("%+v, %v", newest, err)
		}
	}
	unchanged()
	if after := positions(); !maps.Equal(before, after) || len(n.Messages(t)) != messages {
		t.Errorf("%v, now %v; %d messages, now %d", before, after, messages, len(n.Messages(t)))
	}
	stop = run(t, newService(t, n, nil, of))
	kit.Await(t, "collecting the rest", func() bool { return len(n.Collected(t)) == 110 })
	stop()
	expect(t, n, body(0, 110))
}

func TestExamineReceiver(t *testing.T) {
	e := &kit.Examined{TB: t}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := t.TempDir()
	of := config.LinkOf{Link: &config.Link{ID: "cucm", Model: "cisco-cucm", SFTPServer: &config.SFTPServer{Receiver: config.Receiver{
		Listen: l.Addr().String(), User: "cucm",
	}}}, Site: site()}
	look := func() *Newest {
		t.Helper()
		newest, err := Examine(t.Context(), of, ExamineDeps{Data: data}, e.Steps())
		if err != nil {
			t.Fatal(err)
		}
		return newest
	}
	look()
	e.Has("port", StepOK, "process") // it is this test's own
	e.Has("folder", StepWarning, "not there yet", "log in to the sftp_server as cucm")
	inbox := filepath.Join(data, "inbox", "lyon", "cucm")
	if err := os.MkdirAll(inbox, 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, inbox, "cdr_1", "1,\"a\"\n")
	if newest := look(); newest == nil || newest.Name != "cdr_1" {
		t.Errorf("%+v", newest)
	}
	l.Close()
	look()
	e.Has("port", StepWarning, "nobody listens")
}

func TestWiresThatConsume(t *testing.T) {
	for _, l := range []*config.Link{
		{ID: "a", Model: "mitel-3300", TCP: &config.TCP{Dial: "127.0.0.1:1752"}},
		{ID: "b", Model: "unify-hipath", TFTP: &config.TFTP{Fetch: "127.0.0.1:69", File: "gez.txt"}},
		{ID: "c", Model: "grandstream-ucm", HTTPServer: &config.HTTPServer{Listen: "127.0.0.1:0"}},
	} {
		_, err := Examine(t.Context(), config.LinkOf{Link: l, Site: site()}, ExamineDeps{}, func(s Step) { t.Errorf("%+v", s) })
		if !errors.Is(err, ErrConsumes) {
			t.Errorf("%s: %v", l.ID, err)
		}
	}
}
