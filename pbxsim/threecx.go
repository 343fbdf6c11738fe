package pbxsim

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cx renders the tickets of a 3CX: one line for each call, in UTC, fields without quotes. A queue answers by itself,
// and prints that as the answer; who called it, or took the call from it, stands in the last fields.
type cx struct {
	order []string
	typed bool // the types and names of the parties are printed
	n     int
}

// cxFields in 3CX's own order.
var cxFields = []string{
	"historyid", "callid", "duration", "time-start", "time-answered", "time-end", "reason-terminated", "from-no", "to-no",
	"from-dn", "to-dn", "dial-no", "reason-changed", "final-number", "final-dn", "bill-code", "bill-rate", "bill-cost", "bill-name",
	"chain", "from-type", "to-type", "final-type", "from-dispname", "to-dispname", "final-dispname", "missed-queue-calls",
}

// The variants: how many fields, and which.
const (
	cxWhole     = "27"
	cxShort     = "20" // to version 16
	cxTypesLast = "27-types-last"
	cxUnbilled  = "23"
)

func newThreeCX(o Options) (encoder, error) {
	e := &cx{order: cxFields, typed: true, n: 40_000}
	switch o.Variant {
	case cxShort:
		e.order, e.typed = cxFields[:20], false
	case cxTypesLast:
		e.order = append(append(append(append([]string{}, cxFields[:20]...), cxFields[26]), cxFields[23:26]...), cxFields[20:23]...)
	case cxUnbilled:
		e.order = append(append([]string{}, cxFields[:15]...), cxFields[19:]...)
	}
	return e, nil
}

// cxID is a callid: the moment of the call in milliseconds as version 20 prints it, as Linux did before, or, of a
// 3CX on Windows, since 1601.
func (e *cx) callID(at time.Time) string {
	var b [8]byte
	ms := uint64(at.UnixMilli()) + uint64(e.n%700)
	switch len(e.order) {
	case 20:
		binary.BigEndian.PutUint64(b[:], ms)
	case 23:
		binary.BigEndian.PutUint64(b[:], ms+11_644_473_600_000)
	default:
		binary.LittleEndian.PutUint64(b[:], ms)
	}
	return fmt.Sprintf("%s_%d", hex.EncodeToString(b[:]), e.n%50_000)
}

const cxStamp = "2006/01/02 15:04:05"

// cxEnd is one party: its number as printed, its extension or trunk, its type and name.
type cxEnd struct{ no, dn, kind, name string }

func cxOwn(p Party, kind string) cxEnd { return cxEnd{"Ext." + p.Number, p.Number, kind, p.Name} }

func cxOutside(o Outside, line int) cxEnd {
	no := o.Number
	if no == "" {
		no = "anonymous"
	}
	return cxEnd{no, cxTrunk(line), "Line", o.Name}
}

func cxTrunk(line int) string { return strconv.Itoa(10000 + line) }

func (e *cx) encode(c Call) []Ticket {
	e.n++
	told := c
	told.TransferTalk, told.Hold, told.Line, told.Units, told.Forward.Name = 0, 0, 0, 0, ""
	told.Group.Name, told.Queue, told.CallID = "", 0, e.callID(c.Start)
	told.Talk += c.TransferTalk
	if c.Line > 0 {
		told.Trunk = cxTrunk(c.Line)
	}
	talked, rang := c.connected(), c.Ring
	f := map[string]string{"dial-no": c.Dialled, "reason-terminated": "TerminatedBySrc"}
	if c.Seq%3 == 0 && talked {
		f["reason-terminated"] = "TerminatedByDst"
	}
	var from, to, final cxEnd
	switch c.Direction {
	case Inbound, Transit:
		from, to = cxOutside(c.External, c.Line), cxOwn(c.Extension, "Extension")
	case Outbound:
		from, to = cxOwn(c.Extension, "Extension"), cxOutside(Outside{Number: c.External.Number}, c.Line)
		final = to
		told.External.Name, told.Peer = "", Party{}
	case Internal:
		from, to = cxOwn(c.Extension, "Extension"), cxOwn(c.Peer, "Extension")
	}
	switch {
	case c.Direction == Transit:
		final = cxOutside(c.Forward, c.Line%8+1)
		final.name = ""
		f["reason-changed"] = "Fwd_NoAnswer"
		told.Trunk = ""
	case c.Group != (Party{}):
		to, rang = cxOwn(c.Group, "Queue"), min(time.Second, c.Ring)
		if talked {
			final, f["reason-changed"] = cxOwn(c.Extension, "Extension"), "ReplacedDst"
		}
		e.queued(c, &told, rang)
		if c.Queue > 0 && e.typed {
			f["missed-queue-calls"] = extension(int(c.Seq % 26)).Number
		}
		talked = true
	case c.Disposition == Voicemail:
		final = cxEnd{"Ext." + cxMailbox, to.dn, "Voicemail", ""}
	case c.Disposition == Busy:
		f["reason-terminated"] = "RouteBusy"
	case c.Disposition == Failed:
		f["reason-terminated"] = "NoRouteExists"
	}
	if !e.typed && c.Direction == Inbound && talked && rang <= time.Second && c.Group == (Party{}) {
		told.Extension = Party{} // as it looks, it may have been a queue
	}
	if c.TransferTo != (Party{}) {
		final = cxOwn(c.TransferTo, "Extension")
		f["reason-changed"] = "ReplacedDst"
		if c.Direction == Outbound {
			f["reason-changed"], told.TransferTo = "ReplacedSrc", Party{}
		} else {
			told.Extension = c.TransferTo
		}
	}
	if !e.typed {
		told.External.Name, told.Extension.Name, told.Peer.Name, told.TransferTo.Name, told.Group = "", "", "", "", Party{}
	}
	e.fill(f, c, &told, from, to, final)
	e.clock(f, c, talked, rang)
	return []Ticket{{Bytes: e.line(f), Call: told, Want: WantCDR, Role: roleCall, Precision: time.Second}}
}

