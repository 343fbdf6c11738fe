package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

// A data folder goes to a newer version, which has a migration more, and back to
// the one before, which says nothing about it. So does a backup.
func TestOneVersionBack(t *testing.T) {
	t.Parallel()
	newer, err := kit.NewerBinary("../..", t.TempDir(), "9.9.9")
	if err != nil {
		t.Fatal(err)
	}
	o := newOperator(t, site(`{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`))
	o.edit(`sql: {listen: "127.0.0.1:0"}`, fmt.Sprintf(`sql: {listen: %q}`, freePort(t)))
	sent := 0
	// tickets sends ten, and waits until all are calls.
	tickets := func(in *kit.Instance) {
		t.Helper()
		c, err := net.Dial("tcp", in.Listens["lyon/desk"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 10 {
			if _, err := fmt.Fprintf(c, avayaTicket, sent%60, sent%60, sent%60, sent); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		in.Await("SELECT count() FROM calls WHERE link = 'desk'", sent)
	}
	end := func(in *kit.Instance) {
		t.Helper()
		if err := in.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	in := kit.StartFile(t, binary, o.file)
	tickets(in)
	end(in)

	in = kit.StartFile(t, newer, o.file)
	tickets(in)
	if n := in.Count("SELECT count() FROM cdrs WHERE upgraded = ''"); n != sent {
		t.Errorf("the newer version has %d rows of %d", n, sent)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if out, err := exec.CommandContext(t.Context(), newer, "backup", "-c", o.file, backup).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	end(in)

	data := o.data
	for _, back := range []struct{ name, data string }{{"the folder", data}, {"the backup", filepath.Join(t.TempDir(), "restored")}} {
		t.Run(back.name, func(t *testing.T) {
			if back.data != data {
				if out, err := restore(t, backup, back.data); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				o.edit(fmt.Sprintf("data: %q", data), fmt.Sprintf("data: %q", back.data))
				sent = 20 // as many as were in it
			}
			in := kit.StartFile(t, binary, o.file)
			in.Await("SELECT count() FROM calls WHERE link = 'desk'", sent)
			tickets(in)
			unknownSettings(t, o, in)
			if log := in.Log(); strings.Contains(log, "level=") {
				t.Errorf("it says something:\n%s", log)
			}
			end(in)
		})
	}
}

// unknownSettings has a link whose newer ingest tells settings that this version
// does not know: its tickets are parsed.
func unknownSettings(t *testing.T, o *operator, in *kit.Instance) {
	t.Helper()
	cfg, err := config.Load(o.file)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(cfg.NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), wire.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	a := wire.Address{Model: "avaya-ipoffice", Site: "far", Link: "newer"}
	value, err := json.Marshal(map[string]any{
		"site": a.Site, "link": a.Link, "model": a.Model, "timezone": "Europe/Paris", "of_tomorrow": []int{1}, "parse": map[string]any{"of_tomorrow": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), wire.LinkKey(a.Site, a.Link), value); err != nil {
		t.Fatal(err)
	}
	m := (&bus.TicketMessage{Address: a, Received: time.Now(), Origin: "tcp:upgrade", Offset: "0", Payload: fmt.Appendf(nil, avayaTicket, 1, 1, 1, 1)}).Msg()
	m.Header.Set("Trunkline-Of-Tomorrow", "x")
	if _, err := js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	in.For(t).Await("SELECT count() FROM calls WHERE site = 'far'", 1)
}
