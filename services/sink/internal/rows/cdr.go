package rows

import (
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "trunkline.internal/proto/trunkline/v1"
)

// Cdr is a row of the table cdrs.
type Cdr struct {
	*v1.Cdr
	// MessageID is of the ticket's message.
	MessageID string
	// Gone makes the row a tombstone: the call under this key is no more.
	Gone bool
}

// NewCdrs makes a block of cdrs: a column for each field of the message, by its
// name.
func NewCdrs() *Block[Cdr] {
	return newBlock("cdrs", []column[Cdr]{
		text("ticket_id", func(r Cdr) string { return r.TicketId }),
		word("site", func(r Cdr) string { return r.Site }),
		word("link", func(r Cdr) string { return r.Link }),
		word("model", func(r Cdr) string { return r.Model }),
		micros("received_time", func(r Cdr) *timestamppb.Timestamp { return r.ReceivedTime }),
		micros("parsed_time", func(r Cdr) *timestamppb.Timestamp { return r.ParsedTime }),
		word("parser_version", func(r Cdr) string { return r.ParserVersion }),
		number("revision", func(r Cdr) uint32 { return r.Revision }),
		text("position", func(r Cdr) string { return r.Position }),
		text("message_id", func(r Cdr) string { return r.MessageID }),
		text("call_key", func(r Cdr) string { return r.CallKey }),
		enum("record_role", func(r Cdr) v1.RecordRole { return r.RecordRole }),
		enum("direction", func(r Cdr) v1.Direction { return r.Direction }),
		enum("network", func(r Cdr) v1.Network { return r.Network }),
		enum("disposition", func(r Cdr) v1.Disposition { return r.Disposition }),
		millis("start_time", func(r Cdr) *timestamppb.Timestamp { return r.StartTime }),
		millis("end_time", func(r Cdr) *timestamppb.Timestamp { return r.EndTime }),
		number("time_precision_seconds", func(r Cdr) uint32 { return r.TimePrecisionSeconds }),
		number("ring_seconds", func(r Cdr) uint32 { return r.RingSeconds }),
		number("talk_seconds", func(r Cdr) uint32 { return r.TalkSeconds }),
		number("line_seconds", func(r Cdr) uint32 { return r.LineSeconds }),
		number("hold_seconds", func(r Cdr) uint32 { return r.HoldSeconds }),
		number("queue_seconds", func(r Cdr) uint32 { return r.QueueSeconds }),
		signed("utc_offset_seconds", func(r Cdr) int32 { return r.UtcOffsetSeconds }),
		text("calling_number", func(r Cdr) string { return r.CallingNumber }),
		text("calling_name", func(r Cdr) string { return r.CallingName }),
		text("called_number", func(r Cdr) string { return r.CalledNumber }),
		text("called_name", func(r Cdr) string { return r.CalledName }),
		text("dialed_number", func(r Cdr) string { return r.DialedNumber }),
		text("did", func(r Cdr) string { return r.Did }),
		text("extension", func(r Cdr) string { return r.Extension }),
		text("extension_name", func(r Cdr) string { return r.ExtensionName }),
		text("group_number", func(r Cdr) string { return r.GroupNumber }),
		text("group_name", func(r Cdr) string { return r.GroupName }),
		text("external_number", func(r Cdr) string { return r.ExternalNumber }),
		text("external_e164", func(r Cdr) string { return r.ExternalE164 }),
		flag("masked", func(r Cdr) bool { return r.Masked }),
		text("trunk", func(r Cdr) string { return r.Trunk }),
		text("trunk_group", func(r Cdr) string { return r.TrunkGroup }),
		text("trunk_out", func(r Cdr) string { return r.TrunkOut }),
		text("account_code", func(r Cdr) string { return r.AccountCode }),
		text("charged_to", func(r Cdr) string { return r.ChargedTo }),
		enum("charge_class", func(r Cdr) v1.ChargeClass { return r.ChargeClass }),
		text("cost_center", func(r Cdr) string { return r.CostCenter }),
		text("department", func(r Cdr) string { return r.Department }),
		text("subsidiary", func(r Cdr) string { return r.Subsidiary }),
		text("node", func(r Cdr) string { return r.Node }),
		text("call_id", func(r Cdr) string { return r.CallId }),
		text("leg_id", func(r Cdr) string { return r.LegId }),
		flag("more_legs", func(r Cdr) bool { return r.MoreLegs }),
		text("sequence", func(r Cdr) string { return r.Sequence }),
		text("transferred_from", func(r Cdr) string { return r.TransferredFrom }),
		text("transferred_to", func(r Cdr) string { return r.TransferredTo }),
		text("redirected_from", func(r Cdr) string { return r.RedirectedFrom }),
		number("charge_units", func(r Cdr) uint32 { return r.ChargeUnits }),
		text("charge_amount", func(r Cdr) string { return r.ChargeAmount }),
		word("charge_currency", func(r Cdr) string { return r.ChargeCurrency }),
		number("hangup_cause", func(r Cdr) uint32 { return r.HangupCause }),
		flag("provisional", func(r Cdr) bool { return r.Provisional }),
		attributes(),
		blob("raw", func(r Cdr) []byte { return r.Raw }),
		warnings(),
		mark("gone", func(r Cdr) bool { return r.Gone }),
	})
}

// attributes are written in the order of their names, so that one CDR has one
// encoding.
func attributes() column[Cdr] {
	data := proto.NewMap[string, string](proto.NewLowCardinality[string](new(proto.ColStr)), new(proto.ColStr))
	var pairs []proto.KV[string, string]
	return column[Cdr]{"attributes", data, func(r Cdr) {
		pairs = pairs[:0]
		for k, v := range r.Attributes {
			pairs = append(pairs, proto.KV[string, string]{Key: k, Value: v})
		}
		slices.SortFunc(pairs, func(a, b proto.KV[string, string]) int { return strings.Compare(a.Key, b.Key) })
		data.AppendKV(pairs)
	}}
}

func warnings() column[Cdr] {
	names := enumNames[v1.Warning]()
	data := proto.NewLowCardinality[string](new(proto.ColStr)).Array()
	var list []string
	return column[Cdr]{"warnings", data, func(r Cdr) {
		list = list[:0]
		for _, w := range r.Warnings {
			list = append(list, names[w.Number()])
		}
		data.Append(list)
	}}
}
