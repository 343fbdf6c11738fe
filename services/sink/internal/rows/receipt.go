package rows

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "trunkline.internal/proto/trunkline/v1"
)

// Other is a row of the table other_tickets: a ticket, and the receipt that
// tells of it.
type Other struct {
	*v1.OtherTicket
	Receipt *v1.CdrBatch
	// Gone makes the row a tombstone: a replay made a call of the ticket.
	Gone bool
}

// NewOthers makes a block of other_tickets.
func NewOthers() *Block[Other] {
	return newBlock("other_tickets", []column[Other]{
		text("ticket_id", func(r Other) string { return r.TicketId }),
		word("site", func(r Other) string { return r.Receipt.Site }),
		word("link", func(r Other) string { return r.Receipt.Link }),
		word("model", func(r Other) string { return r.Receipt.Model }),
		enum("outcome", func(r Other) v1.Outcome { return r.Outcome }),
		word("reason", func(r Other) string { return r.Reason }),
		text("error", func(r Other) string { return r.Error }),
		blob("raw", func(r Other) []byte { return r.Raw }),
		text("position", func(r Other) string { return r.Position }),
		text("origin", func(r Other) string { return r.Receipt.GetPlace().GetOrigin() }),
		text("offset", func(r Other) string { return r.Receipt.GetPlace().GetOffset() }),
		text("name", func(r Other) string { return r.Receipt.GetPlace().GetName() }),
		blob("preamble", func(r Other) []byte { return r.Receipt.GetPlace().GetPreamble() }),
		word("incomplete", func(r Other) string { return r.Receipt.GetPlace().GetIncomplete() }),
		micros("written_time", func(r Other) *timestamppb.Timestamp { return r.Receipt.GetPlace().GetWrittenTime() }),
		micros("received_time", func(r Other) *timestamppb.Timestamp { return r.Receipt.ReceivedTime }),
		micros("parsed_time", func(r Other) *timestamppb.Timestamp { return r.Receipt.ParsedTime }),
		text("message_id", func(r Other) string { return r.Receipt.MessageId }),
		long("stream_sequence", func(r Other) uint64 { return r.Receipt.StreamSequence }),
		word("parser_version", func(r Other) string { return r.Receipt.ParserVersion }),
		number("revision", func(r Other) uint32 { return r.Receipt.Revision }),
		mark("gone", func(r Other) bool { return r.Gone }),
	})
}

// NewReceipts makes a block of receipts.
func NewReceipts() *Block[*v1.CdrBatch] {
	return newBlock("receipts", []column[*v1.CdrBatch]{
		text("message_id", (*v1.CdrBatch).GetMessageId),
		long("stream_sequence", (*v1.CdrBatch).GetStreamSequence),
		word("site", (*v1.CdrBatch).GetSite),
		word("link", (*v1.CdrBatch).GetLink),
		word("model", (*v1.CdrBatch).GetModel),
		micros("received_time", (*v1.CdrBatch).GetReceivedTime),
		micros("parsed_time", (*v1.CdrBatch).GetParsedTime),
		word("parser_version", (*v1.CdrBatch).GetParserVersion),
		number("revision", (*v1.CdrBatch).GetRevision),
		number("part", (*v1.CdrBatch).GetPart),
		number("parts", (*v1.CdrBatch).GetParts),
		number("ticket_count", (*v1.CdrBatch).GetTicketCount),
		number("cdr_count", (*v1.CdrBatch).GetCdrCount),
		number("ignored_count", (*v1.CdrBatch).GetIgnoredCount),
		number("dead_count", (*v1.CdrBatch).GetDeadCount),
		long("byte_count", (*v1.CdrBatch).GetByteCount),
		text("origin", func(r *v1.CdrBatch) string { return r.GetPlace().GetOrigin() }),
		text("offset", func(r *v1.CdrBatch) string { return r.GetPlace().GetOffset() }),
		text("name", func(r *v1.CdrBatch) string { return r.GetPlace().GetName() }),
		word("preamble", func(r *v1.CdrBatch) string { return string(r.GetPlace().GetPreamble()) }),
		micros("written_time", func(r *v1.CdrBatch) *timestamppb.Timestamp { return r.GetPlace().GetWrittenTime() }),
		idList("ticket_ids", func(r *v1.CdrBatch, add func(string)) {
			for _, c := range r.Cdrs {
				add(c.TicketId)
			}
			for _, o := range r.Others {
				add(o.TicketId)
			}
		}),
	})
}

// NewActs makes a block of audit.
func NewActs() *Block[*v1.Act] {
	return newBlock("audit", []column[*v1.Act]{
		text("id", (*v1.Act).GetId),
		millis("time", (*v1.Act).GetTime),
		text("who", (*v1.Act).GetWho),
		word("what", (*v1.Act).GetWhat),
		text("object", (*v1.Act).GetObject),
		text("before", (*v1.Act).GetBefore),
		text("after", (*v1.Act).GetAfter),
		word("site", (*v1.Act).GetSite),
		word("link", (*v1.Act).GetLink),
	})
}
