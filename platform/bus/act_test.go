package bus

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

var actTime = time.Date(2026, 11, 22, 19, 0, 0, 123e6, time.UTC)

func collectedAct(name string) *TicketMessage {
	act := Act(ActCollected, WhoIs("ingest-poll"), name, actTime, nil, map[string]int{"tickets": 3})
	return NewAct(wire.Address{Model: "cisco-cucm", Site: "lyon", Link: "cucm"}, "file:00:"+"cdr_1", act)
}

func TestAct(t *testing.T) {
	want := collectedAct("cdr Zoé\n1 \xff")
	msg := want.Msg()
	if msg.Subject != "tickets.v1.audit.lyon.cucm" || len(msg.Data) != 0 {
		t.Errorf("%s with %d bytes", msg.Subject, len(msg.Data))
	}
	got, err := ReadTicketMessage(msg.Subject, msg.Header, nil)
	if err != nil || !proto.Equal(got.Act, want.Act) || !got.Received.Equal(actTime) || got.ID != want.Act.Id {
		t.Errorf("%+v, %v", got, err)
	}
	if again := collectedAct("another name").Msg(); again.Header.Get("Nats-Msg-Id") != msg.Header.Get("Nats-Msg-Id") {
		t.Error("the same act of the same file has two ids")
	}
	// Whatever the act says of itself, it is of the site that may publish it.
	if got, err = ReadTicketMessage("tickets.v1.audit.nice.pbx", msg.Header, nil); err != nil || got.Act.Site != "nice" || got.Act.Link != "pbx" {
		t.Errorf("under another subject: %v, %v", got.Act, err)
	}
	want.Act.Link = "" // an act about all of a site
	msg = want.Msg()
	if got, err = ReadTicketMessage(msg.Subject, msg.Header, nil); err != nil || got.Act.Site != "lyon" || got.Act.Link != "" {
		t.Errorf("about a site: %v, %v", got.Act, err)
	}
	long := collectedAct(strings.Repeat("x", wire.MaxAct)).Msg()
	if got, err = ReadTicketMessage(long.Subject, long.Header, nil); err != nil || got.Act.What != ActCollected || len(got.Act.Object) > 100 {
		t.Errorf("an act that is too long: %v, %v", got.Act, err)
	}
}

func TestBadActs(t *testing.T) {
	encoded := func(a *trunklinev1.Act) string { return encodeAct(a) }
	for name, c := range map[string]struct {
		header string
		data   []byte
	}{
		"no base64":        {"%%", nil},
		"no act":           {base64.StdEncoding.EncodeToString([]byte("\xff\xff")), nil},
		"no id":            {encoded(&trunklinev1.Act{What: "import"}), nil},
		"a replay":         {encoded(Act(ActReplay, "me", "all", actTime, nil, nil)), nil},
		"a purge":          {encoded(&trunklinev1.Act{Id: "1", What: ActPurge, Time: Act("", "", "", actTime, nil, nil).Time}), nil},
		"with tickets":     {collectedAct("a").Msg().Header.Get(wire.HeaderAct), []byte("1,2\n")},
		"too long to read": {strings.Repeat("A", 2*wire.MaxAct), nil},
	} {
		msg := collectedAct("a").Msg()
		msg.Header.Set(wire.HeaderAct, c.header)
		if got, err := ReadTicketMessage(msg.Subject, msg.Header, c.data); err == nil || got.Act != nil || !bytes.Equal(got.Payload, c.data) {
			t.Errorf("%s: %v, %v", name, got.Act, err)
		}
	}
}

// Whatever stands in the headers, the bytes stay, and an act is one that the sink
// can keep.
func FuzzReadTicketMessage(f *testing.F) {
	for _, m := range []*nats.Msg{collectedAct("cdr_1").Msg(), (&TicketMessage{
		Address: wire.Address{Model: "m", Site: "s", Link: "l"}, Received: actTime, Origin: "tcp:0", Offset: "0", Preamble: []byte("head"), Payload: []byte("1"),
	}).Msg()} {
		f.Add(m.Header.Get(wire.HeaderAct), m.Header.Get(wire.HeaderPreamble), m.Header.Get(wire.HeaderReceived), m.Header.Get(wire.HeaderName), m.Data)
	}
	f.Add("CgEx", "=", "never", "%2", []byte("x"))
	f.Fuzz(func(t *testing.T, act, preamble, received, name string, data []byte) {
		h := nats.Header{}
		for k, v := range map[string]string{
			wire.HeaderAct: act, wire.HeaderPreamble: preamble, wire.HeaderReceived: received, wire.HeaderName: name,
			wire.HeaderOrigin: "act:collected", wire.HeaderOffset: "file:00:a",
		} {
			h.Set(k, v)
		}
		m, err := ReadTicketMessage("tickets.v1.audit.lyon.cucm", h, data)
		if !bytes.Equal(m.Payload, data) {
			t.Fatalf("%q became %q", data, m.Payload)
		}
		if m.Act == nil {
			return
		}
		if err == nil && (len(data) > 0 || m.Act.Site != "lyon" || m.Act.Id == "" || m.Act.What == ActPurge) {
			t.Fatalf("%v with %d bytes", m.Act, len(data))
		}
		if _, err := proto.Marshal(m.Act); err != nil {
			t.Fatal(err)
		}
	})
}
