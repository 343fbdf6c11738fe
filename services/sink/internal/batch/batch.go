// Package batch gathers receipts into blocks of rows.
package batch

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx/identity"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink/internal/rows"
)

// Batch is what one insert into each table takes, and the messages to
// acknowledge for it.
type Batch struct {
	Cdrs     *rows.Block[rows.Cdr]
	Others   *rows.Block[rows.Other]
	Receipts *rows.Block[*v1.CdrBatch]
	Acts     *rows.Block[*v1.Act]

	// Messages are those whose rows are here.
	Messages []jetstream.Msg
	// Received are the times at which their tickets came in.
	Received []time.Time
	// Bytes of the messages.
	Bytes int
	// Unreadable receipts among the messages.
	Unreadable int
	// Redelivered messages among them.
	Redelivered int
	// Revised tells that there are rows of a replay.
	Revised bool
	// Pending is how many messages waited behind the last one.
	Pending uint64

	buried  []*v1.Cdr
	begun   []*v1.Act       // acts whose end had not come before: not in Acts yet
	ended   map[string]bool // ids of acts that are told to their end
	decoded v1.CdrBatch
	// peak is the largest that the batch has been in bytes.
	peak int
}

// New makes an empty batch.
func New() *Batch {
	return &Batch{
		Cdrs: rows.NewCdrs(), Others: rows.NewOthers(), Receipts: rows.NewReceipts(), Acts: rows.NewActs(), ended: make(map[string]bool),
	}
}

// Len is how many messages there are.
func (b *Batch) Len() int { return len(b.Messages) }

// Rows is how many rows there are, in all tables.
func (b *Batch) Rows() int {
	return b.Cdrs.Rows() + b.Others.Rows() + b.Receipts.Rows() + b.Acts.Rows()
}

// Largest is how many rows the largest block has.
func (b *Batch) Largest() int { return max(b.Cdrs.Rows(), b.Others.Rows(), b.Receipts.Rows()) }

// Add takes a message in; false for a receipt of a newer schema, which is left
// alone.
func (b *Batch) Add(m jetstream.Msg) bool {
	readable := decode(m, &b.decoded)
	if readable && rows.Newer(&b.decoded) {
		return false
	}
	for _, c := range b.decoded.Cdrs {
		b.Cdrs.Add(rows.Cdr{Cdr: c, MessageID: b.decoded.MessageId})
		b.Revised = b.Revised || c.Revision > 0
	}
	for _, o := range b.decoded.Others {
		b.Others.Add(rows.Other{OtherTicket: o, Receipt: &b.decoded})
		b.Revised = b.Revised || b.decoded.Revision > 0
	}
	b.Revised = b.Revised || len(b.decoded.FormerIds) > 0
	switch {
	case !readable:
		b.Unreadable++
	case b.decoded.Act != nil:
		b.act(b.decoded.Act)
	case len(b.decoded.FormerIds) > 0:
		// The message has its receipt of this revision.
	default:
		b.Receipts.Add(&b.decoded)
	}
	if meta, err := m.Metadata(); err == nil {
		b.Pending = meta.NumPending
		if meta.NumDelivered > 1 {
			b.Redelivered++
		}
	}
	b.Messages = append(b.Messages, m)
	b.Received = append(b.Received, b.decoded.ReceivedTime.AsTime())
	b.Bytes += len(m.Data())
	return true
}

// act takes an act in. Its begin and its end are one row, the later of which counts;
// parsers may pass them on the other way round.
func (b *Batch) act(a *v1.Act) {
	if a.After == "" {
		b.begun = append(b.begun, proto.CloneOf(a))
		return
	}
	b.ended[a.Id] = true
	b.Acts.Add(a)
}

// Begun are the ids of acts that the batch tells only the begin of.
func (b *Batch) Begun() (ids []string) {
	for _, a := range b.begun {
		if !b.ended[a.Id] {
			ids = append(ids, a.Id)
		}
	}
	return ids
}

// Begin adds the rows of acts that the batch tells only the begin of, but for those
// whose end stands already.
func (b *Batch) Begin(stands map[string]bool) {
	for _, a := range b.begun {
		if !b.ended[a.Id] && !stands[a.Id] {
			b.Acts.Add(a)
		}
	}
	b.begun = nil
}

