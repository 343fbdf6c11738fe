package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/test/kit"
)

// started counts the whole tickets in the first half of a log.
func (d *delivery) started(t *testing.T) int {
	t.Helper()
	if !d.grows() {
		return 0
	}
	whole := len(d.head(t, d.given[:d.half]))
	for {
		advance, _, err := d.cutting(t).Split(d.given[whole:d.half], false)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		if advance == 0 {
			return d.count(t, d.given[:whole])
		}
		whole += advance
	}
}

// total counts the tickets.
func (d *delivery) total(t *testing.T) int {
	t.Helper()
	return d.count(t, d.given)
}

// count counts tickets, but for what is printed around a log-in.
func (d *delivery) count(t *testing.T, given []byte) int {
	t.Helper()
	batch := d.parse(t, given, formatstest.Near)
	n := int(batch.TicketCount)
	for _, o := range batch.Others {
		if o.Reason == loginDialogue {
			n--
		}
	}
	return n
}

func (d *delivery) cutting(t *testing.T) catalogue.Cutting {
	t.Helper()
	c, err := d.settings.Cutting()
	if err != nil {
		t.Fatalf("%s: %v", d, err)
	}
	return c
}

// head is the lines at the begin of a file or a post that are no tickets.
func (d *delivery) head(t *testing.T, given []byte) []byte {
	t.Helper()
	c := d.cutting(t)
	if c.Head == nil || !d.files() && !d.pushed() && d.wire != catalogue.HTTPServer {
		return nil
	}
	for n := 0; ; {
		advance, line, err := c.Split(given[n:], true)
		if err != nil || line == nil || !c.Head(line) {
			return given[:n:n]
		}
		n += advance
	}
}

// parse is what the parser makes of the bytes in one message.
func (d *delivery) parse(t *testing.T, given []byte, received time.Time) *trunklinev1.CdrBatch {
	t.Helper()
	m := &bus.TicketMessage{
		Address:  wire.Address{Model: d.settings.Model, Site: d.settings.Site, Link: d.settings.Link},
		Received: received, Payload: given, Origin: "tcp:delivery", Offset: identity.Position(0),
	}
	switch d.wire {
	case catalogue.TCPListen, catalogue.TCPDial:
		m.Payload = withoutTelnet(given)
	case catalogue.HTTPServer:
		m.Preamble = d.head(t, given)
		m.Payload, m.Origin = given[len(m.Preamble):], "post:delivery"
	case catalogue.Files, catalogue.HTTP, catalogue.FTP, catalogue.SFTP:
		if d.api() {
			m.Origin, m.Offset = "table:delivery", identity.RowPosition(apiKeys[d.model.ID], "1")
			break
		}
		m.Preamble = d.head(t, given)
		m.Payload, m.Origin, m.Written = given[len(m.Preamble):], "file:delivery", d.written()
	case catalogue.FTPServer, catalogue.SFTPServer, catalogue.TFTP:
		m.Preamble = d.head(t, given)
		m.Payload, m.Origin, m.Written = given[len(m.Preamble):], "file:delivery", received
	case catalogue.MySQL:
		m.Origin, m.Offset = "table:delivery", d.rows.offset()
	}
	r, err := parser.NewReader(d.settings)
	if err != nil {
		t.Fatalf("%s: %v", d, err)
	}
	return r.Read(m)
}

// withoutTelnet leaves out the negotiation of options (RFC 854: IAC, WILL to DONT,
// the option), which on a socket is no part of a ticket.
func withoutTelnet(given []byte) []byte {
	var out []byte
	for i := 0; i < len(given); i++ {
		if i+2 < len(given) && given[i] == 0xff && given[i+1] >= 0xfb && given[i+1] <= 0xfe {
			i += 2
			continue
		}
		out = append(out, given[i])
	}
	return out
}

// compare finds what is kept and should not be, and what should and is not.
func (d *delivery) compare(t *testing.T, want *trunklinev1.CdrBatch, calls []*kit.Record, others []other) {
	t.Helper()
	// What a PBX sends twice under a key of its own counts once.
	once := make(map[string]*kit.Record)
	for _, c := range want.Cdrs {
		r := kit.OfCdr(c)
		once[r.TicketID+r.StartTime] = r
	}
	tally := make(map[string]int)
	for _, r := range once {
		tally[describe(t, r)]++
	}
	for _, r := range calls {
		tally[describe(t, r)]--
	}
	for _, o := range want.Others {
		x := other{strings.TrimPrefix(o.Outcome.String(), "OUTCOME_"), o.Reason, string(o.Raw)}
		if !d.talks() || x.Reason != loginDialogue {
			tally[fmt.Sprintf("%q", x)]++
		}
	}
	for _, x := range others {
		if !d.talks() || x.Reason != loginDialogue {
			tally[fmt.Sprintf("%q", x)]--
		}
	}
	for what, n := range tally {
		switch {
		case n > 0:
			t.Errorf("%d × missing: %s", n, what)
		case n < 0:
			t.Errorf("%d × too many: %s", -n, what)
		}
	}
	if len(want.Cdrs)+len(want.Others) == 0 {
		t.Error("nothing was delivered")
	}
}

// describe tells a call but for what its place decides.
func describe(t *testing.T, r *kit.Record) string {
	t.Helper()
	x := *r
	if x.CallKey == x.TicketID {
		x.CallKey = ""
	}
	x.TicketID, x.StartLocal = "", ""
	x.Raw = string([]rune(x.Raw)) // a byte that is no UTF-8 as JSON tells it
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
