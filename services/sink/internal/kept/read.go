package kept

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/services/sink/internal/clickhouse"
)

// Ticket as it stands.
type Ticket struct {
	ID string
	// Call tells a call from what is set aside, whose Reason tells why and Dead
	// whether it was understood.
	Call, Dead bool
	Reason     string
	// Start of a call.
	Start    time.Time
	Position string
	Raw      []byte

	message      string
	received     int64 // microseconds
	unterminated bool
	place        *place
}

// place of a message.
type place struct {
	origin, name, preamble, incomplete string
	written                            int64 // microseconds, 0: none
}

// receipt of a message.
type receipt struct {
	place    place
	revision uint32 // the highest
}

// whereSlice adds a slice to the condition of a selection.
func (s Selection) whereSlice(table string, sl slice) (string, error) {
	s.From, s.To = time.UnixMicro(sl.from), time.UnixMicro(sl.to)
	where, err := s.where(table)
	if table == calls {
		where += fmt.Sprintf(" AND start_time >= fromUnixTimestamp64Milli(%d, 'UTC') AND start_time <= fromUnixTimestamp64Milli(%d, 'UTC')", sl.starts[0], sl.starts[1])
	}
	return where, err
}

func (r Reader) calls(ctx context.Context, s Selection, sl slice) (out []*Ticket, err error) {
	if sl.calls == 0 {
		return nil, nil
	}
	where, err := s.whereSlice(calls, sl)
	if err != nil {
		return nil, err
	}
	var id, position, message, raw proto.ColStr
	var received, start proto.ColInt64
	var unterminated proto.ColUInt8
	sql := fmt.Sprintf(`SELECT ticket_id, position, message_id, raw, toUnixTimestamp64Micro(received_time) AS received, toUnixTimestamp64Milli(start_time) AS start,
		toUInt8(has(warnings, 'UNTERMINATED')) AS unterminated FROM %s FINAL WHERE %s`, r.Table(calls), where)
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "ticket_id", Data: &id},
		{Name: "position", Data: &position},
		{Name: "message_id", Data: &message},
		{Name: "raw", Data: &raw},
		{Name: "received", Data: &received},
		{Name: "start", Data: &start},
		{Name: "unterminated", Data: &unterminated},
	}, func() error {
		for i := range start.Rows() {
			out = append(out, &Ticket{
				ID: id.Row(i), Call: true, Start: time.UnixMilli(start[i]).UTC(), Position: position.Row(i), Raw: []byte(raw.Row(i)),
				message: message.Row(i), received: received[i], unterminated: unterminated[i] == 1,
			})
		}
		return nil
	}, final)
	if err != nil {
		return nil, fmt.Errorf("kept calls: %w", err)
	}
	return out, nil
}

func (r Reader) others(ctx context.Context, s Selection, sl slice) (out []*Ticket, err error) {
	where, err := s.whereSlice(others, sl)
	if err != nil {
		return nil, err
	}
	var id, outcome, reason, position, message, raw, origin, name, preamble, incomplete proto.ColStr
	var received, written proto.ColInt64
	sql := fmt.Sprintf(`SELECT ticket_id, CAST(outcome AS String) AS outcome_, CAST(reason AS String) AS reason_, position, message_id, raw,
		origin, name, preamble, CAST(incomplete AS String) AS incomplete_,
		toUnixTimestamp64Micro(received_time) AS received, toUnixTimestamp64Micro(written_time) AS written FROM %s FINAL WHERE %s`, r.Table(others), where)
	err = r.Conn.Query(ctx, sql, proto.Results{
		{Name: "ticket_id", Data: &id},
		{Name: "outcome_", Data: &outcome},
		{Name: "reason_", Data: &reason},
		{Name: "position", Data: &position},
		{Name: "message_id", Data: &message},
		{Name: "raw", Data: &raw},
		{Name: "origin", Data: &origin},
		{Name: "name", Data: &name},
		{Name: "preamble", Data: &preamble},
		{Name: "incomplete_", Data: &incomplete},
		{Name: "received", Data: &received},
		{Name: "written", Data: &written},
	}, func() error {
		for i := range received.Rows() {
			out = append(out, &Ticket{
				ID: id.Row(i), Dead: outcome.Row(i) != "IGNORED", Reason: reason.Row(i), Position: position.Row(i), Raw: []byte(raw.Row(i)),
				message: message.Row(i), received: received[i],
				place: &place{origin: origin.Row(i), name: name.Row(i), preamble: preamble.Row(i), incomplete: incomplete.Row(i), written: written[i]},
			})
		}
		return nil
	}, final)
	if err != nil {
		return nil, fmt.Errorf("kept tickets that are no calls: %w", err)
	}
	return out, nil
}

// receipts of a link's messages that were received in a slice.
func (r Reader) receipts(ctx context.Context, s Selection, sl slice) (map[string]*receipt, error) {
	var id, origin, name, preamble proto.ColStr
	var written proto.ColInt64
	var revision proto.ColUInt32
	sql := fmt.Sprintf(`SELECT message_id, origin, name, CAST(preamble AS String) AS preamble_, toUnixTimestamp64Micro(written_time) AS written, revision
		FROM %s WHERE site = %s AND link = %s AND toDate(received_time) >= toDate(%s) AND toDate(received_time) <= toDate(%s)
		AND received_time >= %[4]s AND received_time < %[5]s AND part = 0`,
		r.Table("receipts"), clickhouse.Text(s.Site), clickhouse.Text(s.Link), moment(sl.from), moment(sl.to))
	all := make(map[string]*receipt)
	err := r.Conn.Query(ctx, sql, proto.Results{
		{Name: "message_id", Data: &id},
		{Name: "origin", Data: &origin},
		{Name: "name", Data: &name},
		{Name: "preamble_", Data: &preamble},
		{Name: "written", Data: &written},
		{Name: "revision", Data: &revision},
	}, func() error {
		for i := range written.Rows() {
			key := id.Row(i)
			one := all[key]
			if one == nil {
				one = &receipt{place: place{origin: origin.Row(i), name: name.Row(i), preamble: preamble.Row(i), written: written[i]}}
				all[key] = one
			}
			if one.place.preamble == "" { // an older sink did not keep it
				one.place.preamble = preamble.Row(i)
			}
			one.revision = max(one.revision, revision[i])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("receipts of kept tickets: %w", err)
	}
	return all, nil
}

// byteAt is the position of a ticket in bytes; false for a row's key.
func (t *Ticket) byteAt() (int64, bool) {
	n, err := strconv.ParseInt(t.Position, 10, 64)
	return n, err == nil && identity.Position(n) == t.Position
}