const cxBuffer = 1_000

// cxMailbox stands in for an extension of four digits.
const cxMailbox = "9999"

// queued tells what can be told of a call to a queue: it answers at once, so that the talk holds the wait.
func (e *cx) queued(c Call, told *Call, rang time.Duration) {
	told.Ring, told.Talk = rang, c.Ring-rang+c.Talk+c.TransferTalk
	switch {
	case c.connected():
	case e.typed:
		told.Disposition, told.Extension = Abandoned, Party{}
		told.Ring, told.Queue, told.Talk = c.Ring, c.Ring-rang, 0
	default: // nothing says that it is a queue
		told.Disposition, told.Extension = "", Party{}
	}
}

func (e *cx) fill(f map[string]string, c Call, told *Call, from, to, final cxEnd) {
	f["historyid"], f["callid"] = fmt.Sprintf("Call %d", e.n), told.CallID
	f["from-no"], f["from-dn"], f["from-type"], f["from-dispname"] = from.no, from.dn, from.kind, from.name
	f["to-no"], f["to-dn"], f["to-type"], f["to-dispname"] = to.no, to.dn, to.kind, to.name
	f["final-number"], f["final-dn"], f["final-type"], f["final-dispname"] = final.no, final.dn, final.kind, final.name
	chain := []string{from.no, to.no}
	if final.no != "" && final.no != to.no {
		chain = append(chain, final.no)
	}
	f["chain"] = "Chain: " + strings.Join(chain, ";") + ";"
	told.Charge = ""
	if c.Direction != Outbound || len(e.order) == 23 {
		told.Account = ""
		return
	}
	f["bill-code"], f["bill-name"] = "default", "default"
	if c.Account != "" {
		f["bill-code"] = c.Account
	}
	if c.Units > 0 {
		told.Charge = fmt.Sprintf("%d.%02d", c.Units*43/100, c.Units*43%100)
		f["bill-rate"], f["bill-cost"] = "1", told.Charge
	}
}

func (e *cx) clock(f map[string]string, c Call, answered bool, rang time.Duration) {
	start, end := c.Start.UTC(), c.End().UTC()
	f["time-start"], f["time-end"] = start.Format(cxStamp), end.Format(cxStamp)
	if answered {
		f["time-answered"] = start.Add(rang).Format(cxStamp)
		f["duration"] = clock(end.Sub(start) - rang)
	}
}

func (e *cx) line(f map[string]string) []byte {
	values := make([]string, len(e.order))
	for i, name := range e.order {
		values[i] = f[name]
	}
	return []byte(strings.Join(values, ","))
}

func (e *cx) odd(kind Odd, _ Call) (Ticket, bool) {
	switch kind {
	case OddHead:
		return Ticket{Bytes: []byte(strings.Join(e.order, ",")), Want: WantIgnored}, true
	case OddComma:
		return Ticket{}, e.typed
	}
	return garbage(kind, fmt.Sprintf("Call %d,", e.n), 250)
}

// cxFolder fills the folder of CDR logs: a file each call, named after its start and number, or with Grows one file.
func cxFolder(o Options) (*folder, error) {
	f, err := newFolder(threeCX, o, 1)
	if err != nil {
		return nil, err
	}
	if o.Grows {
		f.most = 20
		f.put = f.log(func(Ticket) string { return "cdr.log" }, "\r\n")
		return f, nil
	}
	n := 300_000
	f.put = f.one(func(t Ticket) string {
		return f.next(&n, func(n int) string { return fmt.Sprintf("cdr-%s.%d.log", t.Call.Start.UTC().Format("060102150405"), n) })
	}, func(b []byte) []byte { return append(append([]byte{}, b...), "\n\n"...) })
	return f, nil
}
