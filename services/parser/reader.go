package parser

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

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
	"trunkline.internal/services/parser/formats/asterisk"
	"trunkline.internal/services/parser/formats/avaya"
	"trunkline.internal/services/parser/formats/cucm"
	"trunkline.internal/services/parser/formats/kit"
	"trunkline.internal/services/parser/formats/mitel3300"
	"trunkline.internal/services/parser/formats/panasonic"
)

// registry says which format understands a model.
var registry = map[string]func(*kit.Link) (formats.Parser, error){
	"asterisk":       asterisk.New,
	"avaya-ipoffice": avaya.New,
	"cisco-cucm":     cucm.New,
	"mitel-3300":     mitel3300.New,
	"panasonic-kx":   panasonic.New,
}

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
	model  *pbx.Model
	format formats.Parser
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
	newFormat, ok := registry[s.Model]
	if !ok {
		return nil, fmt.Errorf("this version does not understand the tickets of %s", s.Model)
	}
	format, err := newFormat(link)
	if err != nil {
		return nil, err
	}
	site, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", s.Timezone, err)
	}
	return &Reader{model: model, format: format, site: site, now: time.Now}, nil
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
	err := cut.Each(r.model.Split, m.Payload, func(at int, raw []byte) bool {
		ticket.Raw = raw
		position, err := m.Position(at, raw)
		if err != nil {
			batch.add(dead(m, fmt.Sprintf("%s+%d", m.Offset, at), raw, ReasonNoKey, err.Error()))
			return true
		}
		r.read(batch, m, position, &ticket)
		return true
	})
	if err != nil {
		batch.add(dead(m, m.Offset, m.Payload, ReasonHeaders, err.Error()))
	}
	return batch.CdrBatch
}

func (r *Reader) read(batch *receipt, m *bus.TicketMessage, position string, t *formats.Ticket) {
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
		cdr.Raw = t.Raw
		if cdr.CallKey == "" {
			cdr.CallKey = cdr.TicketId
		}
		if cdr.StartTime.AsTime().After(m.Received.Add(5 * time.Minute)) {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_FUTURE_START)
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
func Bury(m *bus.TicketMessage, reason, text string, now time.Time) *trunklinev1.CdrBatch {
	batch := newReceipt(m, now)
	batch.add(dead(m, m.Offset, m.Payload, reason, text))
	return batch.CdrBatch
}

type receipt struct{ *trunklinev1.CdrBatch }

func newReceipt(m *bus.TicketMessage, now time.Time) *receipt {
	b := &trunklinev1.CdrBatch{
		MessageId:     m.ID,
		ParserVersion: telemetry.Version,
		ReceivedTime:  timestamppb.New(m.Received),
		ParsedTime:    timestamppb.New(now),
		Site:          m.Site,
		Link:          m.Link,
		Model:         m.Model,
		ByteCount:     uint64(len(m.Payload)),
		Place: &trunklinev1.Place{
			Origin: m.Origin, Offset: m.Offset, Name: strings.ToValidUTF8(m.Name, "\uFFFD"), Preamble: m.Preamble, Incomplete: m.Incomplete,
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

func dead(m *bus.TicketMessage, position string, raw []byte, reason, text string) *trunklinev1.OtherTicket {
	return &trunklinev1.OtherTicket{
		TicketId: m.TicketID(position),
		Outcome:  trunklinev1.Outcome_OUTCOME_DEAD,
		Reason:   reason,
		Error:    strings.ToValidUTF8(text, "\uFFFD"),
		Raw:      raw,
		Position: position,
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

// Split cuts a receipt into parts that fit a message. The counts stay in part 0.
// A ticket that cannot be encoded becomes a dead one.
func Split(b *trunklinev1.CdrBatch) ([][]byte, error) {
	sound(b)
	size := proto.Size(b)
	if size <= wire.MaxReceipt {
		b.Parts = 1
		out, err := proto.Marshal(b)
		return [][]byte{out}, err
	}
	var parts []*trunklinev1.CdrBatch
	var part *trunklinev1.CdrBatch
	left := 0
	room := func(n int) {
		if part != nil && n <= left {
			left -= n
			return
		}
		part = &trunklinev1.CdrBatch{
			MessageId: b.MessageId, StreamSequence: b.StreamSequence, Revision: b.Revision, ParserVersion: b.ParserVersion,
			ReceivedTime: b.ReceivedTime, ParsedTime: b.ParsedTime, Site: b.Site, Link: b.Link, Model: b.Model,
			Part: uint32(len(parts)), Place: b.Place,
		}
		if len(parts) == 0 {
			part.TicketCount, part.CdrCount, part.IgnoredCount, part.DeadCount, part.ByteCount = b.TicketCount, b.CdrCount, b.IgnoredCount, b.DeadCount, b.ByteCount
		}
		parts = append(parts, part)
		left = wire.MaxReceipt - proto.Size(part) - 64 - n
	}
	const frame = 8 // a field's tag and length
	for _, c := range b.Cdrs {
		room(proto.Size(c) + frame)
		part.Cdrs = append(part.Cdrs, c)
	}
	for _, o := range b.Others {
		room(proto.Size(o) + frame)
		part.Others = append(part.Others, o)
	}
	out := make([][]byte, len(parts))
	for i, p := range parts {
		p.Parts = uint32(len(parts))
		var err error
		if out[i], err = proto.Marshal(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sound turns CDRs that hold no text where text must be into dead tickets: a
// format's bug must not cost the neighbours.
func sound(b *trunklinev1.CdrBatch) {
	good := b.Cdrs[:0]
	for _, c := range b.Cdrs {
		if _, err := proto.Marshal(c); err != nil {
			b.Others = append(b.Others, &trunklinev1.OtherTicket{
				TicketId: c.TicketId, Outcome: trunklinev1.Outcome_OUTCOME_DEAD, Reason: ReasonNotText,
				Error: "the format gave a field that is no UTF-8", Raw: c.Raw,
			})
			b.CdrCount--
			b.DeadCount++
			continue
		}
		good = append(good, c)
	}
	b.Cdrs = good
}