// Each decodes the messages again, in their order. What it yields is good until
// the next one.
func (b *Batch) Each() iter.Seq2[jetstream.Msg, *v1.CdrBatch] {
	return func(yield func(jetstream.Msg, *v1.CdrBatch) bool) {
		for _, m := range b.Messages {
			decode(m, &b.decoded)
			if !yield(m, &b.decoded) {
				return
			}
		}
	}
}

// Bury adds a tombstone.
func (b *Batch) Bury(c *v1.Cdr) {
	b.buried = append(b.buried, c)
	b.Cdrs.Add(rows.Cdr{Cdr: c, Gone: true})
}

// Tombstones are the last rows of Cdrs.
func (b *Batch) Tombstones() int { return len(b.buried) }

// EachCdr yields the rows of Cdrs again, in their order. A row is good until the
// next one.
func (b *Batch) EachCdr() iter.Seq2[int, rows.Cdr] {
	return func(yield func(int, rows.Cdr) bool) {
		i := 0
		for _, receipt := range b.Each() {
			for _, c := range receipt.Cdrs {
				if !yield(i, rows.Cdr{Cdr: c, MessageID: receipt.MessageId}) {
					return
				}
				i++
			}
		}
		for _, c := range b.buried {
			if !yield(i, rows.Cdr{Cdr: c, Gone: true}) {
				return
			}
			i++
		}
	}
}

// large is the size from which a batch gives its memory back once it has become
// quiet.
const large = 4 << 20

// Reset empties the batch.
func (b *Batch) Reset() *Batch {
	peak := max(b.peak, b.Bytes)
	if peak > large && b.Bytes < peak/16 {
		return New()
	}
	b.Cdrs.Reset()
	b.Others.Reset()
	b.Receipts.Reset()
	b.Acts.Reset()
	b.decoded.Reset()
	clear(b.Messages)
	clear(b.ended)
	*b = Batch{
		Cdrs: b.Cdrs, Others: b.Others, Receipts: b.Receipts, Acts: b.Acts, ended: b.ended,
		Messages: b.Messages[:0], Received: b.Received[:0], peak: peak,
	}
	return b
}

// ReasonUnreadable is the reason of a receipt that is no CdrBatch.
const ReasonUnreadable = "unreadable_receipt"

// decode reads a message. One that is no receipt becomes the receipt of one dead
// ticket that holds its bytes, and is not readable.
func decode(m jetstream.Msg, into *v1.CdrBatch) (readable bool) {
	err := proto.Unmarshal(m.Data(), into)
	a, known := wire.ParseSubject(m.Subject())
	if err == nil && into.Act == nil && (into.Site == "" || into.MessageId == "") {
		err = errors.New("it names no site or no message")
	}
	if err == nil {
		return true
	}
	if !known {
		a = wire.Address{}
	}
	id := m.Headers().Get(jetstream.MsgIDHeader)
	received := time.Time{}
	sequence := uint64(0)
	if meta, err := m.Metadata(); err == nil {
		received, sequence = meta.Timestamp, meta.Sequence.Stream
	}
	unreadable(into, a, id, m.Subject(), m.Data(), sequence, received, err)
	return false
}

func unreadable(into *v1.CdrBatch, a wire.Address, id, subject string, data []byte, sequence uint64, received time.Time, err error) {
	into.Reset()
	into.Site, into.Link, into.Model = a.Site, a.Link, a.Model
	into.MessageId = id
	into.ReceivedTime = timestamp(received)
	into.Place = &v1.Place{Origin: "stream:" + wire.StreamCdrs, Offset: fmt.Sprint(sequence), Name: subject}
	into.Others = []*v1.OtherTicket{{
		TicketId: identity.Message(a.Site, a.Link, "stream:"+wire.StreamCdrs, id, data),
		Outcome:  v1.Outcome_OUTCOME_DEAD,
		Reason:   ReasonUnreadable,
		Error:    err.Error(),
		Raw:      data,
	}}
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
