package parser

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/telemetry"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Reasons of dead tickets that no format gives.
const (
	ReasonPanic       = "panic"
	ReasonHeaders     = "headers_missing"
	ReasonNoKey       = "row_key_missing"
	ReasonPoison      = "delivered_five_times"
	ReasonNotText     = "not_text"
	ReasonBadSettings = "settings"
)

// Reader turns the ticket messages of one link into receipts. It is pure but
// for the clock, and used by one goroutine at a time.
type Reader struct {
	model   *pbx.Model
	cutting pbx.Cutting
	format  formats.Parser
	// site is the zone that people at the site live in; the PBX's clock may show
	// another.
	site *time.Location
	now  func() time.Time
}

// NewReader makes the reader of a link. The error says what is wrong with its
// settings.
func NewReader(s pbx.Settings) (*Reader, error) {
	model, ok := pbx.Lookup(s.Model)
	if !ok {
		return nil, fmt.Errorf("no model %q", s.Model)
	}
	link, err := kit.NewLink(s)
	if err != nil {
		return nil, err
	}
	cutting, err := s.Cutting()
	if err != nil {
		return nil, err
	}
	newFormat, ok := registry[s.Model]
	if !ok {
		return nil, fmt.Errorf("this version does not understand the tickets of %s", s.Model)
	}
	format, err := newFormat(link)
	if err != nil {
		return nil, err
	}
	site, err := pbx.Location(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", s.Timezone, err)
	}
	return &Reader{model: model, cutting: cutting, format: format, site: site, now: time.Now}, nil
}

// Read answers a message: a CDR, ignored or dead for each of its tickets. The
// receipt points into the message's payload.
func (r *Reader) Read(m *bus.TicketMessage) *trunklinev1.CdrBatch {
	batch := newReceipt(m, r.now())
	if m.Incomplete != "" {
		// What is left of a ticket stands where the message begins.
		batch.add(dead(m, m.Offset, m.Payload, m.Incomplete, incompleteText(m.Incomplete)))
		return batch.CdrBatch
	}
	ticket := formats.Ticket{Preamble: m.Preamble, Near: m.Near()}
	err := cut.Each(r.cutting.Split, m.Payload, func(at int, raw []byte) bool {
		ticket.Raw = raw
		terminated := r.cutting.Unterminated || cut.Terminated(m.Payload, at+len(raw))
		position, err := m.Position(at, raw)
		if err != nil {
			batch.add(dead(m, fmt.Sprintf("%s+%d", m.Offset, at), raw, ReasonNoKey, err.Error()))
			return true
		}
		r.read(batch, m, position, &ticket, terminated)
		return true
	})
	if err != nil {
		batch.add(dead(m, m.Offset, m.Payload, ReasonHeaders, err.Error()))
	}
	return batch.CdrBatch
}

func (r *Reader) read(batch *receipt, m *bus.TicketMessage, position string, t *formats.Ticket, terminated bool) {
	cdr := new(trunklinev1.Cdr)
	result := r.parse(t, cdr)
	switch result.Outcome {
	case formats.CDR:
		if len(result.Key) > 0 {
			cdr.TicketId = identity.ByKey(m.Site, m.Link, result.Key...)
		} else {
			cdr.TicketId = m.TicketID(position)
		}
		cdr.Site, cdr.Link, cdr.Model = m.Site, m.Link, r.model.ID
		cdr.ReceivedTime, cdr.ParsedTime = batch.ReceivedTime, batch.ParsedTime
		cdr.ParserVersion = batch.ParserVersion
		_, offset := cdr.StartTime.AsTime().In(r.site).Zone()
		cdr.UtcOffsetSeconds = int32(offset)
		cdr.Raw, cdr.Position = t.Raw, text(position)
		if cdr.CallKey == "" {
			cdr.CallKey = cdr.TicketId
		}
		if cdr.StartTime.AsTime().After(m.Received.Add(5 * time.Minute)) {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_FUTURE_START)
		}
		if !terminated {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_UNTERMINATED)
		}
		batch.Cdrs = append(batch.Cdrs, cdr)
		batch.CdrCount++
		batch.TicketCount++
	case formats.Ignored:
		o := dead(m, position, t.Raw, result.Reason, "")
		o.Outcome = trunklinev1.Outcome_OUTCOME_IGNORED
		batch.add(o)
	default:
		batch.add(dead(m, position, t.Raw, result.Reason, result.Error))
	}
}

// parse contains a format's panic: it costs the one ticket.
func (r *Reader) parse(t *formats.Ticket, cdr *trunklinev1.Cdr) (result formats.Result) {
	defer func() {
		if p := recover(); p != nil {
			result = formats.Die(ReasonPanic, fmt.Sprintf("the format failed: %v at %s", p, where(debug.Stack())))
		}
	}()
	return r.format.Parse(t, cdr)
}

// where is the line of a format in a stack.
func where(stack []byte) string {
	for line := range strings.Lines(string(stack)) {
		if i := strings.Index(line, "/formats/"); i >= 0 && strings.Contains(line, ".go:") {
			line, _, _ = strings.Cut(line[i+1:], " ")
			return strings.TrimSpace(line)
		}
	}
	return "an unknown place"
}

// Bury answers a message whole as dead: one that nobody could read.
func Bury(m *bus.TicketMessage, reason, why string, now time.Time) *trunklinev1.CdrBatch {
	batch := newReceipt(m, now)
	batch.add(dead(m, m.Offset, m.Payload, reason, why))
	return batch.CdrBatch
}

type receipt struct{ *trunklinev1.CdrBatch }

func newReceipt(m *bus.TicketMessage, now time.Time) *receipt {
	b := &trunklinev1.CdrBatch{
		MessageId:     text(m.ID),
		ParserVersion: telemetry.Version,
		ReceivedTime:  timestamppb.New(m.Received),
		ParsedTime:    timestamppb.New(now),
		Site:          m.Site,
		Link:          m.Link,
		Model:         m.Model,
		ByteCount:     uint64(len(m.Payload)),
		Place: &trunklinev1.Place{
			Origin: text(m.Origin), Offset: text(m.Offset), Name: text(m.Name), Preamble: m.Preamble, Incomplete: text(m.Incomplete),
		},
	}
	if !m.Written.IsZero() {
		b.Place.WrittenTime = timestamppb.New(m.Written)
	}
	return &receipt{b}
}

func (b *receipt) add(o *trunklinev1.OtherTicket) {
	b.Others = append(b.Others, o)
	b.TicketCount++
	if o.Outcome == trunklinev1.Outcome_OUTCOME_IGNORED {
		b.IgnoredCount++
	} else {
		b.DeadCount++
	}
}

// text makes what came in a header or a row fit to stand in a receipt.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func dead(m *bus.TicketMessage, position string, raw []byte, reason, why string) *trunklinev1.OtherTicket {
	return &trunklinev1.OtherTicket{
		TicketId: m.TicketID(position),
		Outcome:  trunklinev1.Outcome_OUTCOME_DEAD,
		Reason:   text(reason),
		Error:    text(why),
		Raw:      raw,
		Position: text(position),
	}
}

func incompleteText(why string) string {
	switch why {
	case wire.IncompleteCutOff:
		return "the connection or file ended inside this ticket"
	case wire.IncompleteTooLong:
		return fmt.Sprintf("a piece of a line of more than %d bytes: no ticket is so long", wire.MaxTicket)
	}
	return "incomplete: " + why
}

// Split encodes a receipt, in parts that fit a message. The counts stay in part
// 0. A ticket that cannot be encoded becomes a dead one.
//
// Each ticket is encoded once, and the parts are put together from the bytes:
// fields of a message may stand in any order.
func Split(b *trunklinev1.CdrBatch) ([][]byte, error) {
	e := encoder{left: proto.Size(b) + headGrowth}
	for _, c := range b.Cdrs {
		if err := e.add(fieldCdrs, c); err != nil {
			b.CdrCount--
			b.DeadCount++
			o := &trunklinev1.OtherTicket{
				TicketId: c.TicketId, Outcome: trunklinev1.Outcome_OUTCOME_DEAD, Reason: ReasonNotText,
				Error: "the format gave a field that cannot be encoded: " + err.Error(), Raw: c.Raw, Position: c.Position,
			}
			e.left += proto.Size(o)
			b.Others = append(b.Others, o)
		}
	}
	for _, o := range b.Others {
		if err := e.add(fieldOthers, o); err != nil {
			return nil, err
		}
	}
	e.end()
	for i, part := range e.parts {
		head := &trunklinev1.CdrBatch{
			MessageId: b.MessageId, StreamSequence: b.StreamSequence, Revision: b.Revision, ParserVersion: b.ParserVersion,
			ReceivedTime: b.ReceivedTime, ParsedTime: b.ParsedTime, Site: b.Site, Link: b.Link, Model: b.Model,
			Part: uint32(i), Parts: uint32(len(e.parts)), Place: b.Place,
		}
		if i == 0 {
			head.TicketCount, head.CdrCount, head.IgnoredCount, head.DeadCount, head.ByteCount = b.TicketCount, b.CdrCount, b.IgnoredCount, b.DeadCount, b.ByteCount
		}
		var err error
		if e.parts[i], err = (proto.MarshalOptions{}).MarshalAppend(part, head); err != nil {
			return nil, err
		}
	}
	return e.parts, nil
}

var (
	batchFields = (&trunklinev1.CdrBatch{}).ProtoReflect().Descriptor().Fields()
	fieldCdrs   = batchFields.ByName("cdrs").Number()
	fieldOthers = batchFields.ByName("others").Number()
)

// encoder gathers encoded tickets in parts.
type encoder struct {
	parts [][]byte
	part  []byte
	// left is about what all that is not encoded yet takes.
	left int
}

const (
	// room is what a part has for tickets; the rest is for its head, whose preamble
	// and names are bounded.
	room = wire.MaxReceipt - wire.MaxPreamble - 16<<10
	// headGrowth is what a head has besides what its receipt has: its part's number.
	headGrowth = 16
)

// sized takes sizes from the last proto.Size of a receipt.
var sized = proto.MarshalOptions{UseCachedSize: true}

func (e *encoder) add(field protowire.Number, m proto.Message) error {
	size := sized.Size(m)
	if len(e.part) > 0 && len(e.part)+size > room {
		e.end()
	}
	if e.part == nil {
		e.part = make([]byte, 0, min(e.left, wire.MaxReceipt))
	}
	before := len(e.part)
	e.part = protowire.AppendTag(e.part, field, protowire.BytesType)
	e.part = protowire.AppendVarint(e.part, uint64(size))
	out, err := sized.MarshalAppend(e.part, m)
	if err != nil {
		e.part = e.part[:before]
		return err
	}
	e.left -= len(out) - before
	e.part = out
	return nil
}

// end closes a part; the first one exists also when it is empty.
func (e *encoder) end() {
	if len(e.part) > 0 || len(e.parts) == 0 {
		e.parts = append(e.parts, e.part)
		e.part = nil
	}
}
